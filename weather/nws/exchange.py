"""One request to one URL, and what came of it in the terms of HTTP, within a number of bytes."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import aclosing, suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar, cast

import httpx
from pydantic_core import from_json

from weather.config import MIB
from weather.errors import WeatherError

T = TypeVar("T")

MOST_BYTES = 8 * MIB  # The longest answer seen, the alerts of the whole country, had 1.7 MB.
MOST_REDIRECTS = 5


@dataclass(frozen=True, slots=True)
class UpstreamRequest(Generic[T]):
    """`name` is its kind in the metrics. An answer lives within `ttl_bounds_s`, whatever Cache-Control says, and may
    stand in for a newer one for `stale_s` after it came. `refusal` says what a status and a type of problem mean
    here; None: what they mean anywhere. An `optional` request has its own concurrency limit and one attempt, and never
    opens the breaker.
    """

    url: str
    name: str
    read: Callable[[object], T]
    ttl_bounds_s: tuple[float, float]
    stale_s: float
    refusal: Callable[[int, str], WeatherError | None] = lambda status, problem: None
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Reply:
    """`body` is decoded JSON; None for what is none, or is `null`. Beyond MOST_BYTES of it nothing is read."""

    status: int
    headers: httpx.Headers
    size: int
    body: Any

    @property
    def problem(self) -> str:
        """The type of a problem (RFC 9457), the end of its URI; "" for an answer that is none."""
        return str(self.body.get("type")).rpartition("/")[2] if isinstance(self.body, dict) else ""

    def seconds(self, header: str, pattern: str) -> float:
        """What `pattern` finds in a header; 0 where nothing is said."""
        found = re.search(pattern, self.headers.get(header, ""), re.IGNORECASE)
        return float(found[1]) if found else 0.0


async def get(http: httpx.AsyncClient, url: str) -> Reply:
    """Redirects are followed on the same host: another has no say. Raises what httpx does."""
    request = http.build_request("GET", url)
    for _ in range(MOST_REDIRECTS + 1):
        async with aclosing(await http.send(request, stream=True)) as response:
            if response.next_request is None:
                return await _read(response)
            if response.next_request.url.host != request.url.host:
                raise httpx.TooManyRedirects("to another host", request=request)
            request = response.next_request
    raise httpx.TooManyRedirects("in circles", request=request)


async def _read(response: httpx.Response) -> Reply:
    """What comes compressed, though it was asked not to, is no JSON: httpx would inflate it a thousandfold."""
    content, body = bytearray(), None
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        content += chunk
        if len(content) > MOST_BYTES:
            break
    if "json" in response.headers.get("Content-Type", "") and len(content) <= MOST_BYTES:
        with suppress(ValueError):  # also raised for half a surrogate pair, which JSON can escape and UTF-8 not write
            body = from_json(content)
    return Reply(response.status_code, response.headers, len(content), body)
