"""What abuse may cost at most, in bytes and in time: each kind alone, against a server of its own, beside residents who
go on asking for weather. The last part of `make soak`.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import islice
from pathlib import Path
from typing import Any

from tests.conftest import Server
from tests.load.costs import somewhere
from tests.load.memory import MIB, NOTIFY_BATCH, UNREADY, leave, open_after, opened, resident
from tests.load.post import clients, post_text
from tests.load.push import asked as asked_at
from tests.load.residents import residents
from tests.load.results import Bench, metric
from tests.load.wire import CLOSE, META, PING, Caller, call, calling, connect, frame, quantile
from tests.raw import IN_FLIGHT, handshake, request, text
from tests.raw import PING as PING_OPCODE
from tests.raw import call as calling_as
from tests.raw import frame as frame_of

AT_ONCE = 8
PADDED, BLANKS = 3000, 60_000
LISTENS, LISTENING, EACH = 2000, 60, 100
PLACES, REPEATS = 32, 10
FLOODS, FLOOD_S = 4, 4.0
HELD, CALLS, IN_FLIGHT_EACH, LATENCY_MS = 20, 64, 32, 4000
ROUNDS, WARM_ROUNDS, ROUND = 10, 3, 500
PATIENT = {"NWS_DEADLINE_SECONDS": "120", "NWS_READ_TIMEOUT_SECONDS": "120"}
LIST = frame({"jsonrpc": "2.0", "id": 1, "method": "tools/list"})
LISTEN = {"notifications": {"resourceSubscriptions": []}, "_meta": META}
PINGS = frame_of(PING_OPCODE) * 1000
WAIT_MS = 250  # machines differ, and a loop that is held for seconds shows


@asynccontextmanager
async def beside(bench: Bench, server: Server, what: str) -> AsyncIterator[None]:
    async with residents(server.port) as waits:
        yield
    note = f"{1e3 * max(waits):,.0f} ms at most"
    bench.row(f"p99 of residents beside {what}", 1e3 * quantile(waits, 0.99), "ms", f"≤ {WAIT_MS}", note)


async def padded(bench: Bench) -> None:
    """Valid calls, each with another number of blanks: what is remembered of calls is bounded in bytes."""
    whole, share = json.dumps(calling("get-alerts", state="CA")), PADDED // AT_ONCE // 2

    async def ask(callers: Iterable[Caller], written: Callable[[str], bytes], first: int) -> None:
        async def all_of(caller: Caller, begin: int) -> None:
            for number in range(begin, begin + share):
                answer = await caller.ask(written(whole.replace('"CA"', f'"CA"{" " * (BLANKS - number)}')))
                assert b'"isError":false' in answer, answer[:500]

        await asyncio.gather(*(all_of(caller, first + n * share) for n, caller in enumerate(callers)))

    with bench.serving() as server:
        sockets, posts = await opened(server, AT_ONCE), await clients(server.port, AT_ONCE)
        async with beside(bench, server, "padded calls"):
            before = resident(server)
            await ask(sockets, text, 0)
            await ask(posts, post_text, PADDED // 2)
            left = (resident(server) - before) / MIB
    bench.row(f"memory that {PADDED:,} padded calls leave", left, "MiB", "≤ 32")


async def listening(bench: Bench) -> None:
    """Streams that honour nothing count as all others do: those of a session, and those of the process."""

    async def listen(caller: Caller, number: int) -> None:
        for name in range(number):
            caller.send(text(request(f"s{name}", "subscriptions/listen", LISTEN)))
        while b'"result":{}' not in await caller.ask(PING):  # which is answered after all of them
            pass

    with bench.serving() as server:
        (one,) = await opened(server, 1, initialize=False)
        await listen(one, LISTENS)
        held = metric(server, "mcp_streams_open")
        others = await opened(server, LISTENING, initialize=False)
        before = resident(server)
        await asyncio.gather(*(listen(other, EACH) for other in others))
        all_hold = metric(server, "mcp_streams_open")
        grown = (resident(server) - before) / MIB
    assert min(held, all_hold) > 0, "none was opened"
    bench.row(f"streams that a session holds of {LISTENS:,} that honour nothing", held, "", f"≤ {EACH}")
    bench.row(f"streams that all hold of {LISTENING * EACH:,}", all_hold, "", "≤ 5000")
    bench.row(f"memory of {LISTENING * EACH:,} streams that honour nothing", grown, "MiB", "≤ 80")


async def overlong(bench: Bench) -> None:
    """Long answers of NWS are read beside others, and let go at once; what cannot be read is not asked for again."""
    with (
        bench.upstream("tests.load.targets:overlong") as nws,
        bench.serving(NWS_API_BASE=nws.http, **PATIENT) as server,
    ):
        callers = await opened(server, AT_ONCE)

        async def ask(calls: Sequence[bytes]) -> None:
            for number in range(0, len(calls), AT_ONCE):
                batch = zip(callers, calls[number : number + AT_ONCE], strict=False)
                await asyncio.gather(*(caller.ask(each) for caller, each in batch))

        areas = ("CA", "TX", "FL", "NY", "WA", "CO", "IL", "GA")
        async with beside(bench, server, "answers of NWS of 7.6 MiB"):
            before = resident(server)
            await ask(list(islice(somewhere("get-forecast", hourly=True), PLACES)))
            await ask([call("get-alerts", state=area) for area in areas])
        grown = (resident(server) - before) / MIB
        for _ in range(REPEATS):
            await callers[0].ask(call("get-alerts", state="SL"))
        sent = Counter(asked_at(nws))
    # Otherwise it was something else that was cheap.
    assert sent["hourly"] >= 1 and sent["active"] >= 1 and sent["too long"] >= 1, sent  # noqa: PT018  (one statement: each kind was sent)
    bench.row(f"memory that {PLACES + len(areas)} such answers leave", grown, "MiB", "≤ 128")
    bench.row(f"requests to NWS of {REPEATS} calls whose answer is too long", sent["too long"], "", "≤ 2")


async def flood(port: int, *, reads: bool) -> bool:
    """Control frames as fast as the server takes them; whether it still does after FLOOD_S."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(handshake(port))
    assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101")

    async def drink() -> None:
        with suppress(OSError):
            while await reader.read(1 << 16):
                pass

    drinking = asyncio.create_task(drink()) if reads else None
    if not reads:
        writer.transport.pause_reading()  # type: ignore[attr-defined]  # typed as a WriteTransport, is both
    try:
        async with asyncio.timeout(FLOOD_S):
            while True:
                writer.write(PINGS)
                await writer.drain()
    except TimeoutError:
        return True
    except OSError:
        return False
    finally:
        writer.transport.abort()
        if drinking:
            await drinking


async def floods(bench: Bench) -> None:
    """Of tiny control frames: everybody else has a turn, and whoever reads nothing meanwhile is closed."""
    for reads, who in ((True, "read"), (False, "do not read")):
        with bench.serving(MCP_SEND_TIMEOUT_SECONDS="1") as server:
            async with beside(bench, server, f"{FLOODS} floods of pings that {who}"):
                still = sum(await asyncio.gather(*(flood(server.port, reads=reads) for _ in range(FLOODS))))
    bench.row(f"floods of pings that do not read, open after {FLOOD_S:g} s", still, "", "≤ 0")


async def held_back(bench: Bench) -> None:
    """Clients that leave while the server reads nothing of theirs, because so much of it is at work."""
    with bench.serving(SIMULATOR_LATENCY_MS=str(LATENCY_MS)) as server:
        callers = await opened(server, HELD)
        for number, caller in enumerate(callers):
            for each in range(CALLS):
                north = 33 + number / 4 + each / 400
                caller.send(text(calling_as(each, "get-weather", latitude=north, longitude=-98.5)))
        async with asyncio.timeout(LATENCY_MS / 1000):
            while metric(server, IN_FLIGHT) < HELD * IN_FLIGHT_EACH:  # noqa: ASYNC110  (it is in another process)
                await asyncio.sleep(0.05)
        started = time.monotonic()
        await leave(callers)
        left = await open_after(server)
        took = time.monotonic() - started
    bench.row(f"until {HELD} that leave while held back are gone", took, "s", "≤ 2", also=not left)


async def sdk_like(server: Server) -> Caller:
    """What an SDK does once a session is open."""
    caller = await connect(server.port)
    for each in (LIST, UNREADY, PING):
        await caller.ask(each)
    return caller


async def sessions(bench: Bench) -> None:
    """Come in rounds; in the first of these, things are made that stay."""
    kept = []
    with bench.serving() as server:
        for _ in range(ROUNDS):
            callers: list[Any] = []
            while len(callers) < ROUND:
                callers += await asyncio.gather(*(sdk_like(server) for _ in range(NOTIFY_BATCH)))
            random.shuffle(callers)
            for caller in callers:
                await caller.ask(CLOSE)
                caller.transport.close()
            await open_after(server)
            kept.append(resident(server) / MIB)
    note = ", ".join(f"{each:.0f}" for each in kept) + " MiB"
    bench.row(
        f"memory after {ROUNDS} rounds of {ROUND} sessions / after {WARM_ROUNDS}",
        kept[-1] / kept[WARM_ROUNDS - 1],
        "×",
        "≤ 1.1",
        note,
    )


async def run(folder: Path) -> list[str]:
    """The bounds that do not hold."""
    bench = Bench(folder)
    for measure in (padded, listening, overlong, floods, held_back, sessions):
        await measure(bench)
    return bench.missed()
