"""A TCP connection, what is known of it before its first request, and how it ends."""

from __future__ import annotations

import select
from typing import TYPE_CHECKING, Any, ClassVar

import hypercorn.asyncio.run
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.events import Event, RawData, Updated
from typing_extensions import override

from weather.config import KIB, SECONDS
from weather.serving.current import configuration, connection, limits

if TYPE_CHECKING:
    from weather.serving.websocket import Stream

CLOSE_TIMEOUT_S = 1 * SECONDS
LOW_WATER = 16 * KIB  # A transport that has more to write may have asked its writers to wait.


class Connection(TCPServer):
    """hypercorn holds as many connections as come, each for a keep-alive after its peer is gone; and it waits without
    bound until a peer has taken in what is written to it.
    """

    stream: Stream | None = None
    _gone = False
    _http: ClassVar[set[Connection]] = set()
    """All but those that are sessions."""
    _idle: ClassVar[dict[Connection, None]] = {}
    """Those of them that have no request at work, the longest idle first."""

    write = TCPServer.protocol_send

    @property
    def going_down(self) -> Any:
        """An event: set when the server begins to stop, before it waits for its connections."""
        return self.context.terminated

    def extend_graceful_timeout(self, grace_s: float) -> None:
        """Raises `graceful_timeout` to at least `grace_s` seconds."""
        self.config.graceful_timeout = max(self.config.graceful_timeout, grace_s)

    @override
    async def run(self) -> None:
        connection.set(self)
        if len(self._http) >= limits.connections:
            next(iter(self._idle), self).cut_off()
        self._http.add(self)
        self._idle[self] = None
        try:
            await super().run()
        finally:
            self.forget()

    def forget(self) -> None:
        """It counts no longer: it is a session, which is counted elsewhere, or no more."""
        self._http.discard(self)
        self._idle.pop(self, None)

    def cut_off(self) -> None:
        self.forget()
        self.writer.transport.abort()

    @property
    def left(self) -> bool:
        """The peer has closed its side or reset; the system knows, though nothing is read."""
        if self.writer.transport.is_closing():
            return True
        look = select.poll()
        look.register(self.writer.get_extra_info("socket").fileno(), getattr(select, "POLLRDHUP", 0))
        return bool(look.poll(0))

    def cut_slow_readers(self) -> None:
        """Those who do not read within CLOSE_TIMEOUT_S what waits for them now."""
        for each in self._http:
            if each._unsent:
                self.loop.call_later(CLOSE_TIMEOUT_S, each._cut_if_slow)

    def _cut_if_slow(self) -> None:
        if self._unsent:
            self.cut_off()

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
            cut = self.loop.call_later(limits.send_timeout_s, self.cut_off)
            try:
                await super().protocol_send(event)
            finally:
                cut.cancel()
        elif not isinstance(event, Updated):
            await super().protocol_send(event)
        elif not event.idle:
            self._idle.pop(self, None)
            await super().protocol_send(event)
        elif not self._gone:
            self._idle[self] = None
            await super().protocol_send(event)

    @override
    async def _read_data(self) -> None:
        await super()._read_data()
        self._gone = True
        await self.idle_task.stop()
        if self.stream and self._unsent:  # A ping may wait for that, without bound.
            self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)

    @override
    async def _initiate_server_close(self) -> None:
        self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)
        await super()._initiate_server_close()

    @override
    async def _close(self) -> None:
        cut = self.loop.call_later(CLOSE_TIMEOUT_S, self.writer.transport.abort)
        try:
            await super()._close()
        finally:
            cut.cancel()


class Start(Lifespan):
    """Comes before hypercorn makes its TLS context, and offers HTTP/2 there."""

    def __init__(self, app: Any, config: Any, *rest: Any) -> None:
        super().__init__(app, config, *rest)
        config.alpn_protocols = ["http/1.1"]
        configuration.set(config)


PLACES: tuple[tuple[Any, str, type, type], ...] = (
    (hypercorn.asyncio.run, "TCPServer", TCPServer, Connection),
    (hypercorn.asyncio.run, "Lifespan", Lifespan, Start),
)
