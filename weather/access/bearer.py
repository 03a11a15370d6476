"""Bearer tokens (RFC 6750): fixed ones from the settings or a file, and JWTs, which `jwks` verifies.

No token, nor any part of one, goes into a log line, a message or a chained exception.
"""

import codecs
import hmac
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from weather.config import Settings
from weather.errors import Refusal, SettingError

log = logging.getLogger(__name__)


def refusal(status: int, reason: str, message: str, **challenge: str) -> Refusal:
    """A Refusal with a `WWW-Authenticate` challenge (RFC 6750 section 3)."""
    parts = ", ".join(f'{name}="{value}"' for name, value in {"realm": "weather", **challenge}.items())
    return Refusal(status, reason, message, {"www-authenticate": f"Bearer {parts}"})


def presented(authorization: Sequence[bytes], query: bytes) -> bytes:
    """The token of the only `Authorization: Bearer` header (RFC 6750 section 2.1); raises Refusal."""
    if len(authorization) > 1:
        raise refusal(400, "token_invalid", "Send one Authorization header, not several.", error="invalid_request")
    scheme, _, rest = b"".join(authorization).partition(b" ")
    token = rest.strip()
    if scheme.lower() != b"bearer" or not token:
        more = "; a token in the query string is not accepted." if b"access_token=" in query else "."
        raise refusal(401, "token_missing", f"Send the header 'Authorization: Bearer <token>'{more}")
    return token


def is_among(token: bytes, known: Iterable[bytes]) -> bool:
    """Compares with every known token, so that the time taken reveals neither which one matches nor how far."""
    return sum(hmac.compare_digest(token, each) for each in known) > 0


class Bearer:
    """Checks tokens as the MCP_AUTH_ settings require; without such settings every request passes."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises SettingError for a file without a token; a file that loses its tokens later is only logged."""
        self._settings = settings
        self._fixed = tuple(token.get_secret_value().encode() for token in settings.mcp_auth_tokens)
        self._listed: tuple[bytes, ...] = ()
        self._keys = None
        if settings.mcp_auth_jwks_url:
            from weather.access.jwks import KeySet  # Here, since few servers need it and it takes 9 MB.

            self._keys = KeySet(settings.mcp_auth_jwks_url, settings, clock)
        if (file := settings.mcp_auth_tokens_file) and not self._in_file():
            raise SettingError("MCP_AUTH_TOKENS_FILE", str(file), "a readable file with a token in each line")

    async def check(self, authorization: Sequence[bytes], query: bytes) -> float | None:
        """The token's end in epoch seconds, None if it does not expire; raises Refusal (RFC 6750 section 3.1)."""
        if not self._settings.checks_tokens:
            return None
        token = presented(authorization, query)
        if is_among(token, self._fixed + self._in_file()):
            return None
        try:
            if self._keys is None:
                raise ValueError("The access token is not valid")
            scopes, expires_at = await self._keys.verify(token)
        except ValueError as error:
            why = str(error)
            raise refusal(401, "token_invalid", f"{why}.", error="invalid_token", error_description=why) from None
        scope = " ".join((self._settings.mcp_auth_scope or "").split())
        if not scopes.issuperset(scope.split()):
            message = f"The access token needs the scope '{scope}'."
            raise refusal(403, "scope", message, error="insufficient_scope", scope=scope)
        return expires_at

    def _in_file(self) -> tuple[bytes, ...]:
        """The tokens in the file: one per line, # begins a comment. Logs once if it is unreadable or has none."""
        file, before, lines = self._settings.mcp_auth_tokens_file, self._listed, list[bytes]()
        with suppress(OSError):
            lines = file.read_bytes().removeprefix(codecs.BOM_UTF8).splitlines() if file else []
        self._listed = tuple(line for line in map(bytes.strip, lines) if line and not line.startswith(b"#"))
        if before and not self._listed:
            log.error("No token of MCP_AUTH_TOKENS_FILE passes: %s cannot be read, or holds none", file)
        return self._listed
