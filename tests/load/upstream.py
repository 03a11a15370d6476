"""`make bench-upstream`: what the tools ask of a slow and failing weather service, and what their callers notice.

The tools run in this process, on the simulator at 200 ms latency; no socket is opened. All chance is seeded.
"""

from __future__ import annotations

import gc
import json
import logging
import random
import sys
import time
import tracemalloc
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.lowlevel
import httpx

from tests.load.progress import say, until_interrupted
from tests.load.wire import quantile
from weather.answers import Answers, CachedResult
from weather.config import Settings
from weather.metrics import Metrics
from weather.nws import NWS, silent
from weather.simulator import Faults, Simulator
from weather.tools import prepare

SEED = 1
LATENCY_MS = 200
CALLS = 1000
STEADY_S, CALLS_PER_S = 60, 200
OUTAGE_S = (25, 35)
ERROR_RATE = 0.2
SPEED = 10  # of the clock by which answers expire
FORECAST_MAX_AGE_S = 300
MISSES, MANY_ALERTS = 40, 600
STATES = ("CA", "TX", "FL", "NY", "WA", "CO", "IL", "GA", "OK", "VT")
LATE_S = 0.1  # what counts as late beyond the deadline: the loop has other work

Call = tuple[str, dict[str, Any]]


def at(place: int) -> dict[str, Any]:
    return {"latitude": 30 + place / 10, "longitude": -100}


class ShortForecasts(httpx.ASGITransport):
    """The simulator, with forecasts that expire within the run."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await super().handle_async_request(request)
        if request.url.path.endswith("/forecast") and response.status_code == 200:
            response.headers["Cache-Control"] = f"max-age={FORECAST_MAX_AGE_S}"
        return response


class Run:
    """One set of tools with empty caches, and how its calls went."""

    def __init__(self, faults: Faults, speed: float, transport: Callable[..., httpx.AsyncBaseTransport]) -> None:
        self.faults, self.settings, metrics = faults, Settings.read(nws_api_base="simulator"), Metrics()
        started, today = time.monotonic(), time.time()

        def clock() -> float:
            return (time.monotonic() - started) * speed

        self.simulator = Simulator(faults, clock=lambda: today + clock())
        self.nws = NWS(self.settings, metrics, transport(app=self.simulator), clock)
        self.answers = Answers(self.nws, self.settings, metrics)
        self.took: list[float] = []
        self.outcomes: Counter[str] = Counter()
        self.failures: Counter[str] = Counter()

    async def call(self, name: str, arguments: dict[str, Any]) -> None:
        """As a session does: an answer that is ready at once, any other by way of a call."""
        started = time.perf_counter()
        found = prepare(self.answers, name, arguments, None, "websocket", started)
        if isinstance(found, CachedResult):
            outcome = found.outcome
        else:
            self.outcomes["waited"] += 1
            result = json.loads((await found(silent)).json)
            content = result.get("structuredContent", {})
            outcome = "failed" if result.get("isError") else "stale" if content["stale"] else "ok"
            if outcome == "failed":
                self.failures[result["content"][0]["text"]] += 1
            elif name == "get-weather" and outcome == "ok" and "observation" not in content:
                self.outcomes["unobserved"] += 1
        self.took.append(time.perf_counter() - started)
        self.outcomes[outcome] += 1

    @property
    def row(self) -> list[str]:
        asked: Counter[str] = Counter()
        for (name, _), requests in self.simulator.requests.items():
            asked[name] += requests
        late = sum(took > self.settings.nws_deadline_seconds + LATE_S for took in self.took)
        seen = [self.outcomes[name] for name in ("waited", "failed", "stale")]
        kinds = [asked[name] for name in ("point", "forecast", "stations", "observation", "alerts")]
        numbers = [len(self.took), *seen, late, asked.total(), *kinds, self.outcomes["unobserved"]]
        return [*map(str, numbers), *(f"{1000 * quantile(self.took, share):,.2f}" for share in (0.5, 0.99, 1))]


COLUMNS = [
    *("calls", "waited", "failed", "stale", "late", "requests"),
    *("points", "forecasts", "stations", "observ.", "alerts", "unobserved"),
    *("p50/ms", "p99/ms", "max/ms"),
]


@asynccontextmanager
async def running(
    speed: float = 1, transport: Callable[..., httpx.AsyncBaseTransport] = httpx.ASGITransport, **faults: Any
) -> AsyncIterator[Run]:
    run = Run(Faults(seed=SEED, **faults), speed, transport)
    async with run.nws:
        yield run


async def cached_reply(name: str, places: int) -> Run:
    say(f"{CALLS} concurrent calls of {name}, {places} place(s)")
    async with running(latency_ms=LATENCY_MS) as run, anyio.create_task_group() as callers:
        for number in range(CALLS):
            callers.start_soon(run.call, name, at(number % places))
    return run


async def steady() -> Run:
    """50 places, and 10 states in a third of the calls; an outage in the middle."""
    dice = random.Random(SEED)

    def drawn() -> Call:
        name = dice.choice(("get-weather", "get-forecast", "get-alerts"))
        return name, {"state": dice.choice(STATES)} if name == "get-alerts" else at(dice.randrange(50))

    async with (
        running(SPEED, ShortForecasts, latency_ms=LATENCY_MS, error_rate=ERROR_RATE) as run,
        anyio.create_task_group() as callers,
    ):
        started = anyio.current_time()
        for number in range(STEADY_S * CALLS_PER_S):
            second = number / CALLS_PER_S
            run.faults.outage = OUTAGE_S[0] <= second < OUTAGE_S[1]
            if number % (10 * CALLS_PER_S) == 0:
                say(f"steady calls: {second:.0f} of {STEADY_S} s")
            await anyio.sleep_until(started + second)
            callers.start_soon(run.call, *drawn())
    return run


async def measured(run: Run, work: Callable[[int], Awaitable[Any]], entries: int) -> tuple[int, int]:
    """Bytes of memory and bytes counted by the caches, for each of the entries that `work` makes."""

    def counted() -> float:
        return run.nws.upstream._cache.currsize + run.answers._cache.currsize

    gc.collect()
    tracemalloc.start()
    before, counted_before = tracemalloc.get_traced_memory()[0], counted()
    for number in range(entries):
        await work(number)
    gc.collect()
    after = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    return round((after - before) / entries), round((counted() - counted_before) / entries)


async def memory() -> list[list[str]]:
    say("memory of a cache entry")
    rows = []
    async with running() as run:
        nws, answers = run.nws, run.answers

        async def observe(place: int) -> None:
            await nws.observation(await nws.point(**at(place)))

        await answers.answer(answers.parse("get-weather", at(99)))  # what is imported and compiled once
        await answers.answer(answers.parse("get-alerts", {"state": "AK"}))
        steps: list[tuple[str, Callable[[int], Awaitable[Any]], int]] = [
            ("point", lambda place: nws.point(**at(place)), 90),
            ("forecast", lambda place: nws.forecast(**at(place)), 90),
            ("stations and observation", observe, 90),
            ("ready get-forecast", lambda place: answers.answer(answers.parse("get-forecast", at(place))), 90),
            ("ready get-weather", lambda place: answers.answer(answers.parse("get-weather", at(place))), 90),
        ]
        for label, work, entries in steps:
            rows.append([label, *(f"{size:,}" for size in await measured(run, work, entries))])
        run.faults.alerts_features = 500
        for label, work in (
            ("500 alerts", lambda number: nws.alerts(STATES[number])),
            (
                "ready get-alerts, 25",
                lambda number: answers.answer(answers.parse("get-alerts", {"state": STATES[number]})),
            ),
        ):
            rows.append([label, *(f"{size:,}" for size in await measured(run, work, 3))])
    return rows


class Recorded(httpx.ASGITransport):
    """The simulator, asked once for each URL, since its own work must not count."""

    def __init__(self, app: Simulator) -> None:
        super().__init__(app=app)
        self.responses: dict[str, tuple[httpx.Headers, bytes]] = {}

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        url = str(request.url)
        if url not in self.responses:
            response = await super().handle_async_request(request)
            self.responses[url] = response.headers, await response.aread()
        headers, content = self.responses[url]
        return httpx.Response(200, headers=headers, content=content)


async def held(gaps: list[float]) -> None:
    """Measures how long the event loop takes until it comes back to this task."""
    last = time.perf_counter()
    while True:
        await anyio.lowlevel.checkpoint()
        gaps.append(time.perf_counter() - last)
        last = time.perf_counter()


async def miss(run: Run, name: str, arguments: dict[str, Any]) -> None:
    run.nws.upstream._cache.clear()
    run.answers._cache.clear()
    await run.call(name, arguments)


async def misses() -> list[list[str]]:
    say("the cost of a miss")
    rows = []
    for label, name, arguments in (
        ("get-weather", "get-weather", at(0)),
        ("get-forecast", "get-forecast", at(0)),
        ("get-forecast, hourly", "get-forecast", {**at(0), "hourly": True}),
        (f"get-alerts, 25 of {MANY_ALERTS}", "get-alerts", {"state": "CA"}),
        (f"get-alerts, 200 of {MANY_ALERTS}", "get-alerts", {"state": "CA", "limit": 200}),
    ):
        async with running(transport=Recorded, alerts_features=MANY_ALERTS) as run:
            await miss(run, name, arguments)  # what is imported and compiled once
            started, gaps = time.process_time(), list[float]()
            for _ in range(MISSES):
                await miss(run, name, arguments)
            cpu_s = (time.process_time() - started) / MISSES
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(held, gaps)
                for _ in range(MISSES):
                    await miss(run, name, arguments)
                tasks.cancel_scope.cancel()
        holds = (quantile(gaps, share) for share in (0.999, 1))
        rows.append([label, *(f"{1000 * seconds:,.2f}" for seconds in (cpu_s, *holds))])
    return rows


def table(columns: list[str], rows: list[list[str]]) -> None:
    widths = [max(map(len, cells)) for cells in zip(columns, *rows, strict=True)]
    for cells in (columns, *rows):
        numbers = zip(cells[1:], widths[1:], strict=True)
        print(cells[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in numbers), sep="  ")


async def main() -> int:
    logging.basicConfig(level=logging.ERROR)
    random.seed(SEED)
    costs, cpu = await memory(), await misses()
    rows = []
    for label, name, places in (
        ("(a) one place, get-weather", "get-weather", 1),
        ("(a) one place, get-forecast", "get-forecast", 1),
        ("(b) 100 places, get-weather", "get-weather", 100),
        ("(b) 100 places, get-forecast", "get-forecast", 100),
    ):
        rows.append([label, *(await cached_reply(name, places)).row])
    run = await steady()
    rows.append([f"(c) {STEADY_S} s steady, failing", *run.row])
    print(f"The simulator at {LATENCY_MS} ms latency, seed {SEED}, default settings, 16 requests at a time at most.")
    print(
        f"(c): {CALLS_PER_S} calls/s over 50 places and 10 states, {ERROR_RATE:.0%} errors, all errors from"
        f" {OUTAGE_S[0]} to {OUTAGE_S[1]} s. So that answers expire within the run, the clock by which they do runs"
        f" {SPEED} times too fast and forecasts live {FORECAST_MAX_AGE_S} s: forecasts and observations expire every"
        f" {FORECAST_MAX_AGE_S // SPEED} s, alerts every {30 // SPEED} s; the breaker's pause and the ages of stale"
        " answers run by it too. Latency, backoff and deadline are real."
    )
    print(
        f"waited: not ready at once. late: later than the deadline by {LATE_S} s. unobserved: of those who waited,"
        " without an observation.\n"
    )
    table(["", *COLUMNS], rows)
    for text, number in run.failures.most_common():
        print(f"(c) {number:3} failed: {text}")
    print()
    table(["bytes for each entry", "in memory", "as counted by the limits"], costs)
    print(f"\nA miss without HTTP and simulator, one after the other, {MISSES} of each:\n")
    table(["", "CPU/ms", "loop held p99.9/ms", "max/ms"], cpu)
    return 0


if __name__ == "__main__":
    sys.exit(until_interrupted(lambda: anyio.run(main)))
