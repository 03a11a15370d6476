"""One HTTP host that gives JSON, asked with patience: attempts, a breaker, a bound on requests at once."""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import TypeVar

import anyio
import httpx
import stamina

from weather.config import KIB, MIB, MINUTES, SECONDS, Settings
from weather.errors import BadAnswer, Busy, Rejected, TooSlow, Unavailable
from weather.metrics import Metrics
from weather.nws import reply as http
from weather.nws.breaker import Breaker, Clock
from weather.nws.document import Document, Question

T = TypeVar("T")

FAILURES = {403, 429, 500, 502, 503, 504}  # The 403 is the CDN's, whatever the question.
REFRESH_AHEAD = 0.9
BACKOFF_S = 0.25 * SECONDS
LONGEST_REST_S = 1 * MINUTES
ASIDE_TIMEOUT_S = 2 * SECONDS
ASIDE_SHARE = 4
DOCUMENT_BYTES = 2 * KIB


class _AttemptError(Exception):
    """The host failed. Where `again` is true another attempt may be made, after `rest_s` if the host named a time."""

    def __init__(self, what: str, rest_s: float = 0.0, *, again: bool = True) -> None:
        super().__init__(what)
        self.what, self.rest_s, self.again = what, rest_s, again


class Host:
    """Questions that are asked aside, see `Question`, have a small room of their own, one attempt, and no say in
    whether the host is well.
    """

    def __init__(
        self, settings: Settings, metrics: Metrics, transport: httpx.AsyncBaseTransport | None, clock: Clock
    ) -> None:
        self.settings, self.metrics, self.clock = settings, metrics, clock
        self.epoch = datetime.now(UTC) - timedelta(seconds=clock())
        self._transport = transport
        self._breaker = Breaker(settings.nws_breaker_failures, settings.nws_breaker_seconds, clock)
        # By `Question.aside`. The second one never opens.
        self._breakers = self._breaker, Breaker(math.inf, settings.nws_breaker_seconds, clock)
        self._rests_until = float("-inf")
        self._latency_s = 0.2

    @asynccontextmanager
    async def opened(self) -> AsyncIterator[None]:
        settings, most = self.settings, self.settings.nws_max_concurrency
        aside = max(1, most // ASIDE_SHARE)
        self._rooms = anyio.CapacityLimiter(most), anyio.CapacityLimiter(aside)
        async with httpx.AsyncClient(
            transport=self._transport,
            headers={"User-Agent": settings.nws_user_agent, "Accept": "application/geo+json"},
            timeout=httpx.Timeout(settings.nws_read_timeout_seconds, connect=settings.nws_connect_timeout_seconds),
            limits=httpx.Limits(max_connections=most + aside),
        ) as self._http:
            yield

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.clock())

    async def ask(self, question: Question[T], last: Document[T] | None, tell: Callable[[str], None]) -> Document[T]:
        """Raises WeatherError. `last` is the answer to revalidate; `tell` gets a note for each wait."""
        attempts = 1 if question.aside else self.settings.nws_max_retries + 1
        deadline_s = self.settings.nws_deadline_seconds
        deadline = anyio.current_time() + deadline_s

        def pause(error: Exception) -> bool | float:
            """Seconds until the next attempt, False for none: not worth it, or the deadline comes first."""
            if not isinstance(error, _AttemptError) or not error.again or attempt.num == attempts:
                return False
            jitter = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
            wait_s = max(BACKOFF_S * (1 << attempt.num) * jitter, error.rest_s)
            if anyio.current_time() + wait_s >= deadline:
                return False
            tell(f"The National Weather Service did not answer; retrying in {wait_s:.1f} s")
            return wait_s

        try:
            with anyio.fail_after(deadline_s):
                async for attempt in stamina.retry_context(on=pause, attempts=attempts, timeout=None):
                    with attempt:
                        rest_s = self._rests_until - self.clock()
                        # A Retry-After (RFC 9110, 10.2.3) is meant for all who ask; a later attempt has waited.
                        if rest_s > 0 and attempt.num == 1 and not question.aside:
                            raise _AttemptError("it asked to be left alone for some seconds", rest_s)
                        return await self._once(question, last)
        except TimeoutError:
            raise TooSlow(deadline_s) from None
        except _AttemptError as failure:
            raise self._breaker.unavailable(failure.what) from None
        raise AssertionError("retry_context returns or raises")

    async def _once(self, question: Question[T], last: Document[T] | None) -> Document[T]:
        room, breaker = self._rooms[question.aside], self._breakers[question.aside]
        self._breaker.check()
        if room.statistics().tasks_waiting * self._latency_s > self.settings.nws_deadline_seconds * room.total_tokens:
            raise Busy
        async with room:  # in the order of asking
            self._breaker.check(trial=not question.aside)
            try:
                reply = await self._fetch(question, last)
                self._check(question, reply)
            except _AttemptError as failure:
                breaker.failed(failure.what)
                raise
        breaker.answered()
        return self._document(question, reply, last)

    async def _fetch(self, question: Question[T], last: Document[T] | None) -> http.Reply:
        """What httpx raises leaves it as _AttemptError."""
        headers = {"If-Modified-Since": last.last_modified} if last and last.last_modified else {}
        # A body that trickles never meets the read timeout, and an ASGITransport knows none.
        longest_s = self.settings.nws_connect_timeout_seconds + self.settings.nws_read_timeout_seconds
        status, started = "error", time.perf_counter()
        try:
            with anyio.fail_after(min(longest_s, ASIDE_TIMEOUT_S) if question.aside else longest_s):
                reply = await http.get(self._http, question.url, headers)
            status = str(reply.status)
            return reply
        except (httpx.HTTPError, httpx.InvalidURL, TimeoutError) as error:
            raise _AttemptError(http.failure(error)) from None
        except anyio.get_cancelled_exc_class():
            status = "cancelled"
            raise
        finally:
            took_s = None
            if status != "cancelled":  # How long that would have taken is not known.
                took_s = time.perf_counter() - started
                self._latency_s += 0.1 * (took_s - self._latency_s)
            self.metrics.upstream(question.name, status, took_s)

    def _check(self, question: Question[T], reply: http.Reply) -> None:
        """Raises _AttemptError where the host fails, whatever the question."""
        if reply.status == HTTPStatus.OK and reply.body is None and reply.size <= http.MOST_BYTES:
            raise _AttemptError("it sent something that is not weather data")
        if reply.status in FAILURES and not question.refusal(reply):
            again = reply.status != HTTPStatus.FORBIDDEN
            rest_s = reply.retry_after_s(self.now()) if again else 0.0
            if rest_s:
                self._rests_until = max(self._rests_until, self.clock() + min(rest_s, LONGEST_REST_S))
            raise _AttemptError(_status(reply), rest_s, again=again)

    def _document(self, question: Question[T], reply: http.Reply, last: Document[T] | None) -> Document[T]:
        """Raises what the host means by any other status than 200."""
        unchanged = last if reply.status == HTTPStatus.NOT_MODIFIED else None
        if reply.status != HTTPStatus.OK and not unchanged:
            unforeseen = Rejected(reply.status) if reply.status < 500 else Unavailable(_status(reply))
            raise question.refusal(reply) or unforeseen
        if reply.size > http.MOST_BYTES:
            raise BadAnswer(f"it is longer than {http.MOST_BYTES // MIB} MiB")
        digest = unchanged.digest if unchanged else question.read(reply.body)
        longest_s = question.shortest_s if question.passing(digest) else question.longest_s
        now, life_s = self.clock(), min(max(reply.max_age_s(), question.shortest_s), longest_s)
        return Document(
            digest,
            fetched=self.now(),
            fetched_at=now,
            refresh_at=now + REFRESH_AHEAD * life_s,
            expires_at=now + life_s,
            last_modified=unchanged.last_modified if unchanged else reply.headers.get("Last-Modified"),
            simulated=reply.headers.get("X-Server-ID") == "weather-simulator",
            size=unchanged.size if unchanged else DOCUMENT_BYTES + int(question.weight * reply.size),
        )


def _status(reply: http.Reply) -> str:
    return f"it answered with status {reply.status}"
