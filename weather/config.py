"""Reads the environment variables of the server, once at start."""

import os
import re
from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches
from ipaddress import IPv6Address
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, BeforeValidator, Field, HttpUrl, Secret, ValidationError, ValidationInfo
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from weather.errors import SettingError, counted

SECONDS = 1.0
MINUTES = 60 * SECONDS
HOURS = 60 * MINUTES
KIB = 1024
MIB = 1024 * KIB


def split_commas(value: str) -> list[str]:
    return [part.strip() for part in value.split(",") if part.strip()]


def strip_slash(value: str) -> str:
    if value != "simulator":
        HttpUrl(value)
    return value.rstrip("/")


LABELS = r"[a-z0-9_~-]+(?:\.[a-z0-9_~-]+)*\.?"
AUTHORITY = re.compile(rf"(?:\[[0-9a-f:.]+\]|(?:\*\.)?{LABELS})(?::(?:\*|([1-9][0-9]{{0,4}})))?")
SCHEME = re.compile(r"(?!wss?$)[a-z][a-z0-9+.-]*")  # A page that opens a WebSocket sends its own origin.


def check_host(value: str) -> str:
    """As a client sends it, in lower case and with an IPv6 address in brackets; raises ValueError if none could."""
    value = value.lower()
    with suppress(ValueError):
        value = f"[{IPv6Address(value)}]"
    match = AUTHORITY.fullmatch(value)
    if value != "*" and not (match and int(match[1] or 1) < 1 << 16):
        raise ValueError
    return value


def check_origin(value: str) -> str:
    """As a browser sends it, in lower case; raises ValueError if none would."""
    if value == "*":
        return value
    scheme, _, host = value.lower().partition("://")
    if not SCHEME.fullmatch(scheme) or check_host(host) == "*":
        raise ValueError
    return f"{scheme}://{host}"


def requires_jwks(value: str | None, info: ValidationInfo) -> str | None:
    if value and not info.data.get("mcp_auth_jwks_url"):
        raise ValueError("unset, or MCP_AUTH_JWKS_URL set with it")
    return value


def unknown_variables(*known: str) -> Iterator[str]:
    """Yields a sentence for each variable with a prefix of this server that is neither `known` nor the client's."""
    right = [name.upper() for name in known]
    for variable in sorted(os.environ):
        name = variable.upper()
        if name.startswith(("MCP_", "NWS_", "SIMULATOR_")) and name not in (*right, "MCP_TOKEN"):
            near = get_close_matches(name, right, 1)
            yield f"{variable} is no setting of this server" + "".join(f"; {nearest} is" for nearest in near)


TYPES = {"bool_parsing": "true or false", "int_parsing": "a whole number", "float_parsing": "a number"}
RENAMED = {"MCP_MAX_REQUESTS": "MCP_MAX_CONCURRENT_REQUESTS"}
# At least one: an empty list of tokens or origins would open the server by mistake.
COMMAS = (NoDecode, BeforeValidator(split_commas), Field(min_length=1))
Host = Annotated[str, AfterValidator(check_host)]
Origin = Annotated[str, AfterValidator(check_origin)]
Token = Secret[Annotated[str, Field(pattern=r"^[!-~]+$")]]  # No client could send another one in a header.


class Settings(BaseSettings):
    """One field for each environment variable, with its name in lower case. Descriptions complete "should be ..."."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore", validate_default=False)

    nws_api_base: Annotated[str, AfterValidator(strip_slash)] = Field(
        "https://api.weather.gov",
        pattern=r"^[^?#]*$",
        description="'simulator' or a URL that begins with http:// or https://, without a query",
    )
    nws_user_agent: str = Field(
        "weather-mcp-websocket/1.0 (set NWS_USER_AGENT to your contact)",
        pattern=r"^[ -~]*$",
        description="printable ASCII characters, as it is sent in a header",
    )
    nws_deadline_seconds: float = Field(10 * SECONDS, gt=0, le=300)
    nws_connect_timeout_seconds: float = Field(3 * SECONDS, gt=0)
    nws_read_timeout_seconds: float = Field(5 * SECONDS, gt=0)
    nws_max_retries: int = Field(2, ge=0, le=5)
    nws_max_concurrency: int = Field(16, ge=1)
    nws_cache_bytes: int = Field(64 * MIB, ge=MIB)
    nws_forecast_stale_seconds: float = Field(6 * HOURS, ge=0)
    nws_alerts_fresh_seconds: float = Field(15 * SECONDS, ge=1, le=60)
    nws_alerts_stale_seconds: float = Field(15 * MINUTES, ge=0)
    nws_breaker_failures: int = Field(5, ge=1)
    nws_breaker_seconds: float = Field(5 * SECONDS, gt=0)

    mcp_answer_cache_bytes: int = Field(64 * MIB, ge=MIB)
    mcp_max_message_bytes: int = Field(64 * KIB, ge=KIB, le=16 * MIB)  # hypercorn takes no more
    mcp_max_in_flight: int = Field(32, ge=1)
    mcp_max_sessions: int = Field(2000, ge=1)
    mcp_max_concurrent_requests: int = Field(200, ge=1)
    mcp_max_streams: int = Field(5000, ge=1)
    mcp_max_connections: int = Field(3000, ge=1)
    mcp_compression: bool = False
    mcp_console: bool = True
    mcp_fast_path: bool = True
    mcp_initialize_timeout_seconds: float = Field(30 * SECONDS, gt=0)
    mcp_idle_timeout_seconds: float = Field(1 * HOURS, gt=0)
    mcp_send_timeout_seconds: float = Field(20 * SECONDS, gt=0)
    mcp_grace_seconds: float = Field(10 * SECONDS, ge=0)

    mcp_allowed_hosts: Annotated[tuple[Host, ...], *COMMAS] = Field(
        (),
        description="names as in a Host header, such as example.com, example.com:8080 or *.example.com,"
        " separated by commas, or *",
    )
    mcp_allowed_origins: Annotated[tuple[Origin, ...], *COMMAS] = Field(
        (),
        description="origins of pages, such as https://example.com or https://*.example.com, without a path, separated"
        " by commas, or *",
    )
    mcp_auth_tokens: Annotated[tuple[Token, ...], *COMMAS] = Field(
        (), description="a list of tokens, each one word in ASCII, separated by commas; or unset"
    )
    mcp_auth_tokens_file: Path | None = None
    mcp_auth_jwks_url: HttpUrl | None = Field(None, description="a URL that begins with http:// or https://")
    mcp_auth_issuer: Annotated[str | None, AfterValidator(requires_jwks)] = None
    mcp_auth_audience: Annotated[str | None, AfterValidator(requires_jwks)] = None
    mcp_auth_scope: Annotated[str | None, AfterValidator(requires_jwks)] = None

    log_level: Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], BeforeValidator(str.upper)] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @classmethod
    def read(cls, **overrides: object) -> Self:
        """The settings of this process. Raises SettingError for the first invalid one.

        An empty variable counts as unset, but an empty `MCP_AUTH_...` is an error: it would open the server by mistake.
        """
        for field in cls.model_fields:
            if field.startswith("mcp_auth_") and os.environ.get(field.upper()) == "":
                raise SettingError(field.upper(), "", "set to something, or unset")
        for old, new in RENAMED.items():
            if old in os.environ:
                raise SettingError(old, os.environ[old], f"called {new}")
        try:
            return cls(**overrides)  # type: ignore[arg-type]  # fields by name, checked by pydantic
        except ValidationError as invalid:
            error = invalid.errors()[0]
        field = str(error["loc"][0])
        reason = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        expected = cls.model_fields[field].description or TYPES.get(error["type"], reason)
        secret = "tokens" in field or (field.endswith(("_url", "_base")) and "@" in error["input"])
        raise SettingError(field.upper(), "***" if secret else error["input"], expected)

    @property
    def simulated(self) -> bool:
        return self.nws_api_base == "simulator"

    @property
    def in_words(self) -> str:
        """A summary for the log. It has only the host of the URL, which may hold a password."""
        source = "the simulator" if self.simulated else HttpUrl(self.nws_api_base).host or ""
        tokens = "checked" if self.checks_tokens else "not checked"
        return f"weather from {source}, tokens {tokens}, at most {counted(self.mcp_max_sessions, 'session')}"

    @property
    def checks_tokens(self) -> bool:
        return bool(self.mcp_auth_tokens or self.mcp_auth_tokens_file or self.mcp_auth_jwks_url)
