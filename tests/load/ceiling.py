"""How the latency grows on the way to the ceiling: a cached call from more and more connections, one in flight each."""

from __future__ import annotations

import time
from collections.abc import Sequence

from tests.load.drawing import HTTP, WEBSOCKET, Point
from tests.load.post import clients, post
from tests.load.progress import say
from tests.load.results import Bench, many
from tests.load.speed import GET_WEATHER
from tests.load.wire import Caller, frame, load, quantile

CONNECTIONS = (1, 2, 4, 8, 16, 32, 64, 128)
POINT_S, WARM_UP_S = 1.0, 0.1


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
