"""`make bench`: how fast the server is, as ratios to yardsticks of the same run, on the same hypercorn with uvloop.

Writes docs/bench.json and docs/bench.svg. Every figure is measured; machines differ, ratios less so.
"""

from __future__ import annotations

import json
import os
import platform
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path

import uvloop

from tests.conftest import ROOT
from tests.load import ceiling, costs, memory, push, speed
from tests.load.drawing import picture
from tests.load.progress import say, until_interrupted
from tests.load.results import Bench

PACKAGES = ("hypercorn", "wsproto", "uvloop", "mcp", "pydantic")


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "processor": platform.machine(),
        "system": platform.system(),
        **{name: version(name) for name in PACKAGES},
    }


async def run(folder: Path) -> Bench:
    bench = Bench(folder)
    say("machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    say("a cached call, beside the yardsticks")
    hot = await speed.hot_path(bench)
    say("larger answers, and a naive server")
    await speed.larger(bench)
    await speed.naive(bench, hot.share)
    say("more and more connections")
    await ceiling.curves(bench)
    say("costs of a call")
    costs.recording(bench, hot.rate)
    await costs.miss_cost(bench)
    await costs.neighbour(bench)
    say("memory")
    await memory.idle(bench)
    await memory.rounds(bench)
    say("subscriptions")
    await push.push(bench)
    return bench


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        bench = uvloop.run(run(Path(folder)))
    say(f"took {time.monotonic() - started:.0f} s")
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    found = {"machine": machine(), "results": bench.results, "calls": bench.bars, "latency": bench.points}
    (docs / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
    (docs / "bench.svg").write_text(picture(bench.bars, bench.points))
    print(f"{docs / 'bench.json'} and {docs / 'bench.svg'} written")
    return 0 if all(result["holds"] is not False for result in bench.results) else 1


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
