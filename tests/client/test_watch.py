"""`weather-client URL watch weather://alerts/CA` against real servers whose upstream changes."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from functools import partial

import anyio
import anyio.to_thread
import pytest
from pydantic import AnyUrl

from tests.conftest import ROOT, serving
from tests.raw import answering
from weather.client import connect, main
from weather.client.watch import watch

pytestmark = pytest.mark.anyio

CA = "weather://alerts/CA"
BOUND_S = 45  # an answer about alerts is asked for again after some fourteen seconds


@pytest.fixture(autouse=True)
def _pauses(monkeypatch):
    monkeypatch.delenv("MCP_TOKEN", raising=False)
    monkeypatch.setattr("weather.client.watch.FIRST_PAUSE_S", 0.05)
    monkeypatch.setattr("weather.client.watch.LONGEST_PAUSE_S", 0.2)


@pytest.fixture
def upstream():
    """The ids of the alerts in force, and the URL of the National Weather Service that tells them."""
    ids = ["a"]

    def answer(path):
        same = {"status": "Actual", "areaDesc": "here", "severity": "Minor"}
        alerts = [{"properties": {"id": each, "event": f"{each} Watch", **same}} for each in ids]
        return 200, {"type": "FeatureCollection", "features": alerts}

    with answering(answer) as url:
        yield ids, url


@pytest.fixture
def printed(capsys):
    """Waits until this line was printed so often."""
    out = Counter()

    async def wait(line, times):
        while out[line] < times:
            out.update(capsys.readouterr().out.splitlines())
            await anyio.sleep(0.02)

    return wait


async def test_changes_and_restarts_are_told_in_both_eras_and_over_http(tmp_path, upstream, printed):
    ids, nws = upstream
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    serve = partial(serving, tmp_path, "--bind", f"127.0.0.1:{port}", NWS_API_BASE=nws)
    ws, http = f"ws://127.0.0.1:{port}/ws", f"http://127.0.0.1:{port}/mcp"
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as tasks:
            with serve() as server:
                for url, era in [(ws, "modern"), (ws, "legacy"), (http, None)]:
                    tasks.start_soon(watch, AnyUrl(CA), partial(connect, url, era=era))
                await printed("in force: a Watch, here, Minor", 3)
                ids.append("b")
                await printed("begun: b Watch, here, Minor", 3)
                await anyio.to_thread.run_sync(server.stop)
            ids.remove("a")
            with serve() as server:
                await printed("ended: a Watch, here, Minor", 3)
                server.process.kill()
            ids.append("c")
            with serve():
                await printed("begun: c Watch, here, Minor", 3)
            tasks.cancel_scope.cancel()


async def test_why_it_comes_back_is_said_and_the_pauses_grow(tmp_path, upstream, monkeypatch):
    told = []
    monkeypatch.setattr("weather.client.watch.print", lambda *a, **_: told.append(a[0]), raising=False)
    with anyio.fail_after(BOUND_S):
        async with anyio.create_task_group() as tasks:
            with serving(tmp_path, NWS_API_BASE=upstream[1]) as server:
                tasks.start_soon(watch, AnyUrl(CA), partial(connect, server.url, era="legacy"))
                await reached(told, 1)
                await anyio.to_thread.run_sync(server.stop)
            await reached(told, 6)
            tasks.cancel_scope.cancel()
    assert "the connection was closed (1012" in told[1]
    pauses = [line.partition("Trying again in ")[2] for line in told[1:]]
    assert pauses == ["0.05 s.", "0.1 s.", "0.2 s.", "0.2 s.", "0.2 s."]


async def reached(told, number):
    while len(told) < number:  # noqa: ASYNC110  (it is told from within)
        await anyio.sleep(0.02)


@pytest.mark.parametrize(
    ("where", "uri", "code", "said"),
    [
        ("/ws", "weather://alerts/XX", 1, "No resource 'weather://alerts/XX'"),
        ("/ws", "weather://alerts/XX --era modern", 1, "No resource 'weather://alerts/XX'"),
        ("/mcp", "weather://alerts/CA --era legacy", 1, "Subscribing needs a WebSocket"),
        ("/none", "weather://alerts/CA", 4, "No MCP session with"),
    ],
)
async def test_what_cannot_be_watched_is_one_sentence(server, capsys, where, uri, code, said):
    scheme = "http" if where == "/mcp" else "ws"
    with anyio.fail_after(BOUND_S):
        url = f"{scheme}://127.0.0.1:{server.port}{where}"
        assert await anyio.to_thread.run_sync(main, [url, "watch", *uri.split()]) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


async def test_ctrl_c_ends_it_quietly(tmp_path, upstream):
    upstream[0].clear()
    with anyio.fail_after(BOUND_S), serving(tmp_path, NWS_API_BASE=upstream[1]) as server:
        argv = "-m", "weather.client", server.url, "watch", CA
        environment = {"PATH": os.environ["PATH"]}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
        )
        assert await process.stdout.readline() == b"none in force\n"
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 130
