"""Bearer tokens (RFC 6750): fixed ones, and JWTs (RFC 7519) checked against a published key set (RFC 7517).

No token, nor any part of one, goes into a log line, a message or a chained exception.
"""

from __future__ import annotations

import codecs
import hmac
import json
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from http.client import HTTPException
from typing import Any
from urllib.request import HTTPHandler, HTTPSHandler, OpenerDirector, ProxyHandler

import anyio.to_thread
import jwt
from pydantic import HttpUrl

from weather import __version__
from weather.config import KIB, MIB, MINUTES, SECONDS, Settings
from weather.errors import Refusal, SettingError

log = logging.getLogger(__name__)

# Asymmetric only: RFC 8725 section 3.1.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
PUBLIC_MEMBERS = ("kid", "kty", "crv", "n", "e", "x", "y")
NO_KEYS = (OSError, HTTPException, jwt.PyJWTError, ValueError, TypeError, LookupError, RecursionError)
MAX_TOKEN_BYTES = 8 * KIB
MAX_KEY_SET_BYTES = MIB
LEEWAY_S = 10
FETCH_TIMEOUT_S = 5 * SECONDS
KEYS_FRESH_S = 10 * MINUTES
REFETCH_S = 30 * SECONDS
FIRST_FETCH_RETRY_S = 5 * SECONDS

Clock = Callable[[], float]


def refusal(status: int, reason: str, message: str, **challenge: str) -> Refusal:
    """With the `WWW-Authenticate` header of RFC 6750 section 3."""
    parts = ", ".join(f'{name}="{value}"' for name, value in {"realm": "weather", **challenge}.items())
    return Refusal(status, reason, message, {"www-authenticate": f"Bearer {parts}"})


def invalid(description: str = "The access token is not valid") -> Refusal:
    return refusal(401, "token_invalid", f"{description}.", error="invalid_token", error_description=description)


def presented(authorization: Sequence[bytes], query: bytes) -> bytes:
    """The token of the one `Authorization: Bearer` header (RFC 6750 section 2.1); raises Refusal."""
    if len(authorization) > 1:
        raise refusal(400, "token_invalid", "Send one Authorization header, not several.", error="invalid_request")
    scheme, _, rest = b"".join(authorization).partition(b" ")
    token = rest.strip()
    if scheme.lower() != b"bearer" or not token:
        more = "; a token in the query string is not accepted." if b"access_token=" in query else "."
        raise refusal(401, "token_missing", f"Send the header 'Authorization: Bearer <token>'{more}")
    if len(token) > MAX_TOKEN_BYTES:
        raise invalid(f"The access token is longer than {MAX_TOKEN_BYTES} bytes")
    return token


def is_among(token: bytes, known: Iterable[bytes]) -> bool:
    """Compares with every one, so that the time taken does not tell which one fits, or how far."""
    return sum(hmac.compare_digest(token, each) for each in known) > 0


def granted(*claims: object) -> set[str]:
    """What `scope` (RFC 8693 section 4.2, a string) and `scp` (some issuers' name, a string or list) hold."""
    parts = (claim.split() if isinstance(claim, str) else claim for claim in claims)
    return {scope for part in parts if isinstance(part, list) for scope in part if isinstance(scope, str)}


class KeySet(jwt.PyJWKClient):
    """The issuer's keys, fetched when first needed, after ten minutes, and for a key id that is not known.

    Not fetched at a stranger's pace; all who wait share one fetch; the keys of before stay in use when it fails.
    """

    def __init__(self, url: HttpUrl, clock: Clock) -> None:
        """Raises SettingError for a URL that holds a password: http.client would take it for a port, and tell it."""
        if url.username or url.password:
            raise SettingError("MCP_AUTH_JWKS_URL", "***", "a URL without user and password")
        super().__init__(str(url), cache_jwk_set=False)
        self._keys: list[jwt.PyJWK] = []
        self._clock, self._fetching = clock, anyio.Lock()
        self._fetched_at = self._tried_at = float("-inf")
        self._proxies: dict[str, str] | None = {} if url.host in ("127.0.0.1", "[::1]", "localhost") else None

    async def find(self, kid: str | None, algorithm: str | None) -> jwt.PyJWK:
        """The only key that fits; raises ValueError unless there is one, and Refusal while there are none at all."""
        if algorithm not in ALGORITHMS:
            raise ValueError
        if self._due(kid, algorithm):
            async with self._fetching:
                if self._due(kid, algorithm):
                    await self._fetch()
        if not self._keys:
            message = "The keys to check access tokens with cannot be had now; try again in a few seconds."
            raise Refusal(503, "keys", message, {"retry-after": f"{FIRST_FETCH_RETRY_S:.0f}"})
        (key,) = self._matching(kid, algorithm)
        return key

    def _matching(self, kid: str | None, algorithm: str | None) -> list[jwt.PyJWK]:
        return [key for key in self._keys if key.algorithm_name == algorithm and kid in (None, key.key_id)]

    def _due(self, kid: str | None, algorithm: str | None) -> bool:
        now, pause_s = self._clock(), REFETCH_S if self._keys else FIRST_FETCH_RETRY_S
        wanted = now - self._fetched_at >= KEYS_FRESH_S or not self._matching(kid, algorithm)
        return wanted and now - self._tried_at >= pause_s

    async def _fetch(self) -> None:
        try:
            with anyio.fail_after(FETCH_TIMEOUT_S):
                found = await anyio.to_thread.run_sync(self.get_jwk_set, abandon_on_cancel=True)
            self._keys, self._fetched_at = found.keys, self._clock()
        except NO_KEYS as error:
            known = "the keys fetched before stay in use" if self._keys else "no JWT passes"
            log.warning("No keys from MCP_AUTH_JWKS_URL, %s: %r", known, error)
        finally:
            self._tried_at = self._clock()

    def fetch_data(self) -> dict[str, list[dict[str, Any]]]:
        """The public members of every key, once for each algorithm that its `use` and `alg` allow (RFC 7517).

        PyJWT's own reads on without end, asks a proxy even for this machine, and takes RSA without `alg` for RS256.
        """
        opener, deadline, body = OpenerDirector(), time.monotonic() + FETCH_TIMEOUT_S, b""
        opener.addheaders = [("User-Agent", f"weather-mcp-websocket/{__version__}")]
        for handler in (ProxyHandler(self._proxies), HTTPHandler(), HTTPSHandler()):  # none follows redirects
            opener.add_handler(handler)
        with opener.open(self.uri, timeout=FETCH_TIMEOUT_S) as answer:
            if answer.status != 200:
                raise ValueError(f"status {answer.status} where 200 was expected")
            while len(body) < MAX_KEY_SET_BYTES and time.monotonic() < deadline and (chunk := answer.read1(64 * KIB)):
                body += chunk
        jwks = [jwk for jwk in json.loads(body)["keys"] if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig"]
        allowed = [(jwk, name) for jwk in jwks for name in ALGORITHMS if jwk.get("alg", name) == name]
        return {"keys": [{m: jwk[m] for m in PUBLIC_MEMBERS if m in jwk} | {"alg": name} for jwk, name in allowed]}


class Bearer:
    """The token check that the MCP_AUTH_ settings ask for; when they ask for none, everybody passes."""

    def __init__(self, settings: Settings, clock: Clock) -> None:
        """Raises SettingError for a file that holds no token now; later on that is only logged."""
        self._settings = settings
        self._fixed = tuple(token.get_secret_value().encode() for token in settings.mcp_auth_tokens)
        self._keys = KeySet(settings.mcp_auth_jwks_url, clock) if settings.mcp_auth_jwks_url else None
        self._listed: tuple[bytes, ...] = ()
        if (file := settings.mcp_auth_tokens_file) and not self._in_file():
            raise SettingError("MCP_AUTH_TOKENS_FILE", str(file), "a readable file with a token in each line")

    async def check(self, authorization: Sequence[bytes], query: bytes) -> float | None:
        """When the token ends (epoch seconds), None if it does not; raises Refusal (RFC 6750 section 3.1)."""
        if not self._settings.checks_tokens:
            return None
        token = presented(authorization, query)
        if is_among(token, self._fixed + self._in_file()):
            return None
        if self._keys is None:
            raise invalid()
        scopes, expires_at = await self._verified(token, self._keys)
        scope = " ".join((self._settings.mcp_auth_scope or "").split())
        if not scopes.issuperset(scope.split()):
            said = f"The access token needs the scope '{scope}'."
            raise refusal(403, "scope", said, error="insufficient_scope", scope=scope)
        return expires_at

    def _in_file(self) -> tuple[bytes, ...]:
        """One in a line, # begins a comment; none while it cannot be read, which is logged once."""
        file, before, lines = self._settings.mcp_auth_tokens_file, self._listed, list[bytes]()
        with suppress(OSError):
            lines = file.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines() if file else []
        self._listed = tuple(line for line in map(bytes.strip, lines) if line and not line.startswith(b"#"))
        if before and not self._listed:
            log.error("No token of MCP_AUTH_TOKENS_FILE passes: %s cannot be read, or holds none", file)
        return self._listed

    async def _verified(self, token: bytes, keys: KeySet) -> tuple[set[str], float]:
        """Its scopes, and when it ends."""
        audience = self._settings.mcp_auth_audience
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                await keys.find(header.get("kid"), header.get("alg")),
                issuer=self._settings.mcp_auth_issuer,
                audience=audience,
                leeway=LEEWAY_S,
                options={"require": ["exp"], "verify_aud": bool(audience), "enforce_minimum_key_length": True},
            )
            return granted(claims.get("scope"), claims.get("scp")), float(claims["exp"])
        except jwt.ExpiredSignatureError:
            raise invalid("The access token expired") from None
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            raise invalid() from None
