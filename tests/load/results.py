"""The servers that a benchmark compares, and the rows of what it finds."""

from __future__ import annotations

import os
import re
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import psutil

from tests.conftest import ROOT, Server, serving
from tests.load.drawing import Bar, Point
from tests.load.progress import say
from tests.load.wire import Connection, connect

Result = dict[str, Any]

OURS, ECHO, SDK = "app:app", "tests.load.echo:app", "tests.load.targets:sdk"
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
LOAD_CORE, SERVER_CORE = 0, -1
CONNECTIONS = 16


@contextmanager
def on_core(number: int) -> Iterator[None]:
    """This process, and what it starts meanwhile, runs on this one of CORES; anywhere where there are none."""
    if not CORES:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {CORES[number]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=60) as response:
        text = response.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return float(found[1])


def cpu_s(server: Server) -> float:
    """Seconds of a core that its processes have used, with all their threads."""
    process = psutil.Process(server.process.pid)
    return sum(map(_cpu_s, (process, *process.children(recursive=True))))


def _cpu_s(process: psutil.Process) -> float:
    if sys.platform == "linux":  # The clock that clock_getcpuclockid(3) names; cpu_times() has steps of 10 ms.
        return time.clock_gettime(~process.pid << 3 | 2)
    return sum(process.cpu_times()[:2])


class Bench:
    """`applications` are those of this server: "now", and "before" for an earlier state of it, where one was given."""

    def __init__(self, folder: Path, before: str = "") -> None:
        self.folder = folder
        self.applications = {"now": OURS, **({"before": before} if before else {})}
        self.results: list[Result] = []
        self.bars: list[Bar] = []
        self.points: list[Point] = []

    @contextmanager
    def serving(self, application: str = OURS, core: int = SERVER_CORE, **env: str) -> Iterator[Server]:
        with ExitStack() as stack:
            with on_core(core):
                start = serving(
                    self.folder, application=application, PYTHONPATH=str(ROOT), **{"LOG_LEVEL": "WARNING"} | env
                )
                server = stack.enter_context(start)
            yield server

    @contextmanager
    def servers(self, **env: str) -> Iterator[dict[str, Server]]:
        """One of each of `applications`, by their names."""
        with ExitStack() as stack:
            yield {
                name: stack.enter_context(self.serving(application, **env))
                for name, application in self.applications.items()
            }

    @contextmanager
    def upstream(self, application: str, **env: str) -> Iterator[Server]:
        """A weather service, away from the core of the server that asks it."""
        with self.serving(application, LOAD_CORE, **env) as server:
            yield server

    def row(self, what: str, value: float, unit: str, target: str = "", note: str = "", *, also: bool = True) -> None:
        """`target` begins with ≤ or ≥; `also` is what must hold beside it."""
        holds = None
        if target:
            most = float(target[1:])
            holds = also and (value <= most if target[0] == "≤" else value >= most)
        self.results.append(
            {"what": what, "value": value, "unit": unit, "target": target, "holds": holds, "note": note}
        )
        mark = {True: "holds", False: "MISSED", None: ""}[holds]
        shown = f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
        say(f"  {what:<70} {shown:>9} {unit:<6} {target:<8} {mark} {note}")

    def rows(self, what: str, values: dict[str, float], unit: str, target: str = "", note: str = "") -> None:
        """A row for the value of "now", and one for its ratio to that of "before"; `target` is the ratio's."""
        self.row(what, values["now"], unit, note=note)
        if "before" in values:
            ratio, note = values["now"] / values["before"], f"before {values['before']:.3g} {unit}"
            self.row(f"{what} / before", ratio, "×", target, note)

    def bar(self, what: str, transport: str, share: float, rate: float) -> None:
        """`share` in percent of the raw WebSocket echo."""
        self.bars.append({"what": what, "transport": transport, "share": share, "calls_per_s": rate})

    def missed(self) -> list[str]:
        """The rows that do not meet their targets."""
        return [result["what"] for result in self.results if result["holds"] is False]


async def many(port: int, number: int, **options: Any) -> list[Connection]:
    return [await connect(port, **options) for _ in range(number)]
