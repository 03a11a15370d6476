"""A real nginx with a file of deploy/, of which addresses and times are replaced and nothing else."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.raw import TIMEOUT_S, eventually

NGINX = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")


needs_nginx = pytest.mark.skipif(not NGINX, reason="nginx (Debian's package nginx-light) is not installed")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT_S).close()
    except OSError:
        return False
    return True


@contextmanager
def nginx(folder: Path, file: str, *replaced: tuple[str, str]) -> Iterator[int]:
    """The port, which "{port}" stands for. Each text that is replaced stands in the file once."""
    text, port = (ROOT / "deploy" / file).read_text(), free_port()
    for ours, tests in replaced:
        assert text.count(ours) == 1, ours
        text = text.replace(ours, tests.replace("{port}", str(port)))
    config, log = folder / file, folder / f"{file}.log"
    config.write_text(text)
    with log.open("wb") as output:
        # As root, nginx would work as nobody, who may not enter pytest's folder.
        user = ["-g", "user root;"] if os.geteuid() == 0 else []
        command = [str(NGINX), "-e", "stderr", "-p", str(folder), "-c", str(config), *user]
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        eventually(lambda: process.poll() is not None or listens(port))
        assert process.poll() is None, log.read_text()
        yield port
    finally:
        process.terminate()
        process.wait(TIMEOUT_S)
