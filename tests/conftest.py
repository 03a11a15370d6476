"""Real servers for the tests: hypercorn in a process of its own, on a free port of 127.0.0.1."""

from __future__ import annotations

import ipaddress
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import hypercorn.__main__
import pytest
import stamina
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.raw import TIMEOUT_S, gated

ROOT = Path(__file__).parent.parent
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "NWS_API_BASE": "simulator",
    "SIMULATOR_ALERTS_EVERY_S": "0",
    "PYDANTIC_DISABLE_PLUGINS": "1",  # There are none, and at each start all that is installed is searched for them.
}


# Files that take longest, and which must not be begun last; the others follow by name.
LONGEST = (
    "test_load",
    "test_places",
    "test_console",
    "test_page",
    "test_drawn",
    "test_dispatch",
    "test_sessions",
    "test_websocket",
    "test_http1",
    "test_alerts",
    "test_server",
    "test_streamable_http",
    "test_proxy",
    "test_eras",
    "test_bearer",
    "test_modern",
    "test_subscriptions",
    "test_cache",
    "test_deploy",
)
# Servers are forked off a process that has imported all of this, which takes 50 ms in place of 700: not those of tests
# about the start itself, nor of the soak and the benchmarks.
forks = multiprocessing.get_context("forkserver")
forks.set_forkserver_preload([__name__, "app", "weather.protocol.sdk", "uvloop"])


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """Two for each core that may be used: tests also wait. More of them only import the tests more often."""
    return 2 * (len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    rank = {name: number for number, name in enumerate(LONGEST)}
    items.sort(key=lambda item: rank.get(item.path.stem, len(rank)))


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Children can be interrupted, though these tests may run in the background of a shell, which ignores SIGINT."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def without_waiting() -> Iterator[None]:
    """Backoff takes no time; what it would have taken is in the note."""
    with stamina.set_testing(True, attempts=9, cap=True):
        yield


class Clock:
    """Tells the seconds that the test sets."""

    def __init__(self, now: float = 0.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Forked:
    """As much of subprocess.Popen as is needed, of hypercorn in a child of the process that forks."""

    def __init__(self, argv: list[str], env: dict[str, str], log_path: Path) -> None:
        self._process = forks.Process(target=_run, args=(argv, env, log_path))
        self._process.start()
        self.pid: int = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if (code := self.poll()) is None:
            raise subprocess.TimeoutExpired("hypercorn", timeout or 0)
        return code

    def send_signal(self, sign: int) -> None:
        os.kill(self.pid, sign)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(argv: list[str], env: dict[str, str], log_path: Path) -> None:
    """In the child: what the command `hypercorn` does."""
    os.setsid()
    with log_path.open("wb") as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    os.environ.clear()
    os.environ.update(env)
    time.tzset()
    os.chdir(ROOT)
    sys.exit(hypercorn.__main__.main(argv))


@dataclass
class Server:
    process: subprocess.Popen[bytes] | Forked
    log_path: Path
    port: int

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/ws"

    @property
    def http(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def stop(self, sign: int = signal.SIGTERM) -> int:
        """The exit code, once the process has ended."""
        if self.process.poll() is None:
            self.process.send_signal(sign)
        return self.process.wait(TIMEOUT_S)


@contextmanager
def serving(
    folder: Path,
    *flags: str,
    application: str = "app:app",
    config: str | None = "hypercorn.toml",
    module: str = "hypercorn",
    **env: str,
) -> Iterator[Server]:
    """hypercorn, or another ASGI server, with these environment variables and flags.

    The weather is the simulator's unless `env` says otherwise.
    """
    log_path = folder / f"{application.replace(':', '-')}-{time.monotonic_ns()}.log"
    address = ("--bind", "127.0.0.1:0", *(("--config", config) if config else ()))
    arguments = [*(address if module == "hypercorn" else ("--port", "0")), *flags, application]
    process: subprocess.Popen[bytes] | Forked
    usual = module == "hypercorn" and config and application == "app:app" and not any(map(_of_python, env))
    if usual and "PYTEST_XDIST_WORKER" in os.environ:
        process = Forked(arguments, ENVIRONMENT | env, log_path)
    else:
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", module, *arguments],
                cwd=ROOT,
                env=ENVIRONMENT | env,
                stderr=log,
                stdout=log,
                start_new_session=True,
            )
    try:
        yield Server(process, log_path, _port(process, log_path))
    finally:
        with suppress(ProcessLookupError):  # How it stops by itself is tested apart, and takes its time.
            os.killpg(process.pid, signal.SIGKILL)  # with the worker that hypercorn starts by default
        process.wait()


def _of_python(variable: str) -> bool:
    return variable.startswith("PYTHON")


def _port(process: subprocess.Popen[bytes] | Forked, log_path: Path) -> int:
    deadline, output = time.monotonic() + TIMEOUT_S, ""
    while time.monotonic() < deadline and process.poll() is None:
        output = log_path.read_text() if log_path.exists() else ""
        if found := re.search(r"running on https?://127\.0\.0\.1:(\d+)", output, re.IGNORECASE):
            return int(found[1])
        time.sleep(0.02)  # another process writes the log
    raise RuntimeError(f"hypercorn did not start:\n{output}")


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers that live as long as the test."""
    with ExitStack() as stack:
        yield lambda *flags, **options: stack.enter_context(serving(tmp_path, *flags, **options))


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server with default settings for every test that changes nothing in it."""
    with serving(tmp_path_factory.mktemp("server")) as started:
        yield started


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file with a key and its certificate, signed by itself, of 127.0.0.1 and api.weather.gov."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "api.weather.gov")])
    names = [x509.DNSName("api.weather.gov"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .sign(key, hashes.SHA256())
    )
    form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    pem = tmp_path_factory.mktemp("tls") / "server.pem"
    pem.write_bytes(key.private_bytes(*form) + certificate.public_bytes(serialization.Encoding.PEM))
    return pem


@pytest.fixture(scope="module")
def gate():
    """A gate in front of the Weather Service, shut at first; `settings` are those of a server that asks there."""
    with gated() as (gate, settings):
        gate.settings = settings
        yield gate
