"""The WebSocket of a connection: websockets' sans-I/O protocol in place of wsproto, which hypercorn uses."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from time import time
from typing import Any, cast

from hypercorn.events import RawData
from hypercorn.protocol.events import Data, Event, Response, StreamClosed
from hypercorn.protocol.ws_stream import ASGIWebsocketState, WSStream
from typing_extensions import override
from websockets.frames import CloseCode
from websockets.protocol import SEND_EOF, State

from weather.config import KIB, SECONDS
from weather.serving.connection import CLOSE_TIMEOUT_S, Application
from weather.serving.frames import Protocol
from weather.serving.interface import CachedReply
from weather.serving.turns import turns

CHECK_PEER_S = 0.5 * SECONDS
PARSED_AT_ONCE = 1 * KIB  # Frames are parsed before the application takes them, and a small one is 60 times its size.
MOST_CONTROL_FRAMES, MOST_UNREAD = 1000, 16 * KIB


class Stream(WSStream):
    """Adds `reason` and `ended` to `websocket.disconnect`, whose code hypercorn gives as 1006 for every close.

    `ended` is "client", or why the server closed: "protocol", "too_big", "not_reading", "dead".
    """

    frames: Protocol
    cached_reply: CachedReply | None = None
    _end: Callable[[int, str, str], None] | None = None
    _timer: asyncio.TimerHandle | None = None
    _code: int = CloseCode.ABNORMAL_CLOSURE
    _compression = _disconnect_sent = _backpressured = _close_unsent = False
    _pong_seen = True

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._max_size = self.config.websocket_max_message_size
        self._ended = asyncio.get_running_loop().create_future()  # The peer has closed, or the connection has ended.
        self._tcp = cast(Application, self.app).connection
        self._tcp.stream = self

    def configure(
        self,
        max_size: int,
        *,
        compression: bool,
        end: Callable[[int, str, str], None],
        cached_reply: CachedReply | None,
    ) -> None:
        """To be called before the handshake is accepted. `max_size` is the limit of a message in bytes.

        `end` is called with code, reason and `ended`, also while the application receives nothing. `cached_reply`
        answers messages for the short way.
        """
        self._max_size, self._compression, self._end = max_size, compression, end
        self.cached_reply = cached_reply

    @override
    async def handle(self, event: Event) -> None:
        """hypercorn does not tell the app of an end that comes while ten messages wait, or after an early frame."""
        if type(event) is Data and self.handshake.accepted:  # isinstance() asks its ABC
            for start in range(0, len(event.data), PARSED_AT_ONCE):
                if not self._ended.done():
                    self._pong_seen = True
                    await self._received(event.data[start : start + PARSED_AT_ONCE])
        elif isinstance(event, StreamClosed):
            self.closed = True
            if not self._ended.done():
                self._ended.set_result(None)
            if self.handshake.accepted:
                self.frames.end()
            self._disconnect(self._code, "", "client")
        else:
            await super().handle(event)
            if self.closed:  # hypercorn has refused the handshake, and would leave the connection open.
                await self.send(StreamClosed(stream_id=self.stream_id))

    @property
    def idle(self) -> bool:
        """Whether every message received is with the application, and its session is open."""
        return (
            self.state is ASGIWebsocketState.CONNECTED
            and self.frames.between_messages
            and not self._disconnect_sent
            and self._queue.empty()
        )

    def heard(self) -> None:
        """The peer has sent something."""
        self._pong_seen = True

    @property
    def _queue(self) -> asyncio.Queue[Any]:
        return self.app_put.__self__  # type: ignore[union-attr, no-any-return]

    def _disconnect(self, code: int, reason: str, ended: str) -> None:
        """Makes this the next and last event of the application, since nobody would see messages answered."""
        if self._disconnect_sent or self.app_put is None:
            return
        self._disconnect_sent = True
        while not self._queue.empty():
            self._queue.get_nowait()
        self._queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason, "ended": ended})
        if self._end:
            self._end(code, reason, ended)
        self._end = self.cached_reply = None  # Both refer to the session, and that to this.

    @override
    async def _accept(self, message: Any) -> None:
        """hypercorn accepts compression from every client that offers it (#307), and parses frames by wsproto."""
        self.frames = Protocol(self._max_size, compression=self._compression)
        key, subprotocol = cast(bytes, self.handshake.key), message.get("subprotocol")
        headers = [*self.frames.response(self.scope["headers"], key, subprotocol), *message.get("headers", ())]
        self.handshake.accepted, self.state = True, ASGIWebsocketState.CONNECTED
        self._tcp.leave_limit()
        await self.send(Response(stream_id=self.stream_id, status_code=101, headers=headers))
        await self.config.log.access(self.scope, {"status": 101, "headers": []}, time() - self.start_time)
        if self.config.websocket_ping_interval:
            self.task_group.spawn(self._send_pings)

    async def _received(self, data: bytes) -> None:
        messages, ended = self.frames.messages(data), "protocol"
        answered = self.frames.control_frames or self.frames.writes  # Pongs may have come together with messages.
        if answered and self.frames.state is State.OPEN and not await self._pongs_read():
            self.frames.fail(CloseCode.POLICY_VIOLATION, "does not read the responses to its control frames")
            ended = "not_reading"
        for message in messages:
            if self._disconnect_sent or self.state is not ASGIWebsocketState.CONNECTED:
                break  # Nobody receives any more.
            await self._put(message)
        if self.frames.failure:
            await asyncio.sleep(0)  # The application gives its immediate responses.
            self.frames.fail_now()
        if self.frames.state is not State.OPEN:
            await self._closing(ended)

    async def _pongs_read(self) -> bool:
        """Writes the pongs. Returns False for a peer that does not read them.

        Lets other connections have their turn, since a tiny frame takes as long as a message.
        """
        sent = await _bounded(self._write())
        await asyncio.sleep(0)
        return sent and (self.frames.control_frames <= MOST_CONTROL_FRAMES or self._tcp.unread <= MOST_UNREAD)

    async def _put(self, message: dict[str, Any]) -> None:
        """Waits while the queue of the application is full. Nothing is read meanwhile."""
        try:
            self._queue.put_nowait(message)
        except asyncio.QueueFull:
            self._backpressured = True
            self._timer = self._timer or self._tcp.loop.call_later(CHECK_PEER_S, self._check_peer)
            await self._queue.put(message)
            self._backpressured = False

    def _check_peer(self) -> None:
        """While nothing is read, the end of the connection is not read either."""
        self._timer = None
        if self._backpressured and self._tcp.peer_closed:
            self._disconnect(self._code, "", "client")
        elif self._backpressured:
            self._timer = self._tcp.loop.call_later(CHECK_PEER_S, self._check_peer)

    async def _closing(self, ended: str) -> None:
        """The peer has closed, or the protocol has failed the connection (RFC 6455, 7.1.7)."""
        received, sent = self.frames.close_rcvd, self.frames.close_sent
        if received:
            self._code = received.code
            await turns.wait()
        elif sent and self.state is ASGIWebsocketState.CONNECTED:
            self._disconnect(sent.code, sent.reason, "too_big" if sent.code == CloseCode.MESSAGE_TOO_BIG else ended)
        self.state = ASGIWebsocketState.CLOSED
        await _bounded(self._write())
        if received:
            await self.send(StreamClosed(stream_id=self.stream_id))

    async def _write(self) -> None:
        """Half-closes TCP where the protocol says so, at once after a failure, and reads on (RFC 6455, 7.1.1)."""
        if data := self.frames.data_to_send():
            await self._tcp.write(RawData(data=b"".join(data)))
            if SEND_EOF in data:
                self._tcp.write_eof()

    @override
    async def app_send(self, message: Any) -> None:
        if message is None:
            await self._finish()
        elif not self.handshake.accepted:
            await super().app_send(message)
        elif self._disconnect_sent or self.frames.state is not State.OPEN:
            pass
        elif message["type"] == "websocket.close":
            await self._close(message.get("code", CloseCode.NORMAL_CLOSURE), message.get("reason") or "")
        elif (text := message.get("text")) is None:
            self.frames.send_binary(message["bytes"])
            await self._write()
        else:
            self.frames.send_text(text.encode())
            await self._write()

    async def _close(self, code: int, reason: str) -> None:
        """hypercorn would wait without bound for a peer that reads nothing."""
        self.state = ASGIWebsocketState.CLOSED
        self.frames.send_close(code, reason.encode()[:123].decode(errors="ignore"))
        self._close_unsent = True  # also if this is cancelled
        self._close_unsent = not await _bounded(self._write())

    async def _finish(self) -> None:
        """hypercorn closes TCP at once when the app is done, whether or not the peer has answered the close; and while
        ten messages wait, it waits for somebody to read them.
        """
        if self.handshake.accepted:
            await self.app_send({"type": "websocket.close", "code": CloseCode.INTERNAL_ERROR})
            self.state = ASGIWebsocketState.CLOSED
        self._disconnect(self._code, "", "client")
        if self._close_unsent:
            self._tcp.abort()
        elif self.handshake.accepted:
            await asyncio.wait([self._ended], timeout=CLOSE_TIMEOUT_S)
        await super().app_send(None)

    @override
    async def _send_pings(self) -> None:
        """hypercorn ignores pongs, and keeps a connection after its end until the next ping is due."""
        interval_s = self.config.websocket_ping_interval
        while self.frames.state is State.OPEN and not self._ended.done():
            if not (self._pong_seen or self._backpressured):
                self.frames.fail(CloseCode.POLICY_VIOLATION, f"no pong for {interval_s:g} s")
                self.frames.fail_now()
                await self._closing("dead")
                return
            self._pong_seen = False
            self.frames.send_ping(b"")
            await self._write()
            await asyncio.wait([self._ended], timeout=interval_s)


async def _bounded(work: Awaitable[Any]) -> bool:
    """Returns False if it took longer than CLOSE_TIMEOUT_S."""
    with suppress(TimeoutError):
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await work
        return True
    return False
