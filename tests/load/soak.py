"""`make soak`: opens, abuses and abandons sessions by the thousand, then sees whether anything stays behind.

One process of clients against a server that it starts itself; all on loopback. Exits with 1 when a session, a task, a
socket or more memory than MEMORY_TOLERANCE is left, when polite clients were not answered, or on a traceback.
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
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from tests.conftest import Server, serving
from tests.raw import (
    CONTINUATION,
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
MIB = 1024 * 1024
MEMORY_TOLERANCE = 128 * MIB  # glibc keeps what bombs left in pieces
# Beyond what was there before; tasks and descriptors of the request for /metrics itself come and go.
TOLERANCE = {"mcp_sessions_open": 0, "mcp_requests_in_flight": 0, "asyncio_tasks": 3, "process_open_fds": 3}
STATES = ("CA", "TX", "NY", "FL", "WA", "VT", "AK", "HI")
SETTINGS = {
    "MCP_SEND_TIMEOUT_SECONDS": "1",
    "MCP_INITIALIZE_TIMEOUT_SECONDS": "2",
    "SIMULATOR_LATENCY_MS": "30",
    "LOG_LEVEL": "WARNING",
}


class Session:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def write(self, *chunks: bytes) -> None:
        self.writer.write(b"".join(chunks))
        await self.writer.drain()

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

    async def initialize(self) -> None:
        await self.write(text(request(0, "initialize", INITIALIZE)))
        await self.receive()

    def reset(self) -> None:
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


def question(number: int) -> bytes:
    return text(call(number, state=random.choice(STATES), limit=random.choice((1, 5, 25))))


async def polite(session: Session) -> None:
    await session.initialize()
    for number in range(1, 6):
        await session.write(question(number))
        answer = json.loads(await session.receive())
        assert answer["id"] == number, answer
        assert not answer["result"]["isError"], answer
    await session.write(frame(8, struct.pack("!H", 1000)))
    await session.reader.read()


async def leaves_calls_behind(session: Session) -> None:
    await session.initialize()
    await session.write(*map(question, range(50)))
    await asyncio.sleep(random.random() / 10)


async def resets(session: Session) -> None:
    await leaves_calls_behind(session)
    session.reset()


async def cancels(session: Session) -> None:
    await session.initialize()
    for number in range(20):
        params = {"requestId": number}
        cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}
        await session.write(question(number), text(cancel))
    await session.write(text(request("last", "ping")))
    while json.loads(await session.receive())["id"] != "last":
        pass


async def says_nothing(session: Session) -> None:
    await session.reader.read()


async def stops_amid(session: Session) -> None:
    await session.initialize()
    whole = question(1)
    await session.write(whole[: random.randrange(len(whole))])


async def sends_noise(session: Session) -> None:
    await session.write(random.randbytes(300))
    await session.reader.read()


async def sends_bad_messages(session: Session) -> None:
    await session.initialize()
    for bad in ("", "[]", "{}", '{"jsonrpc":"2.0","id":1,"method":"nope"}', "1e999", "[" * 5000):
        await session.write(text(bad))
        await session.receive()
    await session.write(frame(2, b"x"))
    await session.reader.read()


async def never_reads(session: Session) -> None:
    await session.initialize()
    session.writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as a WriteTransport, is both
    while True:
        await session.write(*map(question, range(50)))


async def ignores_1009(session: Session) -> None:
    await session.initialize()
    await session.write(frame(TEXT, b"x" * 60_000, fin=False))
    while True:
        await session.write(frame(CONTINUATION, b"x" * 60_000, fin=False))


async def sends_bombs(session: Session) -> None:
    await session.initialize()
    await session.write(frame(TEXT, BOMB, fin=False, rsv=4))
    while True:
        await session.write(frame(CONTINUATION, BOMB_AGAIN, fin=False))


_deflate = zlib.compressobj(9, wbits=-15)
BOMB, BOMB_AGAIN = (_deflate.compress(bytes(16 * MIB)) + _deflate.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
# How often each comes: what keeps the server busy for long is rare.
KINDS: dict[Callable[[Session], Awaitable[None]], int] = {
    polite: 300,
    leaves_calls_behind: 100,
    resets: 100,
    cancels: 100,
    stops_amid: 100,
    sends_noise: 100,
    sends_bad_messages: 100,
    says_nothing: 3,
    never_reads: 3,
    ignores_1009: 2,
    sends_bombs: 1,
}
# Amid a closed window, TCP tells such a peer late that it was cut off.
FLOODS = {never_reads, ignores_1009, sends_bombs}


@asynccontextmanager
async def connected(port: int, *, deflate: bool):
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        offer = {"Sec-WebSocket-Extensions": "permessage-deflate"} if deflate else {}
        writer.write(handshake(port, **offer))
        await reader.readuntil(b"\r\n\r\n")
        yield Session(reader, writer)
    finally:
        writer.transport.abort()


async def client(port: int, until: float, done: Counter[str], failures: list[str]) -> None:
    while time.monotonic() < until:
        (kind,) = random.choices(list(KINDS), list(KINDS.values()))
        try:
            patience_s = FLOOD_S if kind in FLOODS else PATIENCE_S
            async with asyncio.timeout(patience_s), connected(port, deflate=kind is sends_bombs) as session:
                with suppress(ConnectionError, asyncio.IncompleteReadError):
                    await kind(session)
                    done[kind.__name__] += 1
                    continue
            if kind is polite:
                failures.append("polite: the server hung up")
            done[kind.__name__] += 1
        except Exception as failure:  # whatever it was: it is told at the end
            if not (kind in FLOODS and isinstance(failure, TimeoutError)):
                failures.append(f"{kind.__name__}: {failure!r}")


async def warm_up(port: int) -> None:
    """Each kind a few times, so that caches are filled and memory is as fragmented as it gets."""

    async def once(kind: Callable[[Session], Awaitable[None]]) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError, TimeoutError):
            async with asyncio.timeout(FLOOD_S), connected(port, deflate=kind is sends_bombs) as session:
                await kind(session)

    await asyncio.gather(*(once(kind) for kind in [*KINDS] * 3))


async def abuse(server: Server, seconds: float) -> tuple[Counter[str], list[str], float]:
    done: Counter[str] = Counter()
    failures: list[str] = []
    started, peak = time.monotonic(), 0.0
    clients = [asyncio.create_task(client(server.port, started + seconds, done, failures)) for _ in range(CLIENTS)]
    while (await asyncio.wait(clients, timeout=1))[1]:
        now = await asyncio.to_thread(gauges, server.port)
        peak = max(peak, now["process_resident_memory_bytes"])
        say(
            f"{time.monotonic() - started:4.0f} s  {done.total():6} sessions  {now['mcp_sessions_open']:4.0f} open"
            f"  {now['asyncio_tasks']:5.0f} tasks  {now['process_resident_memory_bytes'] / MIB:5.0f} MiB"
        )
    return done, failures, peak


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def left(server: Server, before: dict[str, float]) -> dict[str, float]:
    """What is there beyond `before`, once it no longer shrinks or SETTLE_S have passed."""
    deadline = time.monotonic() + SETTLE_S
    while True:
        now = gauges(server.port)
        more = {gauge: now[gauge] - before[gauge] for gauge in TOLERANCE}
        if all(more[gauge] <= TOLERANCE[gauge] for gauge in TOLERANCE) or time.monotonic() > deadline:
            return {**more, "memory": now["process_resident_memory_bytes"] - before["process_resident_memory_bytes"]}
        time.sleep(0.1)  # another process settles


def soak(seconds: float) -> list[str]:
    """What went wrong; figures go to stdout."""
    random.seed(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with serving(folder, config=configured(folder), **SETTINGS) as server:
            fresh = gauges(server.port)
            asyncio.run(warm_up(server.port))
            left(server, fresh)
            before = gauges(server.port)
            started = time.monotonic()
            done, wrong, peak = asyncio.run(abuse(server, seconds))
            lasted = time.monotonic() - started
            more = left(server, before)
            traceback = "Traceback" in server.log
            if traceback:
                say(server.log[-4000:])
    print(f"{done.total()} sessions in {lasted:.0f} s by {CLIENTS} clients, without harm: {not wrong}")
    print("\n".join(f"  {count:6} {kind.replace('_', ' ')}" for kind, count in done.most_common()))
    print(f"memory: {before['process_resident_memory_bytes'] / MIB:.0f} MiB before, {peak / MIB:.0f} MiB at most")
    print("left over: " + ", ".join(f"{gauge} {more[gauge]:+.0f}" for gauge in TOLERANCE), end="")
    print(f", memory {more['memory'] / MIB:+.0f} MiB")
    wrong += [f"left over: {more[gauge]:+.0f} {gauge}" for gauge in TOLERANCE if more[gauge] > TOLERANCE[gauge]]
    wrong += ["left over: memory"] * (more["memory"] > MEMORY_TOLERANCE) + ["a traceback in the log"] * traceback
    return wrong


if __name__ == "__main__":
    problems = soak(float(sys.argv[1]))
    print("\n".join(problems[:20]) or "nothing stays behind")
    sys.exit(bool(problems))
