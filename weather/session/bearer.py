"""Bearer tokens (RFC 6750): fixed ones, and JWTs (RFC 7519) checked against a published key set (RFC 7517).

No token, nor any part of one, goes into a log line, a message or a chained exception.
"""

from __future__ import annotations

import asyncio
import codecs
import hashlib
import hmac
import json
import logging
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import jwt

from weather.config import KIB, MIB, MINUTES, SECONDS, Settings
from weather.errors import Refusal, SettingError

log = logging.getLogger(__name__)

ALGORITHMS = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
    "EdDSA": ("OKP", "Ed25519"),
}
"""Algorithm → the key type and curve it needs (RFC 7518, RFC 8037). Asymmetric only: RFC 8725 section 3.1."""

PUBLIC_MEMBERS = ("kty", "crv", "n", "e", "x", "y")
MAX_TOKEN_BYTES = 8 * KIB
MAX_KEY_SET_BYTES = MIB
MAX_KEYS = 100
LEEWAY_S = 10
FILE_CHECK_S = 1 * SECONDS
FETCH_TIMEOUT_S = 5 * SECONDS
KEYS_FRESH_S = 10 * MINUTES
REFETCH_S = 30 * SECONDS
FIRST_FETCH_RETRY_S = 5 * SECONDS

Clock = Callable[[], float]


class SigningKey(NamedTuple):
    kid: str | None
    algorithm: str
    jwk: jwt.PyJWK


def challenge(**parameters: str) -> dict[str, str]:
    """The `WWW-Authenticate` header of RFC 6750 section 3."""
    parts = {"realm": "weather", **parameters}
    return {"www-authenticate": "Bearer " + ", ".join(f'{name}="{value}"' for name, value in parts.items())}


def invalid(description: str = "The access token is not valid") -> Refusal:
    headers = challenge(error="invalid_token", error_description=description)
    return Refusal(401, "token_invalid", f"{description}.", headers)


def presented(authorization: Sequence[bytes], query: bytes) -> bytes:
    """The token of the one `Authorization: Bearer` header (RFC 6750 section 2.1); raises Refusal."""
    if len(authorization) > 1:
        message = "Send one Authorization header, not several."
        raise Refusal(400, "token_invalid", message, challenge(error="invalid_request"))
    scheme, _, rest = b"".join(authorization).partition(b" ")
    token = rest.strip()
    if scheme.lower() != b"bearer" or not token:
        message = "Send the header 'Authorization: Bearer <token>'"
        in_query = any(part.startswith(b"access_token=") for part in query.split(b"&"))
        message += "; a token in the query string is not accepted." if in_query else "."
        raise Refusal(401, "token_missing", message, challenge())
    if len(token) > MAX_TOKEN_BYTES:
        raise invalid(f"The access token is longer than {MAX_TOKEN_BYTES} bytes")
    return token


def digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()


def is_among(token: bytes, digests: Iterable[bytes]) -> bool:
    """Compares with every digest, so that the time taken does not tell which one fits, or how far."""
    ours = digest(token)
    return sum(hmac.compare_digest(ours, theirs) for theirs in digests) > 0


def granted(claims: Mapping[str, Any]) -> set[str]:
    """What `scope` (RFC 8693 section 4.2, a string) and `scp` (some issuers' name, a string or list) hold."""
    found = (claims.get("scope"), claims.get("scp"))
    parts = (claim.split() if isinstance(claim, str) else claim for claim in found)
    return {scope for part in parts if isinstance(part, list) for scope in part if isinstance(scope, str)}


def fits(jwk: Mapping[str, Any], algorithm: str) -> bool:
    """Whether the key's type, curve, and own `alg` and `use` (RFC 7517 section 4) allow that algorithm."""
    kty, crv = ALGORITHMS[algorithm]
    kind = jwk.get("kty") == kty and (crv is None or jwk.get("crv") == crv)
    return kind and jwk.get("alg", algorithm) == algorithm and jwk.get("use", "sig") == "sig"


def key_for(jwk: Mapping[str, Any], algorithm: str) -> SigningKey | None:
    """None for what is no usable key. Private members, which should not be there, are left behind."""
    kid = jwk.get("kid")
    if not (kid is None or isinstance(kid, str)) or not fits(jwk, algorithm):
        return None
    public = {name: jwk[name] for name in PUBLIC_MEMBERS if name in jwk}
    try:
        return SigningKey(kid, algorithm, jwt.PyJWK(public, algorithm))
    except (jwt.PyJWTError, ValueError, KeyError):
        return None


def signing_keys(document: bytes) -> tuple[SigningKey, ...]:
    """One entry for each pair of key and algorithm; raises ValueError when the JWK set holds none."""
    parsed = json.loads(document)
    listed = parsed.get("keys") if isinstance(parsed, dict) else None
    jwks = [jwk for jwk in listed[:MAX_KEYS] if isinstance(jwk, dict)] if isinstance(listed, list) else []
    keys = tuple(key for jwk in jwks for algorithm in ALGORITHMS if (key := key_for(jwk, algorithm)))
    if not keys:
        raise ValueError("a JWK set with at least one public signing key was expected")
    return keys


class TokenFile:
    """Tokens, one in a line; blank lines and those that begin with # do not count."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path, self._clock = path, clock
        self._read_at = -math.inf
        self._digests: tuple[bytes, ...] = ()
        self._problem = ""

    def digests(self) -> tuple[bytes, ...]:
        """Those in the file at most a second ago: none while it cannot be read, which is logged once."""
        if self._clock() - self._read_at >= FILE_CHECK_S:
            self._read_at = self._clock()
            self._digests, problem = self._read()
            if problem and problem != self._problem:
                log.error("No token of MCP_AUTH_TOKENS_FILE passes: %s %s", self._path, problem)
            self._problem = problem
        return self._digests

    def _read(self) -> tuple[tuple[bytes, ...], str]:
        try:
            content = self._path.read_bytes().removeprefix(codecs.BOM_UTF8)
        except OSError as error:
            return (), f"cannot be read: {error.strerror}"
        lines = (line.strip() for line in content.splitlines())
        tokens = tuple(digest(line) for line in lines if line and not line.startswith(b"#"))
        return tokens, "" if tokens else "holds no token"


class KeySet:
    """The issuer's keys, fetched when first needed.

    Fetched anew after ten minutes, and for a key id that is not known, but not twice in 30 seconds; when that
    fails, the keys of before stay in use. All who wait share one fetch, and none ends it by going away.
    """

    def __init__(self, url: str, http: httpx.AsyncClient, clock: Clock) -> None:
        self._url, self._http, self._clock = url, http, clock
        self._keys: tuple[SigningKey, ...] = ()
        self._fetched_at = self._tried_at = -math.inf
        self._fetching: asyncio.Task[None] | None = None

    async def find(self, kid: str | None, algorithm: str) -> SigningKey | None:
        """The only key that fits; without a key id that is the only one for the algorithm. Raises Refusal."""
        if self._clock() - self._fetched_at >= KEYS_FRESH_S or not self._matching(kid, algorithm):
            await self._refresh()
        if not self._keys:
            message = "The keys to check access tokens with cannot be had now; try again in a few seconds."
            raise Refusal(503, "keys", message, {"retry-after": f"{FIRST_FETCH_RETRY_S:.0f}"})
        matching = self._matching(kid, algorithm)
        return matching[0] if len(matching) == 1 else None

    def _matching(self, kid: str | None, algorithm: str) -> list[SigningKey]:
        return [key for key in self._keys if key.algorithm == algorithm and kid in (None, key.kid)]

    async def _refresh(self) -> None:
        if self._fetching is None or self._fetching.done():
            if self._clock() - self._tried_at < (REFETCH_S if self._keys else FIRST_FETCH_RETRY_S):
                return
            self._tried_at = self._clock()
            self._fetching = asyncio.create_task(self._fetch())
        await asyncio.shield(self._fetching)

    async def _fetch(self) -> None:
        try:
            async with asyncio.timeout(FETCH_TIMEOUT_S):
                self._keys = signing_keys(await self._document())
            self._fetched_at = self._clock()
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError, ValueError, RecursionError) as error:
            known = "the keys fetched before stay in use" if self._keys else "no JWT passes"
            log.warning("No keys from MCP_AUTH_JWKS_URL, %s: %r", known, error)

    async def _document(self) -> bytes:
        headers = {"accept": "application/json", "accept-encoding": "identity"}
        body = bytearray()
        async with self._http.stream("GET", self._url, headers=headers) as response:
            if response.status_code != 200 or "content-encoding" in response.headers:
                raise ValueError(f"status {response.status_code} where a plain 200 was expected")
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > MAX_KEY_SET_BYTES:
                    raise ValueError(f"more than {MAX_KEY_SET_BYTES} bytes")
        return bytes(body)

    async def aclose(self) -> None:
        if self._fetching is not None:
            self._fetching.cancel()
            await asyncio.wait([self._fetching])


class Bearer:
    """The token check that the MCP_AUTH_ settings ask for; when they ask for none, everybody passes."""

    def __init__(self, settings: Settings, http: httpx.AsyncClient | None, clock: Clock) -> None:
        self._settings = settings
        self._fixed = tuple(digest(token.get_secret_value().encode()) for token in settings.mcp_auth_tokens)
        self._file = TokenFile(settings.mcp_auth_tokens_file, clock) if settings.mcp_auth_tokens_file else None
        url = settings.mcp_auth_jwks_url
        self._own_http = httpx.AsyncClient() if url and http is None else None
        client = http or self._own_http
        self._keys = KeySet(url, client, clock) if url and client else None

    def check_file(self) -> None:
        """Raises SettingError for a file that holds no tokens now, at the start; later on that is only logged."""
        if self._file and not self._file.digests():
            path = self._settings.mcp_auth_tokens_file
            raise SettingError("MCP_AUTH_TOKENS_FILE", str(path), "a readable file with a token in each line")

    async def check(self, authorization: Sequence[bytes], query: bytes) -> float | None:
        """When the token ends (epoch seconds), None if it does not; raises Refusal (RFC 6750 section 3.1)."""
        if not self._settings.checks_tokens:
            return None
        token = presented(authorization, query)
        if is_among(token, self._fixed + (self._file.digests() if self._file else ())):
            return None
        if self._keys is None:
            raise invalid()
        return await self._check_jwt(token, self._keys)

    async def _check_jwt(self, token: bytes, keys: KeySet) -> float:
        try:
            header = jwt.get_unverified_header(token)
        except (jwt.PyJWTError, ValueError, RecursionError):
            raise invalid() from None
        algorithm = header.get("alg")
        key = await keys.find(header.get("kid"), algorithm) if algorithm in tuple(ALGORITHMS) else None
        if key is None:
            raise invalid()
        claims, expires_at = self._verified(token, key)
        self._check_scope(claims)
        return expires_at

    def _verified(self, token: bytes, key: SigningKey) -> tuple[dict[str, Any], float]:
        issuer, audience = self._settings.mcp_auth_issuer, self._settings.mcp_auth_audience
        try:
            claims = jwt.decode(
                token,
                key.jwk,
                algorithms=[key.algorithm],
                issuer=issuer,
                audience=audience,
                leeway=LEEWAY_S,
                options={
                    "require": ["exp"],
                    "verify_aud": audience is not None,
                    "enforce_minimum_key_length": True,
                },
            )
            return claims, float(claims["exp"])
        except jwt.ExpiredSignatureError:
            raise invalid("The access token expired") from None
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            raise invalid() from None

    def _check_scope(self, claims: Mapping[str, Any]) -> None:
        required = (self._settings.mcp_auth_scope or "").split()
        if not granted(claims).issuperset(required):
            scope = " ".join(required)
            headers = challenge(error="insufficient_scope", scope=scope)
            raise Refusal(403, "scope", f"The access token needs the scope '{scope}'.", headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        if self._keys:
            await self._keys.aclose()
        if self._own_http:
            await self._own_http.aclose()
