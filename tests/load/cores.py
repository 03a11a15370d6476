"""`python -m tests.load.cores`: one process and two on one listening socket, by turns, and what a call costs in each.

A small parent opens the socket and hands it on: `hypercorn --bind fd://N`. The kernel gives each connection to one of
those that accept.
"""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from statistics import median

import psutil

from tests.conftest import ENVIRONMENT, ROOT
from tests.load.wire import Connection, call, connect, load
from tests.raw import TIMEOUT_S

CONNECTIONS, ROUNDS, ROUND_S = 32, 6, 3
REQUEST = call("get-weather", latitude=38.9072, longitude=-77.0369)


@contextmanager
def processes(number: int) -> Iterator[tuple[int, list[psutil.Process]]]:
    """The port of so many servers, and they."""
    with socket.create_server(("127.0.0.1", 0), backlog=4096) as listener, ExitStack() as stack:
        bind = f"fd://{listener.fileno()}"
        command = [sys.executable, "-m", "hypercorn", "--config", "hypercorn.toml", "--bind", bind, "app:app"]
        environment, passed = ENVIRONMENT | {"LOG_LEVEL": "WARNING"}, (listener.fileno(),)
        servers = []
        for _ in range(number):
            servers.append(subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=passed))
            stack.callback(servers[-1].wait, TIMEOUT_S)
            stack.callback(servers[-1].terminate)
        yield listener.getsockname()[1], [psutil.Process(server.pid) for server in servers]


def cpu_s(servers: list[psutil.Process]) -> list[float]:
    return [sum(server.cpu_times()[:2]) for server in servers]


async def opened(port: int) -> list[Connection]:
    """With the answer ready in each process that has any."""
    connections = [await connect(port) for _ in range(CONNECTIONS)]
    for connection in connections:
        await connection.ask(REQUEST)
    return connections


async def main() -> None:
    with ExitStack() as stack:
        arms = [stack.enter_context(processes(number)) for number in (1, 2)]
        open_in = [await opened(port) for port, _ in arms]
        rows: list[list[tuple[float, float]]] = [[], []]
        for _ in range(ROUNDS):
            for (_, servers), connections, row in zip(arms, open_in, rows, strict=True):
                before = cpu_s(servers)
                calls = len(await load(connections, REQUEST, ROUND_S))
                used = [now - was for now, was in zip(cpu_s(servers), before, strict=True)]
                row.append((calls / ROUND_S, 1e6 * sum(used) / calls))
                print(f"{len(servers)}: {row[-1][0]:,.0f} calls/s, {row[-1][1]:.0f} µs each; seconds of CPU {used}")
    for number, row in enumerate(rows, 1):
        print(
            f"{number}: median {median(r for r, _ in row):,.0f} calls/s, {median(c for _, c in row):.0f} µs of CPU each"
        )
    print(f"ratio {median(two / one for (one, _), (two, _) in zip(*rows, strict=True)):.2f}; load {os.getloadavg()}")


if __name__ == "__main__":
    asyncio.run(main())
