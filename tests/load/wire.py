"""A WebSocket load client that costs little: frames are built once, answers are counted and not decoded."""

from __future__ import annotations

import asyncio
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

HANDSHAKE = (
    "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Protocol: mcp\r\n"
)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
INITIALIZE = {
    "protocolVersion": "2025-11-25",
    "capabilities": {},
    "clientInfo": {"name": "bench", "version": "1"},
}
PING_OPCODE = 9
FAILED = re.compile(rb'"isError": *true|"error": *\{')


def frame(message: dict[str, Any]) -> bytes:
    """A text frame (RFC 6455, section 5.2), masked with zeros."""
    payload = json.dumps(message).encode()
    size = len(payload)
    head = bytes([0x81, 0x80 | size]) if size < 126 else bytes([0x81, 0xFE]) + size.to_bytes(2, "big")
    return head + bytes(4) + payload


def calling(tool: str, **arguments: Any) -> dict[str, Any]:
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


def call(tool: str, **arguments: Any) -> bytes:
    return frame(calling(tool, **arguments))


WASHINGTON = {"latitude": 38.9072, "longitude": -77.0369}
GET_WEATHER = calling("get-weather", **WASHINGTON)
META = {"io.modelcontextprotocol/protocolVersion": "2026-07-28", "io.modelcontextprotocol/clientCapabilities": {}}
DISCOVER = frame({"jsonrpc": "2.0", "id": 1, "method": "server/discover", "params": {"_meta": META}})
INITIALIZED = frame({"jsonrpc": "2.0", "method": "notifications/initialized"})
PING = frame({"jsonrpc": "2.0", "id": 1, "method": "ping"})
PONG = b"\x8a"
CLOSE = b"\x88\x82" + bytes(4) + (1000).to_bytes(2, "big")


class Caller(asyncio.Protocol, ABC):
    """One call in flight at a time. `answer` is a future of the last answer's payload."""

    answer: asyncio.Future[bytes]
    _repeated, _end = b"", 0.0
    # Of the last answer: its first bytes, where its payload begins, and where that ends. The next one like it is not
    # parsed, if it comes in one piece.
    _head, _start, _stop = b"", 0, 0

    @abstractmethod
    def send(self, request: bytes) -> None: ...

    def ask(self, request: bytes) -> asyncio.Future[bytes]:
        self.answer = asyncio.get_running_loop().create_future()
        self.send(request)
        return self.answer

    def repeat(self, request: bytes, end: float, latencies: list[float]) -> asyncio.Future[bytes]:
        """Asks again and again until `end`."""
        self._repeated, self._end, self._latencies = request, end, latencies
        self._started = time.perf_counter()
        return self.ask(request)

    def answered(self, buffer: bytes | bytearray, start: int, stop: int) -> None:
        now = time.perf_counter()
        if self._repeated:
            self._latencies.append(now - self._started)
        if now < self._end:
            self._started = now
            self.send(self._repeated)
        else:
            self._repeated = b""
            self.answer.set_result(bytes(buffer[start:stop]))


class Connection(Caller):
    """A WebSocket."""

    def __init__(self, *, deflate: bool = False) -> None:
        self._handshake = (HANDSHAKE + (DEFLATE if deflate else "") + "\r\n").encode()
        self._buffer = bytearray()
        self._upgraded = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self.answer = asyncio.get_running_loop().create_future()
        self.transport.write(self._handshake)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionError("the server hung up"))

    def send(self, request: bytes) -> None:
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        if len(data) == self._stop and data.startswith(self._head) and not (self._buffer or self.answer.done()):
            self.answered(data, self._start, self._stop)
            return
        self._buffer += data
        if not self._upgraded:
            head, end, rest = self._buffer.partition(b"\r\n\r\n")
            if not end:
                return
            self._upgraded, self._buffer = True, rest
            if not head.startswith(b"HTTP/1.1 101"):
                self.answer.set_exception(ConnectionError(head.decode().splitlines()[0]))
            else:
                self.answer.set_result(bytes(head))
        while self._buffer and self._take():
            pass

    def _take(self) -> bool:
        buffer = self._buffer
        size, start = buffer[1] if len(buffer) > 1 else 0, 2
        if size == 126:
            size, start = int.from_bytes(buffer[2:4], "big"), 4
        elif size == 127:
            size, start = int.from_bytes(buffer[2:10], "big"), 10
        stop = start + size
        if len(buffer) < stop:
            return False
        if buffer[0] & 15 == PING_OPCODE:
            self.transport.write(PONG + bytes([0x80 | size]) + bytes(4) + buffer[start:stop])
        elif not self.answer.done():
            self._head, self._start, self._stop = bytes(buffer[:start]), start, stop
            self.answered(buffer, start, stop)
        del buffer[:stop]
        return True


async def connect(port: int, *, deflate: bool = False, initialize: bool = True, discover: bool = False) -> Connection:
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(lambda: Connection(deflate=deflate), "127.0.0.1", port)
    await connection.answer
    if initialize:
        await connection.ask(frame({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": INITIALIZE}))
        connection.send(INITIALIZED)
    if discover:
        await connection.ask(DISCOVER)
    return connection


async def load(connections: Sequence[Caller], request: bytes, seconds: float) -> list[float]:
    """Each connection asks again as soon as it has its answer. The latencies, in seconds.

    From callback to callback, without a task or a future per call: the client must not be what is measured.
    """
    latencies: list[float] = []
    end = time.perf_counter() + seconds
    for answer in await asyncio.gather(*(each.repeat(request, end, latencies) for each in connections)):
        check(answer)
    return latencies


def check(answer: bytes) -> bytes:
    """The answer itself: a refusal is cheap, and must not be measured in place of what was asked for."""
    if FAILED.search(answer):
        raise AssertionError(answer[:500].decode())
    return answer


def quantile(values: Sequence[float], share: float) -> float:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]
