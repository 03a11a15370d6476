"""What the sessions of this process share, and who looks after them."""

from __future__ import annotations

import asyncio
import inspect
import logging
import time
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
from mcp import types
from mcp.server.lowlevel import Server

from weather import sockets
from weather.answers import Answers
from weather.config import MIB, SECONDS, Settings
from weather.memory import Garbage, resident
from weather.metrics import Metrics

if TYPE_CHECKING:
    from weather.session.session import Session

TICK_S = 0.25 * SECONDS
GUARD_S = 0.05 * SECONDS
TRAFFIC_S = 5 * SECONDS
AT_ONCE = 100  # connections, a millisecond
GROWTH_BYTES = 4 * MIB
SERVICE_RESTART = 1012
LEAVING_S = 5 * SECONDS

log = logging.getLogger(__name__)

current: ContextVar[Session] = ContextVar("session")


@dataclass(slots=True)
class Service:
    """What every session of this process shares."""

    settings: Settings
    metrics: Metrics
    answers: Answers
    server: Server[None, Any]
    sessions: set[Session] = field(default_factory=set)
    drained_at: float | None = None
    listeners: dict[int, int] = field(default_factory=dict)
    to_sever: set[sockets.Address] = field(default_factory=set)
    garbage: Garbage = field(default_factory=Garbage)

    def __post_init__(self) -> None:
        self.metrics.sessions_open = lambda: len(self.sessions)
        self.metrics.in_flight = lambda: sum(len(session.screen.in_flight) for session in self.sessions)
        self.metrics.tasks = lambda: len(asyncio.all_tasks())
        handler = self.server.request_handlers[types.CallToolRequest]

        async def cancellable(request: types.CallToolRequest) -> types.ServerResult:
            """Cancelled, it ends with a result that the screen drops: a cancelled request is not answered."""
            work = current.get().screen.in_flight[self.server.request_context.request_id].work
            with work:
                return await handler(request)
            return types.ServerResult(types.EmptyResult())

        self.server.request_handlers[types.CallToolRequest] = cancellable

    @property
    def full(self) -> bool:
        return len(self.sessions) >= self.settings.mcp_max_sessions

    def notice_end(self) -> bool:
        """True once this process goes down; from then on calls in flight have their grace."""
        if self.drained_at is None and sockets.closed(self.listeners):
            self.drained_at = time.monotonic() + self.settings.mcp_grace_seconds
            log.info("going down: %d sessions are open", len(self.sessions))
        return self.drained_at is not None

    def find_listeners(self) -> None:
        """They start to listen after this process's lifespan has started, and before there is a session."""
        if not self.listeners:
            self.listeners = sockets.listening()
            if not self.settings.checks_tokens and sockets.beyond_loopback(self.listeners):
                log.warning("serving beyond loopback without checking tokens: a gateway in front has to")

    def left(self, session: Session) -> None:
        self.sessions.discard(session)
        self.garbage.left()

    async def keep(self) -> None:
        """Looks after the sessions, for as long as the process lives."""
        self.garbage.start()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._keep_time)
            tasks.start_soon(self._keep_small)
            tasks.start_soon(self._keep_alive)

    async def _keep_time(self) -> None:
        """Closes sessions whose time is up; measures how late the loop is."""
        while True:
            due = time.monotonic() + TICK_S
            await anyio.sleep(TICK_S)
            now = time.monotonic()
            self.metrics.loop_lag.observe(max(0.0, now - due))
            self.notice_end()
            drained_at = self.drained_at
            for session in tuple(self.sessions):
                session.watch.check_times(now)
                if drained_at is not None and (not session.screen.in_flight or now >= drained_at):
                    session.close(SERVICE_RESTART, "the server is going down", "shutdown")
            self._sever()
            if now - self.garbage.left_at < LEAVING_S:
                _stop_pings()
            self.garbage.tidy(now, len(self.sessions))

    async def _keep_small(self) -> None:
        """Cuts off peers whose messages have no end, when memory grows.

        hypercorn answers a message beyond its own limit with 1009, does not tell, and goes on buffering it for as
        long as the peer sends: only the operating system knows.
        """
        calm = resident()
        while True:
            await anyio.sleep(GUARD_S)
            self.find_listeners()
            calm = min(calm, now := resident())
            if now > calm + GROWTH_BYTES:
                self._look()
                calm = resident()

    def _look(self) -> None:
        seen = dict(sockets.traffic())
        for session in self.sessions:
            if traffic := seen.get(session.peer):
                self._check_size(session, traffic, growing=True)
        self._sever()

    def _check_size(self, session: Session, traffic: sockets.Traffic, *, growing: bool) -> None:
        if session.watch.check_size(traffic, growing=growing):
            self.to_sever.add(session.peer)
            self.garbage.flooded()

    async def _keep_alive(self) -> None:
        """Finds peers that are gone without a word: their pings go unanswered. And those that go on without end."""
        pause_s = TRAFFIC_S
        while True:
            await anyio.sleep(pause_s)
            seen = {}
            for number, (peer, traffic) in enumerate(sockets.traffic() if self.sessions else ()):
                seen[peer] = traffic
                if number % AT_ONCE == 0:
                    await anyio.lowlevel.checkpoint()
            now = time.monotonic()
            for session in tuple(self.sessions):
                found = seen.get(session.peer)
                session.watch.check_alive(now, found)
                if found:
                    self._check_size(session, found, growing=False)
            self._sever()

    def _sever(self) -> None:
        """One search for all, as it costs some milliseconds."""
        if self.to_sever:
            sockets.sever(self.to_sever)
            self.to_sever.clear()


def _stop_pings() -> None:
    """hypercorn 0.18 holds on to a connection that has ended, and to all it has read of an endless message, until the
    connection's ping task looks up: one `websocket_ping_interval` later at the latest. It also waits for that to stop.

    Nothing public ends the task. Should its name change, only time and memory are lost.
    """
    for task in asyncio.all_tasks():
        coroutine: Any = task.get_coro()
        if getattr(coroutine, "__qualname__", "") != "WSStream._send_pings":
            continue
        if getattr(inspect.getcoroutinelocals(coroutine).get("self"), "closed", False):
            task.cancel()
