"""What clients over HTTP do in the soak: ask politely, and leave at every wrong moment."""

from __future__ import annotations

import random
import re
import socket
import struct
from asyncio import StreamReader, StreamWriter
from collections.abc import Awaitable, Callable

from tests.load.push import LISTEN
from tests.raw import call, posted, request

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
METRICS = HEALTH.replace(b"health", b"metrics")
UPLOAD = b"POST %s HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


class Client:
    def __init__(self, reader: StreamReader, writer: StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def write(self, *chunks: bytes) -> None:
        self.writer.write(b"".join(chunks))
        await self.writer.drain()

    async def answer(self) -> tuple[int, bytes]:
        """Status and body of the next; the body is empty where it is a stream."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = re.search(rb"content-length: (\d+)", head)
        return int(head[9:12]), await self.reader.readexactly(int(size[1])) if size else b""

    def leave(self) -> None:
        """With FIN or with RST."""
        if random.random() < 0.5:
            linger = struct.pack("ii", 1, 0)
            self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        self.writer.transport.abort()


async def http_polite(client: Client) -> None:
    for number in range(5):
        await client.write(posted(call(number, state=random.choice(("CA", "TX", "NY")))))
        status, body = await client.answer()
        assert status == 200, body
        assert b'"isError":false' in body, body
    await client.write(*(posted(request(number, "ping")) for number in range(5)))
    for number in range(5):
        assert await client.answer() == (200, b'{"jsonrpc":"2.0","id":%d,"result":{}}' % number)


async def http_leaves_idle(client: Client) -> None:
    await client.write(HEALTH)
    await client.answer()
    client.leave()


async def http_leaves_amid_a_head(client: Client) -> None:
    await client.write(LISTENING[: random.randrange(LISTENING.index(b"\r\n\r\n"))])
    client.leave()


async def http_leaves_amid_a_body(client: Client) -> None:
    await client.write(LISTENING[: random.randrange(LISTENING.index(b"\r\n\r\n"), len(LISTENING))])
    client.leave()


async def http_leaves_amid_a_refused_body(client: Client) -> None:
    await client.write(UPLOAD % random.choice((b"/nowhere", b"/health", b"/mcp")))
    for _ in range(40):
        await client.write(b"1\r\nx\r\n")
    assert (await client.answer())[0] in (404, 405, 415)
    client.leave()


async def http_leaves_with_calls_unanswered(client: Client) -> None:
    await client.write(*(posted(call(number, state="WA", limit=random.randrange(1, 99))) for number in range(20)))
    client.leave()


async def http_leaves_a_stream(client: Client) -> None:
    await client.write(LISTENING)
    await client.reader.readuntil(b"acknowledged")
    client.leave()


async def http_leaves_while_another_request_waits_behind_a_stream(client: Client) -> None:
    await client.write(LISTENING)
    await client.reader.readuntil(b"acknowledged")
    await client.write(random.choice((HEALTH, LISTENING, LISTENING * 9, HEALTH[:-4])))
    client.leave()


async def http_reads_nothing(client: Client) -> None:
    """And is cut off, while it still holds the connection."""
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as a WriteTransport, is both
    await client.write(METRICS * 500)
    await client.reader.read()


async def http_asks_for_much_and_leaves(client: Client) -> None:
    await client.write(METRICS * 50)
    client.leave()


async def http_begins_with_http_2(client: Client) -> None:
    await client.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
    assert (await client.answer())[0] == 505
    await client.reader.read()


LISTENING = posted(LISTEN)
# How often each comes.
KINDS: dict[Callable[[Client], Awaitable[None]], int] = {
    http_polite: 100,
    http_leaves_idle: 100,
    http_leaves_amid_a_head: 50,
    http_leaves_amid_a_body: 50,
    http_leaves_amid_a_refused_body: 100,
    http_leaves_with_calls_unanswered: 100,
    http_leaves_a_stream: 100,
    http_leaves_while_another_request_waits_behind_a_stream: 100,
    http_asks_for_much_and_leaves: 20,
    http_begins_with_http_2: 20,
    http_reads_nothing: 3,
}
