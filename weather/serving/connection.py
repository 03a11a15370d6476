"""A TCP connection: how many there may be, how long a write may wait, and how a connection ends."""

from __future__ import annotations

import asyncio
import fcntl
import select
import sys
import termios
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar

from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData, Updated
from typing_extensions import override

from weather.config import KIB, SECONDS
from weather.serving.interface import CONNECTION, HOSTS, limits
from weather.serving.interpreter import tune_collector
from weather.serving.ready import ShortWay
from weather.serving.turns import turns

if TYPE_CHECKING:
    from weather.serving.websocket import Stream

CLOSE_TIMEOUT_S = 1 * SECONDS
LOW_WATER = 16 * KIB  # A transport that has more to write may have asked its writers to wait.


class Application:
    """The ASGI application of one connection: adds the extension to the scope.

    hypercorn hands it to every object that it makes for the connection, so that each of them knows its `connection`.
    """

    def __init__(self, app: Any, connection: Connection) -> None:
        self._app, self.connection = app, connection

    async def __call__(self, scope: Any, *rest: Any) -> None:
        scope["extensions"][CONNECTION] = self.connection
        await self._app(scope, *rest)


class Connection(TCPServer):
    """hypercorn does not limit connections, keeps one for the keep-alive time after its peer has closed it, and waits
    without bound until a peer has read what was written.
    """

    stream: Stream | None = None
    short_way: ShortWay | None = None
    _touched_at = 0.0
    protocol: Any
    _eof = False
    _open: ClassVar[set[Connection]] = set()
    _http: ClassVar[set[Connection]] = set()
    """All connections without a session."""
    _idle: ClassVar[dict[Connection, None]] = {}
    """Those of them without a request, the longest idle first."""

    write = TCPServer.protocol_send

    def __init__(self, app: Any, *rest: Any) -> None:
        super().__init__(app, *rest)
        self.app: Any = Application(app, self)

    @property
    def going_down(self) -> Any:
        """An event: set when the server begins to stop, before it waits for its connections."""
        return self.context.terminated

    def extend_graceful_timeout(self, grace_s: float) -> None:
        """Raises `graceful_timeout` to at least `grace_s` seconds."""
        self.config.graceful_timeout = max(self.config.graceful_timeout, grace_s)

    @override
    async def run(self) -> None:
        self.short_way = ShortWay(self) if limits.prepare else None
        if len(self._http) >= limits.connections:
            next(iter(self._idle), self).abort()
        self._http.add(self)
        self._idle[self] = None
        self._open.add(self)
        tune_collector(len(self._open))
        try:
            await super().run()
        finally:
            self._open.discard(self)
            tune_collector(len(self._open))
            self.leave_limit()
            if self.short_way:
                self.short_way.remove()
            self._break_cycles()

    def _break_cycles(self) -> None:
        """Without this, only a full garbage collection would free a connection and all that refers to it."""
        self.app = self.protocol = self.stream = self.short_way = None
        if error := self.reader.exception():
            error.__traceback__ = None

    def leave_limit(self) -> None:
        """No longer counts the connection: it has ended, or it is a session, which is counted elsewhere."""
        self._http.discard(self)
        self._idle.pop(self, None)

    def touch(self) -> None:
        """The connection has answered a request without a task: it is idle from now on."""
        self._touched_at = self.loop.time()
        if self in self._idle:
            self._idle[self] = self._idle.pop(self)

    def abort(self) -> None:
        self.leave_limit()
        self.writer.transport.abort()

    @property
    def peer_closed(self) -> bool:
        """Whether the peer has closed its side or reset. The system knows that even if nothing is read."""
        if self.writer.transport.is_closing():
            return True
        poll = select.poll()
        poll.register(self.writer.get_extra_info("socket").fileno(), getattr(select, "POLLRDHUP", 0))
        return bool(poll.poll(0))

    def abort_slow_readers(self) -> None:
        """Aborts every connection without a session that does not read within CLOSE_TIMEOUT_S what is unsent now."""
        for each in self._http:
            if each._unsent:
                self.loop.call_later(CLOSE_TIMEOUT_S, each._abort_if_unsent)

    def _abort_if_unsent(self) -> None:
        if self._unsent:
            self.abort()

    @property
    def unread(self) -> int:
        """Bytes that the peer has not acknowledged yet, as far as the system tells."""
        unacknowledged = bytearray(4)
        with suppress(OSError):
            fcntl.ioctl(self.writer.get_extra_info("socket").fileno(), termios.TIOCOUTQ, unacknowledged)
        return self._unsent + int.from_bytes(unacknowledged, sys.byteorder)

    @property
    def _unsent(self) -> int:
        """Bytes that the system has not taken yet."""
        return self.writer.transport.get_write_buffer_size()

    @override
    async def protocol_send(self, event: Event) -> None:
        if isinstance(event, RawData):
            if self.stream or len(event.data) + self._unsent <= LOW_WATER:
                await super().protocol_send(event)
                return
            timer = self.loop.call_later(limits.send_timeout_s, self.abort)
            try:
                await super().protocol_send(event)
            finally:
                timer.cancel()
        elif not isinstance(event, Updated):
            await super().protocol_send(event)
        elif not event.idle:
            self._idle.pop(self, None)
            await super().protocol_send(event)
        elif not self._eof:
            self._idle[self] = None
            await super().protocol_send(event)

    def write_eof(self) -> None:
        """Half-closes the connection and reads on. TLS does not allow that: there, nothing happens."""
        with suppress(NotImplementedError, OSError, RuntimeError):
            self.writer.write_eof()

    @override
    async def _read_data(self) -> None:
        await super()._read_data()
        self._eof = True
        await self.idle_task.stop()
        if self.stream and self._unsent:  # A ping may wait for that, without bound.
            self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)

    @override
    async def _idle_timeout(self) -> None:
        """hypercorn starts it after each request that it knows of."""
        left_s = self.config.keep_alive_timeout
        while left_s > 0 and not self.context.terminated.is_set():
            with suppress(TimeoutError):
                await asyncio.wait_for(self.context.terminated.wait(), left_s)
            left_s = self._touched_at + self.config.keep_alive_timeout - self.loop.time()
        await turns.wait()  # A request of this connection that waits for its turn goes on before.
        if self in self._idle:  # wait_for() of Python 3.11 loses a cancellation that comes together with its result.
            await asyncio.shield(self._initiate_server_close())

    @override
    async def _initiate_server_close(self) -> None:
        self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)
        await super()._initiate_server_close()

    @override
    async def _close(self) -> None:
        timer = self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)
        try:
            with suppress(OSError):  # hypercorn does not expect ENOTCONN, of a peer that has reset
                await super()._close()
        finally:
            timer.cancel()


class Startup(Lifespan):
    """Runs before hypercorn makes its TLS context, which would offer HTTP/2. Puts HOSTS into the state."""

    def __init__(self, app: Any, config: Any, loop: Any, lifespan_state: Any) -> None:
        super().__init__(app, config, loop, lifespan_state)
        config.alpn_protocols = ["http/1.1"]
        named = (bind for bind in config.bind if not bind.startswith(("unix:", "fd:")))
        lifespan_state[HOSTS] = [bind.rsplit(":", 1)[0] for bind in named]
