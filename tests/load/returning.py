"""What a restart costs: the time from exec to /ready, and that until thousands of clients have come back."""

from __future__ import annotations

import asyncio
import socket
import statistics
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import psutil

from tests.conftest import ENVIRONMENT, ROOT
from tests.load.memory import IDLE, MIB, ROOM, leave
from tests.load.residents import residents
from tests.load.results import SERVER_CORE, Bench, on_core
from tests.load.wire import GET_WEATHER, Caller, check, connect, frame, quantile
from tests.raw import TIMEOUT_S

STARTS = 5
RESTS_S = 1.5
RETURNS = 3


async def returning(bench: Bench) -> None:
    """Clients of the older revisions, all at once, each served when it has initialized and has its first answer."""
    took: dict[str, list[float]] = {name: [] for name in bench.applications}
    waits: dict[str, list[float]] = {name: [] for name in bench.applications}
    request = frame(GET_WEATHER)

    async def come_back(port: int) -> Caller:
        connection = await connect(port)
        check(await connection.ask(request))
        return connection

    for _ in range(RETURNS):
        for name, application in bench.applications.items():
            with bench.serving(application, **ROOM) as server:
                async with residents(server.port) as latencies:
                    started = time.perf_counter()
                    clients = await asyncio.gather(*(come_back(server.port) for _ in range(IDLE)))
                    took[name].append(time.perf_counter() - started)
                waits[name].append(1e3 * quantile(latencies, 0.99))
                await leave(clients)
    what = f"until {IDLE:,} returning legacy clients are served"
    bench.rows(what, {name: statistics.median(each) for name, each in took.items()}, "s", "≤ 0.55")
    what = "p99 of residents meanwhile"
    bench.rows(what, {name: statistics.median(each) for name, each in waits.items()}, "ms", "≤ 0.4")


async def starts(bench: Bench) -> None:
    """Of a process whose files the system has in memory; the first start does not count, it compiles them."""
    took: dict[str, list[float]] = {name: [] for name in bench.applications}
    occupied: dict[str, list[float]] = {name: [] for name in bench.applications}
    rested: dict[str, list[float]] = {name: [] for name in bench.applications}
    for number in range(1 + STARTS):
        for name, application in bench.applications.items():
            seconds, ready, later = _start(application, bench.folder)
            if number:
                took[name].append(1e3 * seconds)
                occupied[name].append(ready / MIB)
                rested[name].append(later / MIB)
    bench.rows("exec to /ready", {name: statistics.median(each) for name, each in took.items()}, "ms", "≤ 0.75")
    memory = {name: statistics.median(each) for name, each in occupied.items()}
    bench.rows("memory once it is ready", memory, "MiB", "≤ 0.85")
    memory = {name: statistics.median(each) for name, each in rested.items()}
    bench.rows(f"memory {RESTS_S:g} s later", memory, "MiB")


def _start(application: str, folder: Path) -> tuple[float, int, int]:
    """Seconds until it is ready, and its resident bytes then and after RESTS_S."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    bind = ("--config", "hypercorn.toml", "--bind", f"127.0.0.1:{port}")
    command = [sys.executable, "-m", "hypercorn", *bind, application]
    with on_core(SERVER_CORE), (folder / "start.log").open("wb") as log:
        started = time.perf_counter()
        process = subprocess.Popen(command, cwd=ROOT, env=ENVIRONMENT, stdout=log, stderr=log)
    try:
        while not _ready(port):
            if process.poll() is not None or time.perf_counter() - started > TIMEOUT_S:
                raise RuntimeError((folder / "start.log").read_text())
            time.sleep(0.002)
        took, memory = time.perf_counter() - started, psutil.Process(process.pid).memory_info
        ready = memory().rss
        time.sleep(RESTS_S)
        return took, ready, memory().rss
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


def _ready(port: int) -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=TIMEOUT_S) as answer:
            return bool(answer.status == 200)
    except OSError:  # Also that of an answer with another status.
        return False
