"""One GET and what came of it, within a number of bytes, in the terms of HTTP."""

from __future__ import annotations

import re
import zlib
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, cast

import httpx
from pydantic_core import from_json

from weather.config import MIB

MOST_BYTES = 8 * MIB  # The longest answer seen, the alerts of the whole country, had 1.7 MB.
MOST_REDIRECTS = 5


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

    def max_age_s(self) -> float:
        """Seconds left by Cache-Control and Age (RFC 9111, 4.2); 0 where nothing is said."""
        found = re.search(r"(?<![\w-])max-age=(\d{1,9})", self.headers.get("Cache-Control", ""), re.IGNORECASE)
        age = self.headers.get("Age", "")
        return max(0.0, float(found[1]) - float(age if age.isdecimal() else 0)) if found else 0.0

    def retry_after_s(self, now: datetime) -> float:
        """Seconds or an HTTP date (RFC 9110, 10.2.3); 0 where nothing is said."""
        value = self.headers.get("Retry-After", "").strip()
        if value.isdecimal():
            return float(value)
        try:
            return max(0.0, (parsedate_to_datetime(value) - now).total_seconds())
        except (TypeError, ValueError):
            return 0.0


async def get(http: httpx.AsyncClient, url: str, headers: dict[str, str]) -> Reply:
    """Redirects are followed on the same host: another has no say. Raises what httpx does, see `failure`."""
    request = http.build_request("GET", url, headers={"Accept-Encoding": "gzip", **headers})
    for _ in range(MOST_REDIRECTS + 1):
        response = await http.send(request, stream=True)
        async with aclosing(response):
            following = response.next_request
            if following is None:
                content = await _content(response)
                return Reply(response.status_code, response.headers, len(content), _decoded(response, content))
        if following.url.host != request.url.host:
            raise httpx.TooManyRedirects("to another host", request=following)
        request = following
    raise httpx.TooManyRedirects("in circles", request=request)


async def _content(response: httpx.Response) -> bytearray:
    """Inflated here: httpx would inflate a chunk as far as it goes, a thousandfold."""
    gzip = response.headers.get("Content-Encoding", "").lower() == "gzip"
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16) if gzip else None
    content = bytearray()
    # Not `aiter_raw`: that refuses a response whose content the transport had ready.
    async for chunk in cast(httpx.AsyncByteStream, response.stream):
        if inflate is None:
            content += chunk[: MOST_BYTES + 1]
        elif not inflate.eof:
            try:
                content += inflate.decompress(chunk, MOST_BYTES + 1 - len(content))
            except zlib.error as error:
                raise httpx.DecodingError(str(error), request=response.request) from error
        if len(content) > MOST_BYTES:
            break
    return content


def _decoded(response: httpx.Response, content: bytearray) -> Any:
    """Without half a surrogate pair, which JSON can escape and UTF-8 cannot write: `from_json` refuses it."""
    if "json" not in response.headers.get("Content-Type", "") or len(content) > MOST_BYTES:
        return None
    try:
        return from_json(content)
    except ValueError:
        return None


def failure(error: Exception) -> str:
    """What httpx raised, as it may be told."""
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "it cannot be reached"
        case httpx.TimeoutException() | TimeoutError():
            return "it takes too long"
        case httpx.TooManyRedirects():
            return "it redirects to nowhere"
        case _:
            return "the connection broke"
