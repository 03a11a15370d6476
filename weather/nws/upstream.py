"""What NWS answered, asked once and kept as long as it says.

A question in flight is a task of its own: callers wait for it, and one that goes away takes nothing from the
others. What is kept is the digest that `Endpoint.read` makes of the JSON, never the JSON itself.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import datetime
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
from cachetools import LRUCache, TTLCache

from weather.config import MINUTES, SECONDS
from weather.errors import TooSlow, UpstreamError
from weather.nws.document import Document, Question
from weather.nws.flight import Flight, Progress, silent
from weather.nws.host import Host

T = TypeVar("T")

PATIENCE_WITH_SPARE_S = 3 * SECONDS
FAILING_REMEMBERED_S = 10 * MINUTES
MOST_FAILING = 10_000


class Upstream:
    """The one cache and the one HTTP client of a process. Raises WeatherError, with a text for the caller."""

    def __init__(self, host: Host) -> None:
        self.host, self.settings, self.metrics, self.clock = host, host.settings, host.metrics, host.clock
        self._cache: LRUCache[str, Document[Any]] = LRUCache(
            self.settings.nws_cache_bytes, getsizeof=lambda document: document.size
        )
        self._flights: dict[str, Flight[Document[Any]]] = {}
        self._failing: TTLCache[str, float] = TTLCache(MOST_FAILING, FAILING_REMEMBERED_S, self.clock)
        # Two documents to wait for, one after the other, must leave time to give the spare ones.
        self._patience_s = min(PATIENCE_WITH_SPARE_S, 0.3 * self.settings.nws_deadline_seconds)

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self.host.opened())
            self._tasks = await stack.enter_async_context(anyio.create_task_group())
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._stack.aclose()

    def now(self) -> datetime:
        return self.host.now()

    def start(self, work: Callable[[], Awaitable[T]], *, kept: bool = False) -> Flight[T]:
        """Runs `work` apart from its callers."""
        flight = Flight[T](kept=kept)
        self._tasks.start_soon(flight.fly, work)
        return flight

    def cached(self, question: Question[T]) -> bool:
        document = self._kept(question)
        return document is not None and self.clock() < document.expires_at

    def _kept(self, question: Question[T]) -> Document[T] | None:
        """The last answer, however old."""
        return self._cache.get(question.url)

    def spare(self, question: Question[T]) -> Document[T] | None:
        """The last good answer, marked as stale where its time is over; None when it is too old to be given."""
        document = self._kept(question)
        return document.spare(self.clock(), question.endpoint.stale_s) if document else None

    async def get(
        self, question: Question[T], *, ahead: bool = False, anew: bool = False, progress: Progress = silent
    ) -> Document[T]:
        """The answer, fresh; where NWS fails or is slow, the last good one if young enough, marked as stale.

        `ahead` asks anew already when the answer is about to expire, `anew` in any case.
        """
        document, now = self._kept(question), self.clock()
        if document and not anew and now < (document.refresh_at if ahead else document.expires_at):
            self.metrics.cache("hit", question.endpoint.name)
            return document.sound()
        self.metrics.cache("refresh" if ahead else "miss", question.endpoint.name)
        spare = self.spare(question)
        flight = self._flights.get(question.url)
        if flight is None or flight.stopped:
            flight = self._launch(question, document)
        flight.kept |= spare is not None
        try:
            with anyio.fail_after(self._patience_s if spare else None):
                document = await flight.wait(progress)
        except (UpstreamError, TimeoutError):
            if spare is None:
                raise
            document = spare
        return document.sound()

    def _launch(self, question: Question[T], last: Document[T] | None) -> Flight[Document[T]]:
        flight: Flight[Document[T]] = self.start(lambda: self._ask(question, last, flight))
        self._flights[question.url] = flight
        return flight

    async def _ask(self, question: Question[T], last: Document[T] | None, flight: Flight[Document[T]]) -> Document[T]:
        try:
            document = await self._in_time(question, last, flight)
        except UpstreamError as error:
            since = self._failing.get(question.url, self.clock() - error.since_s)
            self._failing[question.url] = since
            error.since_s = self.clock() - since
            raise
        finally:
            if self._flights.get(question.url) is flight:
                del self._flights[question.url]
        self._failing.pop(question.url, None)
        if document.size <= self._cache.maxsize:
            self._cache[question.url] = document
        return document

    async def _in_time(
        self, question: Question[T], last: Document[T] | None, flight: Flight[Document[T]]
    ) -> Document[T]:
        deadline_s = self.settings.nws_deadline_seconds
        try:
            with anyio.fail_after(deadline_s) as limit:
                return await self.host.ask(question, last, flight.tell, limit.deadline)
        except TimeoutError:
            raise TooSlow(deadline_s) from None
