"""One HTTP host that gives JSON, asked with patience: attempts, a breaker, a bound on requests at once."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from http import HTTPStatus
from itertools import count
from typing import TypeVar

import anyio
import httpx
import stamina
from pydantic_core import from_json

from weather.config import HOURS, MINUTES, SECONDS, Settings
from weather.errors import BadAnswer, Busy, Rejected, Unavailable, UpstreamError, WeatherError
from weather.metrics import Metrics
from weather.nws.breaker import Breaker, Clock
from weather.nws.document import DOCUMENT_BYTES, Document, Endpoint, Question, max_age_s, retry_after_s

T = TypeVar("T")
Tell = Callable[[str], None]

RETRIED = {429, 500, 502, 503, 504}
FAILURES = {403, *RETRIED}  # The 403 is the CDN's, whatever the question.
REFRESH_AHEAD = 0.9
BACKOFF_S = 0.25 * SECONDS
LONGEST_REST_S = 1 * MINUTES
ASIDE_TIMEOUT_S = 2 * SECONDS
ASIDE_SHARE = 4
MOST_REDIRECTS = 5

log = logging.getLogger(__name__)


class _AttemptError(Exception):
    """An attempt that may be made again, after `retry_after_s` if the host named a time."""

    def __init__(self, what: str, retry_after_s: float | None = None) -> None:
        super().__init__(what)
        self.what, self.retry_after_s = what, retry_after_s


class Host:
    """Questions that are asked aside, see `Endpoint`, have a small room of their own, one attempt, and no say in
    whether the host is well.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings, self.metrics, self.clock = settings, metrics, clock
        self.epoch = datetime.now(UTC) - timedelta(seconds=clock())
        self._transport = transport
        self._breaker = Breaker(settings.nws_breaker_failures, settings.nws_breaker_seconds, clock)
        self._rests_until = float("-inf")
        self._latency_s = 0.2

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        settings, most = self.settings, self.settings.nws_max_concurrency
        aside = max(1, most // ASIDE_SHARE)
        self._room, self._room_aside = anyio.CapacityLimiter(most), anyio.CapacityLimiter(aside)
        async with httpx.AsyncClient(
            transport=self._transport,
            headers={"User-Agent": settings.nws_user_agent, "Accept": "application/geo+json"},
            timeout=httpx.Timeout(settings.nws_read_timeout_seconds, connect=settings.nws_connect_timeout_seconds),
            limits=httpx.Limits(max_connections=most + aside),
        ) as self._http:
            yield

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.clock())

    async def ask(self, question: Question[T], last: Document[T] | None, tell: Tell, deadline: float) -> Document[T]:
        """Raises WeatherError. `last` is the answer to revalidate; `tell` gets a note for each wait."""
        try:
            if question.endpoint.aside:
                return await self._once(question, last)
            return await self._persist(question, last, partial(self._pause, tell, deadline, count(1)))
        except _AttemptError as failure:
            raise self._breaker.unavailable(failure.what) from None

    async def _persist(
        self, question: Question[T], last: Document[T] | None, pause: Callable[[Exception], bool | float]
    ) -> Document[T]:
        attempts = self.settings.nws_max_retries + 1
        async for attempt in stamina.retry_context(on=pause, attempts=attempts, timeout=None):
            with attempt:
                if attempt.num == 1:  # A later one has waited.
                    self._check_rest()
                return await self._once(question, last)
        raise AssertionError("retry_context returns or raises")

    def _pause(self, tell: Tell, deadline: float, numbers: Iterator[int], error: Exception) -> bool | float:
        """Seconds until the next attempt, False for none: not worth it, or the deadline comes first."""
        number = next(numbers)
        if not isinstance(error, _AttemptError):
            return False
        jitter = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
        wait_s = max(BACKOFF_S * (1 << number) * jitter, error.retry_after_s or 0.0)
        if number > self.settings.nws_max_retries or anyio.current_time() + wait_s >= deadline:
            return False
        tell(f"The National Weather Service did not answer; retrying in {wait_s:.1f} s")
        return wait_s

    def _check_rest(self) -> None:
        """A Retry-After (RFC 9110, 10.2.3) is meant for all who ask."""
        rest_s = self._rests_until - self.clock()
        if rest_s > 0:
            raise _AttemptError("it asked to be left alone for some seconds", rest_s)

    async def _once(self, question: Question[T], last: Document[T] | None) -> Document[T]:
        aside = question.endpoint.aside
        headers = {"If-Modified-Since": last.last_modified} if last and last.last_modified else {}
        room = self._room_aside if aside else self._room
        self._breaker.check()
        if room.statistics().tasks_waiting * self._latency_s > self.settings.nws_deadline_seconds * room.total_tokens:
            raise Busy
        async with room:  # in the order of asking
            self._breaker.check(trial=not aside)
            response = await self._fetch(question, headers)
        return self._understand(question.endpoint, response, last)

    async def _fetch(self, question: Question[T], headers: dict[str, str]) -> httpx.Response:
        """What httpx raises leaves it as _AttemptError."""
        settings, started = self.settings, time.perf_counter()
        # A body that trickles never meets the read timeout, and an ASGITransport knows none.
        longest_s = settings.nws_connect_timeout_seconds + settings.nws_read_timeout_seconds
        try:
            with anyio.fail_after(min(longest_s, ASIDE_TIMEOUT_S) if question.endpoint.aside else longest_s):
                response = await self._get(question.url, headers)
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            self._record(question.endpoint, "error", started)
            raise self._failed(question.endpoint, _transport_failure(error)) from None
        except anyio.get_cancelled_exc_class():
            self.metrics.upstream(question.endpoint.name, "cancelled")
            raise
        self._record(question.endpoint, str(response.status_code), started)
        return response

    async def _get(self, url: str, headers: dict[str, str]) -> httpx.Response:
        """Redirects are followed on the same host: another has no say."""
        response = await self._http.get(url, headers=headers)
        for _ in range(MOST_REDIRECTS):
            following = response.next_request
            if following is None:
                return response
            if following.url.host != response.url.host:
                raise httpx.TooManyRedirects("to another host", request=following)
            response = await self._http.send(following)
        raise httpx.TooManyRedirects("in circles", request=response.request)

    def _record(self, endpoint: Endpoint[T], status: str, started: float) -> None:
        """Not of what was cancelled: how long that would have taken is not known."""
        took_s = time.perf_counter() - started
        self._latency_s += 0.1 * (took_s - self._latency_s)
        self.metrics.upstream(endpoint.name, status, took_s)

    def _failed(self, endpoint: Endpoint[T], what: str, retry_after_s: float | None = None) -> _AttemptError:
        if not endpoint.aside:
            self._breaker.failed(what)
        return _AttemptError(what, retry_after_s)

    def _answered(self, endpoint: Endpoint[T]) -> None:
        if not endpoint.aside:
            self._breaker.answered()

    def _understand(self, endpoint: Endpoint[T], response: httpx.Response, last: Document[T] | None) -> Document[T]:
        if response.status_code == HTTPStatus.NOT_MODIFIED and last is not None:
            self._answered(endpoint)
            return self._document(endpoint, response, last.value, last.size, last.last_modified)
        if response.status_code != HTTPStatus.OK:
            return self._refused(endpoint, response)
        body = _json(response)
        if body is None:
            raise self._failed(endpoint, "it sent something that is not weather data")
        self._answered(endpoint)
        size = DOCUMENT_BYTES + int(endpoint.weight * len(response.content))
        try:
            return self._document(endpoint, response, endpoint.read(body), size, response.headers.get("Last-Modified"))
        except BadAnswer:
            log.warning("unreadable answer from %s", response.url)
            raise

    def _refused(self, endpoint: Endpoint[T], response: httpx.Response) -> Document[T]:
        """A 404 that NWS means for good is kept for a while; every other refusal is raised."""
        status, problem = response.status_code, _json(response)
        meaning = endpoint.refused(status, problem if isinstance(problem, dict) else {})
        if meaning is None:
            raise self._failure(endpoint, response)
        self._answered(endpoint)
        if status == HTTPStatus.NOT_FOUND and meaning.lasting:
            return self._document(endpoint, response, meaning, DOCUMENT_BYTES, None)
        raise meaning

    def _failure(self, endpoint: Endpoint[T], response: httpx.Response) -> _AttemptError | UpstreamError:
        status = response.status_code
        if status not in FAILURES:
            self._answered(endpoint)
            return Rejected(status) if status < HTTPStatus.INTERNAL_SERVER_ERROR else Unavailable(_status(status))
        rest_s = retry_after_s(response, self.now())
        if rest_s and status in RETRIED:
            self._rests_until = max(self._rests_until, self.clock() + min(rest_s, LONGEST_REST_S))
        failure = self._failed(endpoint, _status(status), rest_s)
        return failure if status in RETRIED else self._breaker.unavailable(failure.what)

    def _document(
        self,
        endpoint: Endpoint[T],
        response: httpx.Response,
        value: T | WeatherError,
        size: int,
        last_modified: str | None,
    ) -> Document[T]:
        now = self.clock()
        longest_s = min(endpoint.longest_s, HOURS) if isinstance(value, WeatherError) else endpoint.life_s(value)
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


def _status(status: int) -> str:
    return f"it answered with status {status}"


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
            return "it redirects to nowhere"
        case _:
            return "the connection broke"
