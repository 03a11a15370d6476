"""Calls per second over WebSocket and HTTP, beside yardsticks that take turns with the server."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.conftest import Server
from tests.load import costs
from tests.load.drawing import HTTP, WEBSOCKET
from tests.load.post import ApartClient, clients, post
from tests.load.results import CONNECTIONS, ECHO, SDK, Bench, cpu_s, many
from tests.load.wire import GET_WEATHER, PING, WASHINGTON, Caller, calling, check, frame, load

ROUNDS = 11
ROUND_S = 0.4
CACHED = "this server, a cached get-weather"
NAIVE_ROUNDS = 3
NAIVE_ROUND_S = 3.0  # so slow that a shorter round may pass without an answer
# And the bytes that an answer has at least: one that says less is not what is measured.
LARGER = {
    "get-forecast, 14 periods": (calling("get-forecast", **WASHINGTON), 5000),
    "get-alerts, 200 alerts": (calling("get-alerts", state="CA", limit=200), 100_000),
}


class Rival(NamedTuple):
    server: Server
    callers: Sequence[Caller]
    request: bytes
    seconds: float = ROUND_S


class Found:
    """What the rivals did, in rounds: medians of what each did, and of pairs within a round."""

    def __init__(self) -> None:
        self._rates: dict[str, list[float]] = {}
        self._cpu_us: dict[str, list[float]] = {}
        self._busy: dict[str, list[float]] = {}

    async def turn(self, name: str, rival: Rival) -> None:
        spent, worked, started = cpu_s(rival.server), time.process_time(), time.perf_counter()
        try:
            calls = len(await load(rival.callers, rival.request, rival.seconds))
        except (ConnectionError, AssertionError) as error:
            error.add_note(f"{name}, on port {rival.server.port}; its log ends: {rival.server.log[-500:]}")
            raise
        took, busy = time.perf_counter() - started, time.process_time() - worked
        self._rates.setdefault(name, []).append(calls / took)
        self._cpu_us.setdefault(name, []).append(1e6 * (cpu_s(rival.server) - spent) / max(1, calls))
        self._busy.setdefault(name, []).append(busy / took)

    def rate(self, name: str) -> float:
        """Calls per second."""
        return statistics.median(self._rates[name])

    def ratio(self, ours: str, theirs: str) -> float:
        return statistics.median(a / b for a, b in zip(self._rates[ours], self._rates[theirs], strict=True))

    def limit(self, name: str) -> float:
        """Calls per second of this process's CPU: the most that it could make of them."""
        return statistics.median(a / b for a, b in zip(self._rates[name], self._busy[name], strict=True))

    def cpu_us(self, name: str) -> float:
        """The server's CPU of a call."""
        return statistics.median(self._cpu_us[name])

    def note(self, name: str, more: str = "") -> str:
        """The rate, the server's CPU of a call, that of the raw echo, and how busy this process was."""
        echo = f" (echo {self.cpu_us('echo'):.0f})" if name != "echo" and "echo" in self._cpu_us else ""
        cpu, busy = f"{self.cpu_us(name):.0f} µs of CPU each{echo}", statistics.median(self._busy[name])
        return f"{self.rate(name):,.0f} calls/s{more}, {cpu}; generator {100 * busy:.0f}% busy"

    def beside_before(self, bench: Bench, what: str) -> None:
        if "before" in self._rates:
            bench.row(what, self.ratio("now", "before"), "×", note=self.note("before"))


async def rates(rivals: dict[str, Rival], rounds: int = ROUNDS) -> Found:
    """They take turns, so that a noisy moment meets all of them."""
    found = Found()
    for _ in range(rounds):
        for name, rival in rivals.items():
            await found.turn(name, rival)
    return found


async def answer_file(bench: Bench, caller: Caller, request: bytes) -> tuple[str, int]:
    """A file that holds the answer, once it is cached, and its size in bytes."""
    await caller.ask(request)
    answer = check(await caller.ask(request))
    path = bench.folder / f"{len(answer)}.json"
    path.write_bytes(answer)
    return str(path), len(answer)


async def over_websocket(bench: Bench) -> None:
    """Cached calls against an echo of the same bytes and the SDK alone, all on hypercorn."""
    request = frame(GET_WEATHER)
    with bench.servers() as servers:
        rivals = {name: Rival(each, await many(each.port, CONNECTIONS), request) for name, each in servers.items()}
        for rival in rivals.values():
            file, size = await answer_file(bench, rival.callers[0], request)
        with bench.serving(ECHO, ECHO_FILE=file) as echo, bench.serving(SDK, ECHO_FILE=file) as sdk:
            rivals["echo"] = Rival(echo, await many(echo.port, CONNECTIONS, initialize=False), request)
            rivals["ping"] = Rival(sdk, await many(sdk.port, CONNECTIONS), PING)
            found = await rates(rivals)
    what, note = "cached get-weather / raw echo of the same bytes", found.note("now", f" of {size:,} bytes")
    bench.row(what, found.ratio("now", "echo"), "×", "≥ 2.2", note)
    found.beside_before(bench, "cached get-weather / before")
    note = f"SDK ping {found.rate('ping'):,.0f}/s"
    bench.row("cached get-weather / ping through the SDK", found.ratio("now", "ping"), "×", "≥ 3", note)
    for name, what in (("echo", "raw echo"), ("now", CACHED), ("ping", "the SDK alone, a ping")):
        bench.bar(what, WEBSOCKET, 100 * found.ratio(name, "echo"), found.rate(name))
    costs.recording(bench, found.rate("now"))
    await _naive(bench, 100 * found.ratio("now", "echo"))


async def over_http(bench: Bench) -> None:
    """The same on connections that are kept alive; the raw WebSocket echo is beside them for the picture."""
    request, raw = post(GET_WEATHER), frame(GET_WEATHER)
    with bench.servers() as servers:
        rivals = {name: Rival(each, await clients(each.port, CONNECTIONS), request) for name, each in servers.items()}
        for rival in rivals.values():
            file, _ = await answer_file(bench, rival.callers[0], request)
        with bench.serving(ECHO, ECHO_FILE=file) as echo, bench.serving(SDK, ECHO_FILE=file) as sdk:
            rivals["echo"] = Rival(echo, await clients(echo.port, CONNECTIONS), request)
            rivals["SDK"] = Rival(sdk, await clients(sdk.port, CONNECTIONS), request)
            for name, server in (("now", servers["now"]), ("echo", echo)):
                rivals[f"{name}, apart"] = Rival(server, await clients(server.port, CONNECTIONS, ApartClient), request)
            rivals["raw"] = Rival(echo, await many(echo.port, CONNECTIONS, initialize=False), raw)
            found = await rates(rivals)
    what, note = "cached get-weather over HTTP / raw echo over HTTP", found.note("now")
    bench.row(what, found.ratio("now", "echo"), "×", "≥ 7.5", f"{note}; the SDK alone {found.rate('SDK'):,.0f}")
    what, note = "the same, head and body sent apart", found.note("now, apart")
    bench.row(what, found.ratio("now, apart", "echo, apart"), "×", "≥ 5", note)
    found.beside_before(bench, "cached get-weather over HTTP / before")
    for name, what in (("echo", "raw echo"), ("now", CACHED), ("SDK", "the SDK alone, a ready get-weather")):
        bench.bar(what, HTTP, 100 * found.ratio(name, "raw"), found.rate(name))


async def larger(bench: Bench) -> None:
    with bench.serving(SIMULATOR_ALERTS_FEATURES="500") as ours:
        mine = await many(ours.port, CONNECTIONS)
        for what, (message, least) in LARGER.items():
            request = frame(message)
            file, size = await answer_file(bench, mine[0], request)
            assert size >= least, f"{what}: {size} bytes"
            with bench.serving(ECHO, ECHO_FILE=file) as echo:
                raw = await many(echo.port, CONNECTIONS, initialize=False)
                found = await rates({"ours": Rival(ours, mine, request), "echo": Rival(echo, raw, request)})
            note = found.note("ours", f" of {size:,} bytes")
            bench.row(f"cached {what} / raw echo of the same bytes", found.ratio("ours", "echo"), "×", "≥ 0.75", note)


async def _naive(bench: Bench, share: float) -> None:
    """`share` is the server's in percent of the raw echo."""
    request = frame(GET_WEATHER)
    with (
        bench.upstream("weather.simulator:app") as nws,
        bench.serving(NWS_API_BASE=nws.http) as ours,
        bench.serving("tests.load.targets:naive", NWS_API_BASE=nws.http) as theirs,
    ):
        mine, rivals = await many(ours.port, CONNECTIONS), await many(theirs.port, CONNECTIONS)
        await mine[0].ask(request)
        naive = Rival(theirs, rivals, request, NAIVE_ROUND_S)
        found = await rates({"ours": Rival(ours, mine, request), "naive": naive}, NAIVE_ROUNDS)
    times, rate = found.ratio("ours", "naive"), found.rate("naive")
    bench.row("cached get-weather / a client per call, no cache", times, "×", "≥ 100", f"naive {rate:,.0f} calls/s")
    bench.bar("the platform's example, get-weather", WEBSOCKET, share / times, rate)
