"""HTTP/1.1 alone: hypercorn's HTTP/2 leaks streams and logs tracebacks."""

import asyncio
import re
from typing import Any, cast

import h11
from hypercorn.asyncio.tcp_server import MAX_RECV
from hypercorn.events import Closed, Updated
from hypercorn.events import Event as ConnectionEvent
from hypercorn.protocol.events import Body, Data, EndBody, Event, StreamClosed
from hypercorn.protocol.h11 import STREAM_ID, H11Protocol
from hypercorn.protocol.http_stream import ASGIHTTPState, HTTPStream
from typing_extensions import override

from weather.config import KIB
from weather.serving.connection import CLOSE_TIMEOUT_S, Application
from weather.serving.turns import turns

AHEAD = 256 * KIB
ABSOLUTE_FORM = re.compile(rb"(?:http|ws)s?://([^/?#]*)/?(.*)", re.IGNORECASE)


def origin_form(request: h11.Request) -> h11.Request:
    """A target in absolute form names the host, and a server must ignore `Host` then (RFC 9112, 3.2.2)."""
    absolute = ABSOLUTE_FORM.fullmatch(request.target)
    if not absolute:
        return request
    host, rest = absolute.groups()
    headers = [(b"Host", host), *(header for header in request.headers.raw_items() if header[0].lower() != b"host")]
    return h11.Request(method=request.method, target=b"/" + rest, headers=headers, http_version=request.http_version)


class Exchange(HTTPStream):
    """A request and its response. After the response, hypercorn still waits for the application to read the body."""

    @property
    def answered(self) -> bool:
        return self.state is ASGIHTTPState.CLOSED

    @override
    async def handle(self, event: Event) -> None:
        if self.answered and isinstance(event, Body):
            return
        if self.answered and isinstance(event, EndBody):
            event = StreamClosed(stream_id=self.stream_id)
            await self.send(event)
            return
        if isinstance(event, StreamClosed):
            self.discard_unread()
        await super().handle(event)

    def discard_unread(self) -> None:
        """Empties the application's queue, so that nobody waits to put a piece of the body there."""
        queue = self.app_put.__self__  # type: ignore[attr-defined]
        while not queue.empty():
            queue.get_nowait()


class HTTP1(H11Protocol):
    """hypercorn closes a connection while its peer still sends a body. While a request waits behind another, hypercorn
    reads nothing, and does not notice when the peer closes.
    """

    _abort_timer: asyncio.TimerHandle | None = None
    _begun = False

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._tcp = cast(Application, self.app).connection

    @override
    async def handle(self, event: ConnectionEvent) -> None:
        if not self._begun:
            self._begun = True
            await turns.wait()
        await super().handle(event)

    @override
    async def _check_protocol(self, event: h11.Request) -> None:
        """Ignores `Upgrade: h2c` (RFC 9110, 7.8). `_create_stream` refuses a client that begins with HTTP/2."""

    @override
    async def _create_stream(self, request: h11.Request) -> None:
        status = 505
        if request.http_version in (b"1.1", b"1.0"):
            request = origin_form(request)  # hypercorn would take the whole URL for the path.
            try:
                await super()._create_stream(request)
                if self._tcp.short_way:
                    self._tcp.short_way.learn(self, request)
                return
            except UnicodeDecodeError:  # of a header of a handshake
                self.stream, status = None, 400
        await self._send_error_response(status)
        await self.send(Closed())

    @override
    async def _handle_events(self) -> None:
        """As hypercorn's, but for PAUSED."""
        while True:
            if self.connection.they_are_waiting_for_100_continue:
                headers = self.config.response_headers("h11")
                await self._send_h11_event(h11.InformationalResponse(status_code=100, headers=headers))
            try:
                event = self.connection.next_event()
            except h11.RemoteProtocolError as error:
                if self.connection.our_state in (h11.IDLE, h11.SEND_RESPONSE):
                    await self._send_error_response(error.error_status_hint)
                error.__traceback__ = None  # One of its frames refers back to the error.
                await self.send(Closed())
                return
            if isinstance(event, h11.Request):
                await self.send(Updated(idle=False))
                await self._check_protocol(event)
                await self._create_stream(event)
            elif event is h11.PAUSED:
                await self.can_read.clear()
                if not await self._wait_for_turn():
                    await self.send(Closed())
                    return
            elif event is h11.NEED_DATA or isinstance(event, h11.ConnectionClosed) or self.stream is None:
                return
            elif isinstance(event, h11.Data):
                await self.stream.handle(Body(stream_id=STREAM_ID, data=event.data))
            elif isinstance(event, h11.EndOfMessage):
                await self.stream.handle(EndBody(stream_id=STREAM_ID))
            elif isinstance(event, Data):  # of a WebSocket
                await self.stream.handle(event)

    async def _wait_for_turn(self) -> bool:
        """Reads ahead until the previous request is answered, and returns True.

        Returns False if that takes longer than CLOSE_TIMEOUT_S after the peer has closed or has sent AHEAD bytes.
        """
        turn = asyncio.create_task(self.can_read.wait())
        ahead = len(self.connection.trailing_data[0])
        try:
            while ahead < AHEAD:
                read = asyncio.create_task(self._tcp.reader.read(MAX_RECV))
                await asyncio.wait((turn, read), return_when=asyncio.FIRST_COMPLETED)
                if not read.done():
                    read.cancel()
                    await asyncio.wait((read,))
                    return True
                data = b"" if read.exception() else read.result()
                self.connection.receive_data(data)
                ahead += len(data)
                if not data:
                    await self._close_stream()
                    break
            await asyncio.wait((turn,), timeout=CLOSE_TIMEOUT_S)
            return turn.done() and not self._tcp.writer.transport.is_closing()
        finally:
            turn.cancel()

    @override
    async def _maybe_recycle(self) -> None:
        """Gives a peer that still sends a body time to end it and to read the response (RFC 9112, 9.6)."""
        stream, amid = self.stream, self.connection.their_state is h11.SEND_BODY
        if amid and isinstance(stream, Exchange) and stream.answered and not self.context.terminated.is_set():
            stream.discard_unread()
            self._abort_timer = self._abort_timer or self._tcp.loop.call_later(CLOSE_TIMEOUT_S, self._tcp.abort)
        else:
            if self._abort_timer:
                self._abort_timer.cancel()
                self._abort_timer = None
            await super()._maybe_recycle()
