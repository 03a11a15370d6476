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
from tests.load import memory, speed
from tests.load.drawing import bars
from tests.load.results import Bench, Result, say

PACKAGES = ("hypercorn", "wsproto", "uvloop", "mcp", "pydantic")


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "processor": platform.machine(),
        "system": platform.system(),
        **{name: version(name) for name in PACKAGES},
    }


async def run(folder: Path) -> list[Result]:
    bench = Bench(folder)
    say("machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    fastest = await speed.hot_path(bench)
    speed.recording(bench, fastest)
    await speed.miss_cost(bench)
    await speed.naive(bench)
    await speed.neighbour(bench)
    await memory.idle(bench)
    await memory.rounds(bench)
    return bench.results


def main() -> int:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        results = uvloop.run(run(Path(folder)))
    say(f"took {time.monotonic() - started:.0f} s")
    docs = ROOT / "docs"
    docs.mkdir(exist_ok=True)
    (docs / "bench.json").write_text(json.dumps({"machine": machine(), "results": results}, indent=2) + "\n")
    (docs / "bench.svg").write_text(bars("Ratios within one run", [r for r in results if r["unit"] == "×"]))
    print(f"{docs / 'bench.json'} and {docs / 'bench.svg'} written")
    return 0 if all(result["holds"] is not False for result in results) else 1


if __name__ == "__main__":
    sys.exit(main())
