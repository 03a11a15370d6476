"""A simulated National Weather Service: a bare ASGI application.

It follows https://api.weather.gov/openapi.json and the observed behaviour of the service in six endpoints: points,
forecast, hourly forecast, stations, latest observation, and active alerts by `area`, `zone` or `point`. For one
SIMULATOR_SEED, the response to a request is the same, byte for byte, within one hour of the clock (alerts: within
SIMULATOR_ALERTS_EVERY_S). Only the correlation ids differ.

Runs on its own under `hypercorn weather.simulator:app`, or in a process under `httpx.ASGITransport(Simulator())`.
"""

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
from .faults import Fault, Faults, FaultsError, Problem
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
    """`path` is a regular expression. `max_age` and `s_maxage` are in seconds. `modified` names the property for
    Last-Modified, "" for none. `parameters` maps each query parameter to its allowed values, () for any text.
    """

    path: str
    document: Callable[[SimulatedRequest], Json]
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
    """The endpoint's name, or `other` for an unknown path, and the arguments in the path."""
    for name, endpoint in ENDPOINTS.items():
        if match := re.fullmatch(endpoint.path, path, re.ASCII):
            return name, match.groups()
    return "other", ()


def parameters(given: Mapping[str, str], allowed: Mapping[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    """The comma-separated values of each parameter, without repetition. Raises Problem.

    A parameter not given has all its allowed values; one without allowed values has its text as the only value.
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
    """The ASGI application; `clock` returns Unix time in seconds.

    `requests` counts requests before their latency, by endpoint (`other` for an unknown path) and status of the
    response. Without `faults`, reads them from the environment at startup, or at the first request without a lifespan.
    One seeded generator draws all faults, so that a run can be repeated.
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
        """Reads the faults, so that a bad variable fails the startup."""
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
        fault = self.faults.draw(self.chance, now)
        try:
            if not headers.get("user-agent"):
                fault = Fault(status=403)
            elif "x-simulate" in headers:
                fault = Fault.parse(headers["x-simulate"])
            response = faulty(fault)
            if response is None:
                endpoint = endpoint_of(scope["method"], name)
                request = SimulatedRequest(base, args, parameters(query, endpoint.parameters), now, self.faults)
                response = regular(endpoint, request, headers.get("if-modified-since"), fault.status == 304)
        except Problem as problem:
            body = dump(problem.body(base, correlation))
            response = Response(problem.status, body, PROBLEM_HEADERS | problem.headers)
        self.requests[name, response.status] += 1
        fields = {**response.headers, "vary": VARY, "x-correlation-id": correlation, "x-server-id": "weather-simulator"}
        if fault.retry_after is not None:
            fields["retry-after"] = str(fault.retry_after)
        await anyio.sleep(fault.latency_ms / 1000)
        await deliver(response._replace(headers=fields), fault.body, scope["method"] == "HEAD", receive, send)


def faulty(fault: Fault) -> Response | None:
    """The CDN's error page in HTML, or None for no error; raises Problem for an error of the service itself."""
    if fault.body in ("html", "type") or fault.status in (403, 429):
        status = 200 if fault.body == "type" else fault.status or 403
        title = {403: "Access Denied", 429: "Too Many Requests"}.get(status, "Service Unavailable")
        page = f"<HTML><HEAD>\n<TITLE>{title}</TITLE>\n</HEAD><BODY>\n<H1>{title}</H1>\n</BODY></HTML>\n"
        return Response(status, page.encode(), {"content-type": "text/html"})
    if fault.problem:
        raise Problem(fault.problem, "The grid point")
    if fault.status == 503:
        raise Problem("UnavailableWebService")
    if fault.status not in (0, 304):
        raise Problem("UnexpectedProblem", status=fault.status)
    return None


def endpoint_of(method: str, name: str) -> Endpoint:
    """Raises Problem for another method or an unknown path."""
    if method not in ("GET", "HEAD"):
        raise Problem("MethodNotAllowed", method, allow="GET, HEAD")
    if name not in ENDPOINTS:
        raise Problem("NotFound", "The path")
    return ENDPOINTS[name]


def regular(endpoint: Endpoint, request: SimulatedRequest, since: str | None, unchanged: bool) -> Response:
    """Status 200, or 304 if `since` (If-Modified-Since) is the last change, or any date where `unchanged`."""
    body = endpoint.document(request)
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


async def deliver(response: Response, body: str, head: bool, receive: Receive, send: Send) -> None:
    """Sends the response. A `body` of "cut" ends it after half; "hang" waits there until the client disconnects."""
    fields = dict(response.headers)
    if response.status != 304:
        fields["content-length"] = str(len(response.body))
    headers = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in fields.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": headers})
    half = response.body[: len(response.body) // 2]
    if body == "hang":
        await send({"type": "http.response.body", "body": half, "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        whole = b"" if head else response.body
        await send({"type": "http.response.body", "body": half if body == "cut" else whole})


app = Simulator()
