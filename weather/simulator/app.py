"""A National Weather Service for trying and testing: a bare ASGI application, all weather invented.

It answers as https://api.weather.gov/openapi.json describes and as the service was seen to answer, in six endpoints:
points, forecast, hourly forecast, stations, latest observation, and active alerts by `area`, `zone` or `point`.
With one SIMULATOR_SEED the same request within one hour of the clock (alerts: within SIMULATOR_ALERTS_EVERY_S) has the
same answer, byte for byte; only the correlation ids differ.

Served on its own by `hypercorn weather.simulator:app`, or in a process by `httpx.ASGITransport(Simulator())`.
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

import anyio

from . import world
from .alerts import alerts
from .faults import Fate, Faults, FaultsError, Problem
from .map import AREAS
from .world import HOUR, Json, SimulatedRequest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

PRIVATE = "private, must-revalidate, max-age=86400"
PROBLEM_HEADERS = {"content-type": "application/problem+json", "cache-control": PRIVATE}
VARY = "Accept-Encoding, Accept,Feature-Flags,Accept-Language"
STATUSES = ("actual", "exercise", "system", "test", "draft")
ALERTS = {"area": AREAS, "zone": (), "point": (), "status": STATUSES}


class Endpoint(NamedTuple):
    """`max_age` and `s_maxage` in seconds; `modified` leads to the time for Last-Modified in the answer."""

    path: str
    answer: Callable[[SimulatedRequest], Json]
    max_age: int
    s_maxage: int
    modified: str = ""
    parameters: Mapping[str, tuple[str, ...]] = {}


GRID = r"/gridpoints/([^/]+)/(\d{1,7}),(\d{1,7})"
ENDPOINTS = {
    "point": Endpoint("/points/([^/]+)", world.point, 24 * HOUR, 120),
    "forecast": Endpoint(f"{GRID}/forecast", world.forecast, HOUR, HOUR, "updateTime"),
    "hourly": Endpoint(f"{GRID}/forecast/hourly", world.hourly, HOUR, HOUR, "updateTime"),
    "stations": Endpoint(f"{GRID}/stations", world.stations, 24 * HOUR, 120),
    "observation": Endpoint("/stations/([^/]+)/observations/latest", world.observation, 300, 300, "timestamp"),
    "alerts": Endpoint("/alerts/active", alerts, 30, 30, parameters=ALERTS),
}


class Response(NamedTuple):
    status: int
    body: bytes
    headers: dict[str, str]


def find(path: str) -> tuple[str, tuple[str, ...]]:
    """The endpoint's name, or `other`, and the arguments in the path."""
    for name, endpoint in ENDPOINTS.items():
        if match := re.fullmatch(endpoint.path, path, re.ASCII):
            return name, match.groups()
    return "other", ()


def chosen(given: Mapping[str, str], allowed: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The comma-separated values of each parameter, each once; all that are allowed where it is not given. One that
    allows none in particular has its text as it is.
    """
    for parameter in sorted(given.keys() - allowed.keys()):
        message = f'Query parameter "{parameter}" is not recognized'
        raise Problem("BadRequest", message, parameter=f"query.{parameter}")
    values = {name: tuple(dict.fromkeys(text.split(","))) if allowed[name] else (text,) for name, text in given.items()}
    for name, several in values.items():
        for index, value in enumerate(several):
            if allowed[name] and value not in allowed[name]:
                message = f"Does not have a value in the enumeration {json.dumps(allowed[name])}"
                raise Problem("BadRequest", message, parameter=f"query.{name}[{index}]")
    return {**allowed, **values}


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
            try:
                await send({"type": "lifespan.startup.failed", "message": str(error)})
            except Exception:  # hypercorn's, which would end the process with a traceback.
                print(error, file=sys.stderr, flush=True)
                os._exit(1)
            return
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})

    async def http(self, scope: Message, receive: Receive, send: Send) -> None:
        name, args = find(scope["path"])
        headers = {key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]}
        base = f"{scope['scheme']}://{headers.get('host') or '{}:{}'.format(*scope['server'])}"
        query = dict(parse_qsl(scope["query_string"].decode("latin-1"), keep_blank_values=True))
        correlation, now = f"{self.chance.getrandbits(32):08x}", self.clock()
        fate = self.faults.draw(self.chance, now)
        try:
            if not headers.get("user-agent"):
                fate = Fate(status=403)
            elif "x-simulate" in headers:
                fate = Fate.ordered(headers["x-simulate"])
            answer = spoilt(fate)
            if answer is None:
                endpoint = allowed(scope["method"], name)
                request = SimulatedRequest(base, args, chosen(query, endpoint.parameters), now, self.faults)
                answer = right(endpoint, request, headers.get("if-modified-since"), fate.status == 304)
        except Problem as problem:
            answer = Response(problem.status, dump(problem.body(base, correlation)), PROBLEM_HEADERS | problem.headers)
        self.requests[name, answer.status] += 1
        fields = {**answer.headers, "vary": VARY, "x-correlation-id": correlation, "x-server-id": "weather-simulator"}
        if fate.retry_after is not None:
            fields["retry-after"] = str(fate.retry_after)
        await anyio.sleep(fate.latency_ms / 1000)
        await deliver(answer._replace(headers=fields), fate.body, scope["method"] == "HEAD", receive, send)


def spoilt(fate: Fate) -> Response | None:
    """The CDN's answer, which knows nothing of JSON; raises Problem for the service's own; None: all is well."""
    if fate.body in ("html", "type") or fate.status in (403, 429):
        status = 200 if fate.body == "type" else fate.status or 403
        title = {403: "Access Denied", 429: "Too Many Requests"}.get(status, "Service Unavailable")
        page = f"<HTML><HEAD>\n<TITLE>{title}</TITLE>\n</HEAD><BODY>\n<H1>{title}</H1>\n</BODY></HTML>\n"
        return Response(status, page.encode(), {"content-type": "text/html"})
    if fate.problem:
        raise Problem(fate.problem, "The grid point")
    if fate.status == 503:
        raise Problem("UnavailableWebService")
    if fate.status not in (0, 304):
        raise Problem("UnexpectedProblem", status=fate.status)
    return None


def allowed(method: str, name: str) -> Endpoint:
    if method not in ("GET", "HEAD"):
        raise Problem("MethodNotAllowed", method, allow="GET, HEAD")
    if name not in ENDPOINTS:
        raise Problem("NotFound", "The path")
    return ENDPOINTS[name]


def right(endpoint: Endpoint, request: SimulatedRequest, since: str | None, unchanged: bool) -> Response:
    """200, or 304 for a request with If-Modified-Since (`since`) if that is the last change, or `unchanged` says so."""
    body = endpoint.answer(request)
    headers = {
        "content-type": "application/geo+json",
        "cache-control": f"public, max-age={endpoint.max_age}, s-maxage={endpoint.s_maxage}",
    }
    if endpoint.modified:
        modified = datetime.fromisoformat(body["properties"][endpoint.modified])
        headers["last-modified"] = format_datetime(modified, usegmt=True)
    if since is not None and (unchanged or since == headers.get("last-modified")):
        return Response(304, b"", headers)
    return Response(200, dump(body), headers)


def dump(body: Json) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


async def deliver(answer: Response, body: str, head: bool, receive: Receive, send: Send) -> None:
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
