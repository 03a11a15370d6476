"""What a call costs, and whom a slow one holds up."""

from __future__ import annotations

import asyncio
import time
import timeit

from tests.load.results import Bench, many, metric
from tests.load.speed import CONNECTIONS, WASHINGTON
from tests.load.wire import call, connect, load, quantile
from weather.metrics import Metrics


async def miss_cost(bench: Bench) -> None:
    """Server CPU per call that has to ask NWS three or four times, the simulator being another process."""
    with (
        bench.serving("weather.simulator:app") as nws,
        bench.serving(NWS_API_BASE=nws.http, MCP_MAX_IN_FLIGHT="64") as ours,
    ):
        connection = await connect(ours.port)
        await connection.ask(call("get-weather", **WASHINGTON))
        before, places = metric(ours, "process_cpu_seconds_total"), 150
        for number in range(places):
            await connection.ask(call("get-weather", latitude=round(33 + number * 0.08, 4), longitude=-98.5))
        spent = metric(ours, "process_cpu_seconds_total") - before
    bench.row(
        "CPU of a call that misses the cache",
        spent / places * 1e3,
        "ms",
        note="4 questions to NWS, httpx's share included",
    )


async def neighbour(bench: Bench) -> None:
    """One caller waits five seconds on NWS; the others must not feel it."""
    request, slow = call("get-weather", **WASHINGTON), call("get-weather", latitude=70.2, longitude=-148.5)
    with (
        bench.serving("tests.load.targets:slow_simulator") as nws,
        bench.serving(NWS_API_BASE=nws.http, NWS_READ_TIMEOUT_SECONDS="8") as ours,
    ):
        others, waiter = await many(ours.port, CONNECTIONS), await connect(ours.port)
        await others[0].ask(request)
        alone = quantile(await load(others, request, 3), 0.99)
        waiting = waiter.ask(slow)
        beside = quantile(await load(others, request, 3), 0.99)
        still = not waiting.done()
        await asyncio.wait_for(waiting, 10)
    times = beside / alone
    note = f"{beside * 1e3:.2f} ms; it was still waiting: {still}"
    bench.row(
        "p99 of 16 callers beside one that waits 5 s / without", times, "×", "≤ 1.25", still and times <= 1.25, note
    )


def recording(bench: Bench, calls_per_s: float) -> None:
    metrics = Metrics()

    def record() -> None:
        started = time.perf_counter()
        metrics.called("get-weather", "ok", "websocket", time.perf_counter() - started)

    cost = min(timeit.repeat(record, number=50_000, repeat=5)) / 50_000
    share = cost * calls_per_s
    bench.row(
        "recording a call in the metrics / a cached call", share, "×", "≤ 0.03", share <= 0.03, f"{cost * 1e6:.2f} µs"
    )
