"""A National Weather Service for trying and testing: a bare ASGI application, all weather invented.

It answers as https://api.weather.gov/openapi.json describes and as the service was seen to answer, in five
endpoints: points, forecast, stations, latest observation, and active alerts by `area` and `status`. With one
SIMULATOR_SEED the same question within one hour of the clock has the same answer, byte for byte; only Date,
Expires and the request ids differ.

Served on its own by `hypercorn weather.simulator:app`, or in a process by `httpx.ASGITransport(Simulator())`.
Hypercorn adds its own Server and Date unless `include_server_header` and `include_date_header` are false.
"""

from __future__ import annotations

import json
import math
import random
import re
import time
import uuid
from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import formatdate, parsedate_to_datetime
from functools import cached_property
from typing import Annotated, Any, NamedTuple, Self
from urllib.parse import parse_qsl

import anyio
from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from . import world
from .world import HOUR, Json, Problem, Question, bad_parameter, missing

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Rate = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=0)]
Duration = Annotated[float, Field(ge=0, allow_inf_nan=False)]

STATUSES = (0, 304, *range(400, 600))
BODIES = ("json", "html", "hang", "cut", "type")
PROBLEMS: dict[str, Callable[[Question], Problem]] = {
    "ForecastGridExpired": world.expired,
    "NotFound": lambda _: missing("The grid point"),
}
WORLDLY = {"seed", "renumber", "expired_grid", "alerts_features"}  # what a Question knows of the Faults
PROBLEM_CACHE = {"cache-control": "private, must-revalidate, max-age=86400", "pragma": "no-cache"}


@dataclass(frozen=True)
class Fate:
    """What befalls one request: a delay, a status in place of the right one (0: none), one of BODIES, one of
    PROBLEMS in place of the answer ("": none)."""

    delay_s: float = 0
    status: int = 0
    retry_after_s: int | None = None
    body: str = "json"
    problem: str = ""


class FaultsError(ValueError):
    """A SIMULATOR_ variable cannot be used; the sentence says which, and what it should be."""


class Faults(BaseSettings):
    """How the service misbehaves: by default not at all.

    Each field is an environment variable with SIMULATOR_ before its name. A rate is a share of the requests,
    0 to 1. A field may be set at any time, for the requests to come.
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
    hang_rate: Rate = 0  # half a body, and nothing more until the client goes away
    cut_rate: Rate = 0  # half a body, and the end of the connection
    wrong_type_rate: Rate = 0  # 200 with HTML
    outage: bool = False  # 503 for everything
    outage_every_s: Duration = 0  # 503 for everything in the last `outage_s` seconds of each such window
    outage_s: Duration = 0
    expired_grid: bool = False  # forecasts answer 503 ForecastGridExpired
    renumber: Count = 0  # numbering of the grid: cells of any other numbering answer 404
    alerts_features: Count = 0  # size of every set of alerts that is not empty; 0: 1 to 5 for each area

    @classmethod
    def read(cls) -> Self:
        """What the environment says; raises FaultsError for the first variable that cannot be used."""
        try:
            return cls()
        except ValidationError as invalid:
            error = invalid.errors()[0]
        variable = f"SIMULATOR_{error['loc'][0]}".upper()
        expected = error["msg"].removeprefix("Input should be ")
        raise FaultsError(f"{variable} is {error['input']!r}, and should be {expected}.")

    def down(self, now: float) -> bool:
        every = self.outage_every_s
        return self.outage or (every > 0 and now % every >= every - self.outage_s)

    def draw(self, dice: random.Random, now: float) -> Fate:
        """As many draws whatever the rates are, so that a change of one leaves the others be."""
        error, html = dice.choice((500, 502, 503)), dice.choice((403, 503))
        kinds = (
            (self.rate_429, Fate(0, 429, self.retry_after_s)),
            (self.error_rate, Fate(0, error)),
            (self.html_rate, Fate(0, html, body="html")),
            (self.hang_rate, Fate(body="hang")),
            (self.cut_rate, Fate(body="cut")),
            (self.wrong_type_rate, Fate(body="type")),
        )
        tail_ms = self.tail_ms if dice.random() < self.tail_rate else 0
        drawn = [fate for rate, fate in kinds if dice.random() < rate]
        fate = Fate(0, 503) if self.down(now) else (drawn or [Fate()])[0]
        return replace(fate, delay_s=(self.latency_ms + tail_ms) / 1000)


def ordered(header: str) -> Fate:
    """The fate that an X-Simulate header orders: `status=503; retry-after=1; latency-ms=50; body=cut`.

    `problem=ForecastGridExpired` or another of PROBLEMS is answered at any endpoint. `status=304` answers a
    request with If-Modified-Since, whatever its date; one without gets the right answer, since no 304 may be
    sent to it (RFC 9110, 15.4.5).
    """
    try:
        order = dict(part.strip().split("=") for part in header.split(";"))
        fate = Fate(
            float(order.pop("latency-ms", 0)) / 1000,
            int(order.pop("status", 0)),
            int(order.pop("retry-after")) if "retry-after" in order else None,
            order.pop("body", "json"),
            order.pop("problem", ""),
        )
        known = fate.status in STATUSES and fate.body in BODIES and fate.problem in ("", *PROBLEMS)
        spoilt = fate.status == 304 and fate.body != "json"  # a 304 has no body to spoil
        if order or not known or spoilt or not 0 <= fate.delay_s < math.inf or (fate.retry_after_s or 0) < 0:
            raise ValueError(header)
    except ValueError:
        raise bad_parameter("header.X-Simulate", f"{header!r} is not understood") from None
    return fate


def failure(status: int) -> Problem:
    """The service's own answer to an error on its side."""
    if status == 503:
        detail = "The resource you requested is currently unavailable. Please try again later."
        return Problem(503, "UnavailableWebService", "Unavailable Resource", detail)
    return Problem(status, "UnexpectedProblem", "Unexpected Problem", "An unexpected problem has occurred.")


def html(status: int) -> bytes:
    """The page of the content delivery network, which knows nothing of JSON."""
    title = {403: "Access Denied", 429: "Too Many Requests"}.get(status, "Service Unavailable")
    return f"<HTML><HEAD>\n<TITLE>{title}</TITLE>\n</HEAD><BODY>\n<H1>{title}</H1>\n</BODY></HTML>\n".encode()


def dump(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    headers: dict[str, str]


class Endpoint(NamedTuple):
    """`max_age` and `s_maxage` in seconds; `modified` leads to the time for Last-Modified in the answer."""

    path: str
    answer: Callable[[Question], Json]
    max_age: int
    s_maxage: int
    parameters: frozenset[str] = frozenset()
    modified: str = ""


ENDPOINTS = {
    "point": Endpoint("/points/([^/]+)", world.point, 24 * HOUR, 120),
    "forecast": Endpoint("/gridpoints/([^/]+)/([^/]+)/forecast", world.forecast, HOUR, HOUR, modified="updateTime"),
    "stations": Endpoint("/gridpoints/([^/]+)/([^/]+)/stations", world.stations, 24 * HOUR, 120),
    "observation": Endpoint("/stations/([^/]+)/observations/latest", world.observation, 300, 300, modified="timestamp"),
    "alerts": Endpoint("/alerts/active", world.alerts, 30, 30, frozenset({"area", "status"})),
}


def find(path: str) -> tuple[str, tuple[str, ...]]:
    """The endpoint's name, or `other`, and the arguments in the path."""
    for name, endpoint in ENDPOINTS.items():
        if match := re.fullmatch(endpoint.path, path):
            return name, match.groups()
    return "other", ()


class Simulator:
    """The ASGI application; `clock` tells Unix time in seconds.

    `requests` counts requests, as soon as they have come, by endpoint (`other` for an unknown path) and status
    of the answer. Without `faults` they are read from the environment at start, or at the first request where
    none is told of a start. All chance comes from one generator, so that a run can be repeated.
    """

    def __init__(self, faults: Faults | None = None, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.requests: Counter[tuple[str, int]] = Counter()
        if faults is not None:
            self.faults = faults

    @cached_property
    def faults(self) -> Faults:
        return Faults.read()

    @cached_property
    def chance(self) -> random.Random:
        return random.Random(self.faults.seed)  # noqa: S311 (faults, not secrets)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.lifespan(receive, send)
        else:
            await self.http(scope, receive, send)

    async def lifespan(self, receive: Receive, send: Send) -> None:
        """Reads `faults`, if none were given, so that a bad variable fails the start."""
        await receive()
        try:
            _ = self.faults
        except FaultsError as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def http(self, scope: Message, receive: Receive, send: Send) -> None:
        name, args = find(scope["path"])
        fate, answer = self.decide(scope, name, args)
        self.requests[name, answer.status] += 1
        await anyio.sleep(fate.delay_s)
        await deliver(answer, fate.body, scope["method"] == "HEAD", receive, send)

    def decide(self, scope: Message, name: str, args: tuple[str, ...]) -> tuple[Fate, Answer]:
        now = self.clock()
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        host = headers.get("host") or "{}:{}".format(*scope["server"])
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        settings = self.faults.model_dump(include=WORLDLY)
        question = Question(f"{scope['scheme']}://{host}", args, query, now, **settings)
        trace = Trace(f"{self.chance.getrandbits(32):x}", self.chance.getrandbits(128), now)
        fate = self.faults.draw(self.chance, now)
        try:
            if not headers.get("user-agent"):
                return fate, trace.page(403)
            fate = ordered(headers["x-simulate"]) if "x-simulate" in headers else fate
            return fate, self.answer(trace, fate, name, scope["method"], headers, question)
        except Problem as problem:
            return fate, trace.problem(problem, question.base, fate.retry_after_s)

    def answer(
        self, trace: Trace, fate: Fate, name: str, method: str, headers: dict[str, str], question: Question
    ) -> Answer:
        if fate.body == "type":
            return trace.page(200)
        if fate.body == "html" or fate.status in (403, 429):
            return trace.page(fate.status or 403, fate.retry_after_s)
        if fate.problem:
            raise PROBLEMS[fate.problem](question)
        if fate.status not in (0, 304):
            raise failure(fate.status)
        if method not in ("GET", "HEAD"):
            allow = {"allow": "GET, HEAD"}
            raise Problem(405, "MethodNotAllowed", "Method Not Allowed", f"Not allowed: {method}", allow)
        if name not in ENDPOINTS:
            raise missing("The path")
        since = headers.get("if-modified-since")
        found = trace.found(ENDPOINTS[name], question, since)
        return found if since is None or fate.status != 304 else replace(found, status=304, body=b"")


@dataclass(frozen=True)
class Trace:
    """What marks one request's answer, and the three kinds of answer made with it."""

    correlation: str
    number: int
    now: float

    def headers(self, kind: str, expires_s: float = 0, **more: str) -> dict[str, str]:
        return {
            "server": "weather-simulator",
            "date": formatdate(self.now, usegmt=True),
            "expires": formatdate(self.now + expires_s, usegmt=True),
            "content-type": kind,
            "vary": "Accept,Feature-Flags,Accept-Language",
            "x-correlation-id": self.correlation,
            "x-request-id": str(uuid.UUID(int=self.number, version=4)),
            "x-server-id": "weather-simulator",
            **more,
        }

    def page(self, status: int, retry_after_s: int | None = None) -> Answer:
        return Answer(status, html(status), self.headers("text/html") | retry_after(retry_after_s))

    def problem(self, problem: Problem, base: str, retry_after_s: int | None) -> Answer:
        body = dump(problem.body(base, self.correlation))
        headers = self.headers("application/problem+json", 24 * HOUR, **PROBLEM_CACHE)
        return Answer(problem.status, body, headers | problem.headers | retry_after(retry_after_s))

    def found(self, endpoint: Endpoint, question: Question, since: str | None) -> Answer:
        for parameter in sorted(question.query.keys() - endpoint.parameters):
            raise bad_parameter(f"query.{parameter}", f'Query parameter "{parameter}" is not recognized')
        body = endpoint.answer(question)
        headers = self.headers("application/geo+json", endpoint.max_age)
        headers["cache-control"] = f"public, max-age={endpoint.max_age}, s-maxage={endpoint.s_maxage}"
        headers["vary"] = "Accept-Encoding, " + headers["vary"]
        if endpoint.modified:
            modified = datetime.fromisoformat(body["properties"][endpoint.modified])
            headers["last-modified"] = formatdate(modified.timestamp(), usegmt=True)
            if unchanged(modified, since):
                return Answer(304, b"", headers)
        return Answer(200, dump(body), headers)


def retry_after(seconds: int | None) -> dict[str, str]:
    return {} if seconds is None else {"retry-after": str(seconds)}


def unchanged(modified: datetime, since: str | None) -> bool:
    """Whether If-Modified-Since (RFC 9110, 13.1.3) is met; a date that cannot be read is as none."""
    try:
        return since is not None and parsedate_to_datetime(since).timestamp() >= modified.timestamp()
    except ValueError:
        return False


async def deliver(answer: Answer, body: str, head: bool, receive: Receive, send: Send) -> None:
    """Sends the answer, or half of it: `cut` ends there, `hang` waits there for the client to go away."""
    fields = dict(answer.headers)
    if answer.status != 304:
        fields["content-length"] = str(len(answer.body))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    half = answer.body[: len(answer.body) // 2]
    if body == "hang":
        await send({"type": "http.response.body", "body": half, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        whole = b"" if head else answer.body
        await send({"type": "http.response.body", "body": half if body == "cut" else whole})


app = Simulator()
