"""Faults of the simulated National Weather Service: at a rate, in a set state, or as one request orders."""

import random
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]

# NWS's problem types: status, title, detail.
KINDS = {
    "AdjustPointPrecision": (301, "Adjusting Precision Of Point Coordinate", "Points have at most 4 decimal digits."),
    "BadRequest": (400, "Bad Request", "Bad Request"),
    "InvalidParameter": (400, "Invalid Parameter", 'Parameter "{}" is invalid: out of bounds'),
    "InvalidPoint": (404, "Data Unavailable For Requested Point", "Unable to provide data for requested point {}"),
    "MarineForecastNotSupported": (
        404,
        "Marine Forecast Not Supported",
        "Forecasts for marine areas are not supported.",
    ),
    "NotFound": (404, "Not Found", "{} does not exist"),
    "MethodNotAllowed": (405, "Method Not Allowed", "Not allowed: {}"),
    "UnexpectedProblem": (500, "Unexpected Problem", "An unexpected problem has occurred."),
    "ForecastGridExpired": (503, "Forecast Grid Expired", "The requested forecast grid has expired."),
    "UnavailableWebService": (503, "Unavailable Resource", "The resource you requested is currently unavailable."),
}

TYPES = {"bool_parsing": "true or false", "int_parsing": "a whole number", "float_parsing": "a number"}


class Problem(Exception):
    """An error in problem+json. `kind` is one of KINDS; `about` fills its detail, or explains the `parameter`."""

    def __init__(self, kind: str, about: str = "", *, status: int = 0, parameter: str = "", **headers: str) -> None:
        super().__init__(kind, about)
        self.kind, self.about, self.parameter, self.headers = kind, about, parameter, headers
        self.status = status or KINDS[kind][0]

    def body(self, base: str, correlation: str) -> dict[str, Any]:
        _, title, detail = KINDS[self.kind]
        errors = [{"parameter": self.parameter, "message": self.about}]
        return {
            "correlationId": correlation,
            **({"parameterErrors": errors} if self.parameter else {}),
            "title": title,
            "type": f"https://api.weather.gov/problems/{self.kind}",
            "status": self.status,
            "detail": detail.format(self.about),
            "instance": f"{base}/requests/{correlation}",
        }


class Fault(BaseModel):
    """The faults of one request: by default none. The fields are the parts of an X-Simulate header.

    `status` and `problem` replace the regular response, `problem` at any endpoint. A `status` of 304 answers a request
    with If-Modified-Since, whatever its date. A request without one gets the regular response, since a 304 must not
    answer it (RFC 9110 section 15.4.5).
    """

    model_config = ConfigDict(
        frozen=True, extra="forbid", validate_by_name=True, alias_generator=lambda name: name.replace("_", "-")
    )

    latency_ms: Duration = 0
    status: int = 0
    retry_after: Count | None = None
    body: Literal["json", "html", "hang", "cut", "type"] = "json"
    problem: Literal["", "ForecastGridExpired", "NotFound"] = ""

    @model_validator(mode="after")
    def _can_be(self) -> Self:
        if self.status not in (0, 304, *range(400, 600)) or (self.status == 304 and self.body != "json"):
            raise ValueError("status is 304, with no body to spoil, or an error")
        return self

    @classmethod
    def parse(cls, header: str) -> Self:
        """Parses `status=503; retry-after=1; latency-ms=50; body=cut`; raises Problem for anything else."""
        try:
            parts = dict(part.strip().split("=") for part in header.split(";"))
            return cls.model_validate(parts, by_alias=True, by_name=False)
        except ValueError:
            raise Problem("BadRequest", f"{header!r} is not understood", parameter="header.X-Simulate") from None


class FaultsError(ValueError):
    """A SIMULATOR_ variable has a wrong value; the text names both and the right ones."""


class Faults(BaseSettings):
    """The faults of all requests: by default none.

    Each field is an environment variable with the prefix SIMULATOR_. A rate is a share of the requests, 0 to 1. A
    field may be set at any time and applies to later requests.
    """

    model_config = SettingsConfigDict(env_prefix="SIMULATOR_", env_ignore_empty=True, validate_assignment=True)

    seed: int = 1
    latency_ms: Duration = 0  # before every answer
    tail_ms: Duration = 0  # on top, for `tail_rate` of the requests
    tail_rate: Rate = 0
    rate_429: Rate = 0  # the CDN's rate limit
    retry_after_s: Count | None = None  # in the 429's Retry-After header; None: no such header
    error_rate: Rate = 0  # 500, 502 or 503 with problem+json
    html_rate: Rate = 0  # 403 or 503 with the CDN's HTML
    hang_rate: Rate = 0  # half a body, and nothing more until the client disconnects
    cut_rate: Rate = 0  # half a body, and the end of the connection
    wrong_type_rate: Rate = 0  # 200 with HTML
    outage: bool = False  # 503 for everything
    outage_every_s: Duration = 0  # 503 for everything in the last `outage_s` seconds of each such window
    outage_s: Duration = 0
    expired_grid: bool = False  # forecasts answer 503 ForecastGridExpired
    renumber: Count = 0  # numbering of the grid: cells of any other numbering answer 404
    forecast_age_h: Count = 0  # forecasts begin so long ago, as if none had been issued since
    alerts_features: Count = 0  # in force in each area that has any; 0: 1 to 5
    alerts_every_s: Count = 60  # in each area that has any, one is issued, updated or over so often; 0: not in the hour

    @classmethod
    def read(cls) -> Self:
        """From the environment; raises FaultsError for the first wrong variable."""
        try:
            return cls()
        except ValidationError as invalid:
            error = invalid.errors()[0]
        variable = f"SIMULATOR_{error['loc'][0]}".upper()
        expected = TYPES.get(error["type"], error["msg"].removeprefix("Input should be "))
        raise FaultsError(f"{variable} is {error['input']!r}, and should be {expected}.")

    def down(self, now: float) -> bool:
        """Whether there is an outage at `now`, in Unix time."""
        every = self.outage_every_s
        return self.outage or (every > 0 and now % every >= every - self.outage_s)

    def draw(self, dice: random.Random, now: float) -> Fault:
        """Draws equally often whatever the rates are, so that changing one leaves the faults of the others."""
        error, html = dice.choice((500, 502, 503)), dice.choice((403, 503))
        latency_ms = self.latency_ms + (self.tail_ms if dice.random() < self.tail_rate else 0)
        kinds: tuple[tuple[Rate, dict[str, Any]], ...] = (
            (self.rate_429, {"status": 429, "retry_after": self.retry_after_s}),
            (self.error_rate, {"status": error}),
            (self.html_rate, {"status": html, "body": "html"}),
            (self.hang_rate, {"body": "hang"}),
            (self.cut_rate, {"body": "cut"}),
            (self.wrong_type_rate, {"body": "type"}),
        )
        drawn = [kind for rate, kind in kinds if dice.random() < rate]
        kind = {"status": 503} if self.down(now) else next(iter(drawn), {})
        return Fault(latency_ms=latency_ms, **kind)
