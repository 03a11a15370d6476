"""The short way: a request whose response is cached is answered where its bytes come in, without waking a task.

It writes the same bytes as the long way does, but for `Date`, or it passes the bytes on to the long way. Nothing else
depends on it: with `MCP_FAST_PATH=false`, or without this file and its callers, the server sends the same.
"""

from __future__ import annotations

import asyncio
from functools import lru_cache
from time import time
from typing import TYPE_CHECKING, Any, cast

import h11
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from websockets.frames import apply_mask  # type: ignore[attr-defined]  # in C where it was built

from weather.config import KIB, SECONDS
from weather.serving.interface import CachedReply, limits

if TYPE_CHECKING:
    from weather.serving.connection import Connection
    from weather.serving.websocket import Stream

MOST_IN_A_ROW = 64 * KIB  # of responses, before other connections have their turn
MOST_HEADS, MOST_HEAD_BYTES = 1000, 2 * KIB
BODY_TIMEOUT_S = 0.05 * SECONDS
END_OF_HEAD = b"\r\n\r\n"
TEXT_FRAME, MASKED = 0x81, 0x80  # FIN and opcode 1; the mask bit (RFC 6455, 5.2)
STANDS_ASIDE = {b"connection", b"expect", b"transfer-encoding", b"upgrade"}

_heads: dict[tuple[bytes, str], tuple[int, CachedReply]] = {}
"""By a request head and the server's address: the length of the body, and what answers it.

A head is kept once its request has passed all access checks. Nothing that these depend on changes while the server
runs: it checks no tokens.
"""


class ShortWay:
    """Takes what `connection` receives in place of its StreamReader, and gives that the rest.

    It may answer only while the long way waits for data and has none.
    """

    __slots__ = "_connection", "_feed", "_feed_eof", "_head", "_incomplete", "_read", "_reader", "_timer", "_waiting"

    def __init__(self, connection: Connection) -> None:
        self._connection, self._reader = connection, connection.reader
        self._feed, self._feed_eof, self._read = self._reader.feed_data, self._reader.feed_eof, self._reader.read
        self._waiting = False
        self._head = self._incomplete = b""
        self._timer: asyncio.TimerHandle | None = None
        replaced: dict[str, Any] = {"feed_data": self._received, "feed_eof": self._ended, "read": self._wait}
        vars(self._reader).update(replaced)

    def remove(self) -> None:
        """Breaks the circle of references with the reader."""
        self._pass_on()
        for name in ("feed_data", "feed_eof", "read"):
            vars(self._reader).pop(name, None)

    async def _wait(self, most: int = -1) -> bytes:
        self._waiting = True
        try:
            return await self._read(most)
        finally:
            self._waiting = False

    def _received(self, data: bytes) -> None:
        data, self._incomplete = self._incomplete + data, b""
        if self._timer:
            self._timer.cancel()
            self._timer = None
        connection = self._connection
        unsent = connection.writer.transport.get_write_buffer_size()
        if self._waiting and not unsent and not connection.going_down.is_set():
            if connection.stream:
                data = data[self._answer_frames(connection.stream, data) :]
            else:
                data = self._answer_request(connection.protocol.protocol, data)
        if data:
            self._waiting = False
            self._feed(data)

    def _ended(self) -> None:
        self._pass_on()
        self._feed_eof()

    def _pass_on(self) -> None:
        """Gives the long way the head whose body has not come."""
        self._timer = None
        if self._incomplete:
            data, self._incomplete = self._incomplete, b""
            self._waiting = False
            self._feed(data)

    def _answer_frames(self, stream: Stream, data: bytes) -> int:
        """Answers the text messages at the beginning of `data`, and returns the number of bytes that they take."""
        reply, taken, budget = stream.cached_reply, 0, MOST_IN_A_ROW
        if not (reply and stream.idle):
            return 0
        while budget > 0 and len(data) - taken > 6 and data[taken] == TEXT_FRAME and data[taken + 1] & MASKED:
            size, start = data[taken + 1] - MASKED, taken + 6
            if size == 126:
                size, start = int.from_bytes(data[taken + 2 : taken + 4]), taken + 8
            end = start + size
            if size == 127 or end > len(data):
                break
            text = reply(apply_mask(data[start:end], data[start - 4 : start]))
            if text is None:
                break
            stream.frames.send_text(text.encode())
            taken, budget = end, budget - len(text)
        if taken:
            stream.heard()
            self._connection.writer.write(b"".join(stream.frames.data_to_send()))
        return taken

    def _answer_request(self, http: Any, data: bytes) -> bytes:
        """Answers a request with a known head, and returns what is left of `data`."""
        if not (isinstance(http, H11Protocol) and between_requests(http)):
            return data
        head, end, body = data.partition(END_OF_HEAD)
        size, reply = _heads.get((head, str(http.server)), (-1, None))
        if reply is None or len(body) > size:
            self._head = head if end else b""
            return data
        if len(body) < size:  # Many clients send head and body apart.
            self._incomplete = data
            self._timer = self._connection.loop.call_later(BODY_TIMEOUT_S, self._pass_on)
            return b""
        if http.keep_alive_requests >= http.config.keep_alive_max_requests - 1 or (text := reply(body)) is None:
            return data
        http.keep_alive_requests += 1
        self._connection.touch()
        self._connection.writer.write(response(http, text.encode()))
        return b""

    def learn(self, http: H11Protocol, request: h11.Request) -> None:
        """Keeps the head of a request that the application has got, if the same head can be answered here."""
        head, self._head = self._head, b""
        config, stream, names = http.config, http.stream, {name for name, _ in request.headers}
        if not (limits.prepare and head and len(head) <= MOST_HEAD_BYTES and isinstance(stream, HTTPStream)):
            return
        if config.accesslog or config.max_requests or request.http_version != b"1.1" or names & STANDS_ASIDE:
            return
        size = int(dict(request.headers).get(b"content-length", b"0"))
        if size and (reply := limits.prepare(cast(Any, stream.scope))):
            if len(_heads) >= MOST_HEADS:
                _heads.clear()
            _heads[head, str(http.server)] = size, reply


def between_requests(http: H11Protocol) -> bool:
    connection = http.connection
    if not isinstance(connection, h11.Connection):
        return False
    return connection.our_state is h11.IDLE and not connection.trailing_data[0]


def response(http: H11Protocol, body: bytes) -> bytes:
    """As h11 writes it."""
    start = b"HTTP/1.1 200 \r\ncontent-type: application/json\r\ncontent-length: %d\r\n" % len(body)
    return start + rest_of_head(http.config, int(time())) + body


@lru_cache(4)
def rest_of_head(config: Any, now: int) -> bytes:
    return b"".join(b"%s: %s\r\n" % header for header in config.response_headers("h11")) + b"\r\n"
