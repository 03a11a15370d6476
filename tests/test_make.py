"""What `make` says to who begins: of Python, of the port, of the weather; nothing is installed."""

from __future__ import annotations

import os
import platform
import re
import socket
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.raw import TIMEOUT_S

MAKEFILE = (ROOT / "Makefile").read_text()
ENVIRONMENT = {"PATH": os.environ["PATH"]}


def make(folder, *words, more="", **env):
    """The exit code, stdout and stderr; `more` goes behind the Makefile."""
    (folder / "Makefile").write_text(MAKEFILE + more)
    command, env = ["make", *words], ENVIRONMENT | env
    ended = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    return ended.returncode, ended.stdout, ended.stderr


def program(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def installed(tmp_path):
    """A folder where everything is, but a server that only says how it was called."""
    (tmp_path / "pyproject.toml").touch()
    program(tmp_path / ".venv/bin/python", f'exec {sys.executable} "$@"')
    program(tmp_path / ".venv/bin/hypercorn", 'echo "served: $*"')
    for stamp in ("python", "run"):
        (tmp_path / ".venv" / stamp).touch()
    return tmp_path


def test_an_older_python_is_named_in_one_sentence_and_nothing_is_kept(tmp_path):
    (tmp_path / "pyproject.toml").touch()
    pretended = "import sys; sys.version_info, sys.version = (3, 10, 4), '3.10.4 (main)'; exec(sys.argv[1])"
    old = program(tmp_path / "old", f'exec {sys.executable} -c "{pretended}" "$2"')
    code, out, errors = make(tmp_path, "run", f"PYTHON={old}")
    assert (code, out) == (2, "")
    sentence, made = errors.splitlines()
    assert sentence == f"This needs Python 3.11 or newer, and {old} is 3.10.4; try make PYTHON=python3.11."
    assert made.startswith("make: ***")
    assert not (tmp_path / ".venv").exists()


def test_another_python_than_that_of_the_environment_is_named_in_one_sentence(installed):
    other = program(installed / "other", "echo Python 3.99.0")
    code, out, errors = make(installed, "run", f"PYTHON={other}")
    assert (code, out) == (2, "")
    sentence, made = errors.splitlines()
    version = platform.python_version()
    assert sentence == (
        f".venv has Python {version}, which PYTHON={other} is not: make clean, or use another VENV=.venv-other."
    )
    assert made.startswith("make: ***")
    assert make(installed, "--silent", "run", f"PYTHON={sys.executable}", "PORT=0")[0] == 0


@pytest.mark.parametrize(
    ("port", "why"), [("abc", ".+"), ("99999", "bind.*0-65535"), ("taken", "Address already in use")]
)
def test_a_port_that_is_taken_or_none_is_named_in_one_sentence(installed, port, why):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = str(listener.getsockname()[1]) if port == "taken" else port
        code, out, errors = make(installed, "run", f"PORT={port}")
    assert (code, out) == (2, "")
    sentence, made = errors.splitlines()
    assert re.fullmatch(rf"Cannot listen on 127\.0\.0\.1:{port} \({why}\): try make run PORT=9000\.", sentence)
    assert made.startswith("make: ***")


def test_a_free_port_is_served_on(installed):
    code, out, errors = make(installed, "--silent", "run", "PORT=0")
    assert (code, out, errors) == (0, "served: --config hypercorn.toml --bind 127.0.0.1:0 app:app\n", "")


@pytest.mark.parametrize(
    ("words", "env", "base"),
    [
        ([], {}, "simulator"),
        ([], {"NWS_API_BASE": ""}, "simulator"),
        (["NWS_API_BASE="], {}, "simulator"),
        ([], {"NWS_API_BASE": "http://a.example"}, "http://a.example"),
        (["NWS_API_BASE=http://a.example"], {"NWS_API_BASE": ""}, "http://a.example"),
    ],
)
def test_weather_is_simulated_unless_a_service_is_named(tmp_path, words, env, base):
    assert make(tmp_path, "-s", "show", *words, more='\nshow:\n\t@echo "$$NWS_API_BASE"\n', **env) == (
        0,
        base + "\n",
        "",
    )


def test_help_lists_every_target(tmp_path):
    code, out, _ = make(tmp_path, "help")
    (phony,) = re.findall(r"^\.PHONY: (.*)", MAKEFILE)
    assert code == 0
    assert sorted(re.findall(r"^make (\S+)  +\S", out, re.MULTILINE)) == sorted(phony.split())
    assert {"PYTHON", "VENV", "ARGS"} <= set(re.findall(r"\b([A-Z]+)=", out))
