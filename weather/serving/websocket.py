"""The WebSocket: a size that is bounded before it is inflated, a close with its code, pongs that are looked at."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from contextlib import suppress
from contextvars import ContextVar
from typing import Any, cast

from hypercorn.events import RawData
from hypercorn.protocol.events import Data, Event, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from typing_extensions import override
from websockets.frames import CloseCode
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, TextMessage
from wsproto.extensions import PerMessageDeflate
from wsproto.frame_protocol import CloseReason
from wsproto.utilities import LocalProtocolError

from weather.config import SECONDS
from weather.serving.connection import CLOSE_TIMEOUT_S, Application

CHECK_PEER_S = 0.5 * SECONDS

_reading: ContextVar[Stream | None] = ContextVar("reading", default=None)
"""wsproto's extensions are not handed the stream that they work for."""


class Deflate(PerMessageDeflate):
    """wsproto inflates what it has read to a thousand times its size before anyone can look at it; and it fails on an
    offer whose number is none, which is to be declined (RFC 7692, 7.1).
    """

    @override
    def accept(self, offer: str) -> bool | str | None:
        try:
            return super().accept(offer)
        except ValueError:
            return None

    @override
    def frame_inbound_payload_data(self, proto: Any, data: bytes) -> bytes | CloseReason:
        stream, inflate = _reading.get(), self._decompressor
        if not (stream and inflate and self._inbound_compressed and self._inbound_is_compressible):
            return data
        try:
            inflated = inflate.decompress(data, stream.buffer.max_length + 1)
        except zlib.error:
            return CloseReason.INVALID_FRAME_PAYLOAD_DATA
        return CloseReason.MESSAGE_TOO_BIG if inflate.unconsumed_tail else inflated


class Stream(WSStream):
    """A WebSocket whose `websocket.disconnect` tells the code of the end, its reason, and whose doing it was.

    `ended` is "client", or what the server closed for: "protocol", "too_big", "dead". hypercorn tells 1006 of each.
    """

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.compression = False
        self._disconnect_sent = self._discarding = self._backpressured = self._stuck = False
        self._pong_seen = True
        self._end: Callable[[int, str, str], None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._code: int = CloseCode.ABNORMAL_CLOSURE
        self._ended = asyncio.get_running_loop().create_future()  # The peer has closed, or the connection is no more.
        self._tcp = cast(Application, self.app).connection
        self._tcp.stream = self
        _reading.set(self)

    def configure(self, most: int, *, compression: bool, end: Callable[[int, str, str], None]) -> None:
        """A message has at most so many characters; compression is accepted where it is offered.

        `end` is told what `websocket.disconnect` tells, also while the application receives nothing.
        """
        self.buffer.max_length, self.compression, self._end = most, compression, end

    @override
    async def handle(self, event: Event) -> None:
        """hypercorn does not tell the app of an end that comes while ten messages wait, or after an early frame."""
        if type(event) is Data and self.handshake.accepted:  # isinstance() asks its ABC
            if not (self._discarding or self._ended.done()):
                self._pong_seen = True
                self.connection.receive_data(event.data)
                await self._handle_events()
        elif isinstance(event, StreamClosed):
            self.closed = True
            if not self._ended.done():
                self._ended.set_result(None)
            self._disconnect(self._code, "", "client")
        else:
            await super().handle(event)
            if self.closed:  # hypercorn has refused the handshake, and would leave the connection open.
                await self.send(StreamClosed(stream_id=self.stream_id))

    @property
    def _queue(self) -> asyncio.Queue[Any]:
        return self.app_put.__self__  # type: ignore[union-attr, no-any-return]

    def _disconnect(self, code: int, reason: str, ended: str) -> None:
        """The app gets this next, and nothing after it: what it has not read by now, nobody would see answered."""
        if self._disconnect_sent or self.app_put is None:
            return
        self._disconnect_sent = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason, "ended": ended})
        if self._end:
            self._end(code, reason, ended)

    def _check_peer(self) -> None:
        """While messages wait nothing is read, and no end is seen."""
        self._timer = None
        if self._backpressured and self._tcp.peer_closed:
            self._disconnect(self._code, "", "client")
        elif self._backpressured:
            self._timer = self._tcp.loop.call_later(CHECK_PEER_S, self._check_peer)

    @override
    async def _accept(self, message: Any) -> None:
        """hypercorn accepts compression from whoever offers it (#307)."""
        if not self.compression:
            self.handshake.extensions = None
        self._tcp.leave_limit()
        await super()._accept(message)

    @override
    async def _handle_events(self) -> None:
        """hypercorn closes TCP without a code on what breaks RFC 6455 (#127); it checks the size of a message when all
        is in its buffer, tells the app nothing of its 1009, and goes on buffering.
        """
        for event in self.connection.events():
            if isinstance(event, CloseConnection):
                await self._closed(event)
            elif self._disconnect_sent or self.state is not ASGIWebsocketState.CONNECTED:
                pass  # Nobody listens any more.
            elif isinstance(event, Message):
                if self.buffer.length + len(event.data) > self.buffer.max_length:
                    await self._too_big()
                    continue
                if event.message_finished and self.buffer.value is None and isinstance(event.data, str):
                    message = {"type": "websocket.receive", "text": event.data}
                else:
                    self.buffer.extend(event)
                    if not event.message_finished:
                        continue
                    message = self.buffer.to_message()
                    self.buffer.clear()
                try:
                    self._queue.put_nowait(message)
                except asyncio.QueueFull:
                    self._backpressured = True
                    self._timer = self._timer or self._tcp.loop.call_later(CHECK_PEER_S, self._check_peer)
                    await self._queue.put(message)
                    self._backpressured = False
            elif isinstance(event, Ping):
                await self._send_wsproto_event(event.response())

    async def _closed(self, event: CloseConnection) -> None:
        if self.connection.state is ConnectionState.OPEN:  # by what breaks the RFC
            self._discarding = True
            if event.code == CloseCode.MESSAGE_TOO_BIG:  # once it is inflated
                await self._too_big()
                return
            reason = "text is not UTF-8" if event.code == CloseCode.INVALID_DATA else event.reason or ""
            await self._fail(event.code, reason, "protocol")
            return
        self._code = event.code
        if self.connection.state is ConnectionState.REMOTE_CLOSING:
            await _bounded(self._send_wsproto_event(event.response()))
        await self.send(StreamClosed(stream_id=self.stream_id))

    async def _too_big(self) -> None:
        await self._fail(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {self.buffer.max_length} bytes", "too_big")

    async def _fail(self, code: int, reason: str, ended: str) -> None:
        self._disconnect(code, reason, ended)
        self.buffer.clear()
        self.state = ASGIWebsocketState.CLOSED
        await _bounded(self._send_wsproto_event(CloseConnection(code=code, reason=reason)))

    @override
    async def app_send(self, message: Any) -> None:
        """hypercorn writes a close frame to a peer that reads nothing for as long as that takes."""
        if message is None:
            await self._finish()
        elif self._disconnect_sent:
            pass
        elif message["type"] == "websocket.close":
            self._stuck = True  # also where this is cancelled
            self._stuck = not await _bounded(super().app_send(message))
        elif message["type"] == "websocket.send" and self.state is ASGIWebsocketState.CONNECTED and message.get("text"):
            try:
                data = self.connection.send(TextMessage(data=message["text"]))  # as it does, by a shorter way
            except LocalProtocolError:  # The peer is closing.
                return
            await self._tcp.write(RawData(data=data))
        else:
            await super().app_send(message)

    async def _finish(self) -> None:
        """hypercorn closes TCP at once when the app is done, whether or not the peer has answered the close; and while
        ten messages wait, it waits for somebody to read them.
        """
        if self.state is ASGIWebsocketState.CONNECTED:
            await self.app_send({"type": "websocket.close", "code": CloseCode.INTERNAL_ERROR})
        self._disconnect(self._code, "", "client")
        if self._stuck:
            self._tcp.abort()
        elif self.state is ASGIWebsocketState.CLOSED:
            await asyncio.wait([self._ended], timeout=CLOSE_TIMEOUT_S)
        await super().app_send(None)

    @override
    async def _send_pings(self) -> None:
        """hypercorn looks at no pong, and a connection waits at its end for the next ping to be due."""
        interval_s = self.config.websocket_ping_interval or 0
        while (self._pong_seen or self._backpressured) and not self._ended.done():
            self._pong_seen = False
            await self._send_wsproto_event(Ping())
            await asyncio.wait([self._ended], timeout=interval_s)
        if not self._ended.done():
            await self._fail(CloseCode.POLICY_VIOLATION, f"no pong for {interval_s:g} s", "dead")


async def _bounded(work: Awaitable[Any]) -> bool:
    """False where it took longer than CLOSE_TIMEOUT_S."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await work
        return True
    return False
