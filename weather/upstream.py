"""GET JSON from one host, asked once, kept as long as it says, tried again with patience.

A question in flight is a task of its own: callers wait for it, and one that goes away takes nothing from the
others. What is kept is the digest that `Endpoint.read` makes of the JSON, never the JSON itself.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import count
from types import TracebackType
from typing import Any, Self, TypeVar

import anyio
import httpx
import stamina
from anyio.abc import TaskGroup
from cachetools import LRUCache
from pydantic_core import from_json

from weather.breaker import Breaker, Clock
from weather.config import HOURS, SECONDS, Settings
from weather.document import DOCUMENT_BYTES, Document, Endpoint, Question, max_age_s, retry_after_s
from weather.errors import BadAnswer, Busy, TooSlow, Unavailable, UpstreamError, WeatherError
from weather.flight import Flight, Progress, silent
from weather.metrics import Metrics

T = TypeVar("T")

RETRIED = {429, 500, 502, 503, 504}
FAILURES = {403, *RETRIED}  # The 403 is the CDN's, whatever the question.
PATIENCE_WITH_SPARE_S = 3 * SECONDS
REFRESH_AHEAD = 0.9
BACKOFF_S = 0.25 * SECONDS

log = logging.getLogger(__name__)


class _AttemptError(Exception):
    """An attempt that may be made again, after `retry_after_s` if the host named a time."""

    def __init__(self, what: str, status: int = 0, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.what, self.status, self.retry_after_s = what, status, retry_after_s


class Upstream:
    """The HTTP client of one process. Raises WeatherError, with a text for the caller."""

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings, self.metrics, self.clock = settings, metrics, clock
        self._transport = transport
        self._cache: LRUCache[str, Document[Any]] = LRUCache(
            settings.nws_cache_bytes, getsizeof=lambda document: document.size
        )
        self._flights: dict[str, Flight[Document[Any]]] = {}
        self._breaker = Breaker(settings.nws_breaker_failures, settings.nws_breaker_seconds, clock)
        self._latency_s = 0.2
        self._epoch = datetime.now(UTC) - timedelta(seconds=clock())
        # Two documents to wait for, one after the other, must leave time to give the spare ones.
        self._patience_s = min(PATIENCE_WITH_SPARE_S, 0.3 * settings.nws_deadline_seconds)

    async def __aenter__(self) -> Self:
        settings = self.settings
        self._room = anyio.CapacityLimiter(settings.nws_max_concurrency)
        self._http = httpx.AsyncClient(
            transport=self._transport,
            headers={"User-Agent": settings.nws_user_agent, "Accept": "application/geo+json"},
            timeout=httpx.Timeout(settings.nws_read_timeout_seconds, connect=settings.nws_connect_timeout_seconds),
            limits=httpx.Limits(max_connections=settings.nws_max_concurrency),
            follow_redirects=True,
        )
        self._tasks: TaskGroup = anyio.create_task_group()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._tasks.cancel_scope.cancel()
        await self._tasks.__aexit__(None, None, None)
        await self._http.aclose()

    def now(self) -> datetime:
        return self._epoch + timedelta(seconds=self.clock())

    def start(self, work: Callable[[], Awaitable[T]]) -> Flight[T]:
        """Runs `work` apart from its callers."""
        flight = Flight[T]()
        self._tasks.start_soon(flight.fly, work)
        return flight

    def kept(self, question: Question[T]) -> Document[T] | None:
        """The last answer, however old."""
        return self._cache.get(question.url)

    def cached(self, question: Question[T]) -> bool:
        document = self.kept(question)
        return document is not None and self.clock() < document.expires_at

    def forget(self, question: Question[T], document: Document[T]) -> None:
        """Unless a newer answer has come in the meantime."""
        kept = self.kept(question)
        if kept and kept.fetched_at == document.fetched_at:
            del self._cache[question.url]

    async def get(self, question: Question[T], *, ahead: bool = False, progress: Progress = silent) -> Document[T]:
        """The answer, fresh; where NWS fails or is slow, the last good one if young enough, marked as stale.

        `ahead` asks anew already when the answer is about to expire.
        """
        document, now = self.kept(question), self.clock()
        if document and now < (document.refresh_at if ahead else document.expires_at):
            self.metrics.cache("hit", question.endpoint.name)
            return document.sound()
        self.metrics.cache("refresh" if ahead else "miss", question.endpoint.name)
        spare = document.spare(now, question.endpoint.stale_s) if document else None
        flight = self._flights.get(question.url) or self._launch(question, document)
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
        deadline_s = self.settings.nws_deadline_seconds
        try:
            with anyio.fail_after(deadline_s) as limit:
                document = await self._persist(question, last, partial(self._pause, flight, limit.deadline, count(1)))
        except TimeoutError:
            raise TooSlow(deadline_s) from None
        except _AttemptError as failure:
            raise self._breaker.unavailable(failure.what) from None
        finally:
            del self._flights[question.url]
        if document.size <= self._cache.maxsize:
            self._cache[question.url] = document
        return document

    async def _persist(
        self, question: Question[T], last: Document[T] | None, pause: Callable[[Exception], bool | float]
    ) -> Document[T]:
        attempts = self.settings.nws_max_retries + 1
        async for attempt in stamina.retry_context(on=pause, attempts=attempts, timeout=None):
            with attempt:
                return await self._once(question, last)
        raise AssertionError("retry_context returns or raises")

    def _pause(self, flight: Flight[Any], deadline: float, numbers: Iterator[int], error: Exception) -> bool | float:
        """Seconds until the next attempt, False for none: not worth it, or the deadline comes first."""
        number = next(numbers)
        if not isinstance(error, _AttemptError):
            return False
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        wait_s = max(BACKOFF_S * (1 << number) * jitter, error.retry_after_s or 0.0)
        if number > self.settings.nws_max_retries or anyio.current_time() + wait_s >= deadline:
            if error.status == HTTPStatus.TOO_MANY_REQUESTS and error.retry_after_s:
                self._breaker.rest(error.retry_after_s)
            return False
        flight.tell(f"The National Weather Service did not answer; retrying in {wait_s:.1f} s")
        return wait_s

    async def _once(self, question: Question[T], last: Document[T] | None) -> Document[T]:
        headers = {"If-Modified-Since": last.last_modified} if last and last.last_modified else {}
        self._breaker.check()
        waiting = self._room.statistics().tasks_waiting
        if waiting * self._latency_s > self.settings.nws_deadline_seconds * self._room.total_tokens:
            raise Busy
        async with self._room:  # in the order of asking
            self._breaker.check(trial=True)
            response = await self._fetch(question, headers)
        return self._understand(question.endpoint, response, last)

    async def _fetch(self, question: Question[Any], headers: dict[str, str]) -> httpx.Response:
        """What httpx raises leaves it as _AttemptError."""
        settings, started, status = self.settings, time.perf_counter(), "error"
        try:
            # A body that trickles never meets the read timeout, and an ASGITransport knows none.
            with anyio.fail_after(settings.nws_connect_timeout_seconds + settings.nws_read_timeout_seconds):
                response = await self._http.get(question.url, headers=headers)
            status = str(response.status_code)
            return response
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            what = _transport_failure(error)
            self._breaker.failed(what)
            raise _AttemptError(what) from None
        finally:
            took_s = time.perf_counter() - started
            self._latency_s += 0.1 * (took_s - self._latency_s)
            self.metrics.upstream(question.endpoint.name, status, took_s)

    def _understand(self, endpoint: Endpoint[T], response: httpx.Response, last: Document[T] | None) -> Document[T]:
        if response.status_code == HTTPStatus.NOT_MODIFIED and last is not None:
            self._breaker.answered()
            return self._document(endpoint, response, last.value, last.size, last.last_modified)
        if response.status_code != HTTPStatus.OK:
            return self._refused(endpoint, response)
        body = _json(response)
        if body is None:
            what = "it sent something that is not weather data"
            self._breaker.failed(what)
            raise _AttemptError(what)
        self._breaker.answered()
        size = DOCUMENT_BYTES + int(endpoint.weight * len(response.content))
        try:
            return self._document(endpoint, response, endpoint.read(body), size, response.headers.get("Last-Modified"))
        except BadAnswer:
            log.warning("unreadable answer from %s", response.url)
            raise

    def _refused(self, endpoint: Endpoint[T], response: httpx.Response) -> Document[T]:
        """A 404 that NWS means is kept for a while; every other refusal is raised."""
        status, problem = response.status_code, _json(response)
        meaning = endpoint.refused(status, problem if isinstance(problem, dict) else {})
        if meaning is None:
            raise self._failure(response)
        self._breaker.answered()
        if status == HTTPStatus.NOT_FOUND:
            return self._document(endpoint, response, meaning, DOCUMENT_BYTES, None)
        raise meaning

    def _failure(self, response: httpx.Response) -> _AttemptError | Unavailable:
        status = response.status_code
        what = f"it answered with status {status}"
        if status not in FAILURES:
            self._breaker.answered()
            return Unavailable(what)
        self._breaker.failed(what)
        if status in RETRIED:
            return _AttemptError(what, status, retry_after_s(response, self.now()))
        return self._breaker.unavailable(what)

    def _document(
        self,
        endpoint: Endpoint[T],
        response: httpx.Response,
        value: T | WeatherError,
        size: int,
        last_modified: str | None,
    ) -> Document[T]:
        now = self.clock()
        longest_s = min(endpoint.longest_s, HOURS) if isinstance(value, WeatherError) else endpoint.longest_s
        life_s = min(max(max_age_s(response, self.now()), endpoint.shortest_s), longest_s)
        return Document(
            value,
            fetched=self.now(),
            fetched_at=now,
            refresh_at=now + REFRESH_AHEAD * life_s,
            expires_at=now + life_s,
            last_modified=last_modified,
            simulated=response.headers.get("X-Server-ID") == "weather-simulator",
            size=size,
        )


def _json(response: httpx.Response) -> object | None:
    """None for what is not JSON, or is `null`."""
    if "json" not in response.headers.get("Content-Type", ""):
        return None
    try:
        return from_json(response.content)  # type: ignore[no-any-return]
    except ValueError:
        return None


def _transport_failure(error: Exception) -> str:
    match error:
        case httpx.ConnectTimeout() | httpx.ConnectError():
            return "it cannot be reached"
        case httpx.TimeoutException() | TimeoutError():
            return "it takes too long"
        case httpx.TooManyRedirects():
            return "it redirects in circles"
        case _:
            return "the connection broke"
