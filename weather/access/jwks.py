"""JWTs (RFC 7519), verified with a key set that their issuer publishes (RFC 7517).

Imported only where MCP_AUTH_JWKS_URL is set: PyJWT and cryptography take 9 MB of resident memory.
"""

import json
import logging
import ssl
from collections.abc import Callable

import anyio
import httpx
import jwt
from pydantic import HttpUrl

from weather import __version__
from weather.access.origins import is_loopback
from weather.config import MIB, MINUTES, SECONDS, Settings
from weather.errors import Refusal, SettingError

log = logging.getLogger(__name__)

# Asymmetric only: RFC 8725 section 3.1.
ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
PUBLIC_MEMBERS = ("kid", "kty", "crv", "n", "e", "x", "y")
FETCH_ERRORS = (httpx.HTTPError, jwt.PyJWTError, TimeoutError, LookupError, TypeError, ValueError, RecursionError)
MAX_KEY_SET_BYTES = MIB
LEEWAY_S = 10
FETCH_TIMEOUT_S = 5 * SECONDS
KEYS_FRESH_S = 10 * MINUTES
REFETCH_S = 30 * SECONDS
FIRST_FETCH_RETRY_S = 5 * SECONDS


def granted(*claims: object) -> set[str]:
    """The scopes in `scope` (RFC 8693 section 4.2, a string) and `scp` (some issuers' name, a string or list)."""
    parts = (claim.split() if isinstance(claim, str) else claim for claim in claims)
    return {scope for part in parts if isinstance(part, list) for scope in part if isinstance(scope, str)}


def usable(body: bytes) -> list[jwt.PyJWK]:
    """The public members of every key, once for each algorithm that its `use` and `alg` allow.

    PyJWT alone takes RSA without `alg` for RS256 only. Raises one of FETCH_ERRORS where none is usable.
    """
    jwks = [jwk for jwk in json.loads(body)["keys"] if isinstance(jwk, dict) and jwk.get("use", "sig") == "sig"]
    allowed = [(jwk, name) for jwk in jwks for name in ALGORITHMS if jwk.get("alg", name) == name]
    public = [({m: jwk[m] for m in PUBLIC_MEMBERS if isinstance(jwk.get(m), str)}, name) for jwk, name in allowed]
    return jwt.PyJWKSet([members | {"alg": name} for members, name in public]).keys


class KeySet:
    """Fetches the issuer's keys when first needed, after ten minutes, and for an unknown key id, at limited rates.

    Concurrent callers share one fetch. After a failed fetch the previous keys stay in use.
    """

    def __init__(self, url: HttpUrl, settings: Settings, clock: Callable[[], float]) -> None:
        """Raises SettingError for a URL with user or password: the URL may be logged."""
        if url.username or url.password:
            raise SettingError("MCP_AUTH_JWKS_URL", "***", "a URL without user and password")
        self._url, self._settings, self._clock, self._fetching = str(url), settings, clock, anyio.Lock()
        self._keys: list[jwt.PyJWK] = []
        self._expires_at = self._retry_at = float("-inf")
        self._http = httpx.AsyncClient(
            headers={"User-Agent": f"weather-mcp-websocket/{__version__}", "Accept-Encoding": "identity"},
            verify=ssl.create_default_context(),  # The system's certificates; httpx's own default is certifi's.
            trust_env=not is_loopback(url.host or ""),
            timeout=FETCH_TIMEOUT_S,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    async def verify(self, token: bytes) -> tuple[set[str], float]:
        """The token's scopes, and its end in epoch seconds.

        Raises ValueError, with a sentence for the client, for a token that is not valid; Refusal as `find` does.
        """
        audience = self._settings.mcp_auth_audience
        try:
            header = jwt.get_unverified_header(token)
            claims = jwt.decode(
                token,
                await self.find(header.get("kid"), header.get("alg")),
                issuer=self._settings.mcp_auth_issuer,
                audience=audience,
                leeway=LEEWAY_S,
                options={"require": ["exp"], "verify_aud": bool(audience), "enforce_minimum_key_length": True},
            )
            return granted(claims.get("scope"), claims.get("scp")), float(claims["exp"])
        except jwt.ExpiredSignatureError:
            raise ValueError("The access token expired") from None
        except (jwt.PyJWTError, ValueError, OverflowError, RecursionError):
            raise ValueError("The access token is not valid") from None

    async def find(self, kid: str | None, algorithm: str | None) -> jwt.PyJWK:
        """The only matching key; raises ValueError unless there is exactly one, and Refusal while no key is known."""
        if algorithm not in ALGORITHMS:
            raise ValueError
        if self._due(kid, algorithm):
            async with self._fetching:
                if self._due(kid, algorithm):
                    await self._fetch()
        if not self._keys:
            message = "The keys for access tokens are not available now; try again in a few seconds."
            raise Refusal(503, "keys", message, {"retry-after": f"{FIRST_FETCH_RETRY_S:.0f}"})
        (key,) = self._matching(kid, algorithm)
        return key

    def _matching(self, kid: str | None, algorithm: str | None) -> list[jwt.PyJWK]:
        return [key for key in self._keys if key.algorithm_name == algorithm and kid in (None, key.key_id)]

    def _due(self, kid: str | None, algorithm: str | None) -> bool:
        now = self._clock()
        return now >= self._retry_at and (now >= self._expires_at or not self._matching(kid, algorithm))

    async def _fetch(self) -> None:
        """Logs a failure. Follows no redirect, and reads the body as sent: a compressed one has no bound."""
        body = b""
        try:
            with anyio.fail_after(FETCH_TIMEOUT_S):
                async with self._http.stream("GET", self._url) as response:
                    if response.status_code != 200:
                        raise ValueError(f"status {response.status_code} where 200 was expected")
                    async for chunk in response.aiter_raw():
                        body += chunk
                        if len(body) > MAX_KEY_SET_BYTES:
                            raise ValueError(f"more than {MAX_KEY_SET_BYTES} bytes")
            self._keys, self._expires_at = usable(body), self._clock() + KEYS_FRESH_S
        except FETCH_ERRORS as error:
            effect = "the keys fetched before stay in use" if self._keys else "no JWT passes"
            log.warning("No keys from MCP_AUTH_JWKS_URL, %s: %r", effect, error)
        finally:
            self._retry_at = self._clock() + (REFETCH_S if self._keys else FIRST_FETCH_RETRY_S)
