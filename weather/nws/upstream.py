"""Single-flight HTTP cache over one host, with stale-if-error (RFC 5861).

It stores the data that `UpstreamRequest.read` makes of the JSON, not the JSON itself.
"""

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from functools import partial
from typing import Any, Generic, TypedDict, TypeVar, Unpack

import anyio
import httpx
from cachetools import LRUCache, TLRUCache, TTLCache

from weather.config import KIB, MINUTES, SECONDS
from weather.errors import BadAnswer, UpstreamError, WeatherError
from weather.nws.exchange import Reply, UpstreamRequest
from weather.nws.flights import Flight, Flights, Progress, silent
from weather.nws.host import Host

T = TypeVar("T")

log = logging.getLogger(__name__)

NOTES = {"point": "Resolving the place", "forecast": "Asking for the forecast", "alerts": "Asking for the alerts"}
REFRESH_AHEAD = 0.9
STALE_COPY_REFRESH_S = 5 * SECONDS
STALE_COPY_LIFE_S = 10 * SECONDS
PATIENCE_S = 3 * SECONDS  # for stale answers to come before clients give up: one does after 5 s
FAILING_REMEMBERED_S = 10 * MINUTES
BAD_ANSWER_REMEMBERED_S = 10 * SECONDS
MOST_REMEMBERED = 10_000
# An upper bound of a document's memory: a fixed part, and a part for each byte of JSON. `make bench-upstream` measures.
DOCUMENT_BYTES = 2 * KIB
BYTES_PER_BYTE = 3.5


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """Cached data. `refresh_at`, `expires_at` and `stale_until` are in seconds on the host's clock.

    `fetched` is in UTC; `size` is the estimated memory in bytes; `stale`: it has expired and NWS fails.
    """

    data: T
    fetched: datetime
    refresh_at: float
    expires_at: float
    stale_until: float
    simulated: bool
    size: int
    stale: bool = False


class Options(TypedDict, total=False):
    """`refresh_ahead` also fetches a document that expires soon, `bypass_cache` any document.

    `progress` gets a note on what the call waits for, and on each retry. After `patience_until` (in seconds on anyio's
    clock) a stale copy is given, if there is one.
    """

    refresh_ahead: bool
    bypass_cache: bool
    progress: Progress
    patience_until: float


def _forgotten_at(_: str, error: WeatherError, now: float) -> float:
    return now + (BAD_ANSWER_REMEMBERED_S if isinstance(error, BadAnswer) else error.lasts_s)


class Upstream:
    """The cache of documents. Works only within `opened`. Shares one flight among all requests for a URL."""

    def __init__(self, host: Host) -> None:
        settings, clock = host.settings, host.clock
        self.host, self.metrics, self.clock = host, host.metrics, clock
        self._cache: LRUCache[str, Document[Any]] = LRUCache(settings.nws_cache_bytes, lambda document: document.size)
        self.metrics.nws_cache_bytes.set_function(lambda: self._cache.currsize)
        self._flights: Flights[str, Document[Any]] = Flights(self.start)
        self._failures = TLRUCache[str, WeatherError](MOST_REMEMBERED, _forgotten_at, clock)
        self._failing: TTLCache[str, float] = TTLCache(MOST_REMEMBERED, FAILING_REMEMBERED_S, clock)
        self.patience_s = min(PATIENCE_S, 0.3 * settings.nws_deadline_seconds)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.host.transport, anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def start(self, work: Callable[[], Awaitable[T]], *, kept: bool = False) -> Flight[T]:
        """Runs `work` in a task of its own."""
        flight = Flight[T](kept=kept)
        self._tasks.start_soon(flight.fly, work)
        return flight

    def stale_copy(self, request: UpstreamRequest[T]) -> Document[T] | None:
        """The cached document, to be refreshed soon, marked as stale if it has expired; None if too old."""
        document: Document[T] | None = self._cache.get(request.url)
        now = self.clock()
        if document and now < document.expires_at:
            return replace(document, refresh_at=now + STALE_COPY_REFRESH_S)
        if document and now <= document.stale_until:
            expires_at = min(now + STALE_COPY_LIFE_S, document.stale_until)
            return replace(document, stale=True, refresh_at=now + STALE_COPY_REFRESH_S, expires_at=expires_at)
        return None

    async def get(self, request: UpstreamRequest[T], **options: Unpack[Options]) -> Document[T]:
        """The document from the cache or from NWS; the stale copy if NWS fails or is slow. Raises WeatherError."""
        refresh_ahead, failure = options.get("refresh_ahead", False), self._failures.get(request.url)
        if failure and not isinstance(failure, UpstreamError):
            self.metrics.cache.labels(request.name, "hit").inc()
            raise failure.with_traceback(None)  # Each raise would extend its traceback.
        document: Document[T] | None = None if options.get("bypass_cache") else self._cache.get(request.url)
        if document and self.clock() < (document.refresh_at if refresh_ahead else document.expires_at):
            self.metrics.cache.labels(request.name, "hit").inc()
            return document
        self.metrics.cache.labels(request.name, "refresh" if refresh_ahead else "miss").inc()
        stale_copy = self.stale_copy(request)
        try:
            if failure:
                raise failure.with_traceback(None)
            flight = self._flights.join(request.url, partial(self._fetch, request))
            flight.kept |= stale_copy is not None
            now = anyio.current_time()
            with anyio.fail_after(options.get("patience_until", now + self.patience_s) - now if stale_copy else None):
                return await flight.wait(options.get("progress", silent))
        except (UpstreamError, TimeoutError):
            if stale_copy is None:
                raise
            return stale_copy

    async def _fetch(self, request: UpstreamRequest[T], flight: Flight[Document[T]]) -> Document[T]:
        if note := NOTES.get(request.name):
            flight.notify(note)
        try:
            document = self._document(request, await self.host.get(request, flight.notify))
        except UpstreamError as error:
            if isinstance(error, BadAnswer):
                log.warning("%s: %s", httpx.URL(request.url).raw_path.decode(), error)
                self._failures[request.url] = error
            since = self._failing.get(request.url, self.clock() - error.since_s)
            self._failing[request.url] = since
            error.since_s = self.clock() - since
            raise
        except WeatherError as refusal:
            self._failures[request.url] = refusal
            raise
        self._failing.pop(request.url, None)
        if document.size <= self._cache.maxsize:
            self._cache[request.url] = document
        return document

    def _document(self, request: UpstreamRequest[T], reply: Reply) -> Document[T]:
        max_age_s = reply.seconds("Cache-Control", r"(?<![\w-])max-age=(\d{1,9})")
        _, ttl_s, _ = sorted((*request.ttl_bounds_s, max_age_s))
        now = self.clock()
        return Document(
            reply.body,
            fetched=self.host.now(),
            refresh_at=now + REFRESH_AHEAD * ttl_s,
            expires_at=now + ttl_s,
            stale_until=now + request.stale_s,
            simulated=reply.headers.get("X-Server-ID") == "weather-simulator",
            size=DOCUMENT_BYTES + int(BYTES_PER_BYTE * reply.size),
        )
