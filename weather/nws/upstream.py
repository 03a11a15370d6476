"""What NWS answered, asked once, kept as long as it says, and given in place of a newer one where that does not come.

What is kept is the data that `UpstreamRequest.read` makes of the JSON, never the JSON itself.
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
# A document takes no more memory than this, and this for each byte of its JSON; `make bench-upstream` measures it.
DOCUMENT_BYTES = 2 * KIB
LARGE_BYTES = 256 * KIB
BYTES_PER_BYTE = 3.5


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """Times ending in `_at` are seconds on the clock of NWS; `size` is what it weighs in the cache, in bytes."""

    data: T
    fetched: datetime
    refresh_at: float
    expires_at: float
    stale_until: float
    simulated: bool
    size: int
    stale: bool = False


async def silent(_: str) -> None:
    """The progress of a caller who did not ask for any."""


class Flight(Generic[T]):
    """The work runs in a task of its own, so that a caller who goes away takes nothing from the others.

    When all have gone away it stops, unless it is `kept`: somebody will want what it brings.
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
        """True of one that nobody waited for: who comes now needs another."""
        return self._work.cancel_called

    def stop(self) -> None:
        if not self._callers:
            self._work.cancel()

    def tell(self, note: str) -> None:
        """Says to every caller what is being waited for."""
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
                log.exception("nobody foresaw this")  # here, since there may be no caller left to raise it to
            self._error = error
        finally:
            self._done = True
            self._changed.set()

    async def wait(self, progress: Progress = silent) -> T:
        """The result, or the error of the work; `progress` gets the note of now and each one to come."""
        self._callers += 1
        told = 0
        try:
            while not self._done:
                if told == len(self._notes):
                    await self._changed.wait()
                else:
                    told = len(self._notes)
                    await progress(self._notes[-1])
        finally:
            self._callers -= 1
            if not self._done and not self.kept:
                self.stop()
        if self._error is not None:
            raise self._error.with_traceback(None)  # one error for all callers: each would add to its traceback
        return self._result


class Upstream:
    """The one cache of a process. Raises WeatherError, with a text for the caller."""

    def __init__(self, host: Host) -> None:
        settings, clock = host.settings, host.clock
        self.host, self.metrics, self.clock = host, host.metrics, clock
        self._cache: LRUCache[str, Document[Any]] = LRUCache(settings.nws_cache_bytes, lambda document: document.size)
        self.metrics.nws_cache_bytes.set_function(lambda: self._cache.currsize)
        self._flights: dict[str, Flight[Document[Any]]] = {}
        self._refusals = TLRUCache[str, WeatherError](MOST_REMEMBERED, lambda _, error, now: now + error.lasts_s, clock)
        self._failing: TTLCache[str, float] = TTLCache(MOST_REMEMBERED, FAILING_REMEMBERED_S, clock)
        self._reading = anyio.CapacityLimiter(1)
        # Two documents to wait for, one after the other, must leave time to give the stale_copy ones.
        self._patience_s = min(PATIENCE_WITH_STALE_COPY_S, 0.3 * settings.nws_deadline_seconds)

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        async with self.host.http, anyio.create_task_group() as self._tasks:
            yield
            self._tasks.cancel_scope.cancel()

    def start(self, work: Callable[[], Awaitable[T]], *, kept: bool = False) -> Flight[T]:
        """Runs `work` apart from its callers."""
        flight = Flight[T](kept=kept)
        self._tasks.start_soon(flight.fly, work)
        return flight

    def stale_copy(self, request: UpstreamRequest[T]) -> Document[T] | None:
        """The last good answer, marked as stale where its time is over, to be asked for anew soon; None: too old."""
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
        """The answer, fresh; where NWS fails or is slow, the last good one if young enough, marked as stale.

        `ahead` asks anew already when the answer is about to expire, `anew` in any case.
        """
        if refusal := self._refusals.get(request.url):
            self.metrics.cache("hit", request.name)
            raise refusal.with_traceback(None)  # it is raised again and again: its traceback would only grow
        document: Document[T] | None = self._cache.get(request.url)
        if (
            document
            and not bypass_cache
            and self.clock() < (document.refresh_at if refresh_ahead else document.expires_at)
        ):
            self.metrics.cache("hit", request.name)
            return document
        self.metrics.cache("refresh" if refresh_ahead else "miss", request.name)
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
            flight.tell(note)
        return flight

    async def _ask(self, request: UpstreamRequest[T], flight: Flight[Document[T]]) -> Document[T]:
        try:
            document = await self._document(request, await self.host.ask(request, flight.tell))
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
        """Reads what is large in a thread, one at a time: readers are pure, and two would hold up the loop."""
        if reply.size > LARGE_BYTES:
            data = await anyio.to_thread.run_sync(request.read, reply.body, limiter=self._reading)
        else:
            data = request.read(reply.body)
        max_age_s = reply.seconds("Cache-Control", r"(?<![\w-])max-age=(\d{1,9})")
        _, life_s, _ = sorted((*request.ttl_bounds_s, max_age_s))
        now = self.clock()
        return Document(
            data,
            fetched=self.host.now(),
            refresh_at=now + REFRESH_AHEAD * life_s,
            expires_at=now + life_s,
            stale_until=now + request.stale_s,
            simulated=reply.headers.get("X-Server-ID") == "weather-simulator",
            size=DOCUMENT_BYTES + int(BYTES_PER_BYTE * reply.size),
        )
