"""How soon thousands of subscribers hear of a change, what that costs, and whom it holds up."""

from __future__ import annotations

import asyncio
import json
import time
import urllib.request
from typing import Any

from tests.conftest import Server
from tests.load.memory import IDLE, KIB, NOTIFY_BATCH, ROOM, resident
from tests.load.results import Bench, many
from tests.load.wire import GET_WEATHER, META, Connection, frame, load, quantile

FILTER = {"resourceSubscriptions": ["weather://alerts/CA"]}
PARAMS = {"notifications": FILTER, "_meta": META}
LISTEN = {"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": PARAMS}
REFRESHES, BUSY, TIMEOUT_S = 2, 16, 60


class Listener(Connection):
    """Notes when its last message came."""

    heard_at, heard = 0.0, 0

    def answered(self, buffer: bytes | bytearray, start: int, stop: int) -> None:
        self.heard_at, self.heard = time.monotonic(), self.heard + 1

    def connection_lost(self, exc: Exception | None) -> None:
        """It waits for nothing."""


async def listener(port: int) -> Listener:
    _, connection = await asyncio.get_running_loop().create_connection(Listener, "127.0.0.1", port)
    await connection.answer
    connection.answer = asyncio.get_running_loop().create_future()
    return connection


def asked(nws: Server) -> list[Any]:
    """What /asked tells: of `changing`, when the alerts were asked for by the clock of this machine."""
    with urllib.request.urlopen(f"{nws.http}/asked", timeout=10) as answer:
        return list(json.load(answer))


async def push(bench: Bench) -> None:
    with bench.upstream("tests.load.targets:changing") as nws, bench.serving(NWS_API_BASE=nws.http, **ROOM) as ours:
        busy, request = await many(ours.port, BUSY), frame(GET_WEATHER)
        await busy[0].ask(request)
        alone = quantile(await load(busy, request, 3), 0.99)
        listeners: list[Listener] = []
        for _ in range(IDLE // NOTIFY_BATCH):
            listeners += await asyncio.gather(*(listener(ours.port) for _ in range(NOTIFY_BATCH)))
        before, subscribe = resident(ours), frame(LISTEN)
        for one in listeners:
            one.send(subscribe)
        await heard(listeners, 1)
        bench.row("memory of a subscription", (resident(ours) - before) / IDLE / KIB, "KiB", note=f"{IDLE:,} of them")
        delays, beside = [], []
        for number in range(2, 2 + REFRESHES):
            async with asyncio.timeout(TIMEOUT_S):
                while min(one.heard for one in listeners) < number:
                    beside += await load(busy, request, 1)
            delays.append(max(one.heard_at for one in listeners) - asked(nws)[number - 1])
        requests = len(asked(nws))
    worst, times = max(delays), quantile(beside, 0.99) / alone
    note = ", ".join(f"{delay:.3f}" for delay in delays) + f" s; {requests} requests to NWS"
    once = requests == 1 + REFRESHES
    bench.row(f"change to the last of {IDLE:,} notifications", worst, "s", "≤ 0.5", note, also=once)
    bench.row("p99 of cached calls beside them / without", times, "×", "≤ 2")


async def heard(listeners: list[Listener], count: int) -> None:
    async with asyncio.timeout(TIMEOUT_S):
        while any(one.heard < count for one in listeners):  # noqa: ASYNC110  (each is a callback of its own)
            await asyncio.sleep(0.02)
