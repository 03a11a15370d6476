"""An HTTP/1.1 load client that costs little: requests are built once, answers are counted and not decoded."""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import Any

from tests.load.wire import INITIALIZE, Caller

HEAD = (
    "POST /mcp HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    f"Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: {INITIALIZE['protocolVersion']}\r\n"
)
LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
OK = b"HTTP/1.1 200"
LAST = re.compile(rb"\r\nconnection: *close", re.IGNORECASE)


def post(message: dict[str, Any]) -> bytes:
    return post_text(json.dumps(message))


def post_text(body: str) -> bytes:
    """In ASCII."""
    return f"{HEAD}Content-Length: {len(body)}\r\n\r\n{body}".encode()


class Client(Caller):
    """Keeps its connection alive, and opens another when the server has closed it: hypercorn does, after so many
    requests (`keep_alive_max_requests`). The call that had to wait for it counts in full.
    """

    def __init__(self, port: int) -> None:
        self._port, self._request = port, b""

    async def connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", self._port)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport
        self._buffer, self._served, self._lost = bytearray(), False, False
        if self._request:
            self.write(self._request)

    def write(self, request: bytes) -> None:
        self.transport.write(request)

    def send(self, request: bytes) -> None:
        self._request = request
        if self._lost:
            self._connecting = asyncio.create_task(self._reconnect())
        elif not self.transport.is_closing():
            self.write(request)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        if self._request and self._served:
            self._connecting = asyncio.create_task(self._reconnect())
        elif self._request:
            self.answer.set_exception(ConnectionError("the server hung up"))

    async def _reconnect(self) -> None:
        try:
            await self.connect()
        except OSError as error:
            self.answer.set_exception(error)

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer
        if len(data) == self._stop and data.startswith(OK) and not buffer:
            self._request = b""
            self.answered(data, self._start, self._stop)
            return
        buffer += data
        start = buffer.find(b"\r\n\r\n") + 4
        if start < 4:
            return
        length = LENGTH.search(buffer, 0, start)
        stop = start + (int(length[1]) if length else 0)
        if len(buffer) < stop:
            return
        if LAST.search(buffer, 0, start):
            self.transport.close()
        else:
            self._start, self._stop = start, stop  # The last answer of a connection is longer by a header.
        self._request, self._served, self._buffer = b"", True, bytearray()
        if buffer.startswith(OK):
            self.answered(buffer, start, stop)
        else:
            self.answer.set_exception(ConnectionError(buffer.decode().splitlines()[0]))


class ApartClient(Client):
    """Sends head and body apart, as httpx does: all heads of a turn of the loop come first, and then their bodies."""

    def write(self, request: bytes) -> None:
        end = request.index(b"\r\n\r\n") + 4
        os.write(self.transport.get_extra_info("socket").fileno(), request[:end])  # uvloop would send it with the body
        self.transport.write(request[end:])


async def clients(port: int, number: int, kind: type[Client] = Client) -> list[Client]:
    opened = [kind(port) for _ in range(number)]
    for client in opened:
        await client.connect()
    return opened
