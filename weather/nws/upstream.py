"""Single-flight HTTP cache over one host, with stale-if-error (RFC 5861).

It stores the data that `UpstreamRequest.read` makes of the JSON, not the JSON itself.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Generic, TypeVar

import anyio
import anyio.to_thread
import httpx
from cachetools import LRUCache, TLRUCache, TTLCache

from weather.config import KIB, MINUTES, SECONDS
from weather.errors import BadAnswer, Unavailable, UpstreamError, WeatherError
from weather.nws.exchange import Reply, UpstreamRequest
from weather.nws.host import Host

T = TypeVar("T")
Progress = Callable[[str], Awaitable[None]]

log = logging.getLogger(__name__)

NOTES = {"point": "Resolving the place", "forecast": "Asking for the forecast", "alerts": "Asking for the alerts"}
REFRESH_AHEAD = 0.9
STALE_COPY_REFRESH_S = 5 * SECONDS
STALE_COPY_LIFE_S = 10 * SECONDS
PATIENCE_WITH_STALE_COPY_S = 3 * SECONDS
FAILING_REMEMBERED_S = 10 * MINUTES
MOST_REMEMBERED = 10_000
# An upper bound of a document's memory: a fixed part, and a part for each byte of JSON. `make bench-upstream` measures.
DOCUMENT_BYTES = 2 * KIB
LARGE_BYTES = 256 * KIB
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


async def silent(_: str) -> None:
    """Ignores progress."""


class Flight(Generic[T]):
    """Work in a task of its own, whose result all callers of `wait` share.

    A cancelled caller does not affect the others. Without callers left the work is cancelled, unless it is `kept`.
    """

    def __init__(self, *, kept: bool = False) -> None:
        self.kept = kept
        self._callers = 0
        self._work = anyio.CancelScope()
        self._changed = anyio.Event()
        self._notes: list[str] = []
        self._done = False
        self._result: T
        self._error: Exception | None = Unavailable("this server is stopping")

    @property
    def stopped(self) -> bool:
        """True once cancelled: the next caller has to start another flight."""
        return self._work.cancel_called

    def stop(self) -> None:
        """Cancels the work, unless somebody waits for it."""
        if not self._callers:
            self._work.cancel()

    def notify(self, note: str) -> None:
        """Sends every caller a note on what the work waits for."""
        self._notes.append(note)
        self._changed.set()
        self._changed = anyio.Event()

    async def fly(self, work: Callable[[], Awaitable[T]]) -> None:
        try:
            with self._work:
                self._result = await work()
                self._error = None
        except Exception as error:
            if not isinstance(error, WeatherError):
                log.exception("nobody foresaw this")  # logged here, since no caller may be left to raise it in
            self._error = error
        finally:
            self._done = True
            self._changed.set()

    async def wait(self, progress: Progress = silent) -> T:
        """The result of the work; raises its error. `progress` gets the latest note and each later one."""
        self._callers += 1
        sent = 0
        try:
            while not self._done:
                if sent == len(self._notes):
                    await self._changed.wait()
                else:
                    sent = len(self._notes)
                    await progress(self._notes[-1])
        finally:
            self._callers -= 1
            if not self._done and not self.kept:
                self.stop()
        if self._error is not None:
            raise self._error.with_traceback(None)  # All callers raise one error, and each would extend its traceback.
        return self._result


class Upstream:
    """The cache of documents. Works only within `opened`. Shares one flight among all requests for a URL."""

    def __init__(self, host: Host) -> None:
        settings, clock = host.settings, host.clock
        self.host, self.metrics, self.clock = host, host.metrics, clock
        self._cache: LRUCache[str, Document[Any]] = LRUCache(settings.nws_cache_bytes, lambda document: document.size)
        self.metrics.nws_cache_bytes.set_function(lambda: self._cache.currsize)
        self._flights: dict[str, Flight[Document[Any]]] = {}
        self._refusals = TLRUCache[str, WeatherError](MOST_REMEMBERED, lambda _, error, now: now + error.lasts_s, clock)
        self._failing: TTLCache[str, float] = TTLCache(MOST_REMEMBERED, FAILING_REMEMBERED_S, clock)
        self._reading = anyio.CapacityLimiter(1)
        # Waiting for two documents in sequence must leave time to use the stale copies.
        self._patience_s = min(PATIENCE_WITH_STALE_COPY_S, 0.3 * settings.nws_deadline_seconds)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.host.http, anyio.create_task_group() as self._tasks:
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

    async def get(
        self,
        request: UpstreamRequest[T],
        *,
        refresh_ahead: bool = False,
        bypass_cache: bool = False,
        progress: Progress = silent,
    ) -> Document[T]:
        """The document from the cache or from NWS; the stale copy if NWS fails or is slow. Raises WeatherError.

        `refresh_ahead` fetches it also if it expires soon, `bypass_cache` in any case.
        """
        if refusal := self._refusals.get(request.url):
            self.metrics.cache.labels(request.name, "hit").inc()
            raise refusal.with_traceback(None)  # Each raise would extend its traceback.
        document: Document[T] | None = self._cache.get(request.url)
        if (
            document
            and not bypass_cache
            and self.clock() < (document.refresh_at if refresh_ahead else document.expires_at)
        ):
            self.metrics.cache.labels(request.name, "hit").inc()
            return document
        self.metrics.cache.labels(request.name, "refresh" if refresh_ahead else "miss").inc()
        stale_copy = self.stale_copy(request)
        flight = self._flights.get(request.url)
        if flight is None or flight.stopped:
            flight = self._launch(request)
        flight.kept |= stale_copy is not None
        try:
            with anyio.fail_after(self._patience_s if stale_copy else None):
                return await flight.wait(progress)
        except (UpstreamError, TimeoutError):
            if stale_copy is None:
                raise
            return stale_copy

    def _launch(self, request: UpstreamRequest[T]) -> Flight[Document[T]]:
        flight: Flight[Document[T]] = self.start(lambda: self._ask(request, flight))
        self._flights[request.url] = flight
        if note := NOTES.get(request.name):
            flight.notify(note)
        return flight

    async def _ask(self, request: UpstreamRequest[T], flight: Flight[Document[T]]) -> Document[T]:
        try:
            document = await self._document(request, await self.host.ask(request, flight.notify))
        except UpstreamError as error:
            if isinstance(error, BadAnswer):
                log.warning("%s: %s", httpx.URL(request.url).raw_path.decode(), error)
            since = self._failing.get(request.url, self.clock() - error.since_s)
            self._failing[request.url] = since
            error.since_s = self.clock() - since
            raise
        except WeatherError as refusal:
            self._refusals[request.url] = refusal
            raise
        finally:
            if self._flights.get(request.url) is flight:
                del self._flights[request.url]
        self._failing.pop(request.url, None)
        if document.size <= self._cache.maxsize:
            self._cache[request.url] = document
        return document

    async def _document(self, request: UpstreamRequest[T], reply: Reply) -> Document[T]:
        """Reads large bodies in a thread, one at a time: two would hold up the event loop."""
        if reply.size > LARGE_BYTES:
            data = await anyio.to_thread.run_sync(request.read, reply.body, limiter=self._reading)
        else:
            data = request.read(reply.body)
        max_age_s = reply.seconds("Cache-Control", r"(?<![\w-])max-age=(\d{1,9})")
        _, ttl_s, _ = sorted((*request.ttl_bounds_s, max_age_s))
        now = self.clock()
        return Document(
            data,
            fetched=self.host.now(),
            refresh_at=now + REFRESH_AHEAD * ttl_s,
            expires_at=now + ttl_s,
            stale_until=now + request.stale_s,
            simulated=reply.headers.get("X-Server-ID") == "weather-simulator",
            size=DOCUMENT_BYTES + int(BYTES_PER_BYTE * reply.size),
        )
