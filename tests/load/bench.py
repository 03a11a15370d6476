"""`make bench`: how fast the server is, as ratios to yardsticks of the same run, all on hypercorn with uvloop.

Writes docs/bench.json and docs/bench.svg, unless only some of its parts are asked for. Every figure is measured;
machines differ, ratios less so. The servers have one core for themselves, and what loads them another, where there are
two.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from importlib.metadata import version
from pathlib import Path

import uvloop

from tests.conftest import ROOT
from tests.load import ceiling, costs, memory, push, reflex, returning, speed
from tests.load.drawing import picture
from tests.load.progress import say, until_interrupted
from tests.load.results import LOAD_CORE, Bench, on_core

PACKAGES = ("hypercorn", "h11", "wsproto", "websockets", "uvloop", "mcp", "pydantic")
PARTS: dict[str, Sequence[Callable[[Bench], Awaitable[None]]]] = {
    "generator": [reflex.limits],
    "websocket": [speed.over_websocket],
    "http": [speed.over_http],
    "larger": [speed.larger],
    "ceiling": [ceiling.curves],
    "crowds": [ceiling.crowds],
    "misses": [costs.misses, costs.neighbour],
    "memory": [memory.idle],
    "sessions": [memory.rounds, memory.growth],
    "returning": [returning.returning],
    "start": [returning.starts],
    "push": [push.push],
}


def machine() -> dict[str, str]:
    return {
        "python": platform.python_version(),
        "cores": str(os.cpu_count()),
        "processor": platform.machine(),
        "system": platform.system(),
        **{name: version(name) for name in PACKAGES},
    }


def checked_out(commit: str, folder: Path) -> str:
    """The application of an earlier commit, from a folder of its own."""
    archive = subprocess.run(["git", "archive", commit], cwd=ROOT, capture_output=True, check=True).stdout
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        tar.extractall(folder, filter="data")
    return f"{folder / 'app.py'}:app"


async def run(bench: Bench, parts: Sequence[str]) -> None:
    say("machine: " + ", ".join(f"{name} {value}" for name, value in machine().items()))
    for part in parts:
        started = time.monotonic()
        say(part)
        for measure in PARTS[part]:
            await measure(bench)
        say(f"  {time.monotonic() - started:.0f} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", epilog=f"parts: {', '.join(PARTS)}")
    parser.add_argument("only", nargs="*", metavar="PART", help="print these alone; without: all, and write the files")
    parser.add_argument("--before", metavar="COMMIT", help="compare with that, too")
    asked = parser.parse_args()
    if unknown := set(asked.only) - PARTS.keys():
        parser.error(f"no part is called {', '.join(sorted(unknown))}")
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder, on_core(LOAD_CORE):
        before = checked_out(asked.before, Path(folder) / "before") if asked.before else ""
        bench = Bench(Path(folder), before)
        uvloop.run(run(bench, asked.only or list(PARTS)))
    say(f"took {time.monotonic() - started:.0f} s")
    if not asked.only:
        docs = ROOT / "docs"
        found = {"machine": machine(), "results": bench.results, "calls": bench.bars, "latency": bench.points}
        (docs / "bench.json").write_text(json.dumps(found, indent=2, ensure_ascii=False) + "\n")
        (docs / "bench.svg").write_text(picture(bench.bars, bench.points))
        print(f"{docs / 'bench.json'} and {docs / 'bench.svg'} written")
    missed = bench.missed()
    print("\n".join(f"missed: {what}" for what in missed) or "every target holds")
    return bool(missed)


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
