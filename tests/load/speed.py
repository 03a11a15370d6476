"""Calls per second, beside yardsticks that take turns with the server; what a call costs, and whom it holds up."""

from __future__ import annotations

import asyncio
import statistics
import time
import timeit
from collections.abc import Awaitable, Callable, Sequence

from tests.load.results import Bench, many, metric
from tests.load.wire import PING, Connection, call, connect, load, quantile
from weather.metrics import Metrics

CONNECTIONS = 16
ROUNDS = 15
ROUND_S = 0.4
NAIVE_ROUNDS = 4
NAIVE_ROUND_S = 3.0  # so slow that a shorter round may pass without an answer
WASHINGTON = {"latitude": 38.9072, "longitude": -77.0369}


async def rates(rivals: dict[str, Callable[[], Awaitable[int]]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Calls per second of each rival, by round: they take turns, so that a noisy moment meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            started = time.perf_counter()
            count = await run()
            found[name].append(count / (time.perf_counter() - started))
    return found


def runner(connections: Sequence[Connection], request: bytes, seconds: float = ROUND_S) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        return len(await load(connections, request, seconds))

    return run


def ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    return statistics.median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


async def hot_path(bench: Bench) -> float:
    """Cached calls against an echo of the same bytes and the SDK's ping; calls per second of the first."""
    requests = {
        "get-weather": call("get-weather", **WASHINGTON),
        "get-forecast, 14 periods": call("get-forecast", **WASHINGTON),
        "get-alerts, 200 alerts": call("get-alerts", state="CA", limit=200),
    }
    fastest = 0.0
    with bench.serving(SIMULATOR_ALERTS_FEATURES="500") as ours, bench.serving("tests.load.targets:sdk") as sdk:
        mine, pings = await many(ours.port, CONNECTIONS), await many(sdk.port, CONNECTIONS)
        for what, request in requests.items():
            answer = await mine[0].ask(request)
            answer = await mine[0].ask(request)
            path = bench.folder / "echo.txt"
            path.write_bytes(answer)
            with bench.serving("tests.load.targets:echo", ECHO_FILE=str(path)) as echo:
                raw = await many(echo.port, CONNECTIONS, initialize=False)
                found = await rates(
                    {"ours": runner(mine, request), "echo": runner(raw, request), "ping": runner(pings, PING)}
                )
            calls, share = statistics.median(found["ours"]), ratio(found, "ours", "echo")
            size = f"{calls:,.0f} calls/s of {len(answer):,} bytes"
            bench.row(f"cached {what} / raw echo of the same bytes", share, "×", "≥ 0.75", share >= 0.75, size)
            if what == "get-weather":
                fastest = calls
                times = ratio(found, "ours", "ping")
                note = f"SDK ping {statistics.median(found['ping']):,.0f}/s"
                bench.row("cached get-weather / ping through the SDK", times, "×", "≥ 3", times >= 3, note)
    return fastest


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


async def naive(bench: Bench) -> None:
    request = call("get-weather", **WASHINGTON)
    with (
        bench.serving("weather.simulator:app") as nws,
        bench.serving(NWS_API_BASE=nws.http) as ours,
        bench.serving("tests.load.targets:naive", NWS_API_BASE=nws.http) as theirs,
    ):
        mine, rivals = await many(ours.port, CONNECTIONS), await many(theirs.port, CONNECTIONS)
        await mine[0].ask(request)
        rounds = {"ours": runner(mine, request), "naive": runner(rivals, request, NAIVE_ROUND_S)}
        found = await rates(rounds, NAIVE_ROUNDS)
    times = sum(found["ours"]) / sum(found["naive"])
    note = f"naive {statistics.mean(found['naive']):,.0f} calls/s"
    bench.row("cached get-weather / a client per call, no cache", times, "×", "≥ 100", times >= 100, note)


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
    record_call = metrics.calls("get-weather", "ok")

    def record() -> None:
        started = time.perf_counter()
        record_call(time.perf_counter() - started)

    cost = min(timeit.repeat(record, number=50_000, repeat=5)) / 50_000
    share = cost * calls_per_s
    bench.row(
        "recording a call in the metrics / a cached call", share, "×", "≤ 0.03", share <= 0.03, f"{cost * 1e6:.2f} µs"
    )
