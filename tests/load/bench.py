"""`make bench`: how fast the server is, as ratios to yardsticks of the same run, on the same hypercorn with uvloop.

Writes docs/bench.json and docs/bench.svg. Every figure is measured; machines differ, ratios less so.
"""

from __future__ import annotations

import asyncio
import json
import os
import platform
import re
import statistics
import sys
import tempfile
import time
import timeit
import urllib.request
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import uvloop

from tests.conftest import ROOT, Server, serving
from tests.load.drawing import bars
from tests.load.wire import PING, Connection, call, connect, load, quantile
from weather.metrics import Metrics

CONNECTIONS = 16
ROUNDS = 15
ROUND_S = 0.4
NAIVE_ROUNDS = 4
NAIVE_ROUND_S = 3.0  # so slow that a shorter round may pass without an answer
IDLE = 2000
RELEASE_TIMEOUT_S = 30
WASHINGTON = {"latitude": 38.9072, "longitude": -77.0369}
PACKAGES = ("hypercorn", "wsproto", "uvloop", "mcp", "pydantic")
Result = dict[str, Any]


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=10) as response:
        text = response.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return float(found[1])


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[Result] = []

    @contextmanager
    def serving(self, application: str = "app:app", **env: str) -> Iterator[Server]:
        with serving(self.folder, application=application, PYTHONPATH=str(ROOT), LOG_LEVEL="WARNING", **env) as server:
            yield server

    def row(
        self, what: str, value: float, unit: str, target: str = "", holds: bool | None = None, note: str = ""
    ) -> None:
        self.results.append(
            {"what": what, "value": value, "unit": unit, "target": target, "holds": holds, "note": note}
        )
        mark = {True: "holds", False: "MISSED", None: ""}[holds]
        say(f"  {what:<64} {value:>10.3g} {unit:<10} {target:<10} {mark} {note}")


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


async def many(port: int, number: int = CONNECTIONS, **options: Any) -> list[Connection]:
    return [await connect(port, **options) for _ in range(number)]


async def hot_path(bench: Bench) -> float:
    """Cached calls against an echo of the same bytes and the SDK's ping; calls per second of the first."""
    requests = {
        "get-weather": call("get-weather", **WASHINGTON),
        "get-forecast, 14 periods": call("get-forecast", **WASHINGTON),
        "get-alerts, 200 alerts": call("get-alerts", state="CA", limit=200),
    }
    fastest = 0.0
    with bench.serving(SIMULATOR_ALERTS_FEATURES="500") as ours, bench.serving("tests.load.targets:sdk") as sdk:
        mine, pings = await many(ours.port), await many(sdk.port)
        for what, request in requests.items():
            answer = await mine[0].ask(request)
            answer = await mine[0].ask(request)
            path = bench.folder / "echo.txt"
            path.write_bytes(answer)
            with bench.serving("tests.load.targets:echo", ECHO_FILE=str(path)) as echo:
                raw = await many(echo.port, initialize=False)
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
        mine, rivals = await many(ours.port), await many(theirs.port)
        await mine[0].ask(request)
        rounds = {"ours": runner(mine, request), "naive": runner(rivals, request, NAIVE_ROUND_S)}
        found = await rates(rounds, NAIVE_ROUNDS)
    times = sum(found["ours"]) / sum(found["naive"])
    note = f"naive {statistics.mean(found['naive']):,.0f} calls/s"
    bench.row("cached get-weather / a client per call, no cache", times, "×", "≥ 100", times >= 100, note)


async def idle(bench: Bench, *, deflate: bool) -> None:
    kind = "compressed" if deflate else "plain"
    with bench.serving(MCP_MAX_SESSIONS="4000") as server:
        busy = await many(server.port, 50)
        alone = [quantile(await load(busy, PING, 1.5), 0.99) for _ in range(3)]
        before, started = metric(server, "process_resident_memory_bytes"), time.perf_counter()
        sleepers = [
            c
            for _ in range(IDLE // 50)
            for c in await asyncio.gather(*(connect(server.port, deflate=deflate) for _ in range(50)))
        ]
        took = time.perf_counter() - started
        grown = metric(server, "process_resident_memory_bytes") - before
        bench.row(f"memory of an idle session, {kind}", grown / IDLE / 1024, "KiB", note=f"{IDLE:,} sessions")
        if not deflate:
            bench.row("sessions opened, handshake and initialize", IDLE / took, "/s")
            crowded = [quantile(await load(busy, PING, 1.5), 0.99) for _ in range(3)]
            times = statistics.median(crowded) / statistics.median(alone)
            note = f"{statistics.median(crowded) * 1e3:.1f} ms"
            bench.row("ping p99 of 50 busy among 2,000 idle / alone", times, "×", "≤ 2", times <= 2, note)
        await released(bench, server, sleepers, before, grown, kind)


async def released(
    bench: Bench, server: Server, sleepers: list[Connection], before: float, grown: float, kind: str
) -> None:
    """Memory once all idle sessions are gone."""
    for connection in sleepers:
        connection.transport.abort()
    started, kept = time.perf_counter(), 1.0
    while kept > 0.1 and time.perf_counter() - started < RELEASE_TIMEOUT_S:
        await asyncio.sleep(0.5)  # the server gives back in its own time, and asking costs it some
        kept = (metric(server, "process_resident_memory_bytes") - before) / grown
    note = f"{time.perf_counter() - started:.0f} s later"
    bench.row(f"memory kept of what they took after they closed, {kind}", kept, "×", "≤ 0.1", kept <= 0.1, note)


async def neighbour(bench: Bench) -> None:
    """One caller waits five seconds on NWS; the others must not feel it."""
    request, slow = call("get-weather", **WASHINGTON), call("get-weather", latitude=70.2, longitude=-148.5)
    with (
        bench.serving("tests.load.targets:slow_simulator") as nws,
        bench.serving(NWS_API_BASE=nws.http, NWS_READ_TIMEOUT_SECONDS="8") as ours,
    ):
        others, waiter = await many(ours.port), await connect(ours.port)
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
    calls = metrics.calls("get-weather", "ok")

    def record() -> None:
        started = time.perf_counter()
        calls.add(time.perf_counter() - started)

    cost = min(timeit.repeat(record, number=50_000, repeat=5)) / 50_000
    share = cost * calls_per_s
    bench.row(
        "recording a call in the metrics / a cached call", share, "×", "≤ 0.03", share <= 0.03, f"{cost * 1e6:.2f} µs"
    )


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "processor": platform.machine(),
        "system": platform.system(),
        **{name: version(name) for name in PACKAGES},
    }


async def run(folder: Path) -> list[Result]:
    bench = Bench(folder)
    say("machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    fastest = await hot_path(bench)
    recording(bench, fastest)
    await miss_cost(bench)
    await naive(bench)
    await neighbour(bench)
    await idle(bench, deflate=False)
    await idle(bench, deflate=True)
    return bench.results


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = uvloop.run(run(Path(folder)))
    say(f"took {time.monotonic() - started:.0f} s")
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "bench.json").write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")
    (docs / "bench.svg").write_text(bars("Ratios within one run", [r for r in results if r["unit"] == "×"]))
    print(f"{docs / 'bench.json'} and {docs / 'bench.svg'} written")
    return 0 if all(result["holds"] is not False for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
