"""Every environment variable this server reads, once, at start."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal, NoReturn, Self

from pydantic import Field, HttpUrl, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from weather.errors import SettingError

SECONDS = 1.0
MINUTES = 60 * SECONDS
HOURS = 60 * MINUTES
KIB = 1024
MIB = 1024 * KIB

CommaSeparated = Annotated[tuple[str, ...], NoDecode]


def _http_url(value: str) -> HttpUrl | None:
    try:
        return HttpUrl(value)
    except ValidationError:
        return None


def _refuse(expected: str) -> NoReturn:
    raise ValueError(expected)


class Settings(BaseSettings):
    """One field per environment variable, named as it is in upper case."""

    model_config = SettingsConfigDict(frozen=True, env_ignore_empty=True, extra="ignore")

    nws_api_base: str = "https://api.weather.gov"
    nws_user_agent: str = "weather-mcp-websocket/1.0 (set NWS_USER_AGENT to your contact)"
    nws_deadline_seconds: float = Field(10 * SECONDS, gt=0, le=300)
    nws_connect_timeout_seconds: float = Field(3 * SECONDS, gt=0)
    nws_read_timeout_seconds: float = Field(5 * SECONDS, gt=0)
    nws_max_retries: int = Field(2, ge=0, le=5)
    nws_max_concurrency: int = Field(16, ge=1)
    nws_cache_bytes: int = Field(64 * MIB, ge=MIB)
    nws_forecast_stale_seconds: float = Field(6 * HOURS, ge=0)
    nws_alerts_stale_seconds: float = Field(15 * MINUTES, ge=0)
    nws_breaker_failures: int = Field(5, ge=1)
    nws_breaker_seconds: float = Field(5 * SECONDS, gt=0)

    mcp_answer_cache_bytes: int = Field(64 * MIB, ge=MIB)
    mcp_max_message_bytes: int = Field(64 * KIB, ge=KIB)
    mcp_max_in_flight: int = Field(32, ge=1)
    mcp_compression: bool = False
    mcp_max_sessions: int = Field(2000, ge=1)
    mcp_initialize_timeout_seconds: float = Field(30 * SECONDS, gt=0)
    mcp_idle_timeout_seconds: float = Field(1 * HOURS, gt=0)
    mcp_send_timeout_seconds: float = Field(20 * SECONDS, gt=0)
    mcp_grace_seconds: float = Field(10 * SECONDS, ge=0)

    mcp_allowed_hosts: CommaSeparated = ()
    mcp_allowed_origins: CommaSeparated = ()
    mcp_auth_tokens: Annotated[tuple[SecretStr, ...], NoDecode] = ()
    mcp_auth_tokens_file: Path | None = None
    mcp_auth_jwks_url: str | None = None
    mcp_auth_issuer: str | None = None
    mcp_auth_audience: str | None = None
    mcp_auth_scope: str | None = None

    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    log_format: Literal["text", "json"] = "text"

    @field_validator("mcp_allowed_hosts", "mcp_allowed_origins", "mcp_auth_tokens", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        if not isinstance(value, str):
            return value
        parts = [part.strip() for part in value.split(",") if part.strip()]
        # A list of nothing but commas would open the server by mistake.
        return parts if parts or not value else _refuse("a list with commas, or unset")

    @field_validator("mcp_allowed_hosts")
    @classmethod
    def _hosts(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(set(host) & set("/@ ") for host in value):
            raise ValueError(
                "names as in a Host header, such as example.com or example.com:8080, apart by commas, or *"
            )
        return value

    @field_validator("mcp_allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if any(origin != "*" and ("://" not in origin or origin.endswith("/")) for origin in value):
            raise ValueError("origins such as https://example.com, apart by commas, or *")
        return value

    @field_validator("log_level", mode="before")
    @classmethod
    def _upper_case(cls, value: object) -> object:
        return value.upper() if isinstance(value, str) else value

    @field_validator("mcp_auth_issuer", "mcp_auth_audience", "mcp_auth_scope")
    @classmethod
    def _part_of_jwt(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value and not info.data.get("mcp_auth_jwks_url"):
            raise ValueError("unset, or MCP_AUTH_JWKS_URL set with it")
        return value

    @field_validator("nws_api_base")
    @classmethod
    def _simulator_or_base(cls, value: str) -> str:
        if value == "simulator":
            return value
        url = _http_url(value)
        if url is None or url.query is not None or url.fragment is not None:
            raise ValueError("'simulator' or a URL that begins with http:// or https://, without a query")
        return value.rstrip("/")

    @field_validator("mcp_auth_jwks_url")
    @classmethod
    def _url(cls, value: str | None) -> str | None:
        if value is not None and _http_url(value) is None:
            raise ValueError("a URL that begins with http:// or https://")
        return value

    @field_validator("nws_user_agent")
    @classmethod
    def _header_value(cls, value: str) -> str:
        if not (value.isascii() and value.isprintable()):
            raise ValueError("printable ASCII characters, as it is sent in a header")
        return value

    @classmethod
    def read(cls, **overrides: object) -> Self:
        """The settings of this process; raises SettingError for the first that cannot be used.

        A variable that is set to nothing is as none, but for those that keep strangers out.
        """
        for name in (field.upper() for field in cls.model_fields if field.startswith("mcp_auth_")):
            if os.environ.get(name) == "":
                raise SettingError(name, "", "set to something, or unset")
        try:
            return cls(**overrides)  # type: ignore[arg-type]  # fields by name, checked by pydantic
        except ValidationError as invalid:
            error = invalid.errors()[0]
        name = str(error["loc"][0]).upper()
        expected = error["msg"].removeprefix("Value error, ").removeprefix("Input should be ")
        raise SettingError(name, "***" if "TOKENS" in name else error["input"], expected)

    @property
    def simulated(self) -> bool:
        return self.nws_api_base == "simulator"

    @property
    def source(self) -> str:
        """Where the weather comes from, without what a URL may hold beside."""
        return "the simulator" if self.simulated else HttpUrl(self.nws_api_base).host or ""

    @property
    def checks_tokens(self) -> bool:
        return bool(self.mcp_auth_tokens or self.mcp_auth_tokens_file or self.mcp_auth_jwks_url)
