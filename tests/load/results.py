"""The servers that a benchmark compares, and the rows of what it finds."""

from __future__ import annotations

import re
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.conftest import ROOT, Server, serving
from tests.load.drawing import Bar, Point
from tests.load.progress import say
from tests.load.wire import Connection, connect

Result = dict[str, Any]


def metric(server: Server, name: str) -> float:
    with urllib.request.urlopen(f"{server.http}/metrics", timeout=10) as response:
        text = response.read().decode()
    found = re.search(rf"^{name} (\S+)$", text, re.MULTILINE)
    if found is None:
        raise LookupError(name)
    return float(found[1])


class Bench:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.results: list[Result] = []
        self.bars: list[Bar] = []
        self.points: list[Point] = []

    @contextmanager
    def serving(self, application: str = "app:app", **env: str) -> Iterator[Server]:
        with serving(self.folder, application=application, PYTHONPATH=str(ROOT), LOG_LEVEL="WARNING", **env) as server:
            yield server

    def row(
        self, what: str, value: float, unit: str, target: str = "", holds: bool | None = None, note: str = ""
    ) -> None:
        self.results.append(
            {"what": what, "value": value, "unit": unit, "target": target, "holds": holds, "note": note}
        )
        mark = {True: "holds", False: "MISSED", None: ""}[holds]
        say(f"  {what:<64} {value:>10.3g} {unit:<10} {target:<10} {mark} {note}")

    def bar(self, what: str, transport: str, share: float, rate: float) -> None:
        """`share` in percent of the raw WebSocket echo."""
        self.bars.append({"what": what, "transport": transport, "share": share, "calls_per_s": rate})


async def many(port: int, number: int, **options: Any) -> list[Connection]:
    return [await connect(port, **options) for _ in range(number)]
