"""A JSON-over-HTTP client for one host: retries, circuit breaker, concurrency limits."""

import logging
import random
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from typing import Any
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx
import stamina

from weather.config import MIB, MINUTES, SECONDS, Settings
from weather.errors import BadAnswer, Rejected, TooSlow, Unavailable
from weather.metrics import Metrics
from weather.nws.exchange import LARGE_BYTES, Reply, UpstreamRequest, fetch
from weather.nws.transport import Transport
from weather.nws.worker import Worker

Clock = Callable[[], float]

FAILURES = {403, 429, 500, 502, 503, 504}  # The 403 is the CDN's, whatever the request.
ACCEPTED = {"Accept": "application/geo+json", "Accept-Encoding": "identity"}
STATUS = "it answered with status {}"
BACKOFF_S = 0.25 * SECONDS
LONGEST_RETRY_AFTER_S = 1 * MINUTES
OPTIONAL_TIMEOUT_S = 2 * SECONDS
OPTIONAL_SHARE = 4

log = logging.getLogger(__name__)


class _AttemptError(Exception):
    """The host failed. The next attempt must wait `retry_after_s` seconds; None: no other attempt is allowed.

    `cause` is for the log: why there was no response, or "" if there was one.
    """

    def __init__(self, reason: str, retry_after_s: float | None = 0.0, cause: str = "") -> None:
        super().__init__(reason)
        self.reason, self.retry_after_s, self.cause = reason, retry_after_s, cause


def _inner_error(error: object) -> object:
    """The exception that caused this one; httpcore keeps it only in the arguments."""
    inner = getattr(error, "exceptions", ()) or (getattr(error, "__cause__", None), *getattr(error, "args", ()))
    return next((each for each in inner if isinstance(each, BaseException)), None)


def _proxy_of(url: str) -> str | None:
    """The proxy that the environment names for a URL."""
    target = httpx.URL(url)
    proxies = {} if proxy_bypass(target.host) else getproxies()
    return proxies.get(target.scheme) or proxies.get("all")


def _cause(error: Exception, url: str) -> str:
    """The cause in a few words, without a URL: that of a mirror or of a proxy may hold a password."""
    root: object = error
    while inner := _inner_error(root):
        root = inner
    through = " (through a proxy)" if _proxy_of(url) else ""
    match error:
        case httpx.ConnectTimeout():
            return f"timeout: no connection was made in time{through}"
        case httpx.TimeoutException() | TimeoutError():
            return f"timeout: the answer did not come in time{through}"
        case httpx.ProxyError():
            return f"proxy: it refused with status {str(error)[:3]}"
    match root:
        case socket.gaierror():
            return f"DNS: {root.strerror}{through}"
        case ssl.SSLCertVerificationError():
            return f"TLS: the certificate does not verify, {root.verify_message}{through}"
        case ssl.SSLError():
            return f"TLS: {root.reason}{through}"
        case ConnectionRefusedError():
            return f"refused: nothing listens there{through}"
        case OSError():
            return f"connection: {root.strerror or type(root).__name__}{through}"
    return f"connection: {type(root).__name__}{through}"


class Breaker:
    """A circuit breaker. After `limit` failures in a row it is open for `pause_s`, then allows one probe, and so on.

    A probe that never ends blocks nothing: the next one is allowed after another pause.
    """

    def __init__(self, limit: int, pause_s: float, clock: Clock) -> None:
        self.limit, self.pause_s, self.clock = limit, pause_s, clock
        self.failures, self.failing_since, self.failure = 0, 0.0, ""
        self.open_until = float("-inf")
        self.unreachable = False

    def check(self, *, probe: bool = False) -> None:
        """Raises Unavailable while the breaker is open. Half-open, a call with `probe` becomes the probe."""
        if self.clock() < self.open_until:
            raise self.unavailable(self.failure)
        if probe and self.failures >= self.limit:
            self.open_until = self.clock() + self.pause_s

    def failed(self, failure: _AttemptError) -> None:
        if not self.failures:
            self.failing_since = self.clock()
        self.failures, self.failure = self.failures + 1, failure.reason
        if failure.cause and not self.unreachable:
            self.unreachable = True
            log.warning("NWS cannot be reached: %s", failure.cause)
        if self.failures == self.limit:
            log.warning("NWS is left alone for %g s at a time: %s", self.pause_s, failure.cause or failure.reason)
        if self.failures >= self.limit:
            self.open_until = self.clock() + self.pause_s

    def answered(self) -> None:
        if self.failures >= self.limit or self.unreachable:
            log.info("NWS answers again")
        self.failures, self.open_until, self.unreachable = 0, self.clock(), False

    def unavailable(self, reason: str) -> Unavailable:
        return Unavailable(reason, self.clock() - self.failing_since if self.failures else 0.0)


class Host:
    """`clock` is monotonic, in seconds. Optional requests have a smaller concurrency limit of their own."""

    def __init__(
        self, settings: Settings, metrics: Metrics, transport: httpx.AsyncBaseTransport | None, clock: Clock
    ) -> None:
        self.settings, self.metrics, self.clock = settings, metrics, clock
        self.epoch = datetime.now(UTC) - timedelta(seconds=clock())
        self._breaker = Breaker(settings.nws_breaker_failures, settings.nws_breaker_seconds, clock)
        self._retry_after_until = float("-inf")
        self.worker = Worker()
        most = settings.nws_max_concurrency
        self._limiters = anyio.CapacityLimiter(most), anyio.CapacityLimiter(max(1, most // OPTIONAL_SHARE))
        self.transport = transport or Transport(None if settings.simulated else _proxy_of(settings.nws_api_base))
        self._headers = httpx.Headers({"User-Agent": settings.nws_user_agent, **ACCEPTED})
        timeout = httpx.Timeout(settings.nws_read_timeout_seconds, connect=settings.nws_connect_timeout_seconds)
        self._extensions = {"timeout": timeout.as_dict()}

    def now(self) -> datetime:
        return self.epoch + timedelta(seconds=self.clock())

    async def get(self, request: UpstreamRequest[Any], notify: Callable[[str], None]) -> Reply:
        """A response with status 200, whose body is the data. `notify` gets a note for each retry.

        Raises WeatherError.
        """
        attempts = 1 if request.optional else self.settings.nws_max_retries + 1
        deadline_s = self.settings.nws_deadline_seconds

        def pause(error: Exception) -> bool | float:
            """Seconds until the next attempt; False if none is allowed or the deadline comes first."""
            if not isinstance(error, _AttemptError) or error.retry_after_s is None or attempt.num == attempts:
                return False
            jitter = random.uniform(0.5, 1.0)  # noqa: S311  (no secret)
            wait_s = max(BACKOFF_S * (1 << attempt.num) * jitter, error.retry_after_s)
            if anyio.current_time() + wait_s >= deadline.deadline:
                return False
            notify(f"The National Weather Service did not answer; retrying in {wait_s:.1f} s")
            return wait_s

        try:
            with anyio.fail_after(deadline_s) as deadline:
                async for attempt in stamina.retry_context(on=pause, attempts=attempts, timeout=None):
                    with attempt:
                        wait_s = self._retry_after_until - self.clock()
                        # A Retry-After (RFC 9110, 10.2.3) holds for all requests; a later attempt has waited.
                        if wait_s > 0 and attempt.num == 1 and not request.optional:
                            raise _AttemptError("it asked to be left alone for some seconds", wait_s)
                        return await self._once(request)
        except TimeoutError:
            raise TooSlow(deadline_s) from None
        except _AttemptError as failure:
            raise self._breaker.unavailable(failure.reason) from None
        raise AssertionError("retry_context returns or raises")

    async def _once(self, request: UpstreamRequest[Any]) -> Reply:
        self._breaker.check()
        async with self._limiters[request.optional], AsyncExitStack() as held:  # first in, first out
            self._breaker.check(probe=not request.optional)
            try:
                reply = await self._fetch(request, held)
                refusal = request.refusal(reply.status, reply.problem)
                if refusal is None:
                    self._check(reply)
            except _AttemptError as failure:
                log.debug("NWS failed at %s: %s", request.name, failure.cause or failure.reason)
                if not request.optional:
                    self._breaker.failed(failure)
                raise
            if not request.optional:
                self._breaker.answered()
            if reply.status != HTTPStatus.OK:
                general = Rejected(reply.status) if reply.status < 500 else Unavailable(STATUS.format(reply.status))
                raise refusal or general
            if reply.too_long:
                raise BadAnswer(f"it is longer than {request.most_bytes / MIB:g} MiB")
            data = await self.worker.run(request.read, reply.body, long=reply.size > LARGE_BYTES)
            return replace(reply, body=data)

    async def _fetch(self, request: UpstreamRequest[Any], held: AsyncExitStack) -> Reply:
        """Raises _AttemptError for each exception of httpx."""
        # A trickling body never meets the read timeout, and httpx.ASGITransport has no timeouts.
        longest_s = self.settings.nws_connect_timeout_seconds + self.settings.nws_read_timeout_seconds
        status, started = "error", time.perf_counter()
        try:
            with anyio.fail_after(min(longest_s, OPTIONAL_TIMEOUT_S) if request.optional else longest_s):
                reply = await fetch(self._send, request, self.worker, held)
            status = str(reply.status)
            return reply
        except (httpx.ConnectTimeout, httpx.ConnectError, httpx.ProxyError) as error:
            raise _AttemptError("it cannot be reached", cause=_cause(error, request.url)) from None
        except (httpx.TimeoutException, TimeoutError) as error:
            raise _AttemptError("it takes too long", cause=_cause(error, request.url)) from None
        except httpx.TooManyRedirects:
            raise _AttemptError("it redirects to nowhere") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise _AttemptError("the connection broke", cause=_cause(error, request.url)) from None
        except anyio.get_cancelled_exc_class():
            status = "cancelled"
            raise
        finally:
            # The duration of a cancelled request says nothing about NWS.
            took_s = None if status == "cancelled" else time.perf_counter() - started
            self.metrics.upstream(request.name, status, took_s)

    async def _send(self, url: httpx.URL) -> httpx.Response:
        """Without an httpx client, which takes a quarter as long as the transport, and keeps cookies."""
        request = httpx.Request("GET", url, headers=self._headers, extensions=self._extensions)
        if url.userinfo:
            next(httpx.BasicAuth(url.username, url.password).auth_flow(request))
        return await self.transport.handle_async_request(request)

    def _check(self, reply: Reply) -> None:
        """Raises _AttemptError for a response that is a failure of the host, whatever the request."""
        if reply.status == HTTPStatus.OK and reply.body is None and not reply.too_long:
            raise _AttemptError("it sent something that is not weather data")
        if reply.status in FAILURES:
            # Retry-After may also be an HTTP date (RFC 9110, 10.2.3), which is ignored.
            retry_after_s = None if reply.status == HTTPStatus.FORBIDDEN else reply.seconds("Retry-After", r"^(\d+)$")
            if retry_after_s:
                until = self.clock() + min(retry_after_s, LONGEST_RETRY_AFTER_S)
                self._retry_after_until = max(self._retry_after_until, until)
            raise _AttemptError(STATUS.format(reply.status), retry_after_s)
