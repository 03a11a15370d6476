"""`make soak`: opens, abuses and abandons sessions and HTTP connections by the thousand, and sees whether anything
stays behind.

One process of clients against a server that it starts itself; all on loopback, in rounds of the same work. Then each of
the bounds in bounds.py. Exits with 1 when a round leaves a session, a subscription, a task or a socket, when memory
grows from round to round, when polite clients were not answered, on a traceback, or when a bound does not hold.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
import tempfile
import time
import zlib
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import uvloop

from tests.conftest import Server, serving
from tests.load import bounds, http_abuse
from tests.load.memory import MIB, allowed, peak, resident
from tests.load.progress import say, until_interrupted
from tests.load.push import FILTER, LISTEN
from tests.load.wire import META
from tests.raw import (
    CLOSE,
    CONTINUATION,
    IN_FLIGHT,
    INITIALIZE,
    TEXT,
    call,
    configured,
    frame,
    gauges,
    handshake,
    request,
    text,
)

CLIENTS = 64
PATIENCE_S, FLOOD_S = 10.0, 4.0
SETTLE_S = 20.0
ROUNDS = 3  # at least; in the first, things are made that stay
GROWTH, FLOODED = 1.1, 64 * MIB  # on what the second has left; Python looks for garbage by its number, not by its size
# Beyond what was there before; tasks and descriptors of the request for /metrics itself come and go.
TOLERANCE = {
    "mcp_sessions_open": 0,
    "mcp_subscriptions_open": 0,
    "mcp_streams_open": 0,
    IN_FLIGHT: 0,
    IN_FLIGHT.replace("websocket", "http"): 0,
    "asyncio_tasks": 3,
    "process_open_fds": 3,
}
(URI,) = FILTER["resourceSubscriptions"]
READ = {"uri": URI, "_meta": META}
STATES = ("CA", "TX", "NY", "FL", "WA", "VT", "AK", "HI")
SETTINGS = {
    "MCP_SEND_TIMEOUT_SECONDS": "1",
    "MCP_INITIALIZE_TIMEOUT_SECONDS": "4",
    "MCP_COMPRESSION": "1",
    "SIMULATOR_LATENCY_MS": "30",
    "SIMULATOR_ALERTS_EVERY_S": "1",
    "LOG_LEVEL": "WARNING",
}


class Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def write(self, *chunks: bytes) -> None:
        self.writer.write(b"".join(chunks))
        await self.writer.drain()
        await asyncio.sleep(0)  # drain() lets nobody else run while the system takes all of a flood

    async def receive(self) -> bytes:
        """The payload of the next text frame."""
        while True:
            first, size = await self.reader.readexactly(2)
            if size == 126:
                (size,) = struct.unpack("!H", await self.reader.readexactly(2))
            elif size == 127:
                (size,) = struct.unpack("!Q", await self.reader.readexactly(8))
            payload = await self.reader.readexactly(size)
            if first & 15 == TEXT:
                return payload
            if first & 15 == CLOSE:
                raise ConnectionAbortedError(f"closed with {int.from_bytes(payload[:2])} {payload[2:].decode()}")

    async def initialize(self) -> None:
        await self.write(text(request(0, "initialize", INITIALIZE)))
        await self.receive()

    async def subscribe(self) -> None:
        """In either era; returns once the server has said that it holds."""
        if random.random() < 0.5:
            await self.initialize()
            await self.write(text(request(1, "resources/subscribe", {"uri": URI})))
            answer = json.loads(await self.receive())
            assert answer["result"] == {}, answer
        else:
            await self.write(text(LISTEN))
            answer = json.loads(await self.receive())
            assert answer["method"] == "notifications/subscriptions/acknowledged", answer

    async def close(self) -> None:
        await self.write(frame(CLOSE, struct.pack("!H", 1000)))
        await self.reader.read()

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def ask_alerts(number: int) -> bytes:
    return text(call(number, state=random.choice(STATES), limit=random.choice((1, 5, 25))))


async def polite(session: Session) -> None:
    await session.initialize()
    for number in range(1, 6):
        await session.write(ask_alerts(number))
        answer = json.loads(await session.receive())
        assert answer["id"] == number, answer
        assert not answer["result"]["isError"], answer
    await session.close()


async def leaves_calls_behind(session: Session) -> None:
    await session.initialize()
    await session.write(*map(ask_alerts, range(50)))
    await asyncio.sleep(random.random() / 10)


async def resets(session: Session) -> None:
    await leaves_calls_behind(session)
    session.reset()


async def cancels(session: Session) -> None:
    await session.initialize()
    for number in range(20):
        params = {"requestId": number}
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        await session.write(ask_alerts(number), text(cancel))
    await session.write(text(request("last", "ping")))
    while json.loads(await session.receive())["id"] != "last":
        pass


async def says_nothing(session: Session) -> None:
    await session.reader.read()


async def stops_amid(session: Session) -> None:
    await session.initialize()
    whole = ask_alerts(1)
    await session.write(whole[: random.randrange(len(whole))])


async def sends_noise(session: Session) -> None:
    await session.write(random.randbytes(300))
    await session.reader.read()


async def sends_bad_messages(session: Session) -> None:
    await session.initialize()
    for bad in ("", "[]", "{}", '{"jsonrpc":"2.0","id":1,"method":"nope"}', "1e999", "[" * 300):
        await session.write(text(bad))
        await session.receive()
    await session.write(frame(2, b"x"))
    await session.reader.read()


async def never_reads(session: Session) -> None:
    await session.initialize()
    session.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as a WriteTransport, is both
    while True:
        await session.write(*map(ask_alerts, range(50)))


async def subscribes(session: Session) -> None:
    await session.subscribe()
    await session.close()


async def subscribes_and_vanishes(session: Session) -> None:
    await session.subscribe()
    await asyncio.sleep(random.random() / 10)
    if random.random() < 0.5:
        session.reset()


async def subscribes_and_never_reads(session: Session) -> None:
    await session.subscribe()
    session.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as in never_reads
    while True:
        await session.write(*(text(request(number, "resources/read", READ)) for number in range(2, 52)))


async def pads_calls(session: Session) -> None:
    await session.initialize()
    for number in range(1, 6):
        padded = json.dumps(call(number, state="CA")).replace('"CA"', '"CA"' + " " * random.randrange(60_000))
        await session.write(text(padded))
        answer = json.loads(await session.receive())
        assert answer["id"] == number, answer
    await session.close()


async def listens_for_nothing(session: Session) -> None:
    """As often as it may, and more."""
    await session.write(*(text(request(number, "subscriptions/listen", bounds.LISTEN)) for number in range(150)))
    for _ in range(150):
        await session.receive()


async def floods_pings(session: Session) -> None:
    session.writer.transport.pause_reading()  # type: ignore[attr-defined]  # as in never_reads
    while True:
        await session.write(bounds.PINGS)


async def ignores_1009(session: Session) -> None:
    """Goes on for as long again, and does not answer the close."""
    await session.initialize()
    for opcode in (TEXT, CONTINUATION, CONTINUATION, CONTINUATION):
        await session.write(frame(opcode, b"x" * 40_000, fin=False))
    await session.reader.read()


async def inflates(session: Session) -> None:
    """To a little more than a message may have."""
    await session.initialize()
    await session.write(frame(TEXT, INFLATES, rsv=4))
    await session.reader.read()


_deflate = zlib.compressobj(9, wbits=-15)
INFLATES = _deflate.compress(b" " * 70_000) + _deflate.flush(zlib.Z_SYNC_FLUSH)[:-4]
# How often each comes: what keeps the server busy for long is rare.
KINDS: dict[Callable[[Any], Awaitable[None]], int] = {
    polite: 300,
    leaves_calls_behind: 100,
    resets: 100,
    cancels: 100,
    stops_amid: 100,
    sends_noise: 100,
    sends_bad_messages: 100,
    subscribes: 100,
    subscribes_and_vanishes: 100,
    pads_calls: 20,
    listens_for_nothing: 20,
    says_nothing: 3,
    never_reads: 3,
    subscribes_and_never_reads: 3,
    floods_pings: 3,
    ignores_1009: 20,
    inflates: 20,
    **http_abuse.KINDS,
}
POLITE = {polite, subscribes, subscribes_and_vanishes, pads_calls, listens_for_nothing, http_abuse.http_polite}
# Amid a closed window, TCP tells such a peer late that it was cut off.
FLOODS = {never_reads, subscribes_and_never_reads, floods_pings, http_abuse.http_reads_nothing}


@asynccontextmanager
async def connected(port: int, kind: Callable[[Any], Awaitable[None]]):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        if kind in http_abuse.KINDS:
            yield http_abuse.Client(reader, writer)
            return
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate"} if kind is inflates else {}
        writer.write(handshake(port, **offer))
        await reader.readuntil(b"\r\n\r\n")
        yield Session(reader, writer)
    finally:
        writer.transport.abort()


async def meet(kind: Callable[[Any], Awaitable[None]], port: int, failures: list[str]) -> None:
    patience_s = FLOOD_S if kind in FLOODS else PATIENCE_S
    try:
        async with asyncio.timeout(patience_s), connected(port, kind) as session:
            try:
                await kind(session)
            except (ConnectionError, asyncio.IncompleteReadError) as end:
                if kind in POLITE:
                    failures.append(f"{kind.__name__}: the server hung up: {end!r}")
    except Exception as failure:  # whatever it was: it is told at the end
        if not (kind in FLOODS and isinstance(failure, TimeoutError)):
            failures.append(f"{kind.__name__}: {failure!r}")


async def round_of_all(port: int, failures: list[str]) -> None:
    """Each kind as often as it comes, in another order every time: what it takes can be compared."""
    kinds = [kind for kind, often in KINDS.items() for _ in range(often)]
    random.shuffle(kinds)

    async def client() -> None:
        while kinds:
            await meet(kinds.pop(), port, failures)

    await asyncio.gather(*(client() for _ in range(CLIENTS)))


def left(server: Server, before: dict[str, float]) -> dict[str, float]:
    """What is there beyond `before`, once that is within TOLERANCE or SETTLE_S have passed."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        now = gauges(server.port)
        more = {gauge: now[gauge] - before[gauge] for gauge in TOLERANCE}
        if all(more[gauge] <= TOLERANCE[gauge] for gauge in TOLERANCE) or time.monotonic() > deadline:
            return more
        time.sleep(0.1)  # another process settles


def soak(server: Server, seconds: float) -> list[str]:
    """What went wrong; a line for each round goes to stdout."""
    random.seed(1)
    before, started = gauges(server.port), time.monotonic()
    wrong: list[str] = []
    kept: list[int] = []
    while len(kept) < ROUNDS or time.monotonic() - started < seconds:
        say(f"round {len(kept) + 1}, of {ROUNDS} or more: {sum(KINDS.values()):,} connections, {CLIENTS} at a time")
        most = asyncio.run(peak(server, round_of_all(server.port, wrong)))
        ended = time.monotonic()
        more = left(server, before)
        settled_s = time.monotonic() - ended
        kept.append(resident(server))
        print(
            f"{time.monotonic() - started:4.0f} s: {sum(KINDS.values()):,} connections, {most / MIB:.0f} MiB at most,",
            f"{kept[-1] / MIB:.0f} MiB after; left over {settled_s:.1f} s later:",
            ", ".join(f"{gauge} {value:+.0f}" for gauge, value in more.items()),
            flush=True,
        )
        wrong += [f"left over: {value:+.0f} {gauge}" for gauge, value in more.items() if value > TOLERANCE[gauge]]
    if kept[-1] > kept[1] * GROWTH + FLOODED:
        wrong.append("memory grows from round to round")
    if "Traceback" in (log := server.log):
        print(log[log.index("Traceback") :][:4000], file=sys.stderr)  # the first: others may follow from it
        wrong.append("a traceback in the log")
    return wrong


def main(seconds: float) -> int:
    allowed(1000)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, config=configured(folder, keep_alive_s=75), **SETTINGS) as server:
            wrong = soak(server, seconds)
        say("each of the bounds, which takes a minute")
        wrong += [f"does not hold: {what}" for what in uvloop.run(bounds.run(folder))]
    print("\n".join(wrong[:20]) or "nothing stays behind")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(until_interrupted(lambda: main(float(sys.argv[1]))))
