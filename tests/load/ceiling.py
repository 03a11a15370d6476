"""A cached call from more and more connections, one in flight each: its latency on the way to the ceiling, and what is
left of the rate with thousands of them.
"""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.load.drawing import HTTP, WEBSOCKET, Point
from tests.load.memory import ROOM, allowed, leave, opened
from tests.load.post import clients, post
from tests.load.progress import say
from tests.load.results import ECHO, Bench, many
from tests.load.speed import Rival, answer_file, rates
from tests.load.wire import GET_WEATHER, Caller, frame, load, quantile

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128)
POINT_S, WARM_UP_S = 1.0, 0.1
CROWDS = (16, 256, 2000, 8000)
CROWD_S, CROWD_ROUNDS = 1.0, 3


async def curves(bench: Bench) -> None:
    with bench.serving() as ours:
        for number in CONNECTIONS:
            sockets, posts = await many(ours.port, number), await clients(ours.port, number)
            bench.points.append(await _point(WEBSOCKET, sockets, frame(GET_WEATHER)))
            bench.points.append(await _point(HTTP, posts, post(GET_WEATHER)))
            for caller in (*sockets, *posts):
                caller.transport.abort()


async def _point(transport: str, callers: Sequence[Caller], request: bytes) -> Point:
    await load(callers, request, WARM_UP_S)
    started = time.perf_counter()
    latencies = await load(callers, request, POINT_S)
    rate, p99 = len(latencies) / (time.perf_counter() - started), 1e3 * quantile(latencies, 0.99)
    say(f"  {transport}, {len(callers)} connections: {rate:,.0f} calls/s, p99 {p99:.2f} ms")
    return {"transport": transport, "connections": len(callers), "calls_per_s": rate, "p99_ms": p99}


async def crowds(bench: Bench) -> None:
    """All of them ask all the time."""
    request, most = frame(GET_WEATHER), allowed(CROWDS[-1], servers=len(bench.applications) + 1)
    with bench.servers(**ROOM) as servers:
        callers = {name: await opened(server, 1) for name, server in servers.items()}
        for some in callers.values():
            file, _ = await answer_file(bench, some[0], request)
        with bench.serving(ECHO, ECHO_FILE=file) as echo:
            everyone, callers["echo"] = {**servers, "echo": echo}, []
            for number in sorted({min(number, most) for number in CROWDS}):
                for name, server in everyone.items():
                    more = number - len(callers[name])
                    callers[name] += await opened(server, more, initialize=name != "echo")
                rivals = {name: Rival(everyone[name], each, request, CROWD_S) for name, each in callers.items()}
                found = await rates(rivals, CROWD_ROUNDS)
                what = f"cached get-weather from {number:,} connections"
                bench.row(f"{what} / raw echo", found.ratio("now", "echo"), "×", note=found.note("now"))
                found.beside_before(bench, f"{what} / before")
            for each in callers.values():
                await leave(each)
