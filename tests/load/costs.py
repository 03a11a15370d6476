"""What a call costs, and whom a slow one holds up."""

from __future__ import annotations

import asyncio
import statistics
import time
import timeit
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from tests.load.residents import residents
from tests.load.results import CONNECTIONS, Bench, cpu_s, many
from tests.load.wire import GET_WEATHER, Connection, call, check, connect, frame, load, quantile
from weather.metrics import Metrics
from weather.simulator.map import AREAS

ROUNDS = 5  # each once alone, for what misses cost, and once beside residents
PATIENT = {"NWS_DEADLINE_SECONDS": "60", "NWS_READ_TIMEOUT_SECONDS": "60"}  # on a busy machine, too


def somewhere(tool: str, **more: Any) -> Iterator[bytes]:
    """Calls at one place after the other."""
    return (call(tool, latitude=round(33 + n * 0.035, 4), longitude=-98.5, **more) for n in range(400))


class Kind(NamedTuple):
    calls: Callable[[], Iterator[bytes]]
    number: int  # of a round
    least: int  # bytes that an answer has: one that says less is not what is measured


KINDS = {
    "get-weather": Kind(lambda: somewhere("get-weather"), 30, 1000),
    "get-forecast by the hour": Kind(lambda: somewhere("get-forecast", hourly=True), 30, 20_000),
    "get-alerts, 600 alerts": Kind(lambda: (call("get-alerts", state=area, limit=200) for area in AREAS), 6, 100_000),
}
# What of `before` each may take, and its neighbours' p99.
AT_MOST = {"get-forecast by the hour": ("≤ 0.5", "≤ 0.3"), "get-alerts, 600 alerts": ("", "≤ 0.3")}


async def misses(bench: Bench) -> None:
    """Calls that have to ask NWS, one after the other, which is another process and remembers what it answers."""
    for what, kind in KINDS.items():
        cpu_ms: dict[str, list[float]] = {name: [] for name in bench.applications}
        waits: dict[str, list[float]] = {name: [] for name in bench.applications}
        with (
            bench.upstream("tests.load.targets:remembering", SIMULATOR_ALERTS_FEATURES="600") as nws,
            bench.servers(NWS_API_BASE=nws.http, **PATIENT) as servers,
        ):
            calls = {name: kind.calls() for name in servers}
            connections = {name: await connect(server.port) for name, server in servers.items()}
            for turn in range(1 + ROUNDS):
                for name, server in servers.items():
                    spent = cpu_s(server)
                    await _several(kind, connections[name], calls[name])
                    spent = cpu_s(server) - spent
                    async with residents(server.port) as latencies:
                        await _several(kind, connections[name], calls[name])
                    if turn:  # What is imported and compiled once does not count.
                        cpu_ms[name].append(1e3 * spent / kind.number)
                        waits[name] += latencies
        cpu, p99 = AT_MOST.get(what, ("", ""))
        spent_ms = {name: statistics.median(each) for name, each in cpu_ms.items()}
        bench.rows(f"CPU of a cache miss, {what}", spent_ms, "ms", cpu)
        waited_ms = {name: 1e3 * quantile(each, 0.99) for name, each in waits.items()}
        bench.rows(f"p99 of residents beside misses, {what}", waited_ms, "ms", p99)


async def _several(kind: Kind, connection: Connection, calls: Iterator[bytes]) -> None:
    for _ in range(kind.number):
        answer = check(await connection.ask(next(calls)))
        assert len(answer) >= kind.least, answer[:500]


async def neighbour(bench: Bench) -> None:
    """One caller waits five seconds on NWS; the others must not feel it."""
    request, slow = frame(GET_WEATHER), call("get-weather", latitude=70.2, longitude=-148.5)
    with (
        bench.upstream("tests.load.targets:slow_simulator") as nws,
        bench.serving(NWS_API_BASE=nws.http, NWS_READ_TIMEOUT_SECONDS="8") as ours,
    ):
        others, waiter = await many(ours.port, CONNECTIONS), await connect(ours.port)
        await others[0].ask(request)
        await load(others, request, 0.5)
        alone = statistics.median([quantile(await load(others, request, 1), 0.99) for _ in range(3)])
        waiting = waiter.ask(slow)
        beside = statistics.median([quantile(await load(others, request, 1), 0.99) for _ in range(3)])
        still = not waiting.done()
        await asyncio.wait_for(waiting, 10)
    note = f"{beside * 1e3:.2f} ms; it was still waiting: {still}"
    bench.row("p99 of 16 callers beside one that waits 5 s / without", beside / alone, "×", "≤ 1.25", note, also=still)


def recording(bench: Bench, calls_per_s: float) -> None:
    metrics = Metrics()

    def record() -> None:
        started = time.perf_counter()
        metrics.called("get-weather", "ok", "websocket", time.perf_counter() - started)

    cost = min(timeit.repeat(record, number=50_000, repeat=5)) / 50_000
    note = f"{cost * 1e6:.2f} µs"
    bench.row("recording a call in the metrics / a cached call", cost * calls_per_s, "×", "≤ 0.1", note)
