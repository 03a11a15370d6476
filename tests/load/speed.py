"""Calls per second over WebSocket and HTTP, beside yardsticks that take turns with the server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from tests.load.drawing import HTTP, WEBSOCKET
from tests.load.post import clients, post
from tests.load.results import Bench, many
from tests.load.wire import PING, Caller, calling, frame, load

CONNECTIONS = 16
ROUNDS = 11
ROUND_S = 0.4
NAIVE_ROUNDS = 4
NAIVE_ROUND_S = 3.0  # so slow that a shorter round may pass without an answer
WASHINGTON = {"latitude": 38.9072, "longitude": -77.0369}
GET_WEATHER = calling("get-weather", **WASHINGTON)
LARGER = {
    "get-forecast, 14 periods": calling("get-forecast", **WASHINGTON),
    "get-alerts, 200 alerts": calling("get-alerts", state="CA", limit=200),
}
SHOWN = (
    ("echo", "raw echo", WEBSOCKET),
    ("ours", "this server, a cached get-weather", WEBSOCKET),
    ("ping", "the SDK alone, a ping", WEBSOCKET),
    ("echo over HTTP", "raw echo", HTTP),
    ("ours over HTTP", "this server, a cached get-weather", HTTP),
    ("SDK over HTTP", "the SDK alone, a ready get-weather", HTTP),
)


async def rates(rivals: dict[str, Callable[[], Awaitable[int]]], rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Calls per second of each rival, by round: they take turns, so that a noisy moment meets all of them."""
    found: dict[str, list[float]] = {name: [] for name in rivals}
    for _ in range(rounds):
        for name, run in rivals.items():
            started = time.perf_counter()
            count = await run()
            found[name].append(count / (time.perf_counter() - started))
    return found


def runner(connections: Sequence[Caller], request: bytes, seconds: float = ROUND_S) -> Callable[[], Awaitable[int]]:
    async def run() -> int:
        return len(await load(connections, request, seconds))

    return run


def ratio(found: dict[str, list[float]], ours: str, theirs: str) -> float:
    return statistics.median(a / b for a, b in zip(found[ours], found[theirs], strict=True))


class Hot(NamedTuple):
    """A cached call over WebSocket."""

    rate: float  # calls per second
    share: float  # in percent of a raw echo


async def hot_path(bench: Bench) -> Hot:
    """Cached calls against an echo of the same bytes and the SDK alone, all on hypercorn."""
    request, posted = frame(GET_WEATHER), post(GET_WEATHER)
    with bench.serving() as ours:
        mine = await many(ours.port, CONNECTIONS)
        file, size = await _answer(bench, mine[0], request)
        with (
            bench.serving("tests.load.targets:echo", ECHO_FILE=file) as echo,
            bench.serving("tests.load.targets:sdk", ECHO_FILE=file) as sdk,
        ):
            found = await rates(
                {
                    "ours": runner(mine, request),
                    "echo": runner(await many(echo.port, CONNECTIONS, initialize=False), request),
                    "ping": runner(await many(sdk.port, CONNECTIONS), PING),
                    "ours over HTTP": runner(await clients(ours.port, CONNECTIONS), posted),
                    "echo over HTTP": runner(await clients(echo.port, CONNECTIONS), posted),
                    "SDK over HTTP": runner(await clients(sdk.port, CONNECTIONS), posted),
                }
            )
    median = {name: statistics.median(values) for name, values in found.items()}
    share, note = ratio(found, "ours", "echo"), f"{median['ours']:,.0f} calls/s of {size:,} bytes"
    bench.row("cached get-weather / raw echo of the same bytes", share, "×", "≥ 0.8", share >= 0.8, note)
    times, note = ratio(found, "ours", "ping"), f"SDK ping {median['ping']:,.0f}/s"
    bench.row("cached get-weather / ping through the SDK", times, "×", "≥ 3", times >= 3, note)
    share = ratio(found, "ours over HTTP", "echo over HTTP")
    note = f"{median['ours over HTTP']:,.0f} calls/s; the SDK alone {median['SDK over HTTP']:,.0f}"
    bench.row("cached get-weather over HTTP / raw echo over HTTP", share, "×", "≥ 0.7", share >= 0.7, note)
    for name, what, transport in SHOWN:
        bench.bar(what, transport, 100 * ratio(found, name, "echo"), median[name])
    return Hot(median["ours"], 100 * ratio(found, "ours", "echo"))


async def larger(bench: Bench) -> None:
    with bench.serving(SIMULATOR_ALERTS_FEATURES="500") as ours:
        mine = await many(ours.port, CONNECTIONS)
        for what, message in LARGER.items():
            request = frame(message)
            file, size = await _answer(bench, mine[0], request)
            with bench.serving("tests.load.targets:echo", ECHO_FILE=file) as echo:
                raw = await many(echo.port, CONNECTIONS, initialize=False)
                found = await rates({"ours": runner(mine, request), "echo": runner(raw, request)})
            share = ratio(found, "ours", "echo")
            note = f"{statistics.median(found['ours']):,.0f} calls/s of {size:,} bytes"
            bench.row(f"cached {what} / raw echo of the same bytes", share, "×", "≥ 0.75", share >= 0.75, note)


async def _answer(bench: Bench, caller: Caller, request: bytes) -> tuple[str, int]:
    """A file that holds it, and its size."""
    await caller.ask(request)
    answer = await caller.ask(request)
    path = bench.folder / f"{len(answer)}.json"
    path.write_bytes(answer)
    return str(path), len(answer)


async def naive(bench: Bench, share: float) -> None:
    """`share` is the server's in percent of the raw echo."""
    request = frame(GET_WEATHER)
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
    rate = statistics.mean(found["naive"])
    bench.row(
        "cached get-weather / a client per call, no cache",
        times,
        "×",
        "≥ 100",
        times >= 100,
        f"naive {rate:,.0f} calls/s",
    )
    bench.bar("the platform's example, get-weather", WEBSOCKET, share / times, rate)
