"""`python -m tests.autobahn [CASE…]`: Autobahn's WebSocket suite against an echo; CASE such as 1.* or 7.1.5.

The suite needs Python 2.7 with pip: PYTHON2 is its path. It is installed once, into the environment of this Python.
STOCK=1 tests hypercorn without weather/serving. Prints a table, and exits with 1 unless every case is right: behavior
and close are OK, NON-STRICT or INFORMATIONAL.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, cast

from tests.conftest import ROOT, serving
from tests.load.progress import say, until_interrupted

HERE, SITE = Path(__file__).parent, Path(sys.prefix) / "autobahn"
RIGHT = ("OK", "NON-STRICT", "INFORMATIONAL")
SECTIONS = {
    "1": "Framing",
    "2": "Pings and pongs",
    "3": "Reserved bits",
    "4": "Opcodes",
    "5": "Fragmentation",
    "6": "UTF-8",
    "7": "Close",
    "9": "Limits",
    "10": "Autofragmentation",
    "12": "Compression, by payload",
    "13": "Compression, by parameters",
}
SUITE = "import sys; sys.argv[0] = 'wstest'; from autobahntestsuite import wstest; wstest.run()"

Case = dict[str, Any]


def python2() -> str:
    found = os.environ.get("PYTHON2") or shutil.which("python2.7") or shutil.which("python2")
    if not found or subprocess.run([found, "-V"], capture_output=True, check=False).returncode:
        sys.exit("Autobahn's suite needs Python 2.7 with pip: set PYTHON2 to its path.")
    return found


def install(python: str) -> None:
    """Old enough for Python 2.7, and pinned."""
    if (SITE / ".done").exists():
        return
    shutil.rmtree(SITE, ignore_errors=True)
    pip = [python, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", str(SITE)]
    env = os.environ | {"PYTHONPATH": str(SITE), "PYTHONWARNINGS": "ignore"}
    for what in (["pip==20.3.4", "setuptools==44.0.0", "wheel==0.37.1"], ["-r", str(HERE / "requirements.txt")]):
        subprocess.run([*pip, *what], env=env, check=True)
    subprocess.run([*pip, "--no-deps", "autobahntestsuite==25.10.1"], env=env, check=True)
    (SITE / "zope" / "__init__.py").touch()
    (SITE / ".done").touch()


def run(python: str, url: str, folder: Path, cases: list[str]) -> dict[str, Case]:
    """Says which section it has come to."""
    spec = {"outdir": str(folder), "servers": [{"agent": "echo", "url": url}], "cases": cases, "exclude-cases": []}
    (folder / "spec.json").write_text(json.dumps(spec | {"exclude-agent-cases": {}}))
    command, env = [python, "-u", "-c", SUITE, "-m", "fuzzingclient", "-s", "spec.json"], {"PYTHONPATH": str(SITE)}
    said = set()
    with subprocess.Popen(command, cwd=folder, env=os.environ | env, stdout=subprocess.PIPE, text=True) as suite:
        for line in cast(Iterable[str], suite.stdout):
            found = re.match(r"Running test case ID (\d+)\.", line)
            if found and found[1] not in said:
                said.add(found[1])
                say(f"{found[1]} {SECTIONS.get(found[1], '')}")
    judged: dict[str, Case] = json.loads((folder / "index.json").read_text())["echo"]
    return judged


def table(cases: dict[str, Case]) -> Iterator[str]:
    yield "| section | cases | behavior | close |"
    yield "|---|---|---|---|"
    for number, section in SECTIONS.items():
        these = [case for name, case in cases.items() if name.split(".")[0] == number]
        if these:
            behavior, close = (counted(case[kind] for case in these) for kind in ("behavior", "behaviorClose"))
            yield f"| {number} {section} | {len(these)} | {behavior} | {close} |"


def counted(verdicts: Iterable[str]) -> str:
    return ", ".join(f"{number} {verdict}" for verdict, number in Counter(verdicts).most_common())


def main() -> int:
    python = python2()
    install(python)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (config := folder / "hypercorn.toml").write_text(
            f'worker_class = "uvloop"\nworkers = 0\nwebsocket_max_message_size = {64 << 20}\n'
        )
        env = {"PYTHONPATH": str(ROOT), "STOCK": os.environ.get("STOCK", "")}
        with serving(folder, application="tests.autobahn.echo:app", config=str(config), **env) as server:
            cases = run(python, f"ws://127.0.0.1:{server.port}", folder, sys.argv[1:] or ["*"])
    print(*table(cases), sep="\n")
    wrong = [name for name, case in cases.items() if not {case["behavior"], case["behaviorClose"]} <= set(RIGHT)]
    others = sorted(name for name, case in cases.items() if case["behavior"] != "OK")
    print(f"{len(cases)} cases; not OK:", *others or ["none"])
    print("Not right:", *sorted(wrong) or ["none"])
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(until_interrupted(main))
