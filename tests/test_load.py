"""tests/load: Locust in a process of its own, against the real server and against bad ones; the rest, briefly."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
import yaml
from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from tests.conftest import ROOT, Server
from tests.load.drawing import HTTP, WEBSOCKET, Bar, Point, peers_picture, picture
from tests.load.echo import lifespan
from tests.load.post import ApartClient, Client, clients, post
from tests.load.wire import GET_WEATHER, PING, Caller, calling, check, connect, frame, load
from tests.raw import TIMEOUT_S, answering, eventually, gauges
from weather.inputs import TAKES

LOAD = ROOT / "tests/load"


@dataclass
class Run:
    """A Locust, which ends by itself after a long time."""

    process: subprocess.Popen[bytes]
    output: Path
    log: Path

    def code(self) -> int:
        """Once it has ended by itself."""
        return self.process.wait(TIMEOUT_S)

    def stop(self) -> int:
        """Ends it as the end of its time does; the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.code()

    @property
    def rows(self) -> dict[str, dict[str, Any]]:
        """What `locust --json` says of each name, from the start of its output."""
        rows, _ = json.JSONDecoder().raw_decode(self.output.read_text())
        return {row["name"]: row for row in rows}

    @property
    def errors(self) -> set[tuple[str, str]]:
        """Name and text of each row of the error report, at the end of its log."""
        row = r"^\d+ +(?:MCP|WS|HTTP) ([\w-]+): \w+\([\"'](.*)[\"']\)"
        return set(re.findall(row, self.log.read_text(), re.MULTILINE))

    def times_ms(self) -> list[float]:
        """Of all calls of tools."""
        rows = [row["response_times"] for name, row in self.rows.items() if name.startswith("get-")]
        return sorted(float(time) for row in rows for time, count in row.items() for _ in range(count))


@contextmanager
def locust(
    folder: Path, url: str, *users: str, count: int = 5, run_s: int = 2 * TIMEOUT_S, **env: str
) -> Iterator[Run]:
    command = [sys.executable, "-m", "locust", "--locustfile", str(LOAD / "locustfile.py"), "--headless", "--json"]
    command += ["--users", str(count), "--spawn-rate", "100", "--run-time", f"{run_s}s", "--host", url]
    environment = {"PATH": os.environ["PATH"], "THINK": "0.05", **env}
    output, log = folder / "locust.out", folder / "locust.log"
    with output.open("wb") as out, log.open("wb") as err:
        process = subprocess.Popen([*command, *users], env=environment, stdout=out, stderr=err, cwd=folder)
    try:
        yield Run(process, output, log)
    finally:
        process.kill()
        process.wait(TIMEOUT_S)


def calls(server: Server) -> Counter[str]:
    """By tool, since the server has started."""
    counts: Counter[str] = Counter()
    for name, value in gauges(server.port).items():
        if tool := re.fullmatch(r'mcp_calls_total\{.*tool="([\w-]+)".*\}', name):
            counts[tool[1]] += int(value)
    return counts


def until_called(server: Server, count: int) -> None:
    eventually(lambda: calls(server).total() >= count, f"{count} calls")


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.process.send_signal(signal.SIGSTOP)
    try:
        yield
    finally:
        server.process.send_signal(signal.SIGCONT)


@pytest.mark.parametrize("transport", ["WebSocket", "HTTP"])
def test_every_tool_has_a_row_and_nothing_fails(tmp_path, server, transport):
    before = calls(server)
    url = server.url if transport == "WebSocket" else f"{server.http}/mcp"
    with locust(tmp_path, url, count=10) as run:
        eventually(lambda: min((calls(server) - before)[tool] for tool in TAKES) >= 5, "each tool is called")
        assert run.stop() == 0
    assert run.rows.keys() == {"connect", "initialize", "get-weather", "get-forecast", "get-alerts"}
    assert sum(row["num_failures"] for row in run.rows.values()) == 0
    assert all(row["total_content_length"] for name, row in run.rows.items() if name != "connect")


def test_stall_of_one_second_shows_in_the_percentiles(tmp_path, server):
    """Five calls are under way in it: without a schedule only they would be slow, five of some three hundred."""
    before = calls(server).total()
    with locust(tmp_path, server.url, "Resident", THINK="0.03") as run:
        until_called(server, before + 50)
        with stopped(server):
            time.sleep(1)  # the stall itself
        until_called(server, before + 300)
        assert run.stop() == 0
    times = run.times_ms()
    assert len(times) > 200
    assert times[int(0.95 * len(times))] > 300
    assert times[int(0.99 * len(times))] > 700


def test_stall_that_lasts_to_the_end_shows_too(tmp_path, server):
    """Calls that were due and never sent are counted with the time they have waited."""
    before = calls(server).total()
    with locust(tmp_path, server.url, "Resident", THINK="0.03") as run:
        until_called(server, before + 50)
        with stopped(server):
            time.sleep(1)  # the stall, in which some 160 calls are due
            run.stop()
    assert sum(time_ms > 500 for time_ms in run.times_ms()) > 40


class Bad:
    """A server whose answer to a call is `result_or_error`; it notes how connections ended."""

    def __init__(self, **result_or_error: object) -> None:
        self.answer = result_or_error
        self.called = 0
        self.ends: set[int] = set()

    def __call__(self, connection: ServerConnection) -> None:
        try:
            for text in connection:
                message = json.loads(text)
                if "id" in message:
                    answer = {"result": {}} if message["method"] == "initialize" else self.answer
                    connection.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], **answer}))
                    self.called += message["method"] == "tools/call"
        except ConnectionClosed:
            pass
        self.ends.add(connection.close_code or 0)


@pytest.fixture
def bad() -> Iterator[Callable[[Bad], str]]:
    """Serves a Bad one; returns its URL."""
    stops = []

    def start(handler: Bad) -> str:
        server = serve(handler, "127.0.0.1", 0, subprotocols=["mcp"])
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        stops.append((server, thread))
        return f"ws://127.0.0.1:{server.socket.getsockname()[1]}/ws"

    yield start
    for server, thread in stops:
        server.shutdown()
        thread.join(TIMEOUT_S)


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ({"error": {"code": -32602, "message": "No place 17"}}, "JSON-RPC error -32602: No place N"),
        ({"result": {"isError": True, "content": [{"type": "text", "text": "In 1.5 s"}]}}, "isError: In N s"),
    ],
    ids=["JSON-RPC error", "isError"],
)
def test_refused_calls_fail_the_run_and_group(tmp_path, bad, answer, error):
    handler = Bad(**answer)
    with locust(tmp_path, bad(handler)) as run:
        eventually(lambda: handler.called > 10, "calls")
        assert run.stop() == 1
    assert {text for _, text in run.errors} == {error}
    assert {name for name, _ in run.errors} <= {"get-weather", "get-forecast", "get-alerts"}


def test_share_of_failures_can_be_allowed(tmp_path, bad):
    handler = Bad(error={"code": -32603, "message": "no"})
    with locust(tmp_path, bad(handler), FAILURES="1") as run:
        eventually(lambda: handler.called > 10, "calls")
        assert run.stop() == 0
    assert run.errors


REFUSED = "no connection: ConnectionRefusedError"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ws://127.0.0.1:1/ws", REFUSED),
        ("http://127.0.0.1:1/mcp", REFUSED),
        ("http://127.0.0.1:1", REFUSED),
        ("127.0.0.1:1/ws", "no connection: InvalidURI"),
        ("ws://127.0.0.1:{other}/ws", "no connection: InvalidMessage"),  # It speaks HTTP/1.0.
        ("http://127.0.0.1:{other}/mcp", "refused with HTTP 501"),
        ("{http}/nope", "refused with HTTP 404"),
        ("{http}/", "refused with HTTP 405"),
    ],
)
def test_wrong_url_is_told_once_and_ends_the_run(tmp_path, server, url, why):
    with answering(lambda _: (404, {})) as other:
        url = url.format(http=server.http, other=other.rpartition(":")[2])
        with locust(tmp_path, url, count=50) as run:
            assert run.code() == 1
    assert run.log.read_text().count(why) == run.log.read_text().count(f"No MCP session at {url} ({why}): ") == 1
    assert run.output.read_text() == ""


def test_server_that_goes_away_is_waited_for(tmp_path, serve):
    server = serve()
    with locust(tmp_path, server.url, "Resident") as run:
        until_called(server, 10)
        server.stop(signal.SIGKILL)
        failed = re.compile(r"^WS +connect +\d+ +[1-9]", re.MULTILINE)  # in the table of every second second
        eventually(lambda: failed.search(run.log.read_text()), "a connection failed")
        assert run.stop() == 1
    # The latter is of a port that is just being closed.
    assert {("connect", REFUSED), ("connect", "no connection: InvalidMessage")} & run.errors


@pytest.mark.parametrize(("users", "end"), [("Vanishing", 1006), ("Visitor", 1000)])
def test_agents_leave_as_their_kind_does(tmp_path, bad, users, end):
    handler = Bad(result={"content": []})
    with locust(tmp_path, bad(handler), users, THINK="0.01") as run:
        eventually(lambda: end in handler.ends, "one has left")
        assert run.stop() == 0


TOKEN = "a-long-enough-token-for-a-test-0123456789"


def test_token_is_sent(tmp_path, serve):
    server = serve(MCP_AUTH_TOKENS=TOKEN)
    with locust(tmp_path, server.url, TOKEN=TOKEN) as run:
        until_called(server, 1)
        assert run.stop() == 0
    with locust(tmp_path, server.url) as run:
        eventually(
            lambda: gauges(server.port).get('mcp_rejected_total{reason="token_missing",transport="websocket"}'),
            "refused",
        )
        assert run.code() == 1
    server.stop(signal.SIGKILL)  # hypercorn waits for sessions that ended within the last ping interval
    assert "(refused with HTTP 401)" in run.log.read_text()


def test_live_weather_ends_the_run(tmp_path, bad):
    url = bad(Bad(result={"content": [], "structuredContent": {"source": "live"}}))
    with locust(tmp_path, url) as run:
        assert run.code() == 2


def test_k6_script_is_javascript(tmp_path):
    if not (node := shutil.which("node")):
        pytest.skip("node is not installed")
    module = shutil.copy(LOAD / "k6.js", tmp_path / "k6.mjs")
    subprocess.run([node, "--check", module], check=True, timeout=TIMEOUT_S)


def test_artillery_offers_the_subprotocol():
    script = yaml.safe_load((LOAD / "artillery.yaml").read_text())
    assert script["config"]["ws"]["subprotocols"] == ["mcp"]
    assert (LOAD / script["config"]["processor"]).is_file()


@pytest.mark.parametrize("kind", [Client, ApartClient])
def test_benchmark_outlives_the_connections_that_the_server_closes(server, kind):
    """hypercorn closes one after a thousand requests."""

    async def ask() -> set[bytes]:
        (client,) = await clients(server.port, 1, kind)
        answers = {await client.ask(post({"jsonrpc": "2.0", "id": 1, "method": "ping"})) for _ in range(1100)}
        client.transport.close()
        return answers

    assert asyncio.run(ask()) == {b'{"jsonrpc":"2.0","id":1,"result":{}}'}


def test_picture_is_drawn_of_any_measure():
    bars = [Bar(what=f"echo <{share}>", transport=HTTP, share=share, calls_per_s=share) for share in (0.01, 170)]
    points = [Point(transport=WEBSOCKET, connections=1, calls_per_s=1234, p99_ms=p99) for p99 in (0.1, 0.1)]
    points += [Point(transport=HTTP, connections=128, calls_per_s=1, p99_ms=2500)]
    texts = [text.text for text in ElementTree.fromstring(picture(bars, points)).iter() if text.text]
    assert {"echo <170>, HTTP", "200", "0.1", "5000", "1,500"} <= set(texts)
    texts = [text.text for text in ElementTree.fromstring(peers_picture(bars)).iter() if text.text]
    assert {"echo <170>, HTTP", "200"} <= set(texts)


@contextmanager
def closing(*callers: Caller) -> Iterator[None]:
    try:
        yield
    finally:
        for caller in callers:
            caller.transport.abort()


def test_benchmark_counts_every_call_of_every_connection(server):
    async def count() -> int:
        connections = [await connect(server.port) for _ in range(3)]
        with closing(*connections):
            return len(await load(connections, frame(GET_WEATHER), 0.2))

    before = calls(server)
    assert asyncio.run(count()) == (calls(server) - before).total() >= 3


@pytest.mark.parametrize("answer", [b'{"isError":true}', b'{"isError": true}', b'{"error":{"code":1}}'])
def test_benchmark_refuses_to_measure_a_refusal(answer):
    with pytest.raises(AssertionError):
        check(answer)
    assert check(b'{"result":{"isError":false}}')


def test_benchmark_refuses_to_measure_calls_that_fail(server):
    async def ask() -> None:
        connection = await connect(server.port)
        with closing(connection):
            await load([connection], wrong, 0.1)

    wrong = frame(calling("get-alerts", state="Nowhere"))
    with pytest.raises(AssertionError, match="Nowhere"):
        asyncio.run(ask())


def test_raw_echo_answers_on_hypercorn_as_it_comes(tmp_path, serve):
    path = tmp_path / "answer"
    path.write_text('{"an": "answer"}')
    echo = serve(application="tests.load.echo:app", ECHO_FILE=str(path), PYTHONPATH=str(ROOT))

    async def ask() -> set[bytes]:
        socket = await connect(echo.port, initialize=False)
        (client,) = await clients(echo.port, 1)
        with closing(socket, client):
            return {await socket.ask(PING), await client.ask(post({}))}

    assert asyncio.run(ask()) == {path.read_bytes()}


def test_raw_echo_refuses_to_start_on_a_hypercorn_that_is_not_as_it_comes():
    import weather.serving  # noqa: F401  (what it looks for)

    with pytest.raises(AssertionError, match="as it comes"):
        asyncio.run(lifespan(None, None))
