"""The tasks that sessions share, and the end of a server: what becomes of its sessions."""

from __future__ import annotations

import signal
import time
from contextlib import ExitStack
from types import SimpleNamespace

import anyio
import anyio.lowlevel
import pytest

from tests.conftest import serving
from tests.raw import (
    CLOSE,
    PING,
    TIMEOUT_S,
    Closed,
    Raw,
    call,
    configured,
    fill,
    gated,
    request,
    text,
)
from tests.transports.test_dispatch import in_flight
from weather.config import Settings
from weather.metrics import Metrics
from weather.transports import Sessions


@pytest.mark.anyio
async def test_a_task_that_fails_ends_no_other(caplog):
    answers, done = SimpleNamespace(nws=None), anyio.Event()
    sessions = Sessions(Settings.read(nws_api_base="simulator"), Metrics(), answers)

    async def fails():
        raise RuntimeError("a bug")

    async def works():
        await anyio.lowlevel.checkpoint()
        done.set()

    with anyio.fail_after(TIMEOUT_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(sessions.run_clock, tasks)
            await anyio.wait_all_tasks_blocked()
            sessions.start(works)
            sessions.start(fails)
            sessions.start(works)
            await done.wait()
            tasks.cancel_scope.cancel()
    assert "a task failed" in caplog.text


MANY = 500


def test_going_down_ends_every_session_with_a_reason(tmp_path):
    """With a call in flight, peers that ignore the close, and peers that read nothing."""
    config = configured(tmp_path, graceful_s=2 * TIMEOUT_S)
    with gated() as (gate, settings), ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path, config=config, MCP_GRACE_SECONDS=str(TIMEOUT_S), **settings))
        idle = [stack.enter_context(Raw(server.port)).initialize() for _ in range(MANY)]
        busy, deaf = (stack.enter_context(Raw(server.port)).initialize() for _ in range(2))
        silent = stack.enter_context(Raw(server.port, receive_buffer=4096)).initialize()
        fill(silent, b"".join(text(request(number, "tools/list")) for number in range(50)))
        busy.send(call(1, state="TX"))
        in_flight(server, 1)
        server.process.send_signal(signal.SIGTERM)
        assert {(closed.code, closed.reason) for closed in (raw.closed() for raw in idle)} == {
            (1012, "the server is going down")
        }
        busy.send(call(2, state="NY"))  # is not taken up any more
        gate.open()
        assert busy.receive()["id"] == 1
        with pytest.raises(Closed) as closed:
            busy.receive()
        assert closed.value.code == 1012
        assert server.process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in server.log
        while (received := deaf.frame())[0] == PING:
            pass
        assert received[0] == CLOSE


@pytest.mark.parametrize(
    "signals",
    [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGTERM)],
    ids=lambda signals: "+".join(sign.name for sign in signals),
)
def test_going_down_waits_for_a_call_for_the_grace_and_no_longer(tmp_path, signals):
    """However often it is told to."""
    with gated() as (_, settings):
        with serving(tmp_path, MCP_GRACE_SECONDS="0.5", **settings) as server, Raw(server.port) as raw:
            raw.initialize().send(call(1))
            in_flight(server, 1)
            started = time.monotonic()
            for sign in signals:
                server.process.send_signal(sign)
            with pytest.raises(Closed) as closed:
                raw.receive()
            assert closed.value.code == 1012
            assert time.monotonic() - started >= 0.5
            assert server.process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in server.log


def test_a_bare_hypercorn_goes_down(tmp_path):
    """On the asyncio loop, whose Server.wait_closed waits for every connection from Python 3.12 on."""
    with serving(tmp_path, config=None, MCP_GRACE_SECONDS="1") as server, Raw(server.port) as raw:
        raw.initialize()
        server.process.send_signal(signal.SIGTERM)
        assert raw.closed().code == 1012
        assert server.process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in server.log


@pytest.mark.parametrize("loop", ["uvloop", "asyncio"])
@pytest.mark.parametrize("workers", [0, 1])
def test_going_down_holds_on_either_loop(tmp_path, loop, workers):
    flags = ("--worker-class", loop, "--workers", str(workers))
    with serving(tmp_path, *flags, MCP_GRACE_SECONDS="1") as server, Raw(server.port) as raw:
        raw.initialize()
        server.process.send_signal(signal.SIGTERM)
        assert raw.closed().code == 1012
        assert server.process.wait(TIMEOUT_S) == 0
