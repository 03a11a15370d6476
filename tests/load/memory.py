"""What sessions take of a server's memory: idle ones by the thousand, and others that come and go.

The system tells how much memory a server's process occupies, of each application in the same way.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Coroutine
from typing import Any, NamedTuple

import psutil

from tests.conftest import Server
from tests.load.results import Bench, many, metric
from tests.load.wire import CLOSE, PING, Connection, connect, load, quantile

IDLE, NOTIFY_BATCH, BUSY = 2000, 50, 50
ROOM = {"MCP_MAX_SESSIONS": "4000"}
ROUNDS = 5
WARM_UP_S = 0.5
WATCH_S = 0.05
CLOSE_TIMEOUT_S, GONE_TIMEOUT_S = 10, 30
KIB, MIB = 1024, 1024 * 1024


def resident(server: Server) -> int:
    """Bytes."""
    return int(psutil.Process(server.process.pid).memory_info().rss)


async def opened(server: Server, **options: bool) -> list[Connection]:
    return [
        connection
        for _ in range(IDLE // NOTIFY_BATCH)
        for connection in await asyncio.gather(*(connect(server.port, **options) for _ in range(NOTIFY_BATCH)))
    ]


class Crowd(NamedTuple):
    idle: list[Connection]
    kib: float  # that each has added
    rate: float  # per second, at which they were opened


async def crowd(server: Server, **options: bool) -> Crowd:
    """Idle connections to a server that is warm."""
    await load(await many(server.port, BUSY, **options), PING, WARM_UP_S)
    before, started = resident(server), time.perf_counter()
    sleepers = await opened(server, **options)
    took = time.perf_counter() - started
    return Crowd(sleepers, (resident(server) - before) / len(sleepers) / KIB, len(sleepers) / took)


async def p99(busy: list[Connection]) -> float:
    return statistics.median([quantile(await load(busy, PING, 1.5), 0.99) for _ in range(3)])


async def idle(bench: Bench) -> None:
    """Beside connections that are not, and beside what others take: the SDK alone, and an echo without sessions."""
    with bench.serving(**ROOM) as server:
        busy = await many(server.port, BUSY)
        alone = await p99(busy)
        ours = await crowd(server)
        crowded = await p99(busy)
    bench.row("memory of an idle session, plain", ours.kib, "KiB", note=f"{len(ours.idle):,} sessions")
    bench.row("sessions opened, handshake and initialize", ours.rate, "/s")
    times, note = crowded / alone, f"{crowded * 1e3:.1f} ms"
    bench.row(f"ping p99 of {BUSY} busy among {IDLE:,} idle / alone", times, "×", "≤ 2", times <= 2, note)
    with bench.serving(**ROOM) as server:
        offered = await crowd(server, deflate=True)
    bench.row("memory of an idle session, compression offered", offered.kib, "KiB")
    with bench.serving("tests.load.targets:sdk") as server:
        sdk = await crowd(server)
    times, note = ours.kib / sdk.kib, f"SDK {sdk.kib:.0f} KiB"
    bench.row("memory of an idle session / of the plain SDK's", times, "×", "≤ 1.1", times <= 1.1, note)
    path = bench.folder / "echo.txt"
    path.write_text("{}")
    with bench.serving("tests.load.targets:echo", ECHO_FILE=str(path)) as server:
        echo = await crowd(server, initialize=False)
    with bench.serving(**ROOM) as server:
        new = await crowd(server, initialize=False, discover=True)
    bench.row("memory of an idle connection, raw echo", echo.kib, "KiB")
    times, note = new.kib / echo.kib, f"{new.kib:.0f} KiB"
    bench.row("memory of an idle connection of the new era / echo", times, "×", "≤ 2", times <= 2, note)


async def rounds(bench: Bench) -> None:
    """What sessions took is used again by the next. The first round does not count: it makes things that stay."""
    peaks, left = [], 0.0
    with bench.serving(**ROOM) as server:
        for _ in range(ROUNDS):
            peaks.append(await peak(server, come_and_go(server)))
            left += await remaining(server)
    times = peaks[-1] / peaks[1]
    note = ", ".join(f"{value / MIB:.0f}" for value in peaks) + f" MiB; {left:.0f} sessions left between rounds"
    bench.row(
        f"peak memory, fifth {IDLE:,} sessions in a row / second", times, "×", "≤ 1.1", not left and times <= 1.1, note
    )


async def come_and_go(server: Server) -> None:
    """Every other one leaves without a close frame."""
    sessions = await opened(server)
    abrupt, clean = sessions[::2], sessions[1::2]
    for session in abrupt:
        session.transport.abort()
    async with asyncio.timeout(CLOSE_TIMEOUT_S):
        await asyncio.gather(*(session.ask(CLOSE) for session in clean))
    for session in clean:
        session.transport.close()


async def remaining(server: Server) -> float:
    """Sessions that are still open once all should have ended."""
    deadline = time.monotonic() + GONE_TIMEOUT_S
    while True:
        count = metric(server, "mcp_sessions_open")
        if not count or time.monotonic() > deadline:
            return count
        await asyncio.sleep(WATCH_S)


async def peak(server: Server, work: Coroutine[Any, Any, None]) -> int:
    """The most memory seen while it lasts, in bytes."""
    task, most = asyncio.create_task(work), 0
    while not task.done():
        most = max(most, resident(server))
        await asyncio.wait([task], timeout=WATCH_S)
    await task
    return most
