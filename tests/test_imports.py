"""Imports point down: each package uses only what stands below it."""

import ast
import subprocess
import sys

import pytest

from tests.conftest import ROOT

# From the top down. What stands in one line may not import each other, but for files of one folder.
LAYERS = (
    ("app",),
    ("transports", "console"),
    ("access",),
    ("protocol",),
    ("tools",),
    ("answers",),
    ("report",),
    ("words", "inputs", "results"),
    ("places",),
    ("gazetteer", "nws"),
    ("responses", "serving", "logs"),
    ("metrics", "areas", "asgi", "config", "events"),
    ("errors",),
)
RANK = {package: number for number, layer in enumerate(LAYERS) for package in layer}
ALONE = ("simulator", "client")  # They import nothing of the server.
MODULES = [ROOT / "app.py", *(ROOT / "weather").rglob("*.py")]


def package_of(path):
    parts = path.relative_to(ROOT).with_suffix("").parts
    return parts[0] if parts[0] != "weather" else parts[1]


def imported(path):
    """The packages of `weather` that a file imports."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and not node.level and (node.module or "").startswith("weather"):
            name = node.module.split(".")
            yield from [name[1]] if name[1:] else (alias.name for alias in node.names if alias.name != "__version__")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_imports_point_down(path):
    package = package_of(path)
    for other in set(imported(path)) - {package}:
        assert package not in ALONE, other
        if other not in ALONE:
            assert RANK[package] < RANK[other], other


def test_every_package_has_its_place():
    packages = {package_of(path) for path in MODULES} - set(ALONE) - {"__init__"}
    assert packages == set(RANK)


def test_the_sdk_is_imported_late():
    """It takes half a second and 50 MB; a thread imports it once the server has answered its first request."""
    code = "import sys, app; sys.exit('mcp' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True, timeout=60)
