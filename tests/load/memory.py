"""What connections take of a server's memory: idle ones by the thousand, and others that come and go.

The system tells how much memory a server's process occupies, of each application in the same way.
"""

from __future__ import annotations

import asyncio
import resource
import statistics
import time
import urllib.request
from collections.abc import Coroutine, Sequence
from typing import Any, NamedTuple

import psutil

from tests.conftest import Server
from tests.load.post import clients, post
from tests.load.residents import residents
from tests.load.results import ECHO, OURS, SDK, Bench, many, metric
from tests.load.wire import CLOSE, GET_WEATHER, PING, Caller, Connection, call, check, connect, load, quantile

MOST, IDLE, NOTIFY_BATCH, BUSY = 10_000, 2000, 50, 50
FEW = 8  # come and go at a time where it is pauses that are looked for
ROOM = {"MCP_MAX_SESSIONS": "12000", "MCP_MAX_CONNECTIONS": "12000"}
ROUNDS = 5
WARM_UP_S = 0.5
# A call that is never cached, and asks nothing of NWS: a session has to do all for it that it can do.
UNREADY = call("get-alerts", state="Nowhere")
WATCH_S = 0.05
CLOSE_TIMEOUT_S, GONE_TIMEOUT_S = 10, 60
SETTLE_S = 1.0
KIB, MIB = 1024, 1024 * 1024
SPARE_FILES = 1000


def resident(server: Server) -> int:
    """Bytes."""
    return int(psutil.Process(server.process.pid).memory_info().rss)


def allowed(most: int, servers: int = 1) -> int:
    """So many connections to each of the servers at once, or as many as the limit on file descriptors leaves
    (`ulimit -Hn`), which is raised to it.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY:
        hard = 4 * most
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))  # The servers inherit it.
    # A server gives half of them to connections over HTTP. This process needs some for other files.
    return min(most, hard // 2, (hard - SPARE_FILES) // servers)


async def opened(server: Server, number: int, **options: Any) -> list[Caller]:
    """`http`: kept alive after a call, in place of a WebSocket."""
    http, found = options.pop("http", False), list[Caller]()
    while len(found) < number:
        batch = min(NOTIFY_BATCH, number - len(found))
        if http:
            some = await clients(server.port, batch)
            for answer in await asyncio.gather(*(one.ask(post(GET_WEATHER)) for one in some)):
                check(answer)
            found += some
        else:
            found += await asyncio.gather(*(connect(server.port, **options) for _ in range(batch)))
    return found


async def leave(callers: Sequence[Caller]) -> None:
    """Before the server is stopped, so that nothing of theirs is left to do while the next one is looked at."""
    for caller in callers:
        caller.transport.abort()
    await asyncio.sleep(0.1)  # uvloop closes aborted transports a little later


class Crowd(NamedTuple):
    idle: list[Caller]
    kib: float  # that each has added
    tasks: float  # of the event loop, likewise
    rate: float  # per second, at which they were opened

    @property
    def note(self) -> str:
        return f"{len(self.idle):,} of them, {self.tasks:.2g} tasks each"


def tasks(server: Server, application: str) -> float:
    if application in (ECHO, SDK):
        with urllib.request.urlopen(f"{server.http}/tasks", timeout=60) as answer:
            return float(answer.read())
    return metric(server, "asyncio_tasks")


async def crowd(server: Server, application: str, number: int, **options: Any) -> Crowd:
    """Idle connections to a server that is warm."""
    http = options.get("http", False)
    warm = await opened(server, BUSY, **options)
    await load(warm, post(GET_WEATHER) if http else PING, WARM_UP_S)
    before, tasks_before, started = resident(server), tasks(server, application), time.perf_counter()
    sleepers = await opened(server, number, **options)
    took = time.perf_counter() - started
    kib = (resident(server) - before) / number / KIB
    gone = sum(sleeper.transport.is_closing() for sleeper in sleepers)
    assert gone <= number / 100, f"{gone} of {number} are not idle, but gone"  # this server drops a few over HTTP
    return Crowd(sleepers, kib, (tasks(server, application) - tasks_before) / number, number / took)


async def p99(busy: list[Connection]) -> float:
    return statistics.median([quantile(await load(busy, PING, 1), 0.99) for _ in range(3)])


async def idle(bench: Bench) -> None:
    """Beside connections that are not, and beside what others take: the SDK alone, and an echo without sessions."""
    most = allowed(MOST)
    path = bench.folder / "empty.json"
    path.write_text("{}")
    with bench.serving(**ROOM) as server:
        busy = await many(server.port, BUSY)
        alone = await p99(busy)
        ours = await crowd(server, OURS, most)
        crowded = await p99(busy)
        await leave(ours.idle)
    bench.row("memory of an idle legacy session", ours.kib, "KiB", note=ours.note)
    bench.row("sessions opened, handshake and initialize", ours.rate, "/s")
    note = f"{crowded * 1e3:.1f} ms"
    bench.row(f"ping p99 of {BUSY} busy among {most:,} idle / alone", crowded / alone, "×", "≤ 2", note)

    async def other(what: str, application: str, number: int = most, **options: Any) -> float:
        with bench.serving(application, ECHO_FILE=str(path), **ROOM) as server:
            found = await crowd(server, application, number, **options)
            await leave(found.idle)
        bench.row(f"memory of an idle {what}", found.kib, "KiB", note=found.note)
        return found.kib

    if "before" in bench.applications:
        earlier = await other("legacy session, before", bench.applications["before"])
        bench.row("memory of an idle legacy session / before", ours.kib / earlier, "×")
    sdk = await other("session of the plain SDK", SDK)
    bench.row("memory of an idle legacy session / of the plain SDK's", ours.kib / sdk, "×", "≤ 0.45")
    await other("legacy session, compression offered", OURS, IDLE, deflate=True)
    echo = await other("WebSocket, raw echo", ECHO, initialize=False)
    new = await other("modern connection", OURS, initialize=False, discover=True)
    bench.row("memory of an idle modern connection / of a raw echo's", new / echo, "×", "≤ 2")
    await other("HTTP connection, raw echo", ECHO, http=True)
    await other("HTTP connection", OURS, http=True)


async def rounds(bench: Bench) -> None:
    """What sessions took is used again by the next. The first round does not count: it makes things that stay."""
    peaks, left = [], 0.0
    with bench.serving(**ROOM) as server:
        for _ in range(ROUNDS):
            peaks.append(await peak(server, come_and_go(server)))
            left += await open_after(server)
    note = f"{', '.join(f'{peak / MIB:.0f}' for peak in peaks)} MiB; {left:.0f} sessions left between rounds"
    what = f"peak memory, fifth {IDLE:,} sessions in a row / second"
    bench.row(what, peaks[-1] / peaks[1], "×", "≤ 1.1", note, also=not left)


async def come_and_go(server: Server, batch: int = NOTIFY_BATCH) -> None:
    """In batches; each makes a call, and every other one leaves without a close frame."""
    sessions: list[Caller] = []
    while len(sessions) < IDLE:
        some = await opened(server, batch)
        await asyncio.gather(*(session.ask(UNREADY) for session in some))
        sessions += some
    for number in range(0, IDLE, batch):
        some = sessions[number : number + batch]
        for session in some[::2]:
            session.transport.abort()
        async with asyncio.timeout(CLOSE_TIMEOUT_S):
            await asyncio.gather(*(session.ask(CLOSE) for session in some[1::2]))
        for session in some[1::2]:
            session.transport.close()


async def open_after(server: Server) -> float:
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


async def growth(bench: Bench) -> None:
    """What sessions leave behind once they are closed, and the longest that anybody waits while they come and go, be it
    for the collector of garbage.
    """
    stays, waits = dict[str, float](), dict[str, float]()
    with bench.servers(**ROOM) as servers:
        for name, server in servers.items():
            some = await opened(server, BUSY)
            await asyncio.gather(*(session.ask(UNREADY) for session in some))  # The server imports the SDK once.
            await leave(some)
            async with residents(server.port) as latencies:
                before = resident(server)
                await come_and_go(server, FEW)
                await asyncio.sleep(SETTLE_S)
                stays[name] = (resident(server) - before) / MIB
                await come_and_go(server, FEW)
            waits[name] = 1e3 * max(latencies)
    bench.rows(f"memory that stays after {IDLE:,} closed sessions", stays, "MiB", "≤ 0.5")
    what = f"longest wait of residents beside 2 × {IDLE:,} sessions that come and go"
    bench.row(what, waits["now"], "ms", "≤ 50")
    if "before" in waits:
        bench.row(f"{what} / before", waits["now"] / waits["before"], "×", note=f"before {waits['before']:.0f} ms")
