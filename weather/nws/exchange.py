"""One HTTP GET: the request to NWS and its response, with a limit on bytes and redirects."""

import re
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, aclosing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Generic, TypeVar, cast

import httpx
from pydantic_core import from_json

from weather.config import KIB, MIB
from weather.errors import WeatherError
from weather.nws.worker import Worker

T = TypeVar("T")
Send = Callable[[httpx.URL], Awaitable[httpx.Response]]

MOST_BYTES = 8 * MIB
# The longest seen: 5 KB, 130 KB, and 1.7 MB for the alerts of the whole country, which nobody requests here.
BOUNDS = dict.fromkeys(("point", "observation"), 256 * KIB) | dict.fromkeys(("forecast", "stations"), MIB)
BOUNDS |= {"alerts": 2 * MIB}
MOST_PROBLEM_BYTES = 64 * KIB
MOST_REDIRECTS = 5
LARGE_BYTES = 256 * KIB


@dataclass(frozen=True, slots=True)
class UpstreamRequest(Generic[T]):
    """A GET of `url`; `read` makes the cached data of the JSON.

    * `name` is its label in the metrics.
    * `decode` makes the body of the bytes, and raises ValueError.
    * `ttl_bounds_s`: the shortest and the longest time to live, whatever Cache-Control says.
    * `stale_s`: how long after the response it may be used if NWS fails (stale-if-error, RFC 5861).
    * `refusal` maps a status and a problem type to the error of this endpoint; None: none of its own.
    * `optional`: has its own concurrency limit and one attempt, and never opens the breaker.
    """

    url: str
    name: str
    read: Callable[[object], T]
    ttl_bounds_s: tuple[float, float]
    stale_s: float
    refusal: Callable[[int, str], WeatherError | None] = lambda status, problem: None
    optional: bool = False
    decode: Callable[[bytearray], object] = from_json

    @property
    def most_bytes(self) -> int:
        return BOUNDS.get(self.name, MOST_BYTES)


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is the decoded JSON; None if it is `null`, no JSON, or too long. `size` is in bytes."""

    status: int
    headers: httpx.Headers
    size: int
    body: Any
    too_long: bool

    @property
    def problem(self) -> str:
        """The last part of the problem type's URI (RFC 9457); "" if the response is not a JSON object."""
        return str(self.body.get("type")).rpartition("/")[2] if isinstance(self.body, dict) else ""

    def seconds(self, header: str, pattern: str) -> float:
        """The number that `pattern` matches in a header, else 0."""
        match = re.search(pattern, self.headers.get(header, ""), re.IGNORECASE)
        return float(match[1]) if match else 0.0


async def fetch(send: Send, asked: UpstreamRequest[Any], worker: Worker, held: AsyncExitStack) -> Reply:
    """Follows redirects on the same host only. Raises httpx.HTTPError and httpx.InvalidURL.

    A large body has one of few places in memory, until `held` is closed.
    """
    url = httpx.URL(asked.url)
    for _ in range(MOST_REDIRECTS + 1):
        async with aclosing(await send(url)) as response:
            if not response.has_redirect_location:
                return await _read(response, asked, worker, held)
        url, before = url.join(response.headers["Location"]), url
        if url.host != before.host:
            raise httpx.TooManyRedirects("to another host")
        if url.port == before.port and url.scheme in (before.scheme, "https"):
            url = url.copy_with(userinfo=before.userinfo)
    raise httpx.TooManyRedirects("in circles")


async def _read(response: httpx.Response, asked: UpstreamRequest[Any], worker: Worker, held: AsyncExitStack) -> Reply:
    """Reads the raw bytes. An unrequested compressed body is not JSON: httpx would inflate it a thousandfold."""
    content, body = bytearray(), None
    most_bytes = asked.most_bytes if response.status_code == HTTPStatus.OK else MOST_PROBLEM_BYTES
    declared = response.headers.get("Content-Length", "")
    size = int(declared) if declared.isdecimal() else 0
    if size <= most_bytes:
        async for chunk in cast(httpx.AsyncByteStream, response.stream):
            if len(content) <= LARGE_BYTES < len(content) + len(chunk):
                await held.enter_async_context(worker.places)
            content += chunk
            if len(content) > most_bytes:
                break
        size = len(content)
    if size <= most_bytes and "json" in response.headers.get("Content-Type", ""):
        with suppress(ValueError):  # also raised for half a surrogate pair, which JSON can escape and UTF-8 not write
            body = await worker.run(asked.decode, content, long=size > LARGE_BYTES)
    return Reply(response.status_code, response.headers, size, body, too_long=size > most_bytes)
