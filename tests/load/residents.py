"""`python -m tests.load.residents PORT`: callers who ask a cached get-weather at a steady pace, whatever others do.

A process of its own, so that they are not held up by what loads the server. It says "ready" once the answer is cached,
and when its stdin is closed, the latencies in seconds, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import uvloop

from tests.conftest import ROOT
from tests.load.wire import GET_WEATHER, Connection, check, connect, frame

RESIDENTS, EVERY_S = 16, 0.05
REQUEST = frame(GET_WEATHER)


async def resident(connection: Connection, due: float, latencies: list[float]) -> None:
    """A call that was due while another waited counts from then."""
    answered_at = 0.0
    while True:
        await asyncio.sleep(due - time.perf_counter())
        started = due if answered_at > due else time.perf_counter()
        check(await connection.ask(REQUEST))
        answered_at = time.perf_counter()
        latencies.append(answered_at - started)
        due += EVERY_S


async def main(port: int) -> list[float]:
    connections = [await connect(port) for _ in range(RESIDENTS)]
    for connection in connections:
        check(await connection.ask(REQUEST))
    print("ready", flush=True)
    latencies: list[float] = []
    now = time.perf_counter()
    async with asyncio.TaskGroup() as tasks:
        calling = [
            tasks.create_task(resident(connection, now + number * EVERY_S / RESIDENTS, latencies))
            for number, connection in enumerate(connections)
        ]
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        for call in calling:
            call.cancel()
    return latencies


@asynccontextmanager
async def residents(port: int) -> AsyncIterator[list[float]]:
    """While it lasts they call; afterwards the list has the latencies."""
    command = [sys.executable, "-m", "tests.load.residents", str(port)]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdin=pipe, stdout=pipe)
    latencies: list[float] = []
    try:
        assert await process.stdout.readline() == b"ready\n"
        yield latencies
        said, _ = await process.communicate(b"")  # which closes its stdin
        latencies += json.loads(said)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


if __name__ == "__main__":
    json.dump(uvloop.run(main(int(sys.argv[1]))), sys.stdout)
