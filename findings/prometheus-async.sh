#!/usr/bin/env bash
# prometheus-client 0.26.0: its decorators on an async function measure nothing, count no exception, and look right.
#
# A good guess: `@histogram.time()`, `@counter.count_exceptions()` and `@gauge.track_inprogress()` work on any function.
# What happens: on `async def` they end when the coroutine is made, before a line of it runs. The histogram counts each
#   call, so its rate is right, with some microseconds each; exceptions stay at 0; nothing is ever in progress. No
#   warning. As context managers within the function all three are right.
# Why it matters: a latency of 9 µs with no errors is what a dashboard shows while every call takes seconds and fails. A
#   test that looks at `_count` alone passes.
# Source: client_python issue 48 (of 2015) and pull request 767 (of 2022, open).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check prometheus-client==0.26.0
timeout 60 "$work/bin/python" - <<'PYTHON'
import asyncio
from importlib.metadata import version

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SECONDS = 0.3


async def call_upstream(told):
    told["in progress"] = told["registry"].get_sample_value("calls_in_progress")
    await asyncio.sleep(SECONDS)
    raise TimeoutError("the weather did not come")


def measured(call):
    """What the metrics say after `call`, which is given the three and a coroutine function."""
    told = {"registry": (registry := CollectorRegistry())}
    metrics = (
        Histogram("call_seconds", "Duration of a call", registry=registry),
        Counter("call_errors", "Calls that failed", registry=registry),
        Gauge("calls_in_progress", "Calls in progress", registry=registry),
    )
    try:
        asyncio.run(call(*metrics, told))
    except TimeoutError:
        told |= {name: registry.get_sample_value(f"call_{name}") for name in ("seconds_count", "seconds_sum")}
        told["errors"] = registry.get_sample_value("call_errors_total")
    del told["registry"]
    return told


def decorated(histogram, counter, gauge, told):
    @histogram.time()
    @counter.count_exceptions()
    @gauge.track_inprogress()
    async def call():
        await call_upstream(told)

    return call()


async def within(histogram, counter, gauge, told):
    with histogram.time(), counter.count_exceptions(), gauge.track_inprogress():
        await call_upstream(told)


print("prometheus-client", version("prometheus-client"))
seen = {function.__name__: measured(function) for function in (decorated, within)}
for name, told in seen.items():
    print(f"{name:10} {told}")
assert seen["within"]["seconds_sum"] >= 0.9 * SECONDS and seen["within"]["errors"] == 1, "context managers changed"
assert seen["decorated"]["seconds_count"] == 1, "a call is not counted"
assert seen["decorated"]["seconds_sum"] < 0.1 * SECONDS, "the time of a coroutine is measured now"
assert (seen["decorated"]["errors"], seen["decorated"]["in progress"]) == (0, 0), "coroutines are followed now"
PYTHON
