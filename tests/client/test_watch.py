"""`weather-client URL watch weather://alerts/CA` against real servers whose upstream changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import sys
from asyncio.subprocess import PIPE
from collections import Counter
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus

import anyio
import anyio.to_thread
import pytest
from pydantic import AnyUrl
from websockets.asyncio.server import serve as serve_websocket

from tests.conftest import ROOT, serving
from tests.raw import TIMEOUT_S, answering
from weather.client import Refused, connect, main
from weather.client.watch import watch

pytestmark = pytest.mark.anyio

CA = "weather://alerts/CA"


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
            out.update(line for lines in capsys.readouterr() for line in lines.splitlines())
            await anyio.sleep(0.02)

    return wait


async def test_changes_and_restarts_are_told_in_both_eras_and_over_http(tmp_path, upstream, printed):
    ids, nws = upstream
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    env = {"NWS_API_BASE": nws, "NWS_ALERTS_FRESH_SECONDS": "1"}
    serve = partial(serving, tmp_path, "--bind", f"127.0.0.1:{port}", **env)
    ws, http = f"ws://127.0.0.1:{port}/ws", f"http://127.0.0.1:{port}/mcp"
    with anyio.fail_after(TIMEOUT_S):
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
                await printed("Watching again.", 3)
                server.process.kill()
            ids.append("c")
            with serve():
                await printed("begun: c Watch, here, Minor", 3)
            tasks.cancel_scope.cancel()


async def test_why_it_comes_back_is_said_and_the_pauses_grow(tmp_path, upstream, monkeypatch):
    told = []
    monkeypatch.setattr("weather.client.watch.print", lambda *a, **_: told.append(a[0]), raising=False)
    with anyio.fail_after(TIMEOUT_S):
        async with anyio.create_task_group() as tasks:
            with serving(tmp_path, NWS_API_BASE=upstream[1]) as server:
                tasks.start_soon(watch, AnyUrl(CA), partial(connect, server.url, era="legacy"))
                await reached(told, 1)
                await anyio.to_thread.run_sync(server.stop)
            await reached(told, 6)
            tasks.cancel_scope.cancel()
    assert "the connection was closed (1012" in told[1]
    pauses = [float(line.partition("Trying again in ")[2].removesuffix(" s.")) for line in told[1:]]
    for pause_s, longest_s in zip(pauses, [0.05, 0.1, 0.2, 0.2, 0.2], strict=False):
        assert 0.45 * longest_s <= pause_s <= 1.05 * longest_s  # at random, and rounded


async def reached(told, number):
    while len(told) < number:  # noqa: ASYNC110  (it is told from within)
        await anyio.sleep(0.02)


@asynccontextmanager
async def acting(*readings, then=(401,), honoured=({"resourceSubscriptions": [CA]},), ends=False):
    """The URL of a server of 2026-07-28, and what it was asked. It gives one reading after the other, hangs up, and
    refuses who comes back with one status after the other. It honours these notifications, and may end them at once.
    """
    left, statuses, asked = list(readings), [None, *then], []

    async def act(socket):
        async for text in socket:
            request = json.loads(text)
            if "id" not in request:
                continue  # the end of what is cancelled
            asked.append(request["method"])
            if request["method"] == "subscriptions/listen":
                await anyio.sleep(0.1)
                asked.append("acknowledged")
                told = [
                    {"method": "notifications/subscriptions/acknowledged", "params": {"notifications": each}}
                    for each in honoured
                ]
                told += [{"id": request["id"], "result": {"resultType": "complete"}}] * ends
            else:
                told = [{"id": request["id"], "result": {"resultType": "complete", "contents": left.pop(0)}}]
            for each in told:
                await socket.send(json.dumps({"jsonrpc": "2.0", **each}))
            if not left:
                await socket.close(1012)

    def refuse(socket, _):
        status = statuses.pop(0)
        return socket.respond(HTTPStatus(status), "") if status else None

    async with serve_websocket(act, "127.0.0.1", 0, subprotocols=["mcp"], process_request=refuse) as server:
        yield f"ws://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws", asked


def text(held):
    return [{"uri": CA, "text": held}]


def alerts(*names, total=None, stale=False, **more):
    worst = [{"id": name, "event": f"{name} Watch", **more} for name in names]
    return text(json.dumps({"alerts": worst, "total": total or len(worst), "stale": stale}))


async def test_what_changes_until_it_is_subscribed_is_told(capsys):
    async with acting(alerts("a"), alerts("a", "b")) as (url, asked):
        with pytest.raises(Refused):
            await watch(AnyUrl(CA), partial(connect, url))
    assert asked == ["resources/read", "subscriptions/listen", "acknowledged", "resources/read"]
    assert capsys.readouterr().out == "in force: a Watch\nbegun: b Watch\n"


BETTER, WORSE = "no longer among the worst: a Watch", "among the worst now: b Watch"


@pytest.mark.parametrize(
    ("before", "after", "out", "err"),
    [
        (alerts(), alerts("a", area="Oak\nValley"), ["none in force", "begun: a Watch, Oak Valley"], ""),
        (alerts("a"), alerts(), ["in force: a Watch", "ended: a Watch"], ""),
        (alerts("a"), alerts("b", total=2), ["in force: a Watch", WORSE, BETTER, "of 2 in force, the worst 1"], ""),
        (alerts("a", total=2), alerts("b"), ["in force: a Watch", "of 2 in force, the worst 1", WORSE, BETTER], ""),
        (alerts("a", total=2), alerts("a", total=3), ["in force: a Watch", "of 2 in force, the worst 1"], ""),
        (alerts("a", severity="Minor"), alerts("a", stale=True), ["in force: a Watch, Minor"], "This may be old"),
    ],
)
async def test_a_change_is_a_line(capsys, before, after, out, err):
    async with acting(before, after) as (url, _):
        with pytest.raises(Refused):
            await watch(AnyUrl(CA), partial(connect, url))
    printed = capsys.readouterr()
    assert [line.removesuffix(" are watched") for line in printed.out.splitlines()] == out
    assert err in printed.err


@pytest.mark.parametrize("held", [[], text("[]"), text("no JSON"), [{"uri": CA, "blob": ""}]])
async def test_what_is_no_alert_is_one_sentence(cli, held):
    async with acting(held, alerts()) as (url, _):
        assert await cli(url, "watch", CA) == (1, "", f"What {CA} holds are no alerts.\n")


@pytest.mark.parametrize(
    ("honoured", "ends"),
    [
        ([{}], False),
        ([{"resourceSubscriptions": []}], False),
        ([{"resourceSubscriptions": ["weather://alerts/NY"]}], False),
        ([{"resourceSubscriptions": {"odd": CA}}], False),
        ([], True),
    ],
)
async def test_resource_that_is_not_acknowledged_is_one_sentence(cli, honoured, ends):
    async with acting(*[alerts()] * 9, honoured=honoured, ends=ends) as (url, asked):
        code, out, err = await cli(url, "watch", CA)
    assert (code, out, err) == (1, "none in force\n", f"The server tells of no changes of {CA}.\n")
    assert asked == ["resources/read", "subscriptions/listen", "acknowledged"]


async def test_server_that_acknowledges_nothing_is_one_sentence(cli, monkeypatch):
    monkeypatch.setattr("weather.client.watch.SUBSCRIBE_TIMEOUT_S", 0.5)
    async with acting(*[alerts()] * 9, honoured=[]) as (url, _):
        code, out, err = await cli(url, "watch", CA)
    assert (code, out) == (1, "none in force\n")
    assert err == f"The server does not say whether it tells of changes of {CA}.\n"


@pytest.mark.parametrize(("then", "tries"), [((401,), 1), ((403,), 1), ((404,), 1), ((503, 502, 401), 3)])
async def test_a_refusal_ends_it_where_to_try_again_would_not_help(capsys, then, tries):
    async with acting(alerts("a"), alerts("a"), then=then) as (url, _):
        with pytest.raises(Refused, match=f"HTTP {then[-1]}"):
            await watch(AnyUrl(CA), partial(connect, url))
    assert capsys.readouterr().err.count("Trying again in") == tries


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
    with anyio.fail_after(TIMEOUT_S):
        url = f"{scheme}://127.0.0.1:{server.port}{where}"
        assert await anyio.to_thread.run_sync(main, [url, "watch", *uri.split()]) == code
    err = capsys.readouterr().err
    assert err.startswith(said)
    assert err.count("\n") == 1


async def test_ctrl_c_ends_it_quietly(tmp_path, upstream, interruptible):
    upstream[0].clear()
    with serving(tmp_path, NWS_API_BASE=upstream[1]) as server:
        argv = "-m", "weather.client", server.url, "watch", CA
        environment = {"PATH": os.environ["PATH"]}
        process = await asyncio.create_subprocess_exec(
            sys.executable, *argv, cwd=ROOT, env=environment, stdout=PIPE, stderr=PIPE
        )
        assert await process.stdout.readline() == b"none in force\n"
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 130
