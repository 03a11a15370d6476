"""The open sessions and HTTP requests of this process: their limits, their clock, and the shutdown."""

from __future__ import annotations

import asyncio
import logging
import resource
import sys
from collections.abc import Callable, Coroutine, Iterator, MutableMapping
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, Literal

import anyio
from anyio.abc import TaskGroup
from websockets.frames import CloseCode

from weather import serving
from weather.access import is_loopback
from weather.answers import Answers
from weather.config import SECONDS, Settings
from weather.errors import Refusal, counted
from weather.metrics import Metrics
from weather.protocol import load_sdk
from weather.protocol.subscriptions import Subscriptions

if TYPE_CHECKING:
    from weather.serving.connection import Connection
    from weather.transports.websocket import Session

TICK_S = 0.25 * SECONDS
CLOSING_S = 1 * SECONDS
RETRY = {"retry-after": "5"}

log = logging.getLogger(__name__)


class Sessions:
    """The open sessions, their limits, and the objects that all of them use. Times are of `perf_counter`."""

    def __init__(self, settings: Settings, metrics: Metrics, answers: Answers) -> None:
        self.settings, self.metrics, self.answers = settings, metrics, answers
        self._sdk: asyncio.Future[None] | None = None
        self._drained_at: float | None = None
        self._open: set[Session] = set()
        self._requests: set[asyncio.Timeout] = set()
        self._listening: set[asyncio.Timeout] = set()
        self._tasks: TaskGroup
        self._served = False
        self.subscriptions = Subscriptions(answers, metrics, self.start)
        metrics.sessions_open.set_function(lambda: len(self._open))
        in_sessions, by_request = (metrics.in_flight.labels(transport) for transport in ("websocket", "http"))
        in_sessions.set_function(lambda: sum(session.in_flight for session in self._open))
        by_request.set_function(lambda: len(self._requests))
        metrics.max_sessions.set(settings.mcp_max_sessions)
        metrics.tasks.set_function(lambda: len(asyncio.all_tasks()))

    @property
    def status(self) -> Literal["ready", "full", "draining"]:
        if self._drained_at is not None:
            return "draining"
        return "full" if len(self._open) >= self.settings.mcp_max_sessions else "ready"

    def add(self, session: Session) -> None:
        """Raises Refusal."""
        if self.status != "ready":
            raise Refusal(503, "capacity", "There is no room for another session now.", RETRY)
        self._open.add(session)

    def discard(self, session: Session, ended: str) -> None:
        self._open.discard(session)
        self.metrics.ended.labels(ended).inc()

    async def run_clock(self, tasks: TaskGroup) -> None:
        """The one clock of the process: closes sessions whose time is up, and measures how late the loop is."""
        self._tasks = tasks
        while True:
            due = perf_counter() + TICK_S
            await anyio.sleep(TICK_S)
            now = perf_counter()
            self.metrics.loop_lag.observe(max(0.0, now - due))
            for session in tuple(self._open):
                session.check(now)
            self._close_idle(now)

    def start(self, work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
        """Runs `work` in a task of its own. Logs an exception, which would end the tasks of everybody else."""
        self._tasks.start_soon(_guarded, work, *args)

    def preload(self) -> asyncio.Future[None]:
        """Imports the SDK in a thread, so that nobody waits for it later; done when it is imported."""
        if self._sdk is None:
            self._sdk = asyncio.get_running_loop().run_in_executor(None, load_sdk)
        return self._sdk

    def limit_connections(self, state: MutableMapping[str, Any]) -> None:
        """Sets the limits of connections, in the lifespan. Logs what the operator should know about the server.

        Connections without a session take at most half of the file descriptors.
        """
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        files = sys.maxsize if files == resource.RLIM_INFINITY else files
        serving.limits.connections = min(self.settings.mcp_max_connections, files // 2)
        if self.settings.mcp_max_sessions + serving.limits.connections > files:
            full = f"{self.settings.mcp_max_sessions} sessions and {serving.limits.connections} other connections"
            todo = "raise `ulimit -n`, or lower MCP_MAX_SESSIONS"
            log.warning("%s do not fit into %d file descriptors: %s", full, files, todo)
        serving.limits.send_timeout_s = self.settings.mcp_send_timeout_seconds
        if why := serving.unsupported_reason(state):
            log.warning("running without the fixes for hypercorn: %s", why)
        elif not (self.settings.checks_tokens or all(map(is_loopback, serving.get_hosts(state) or ()))):
            log.warning("serving beyond loopback without checking tokens: a gateway in front has to")
        if self.settings.mcp_auth_jwks_url and not self.settings.mcp_auth_audience:
            log.warning("MCP_AUTH_AUDIENCE is unset: tokens that were issued for other services are accepted, too")

    def on_connection(self, served: Connection | None) -> None:
        """Called with the hypercorn connection of each request. With the first one, prepares for the shutdown."""
        if served and not self._served:
            self._served = True
            self.start(self._drain, served)
            served.extend_graceful_timeout(self.settings.mcp_grace_seconds + CLOSING_S)

    @property
    def busy(self) -> bool:
        """Whether HTTP requests are refused: too many are pending, or the server is going down."""
        return self._drained_at is not None or len(self._requests) >= self.settings.mcp_max_concurrent_requests

    @contextmanager
    def request(self, timeout_s: float) -> Iterator[asyncio.Timeout]:
        """Yields the timeout of an HTTP request, to be entered. A shutdown makes it shorter. Raises Refusal.

        It is not anyio's, which would take a twentieth of the whole request's time.
        """
        if self.busy:
            raise Refusal(503, "capacity", "There is no room for another request now.", RETRY)
        timeout = asyncio.timeout(timeout_s)
        self._requests.add(timeout)
        try:
            yield timeout
        finally:
            self._requests.discard(timeout)
            self._listening.discard(timeout)

    def listen(self, timeout: asyncio.Timeout) -> None:
        """A request that listens counts with `mcp_max_streams` from here on, and no more with concurrent requests."""
        self._requests.discard(timeout)
        self._listening.add(timeout)

    async def _drain(self, served: Connection) -> None:
        """Pending calls have `mcp_grace_seconds`; a session is closed as soon as none of its calls is pending."""
        await served.going_down.wait()
        log.info("going down: %s open", counted(len(self._open), "session"))
        self.subscriptions.shutting_down.set()
        served.abort_slow_readers()
        self._drained_at = perf_counter() + self.settings.mcp_grace_seconds
        for timeout in self._requests | self._listening:
            if not timeout.expired():  # One with a time is still being read.
                grace_s = CLOSING_S if timeout.when() else self.settings.mcp_grace_seconds
                timeout.reschedule(asyncio.get_running_loop().time() + grace_s)
        if self.subscriptions.open:
            await anyio.sleep(TICK_S)  # for the results of those who listen
        self._close_idle(perf_counter())

    def _close_idle(self, now: float) -> None:
        if self._drained_at is not None:
            for session in tuple(self._open):
                if not session.in_flight or now >= self._drained_at:
                    session.close(CloseCode.SERVICE_RESTART, "the server is going down", "shutdown")


async def _guarded(work: Callable[..., Coroutine[Any, Any, Any]], *args: Any) -> None:
    try:
        await work(*args)
    except Exception:
        log.exception("a task failed")
