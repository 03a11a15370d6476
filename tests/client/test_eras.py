"""`weather.client` against real servers of both eras, over WebSocket and over streamable HTTP."""

import asyncio
import itertools
import json
import os
import signal
import socket
from contextlib import asynccontextmanager

import anyio
import anyio.to_thread
import httpx
import hypercorn.asyncio
import pytest
from hypercorn.config import Config
from mcp import McpError, types
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from app import app
from tests.conftest import serving
from tests.load.targets import example, naive
from tests.raw import TIMEOUT_S, eventually, gated, gauges
from weather.client import Refused, SessionError, connect

pytestmark = [
    pytest.mark.anyio,
    # The example that stands for an older server is the SDK's.
    pytest.mark.filterwarnings("ignore:The WebSocket server transport is deprecated:DeprecationWarning"),
]

TOOLS = ["get-weather", "get-forecast", "get-alerts"]
ERAS = ["modern", "legacy", None]
HELLO = ["initialize", "notifications/initialized"]
LONGITUDES = itertools.count(-120, 1)


@pytest.fixture(autouse=True)
def _bounded(monkeypatch):
    monkeypatch.delenv("MCP_TOKEN", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # of no use for this machine


@pytest.fixture(params=["ws", "http"])
def kind(request):
    return request.param


@pytest.fixture
def url(server, kind):
    return address(server.port, kind)


def address(port, kind):
    return f"ws://127.0.0.1:{port}/ws" if kind == "ws" else f"http://127.0.0.1:{port}/mcp"


def new_place():
    """Of which no answer is ready."""
    return {"latitude": 40.5, "longitude": next(LONGITUDES)}


@asynccontextmanager
async def recorded(application):
    """Serves it in this process: port and, as they come, the methods of the messages."""
    methods, stop = [], asyncio.Event()

    async def recorder(scope, receive, send):
        async def recording():
            event = await receive()
            if text := event.get("text") or event.get("body"):
                methods.append(json.loads(text)["method"])
            return event

        await application(scope, receive if scope["type"] == "lifespan" else recording, send)

    listening = socket.create_server(("127.0.0.1", 0))
    config = Config()
    config.errorlog = None  # standard error is looked at
    config.bind = [f"fd://{os.dup(listening.fileno())}"]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: hypercorn.asyncio.serve(recorder, config, shutdown_trigger=stop.wait))
        try:
            yield listening.getsockname()[1], methods
        finally:
            stop.set()
            listening.close()


@asynccontextmanager
async def legacy_only(kind):
    """What the SDK serves: the example's one tool."""
    if kind == "ws":
        async with recorded(naive) as (port, methods):
            yield address(port, kind), methods
        return
    manager = StreamableHTTPSessionManager(example)

    async def bare(scope, receive, send):
        if scope["type"] == "http":
            await manager.handle_request(scope, receive, send)

    async with manager.run(), recorded(bare) as (port, methods):
        yield address(port, kind), methods


def answering(status, body, content_type="application/json"):
    async def application(scope, receive, send):
        if scope["type"] == "http":
            await receive()
            headers = [(b"content-type", content_type.encode())]
            await send({"type": "http.response.start", "status": status, "headers": headers})
            await send({"type": "http.response.body", "body": body})

    return application


@pytest.mark.parametrize("era", ERAS)
async def test_tools_are_listed(url, cli, era):
    code, out, err = await cli(url, *(["--era", era] if era else []))
    assert (code, err) == (0, "")
    assert [line.split()[0] for line in out.splitlines()[::2]] == TOOLS


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_tells_its_progress_and_then_its_result(url, era):
    told = []

    async def progress(done, total, message):
        told.append((done, message))

    with anyio.fail_after(TIMEOUT_S):
        async with connect(url, era=era) as session:
            result = await session.call_tool("get-weather", new_place(), progress_callback=progress)
    assert not result.isError
    assert result.content[0].text.startswith("Weather forecast for ")
    # A legacy request over HTTP is answered with JSON, which has no room for more.
    assert told == (
        [(1, "Resolving the place"), (2, "Asking for the forecast")] if "ws" in url or era != "legacy" else []
    )


@pytest.mark.parametrize("era", ERAS)
async def test_error_of_a_tool_has_exit_code_1(url, cli, era):
    code, out, err = await cli(url, "get-alerts", "state=nowhere", *(["--era", era] if era else []))
    assert (code, out) == (1, "")
    assert err.startswith("Argument 'state' is \"nowhere\"; it should be ")


@pytest.mark.parametrize("era", ERAS)
async def test_tls_to_a_plain_port_is_one_sentence_that_says_so(url, cli, era):
    url = url.replace(":", "s:", 1)
    code, _, err = await cli(url, *(["--era", era] if era else []))
    said = "no TLS is spoken there, so the URL should begin with ws:// or http://"
    assert (code, err) == (3, f"No MCP session with {url}: {said}.\n")


@pytest.mark.parametrize("era", ERAS)
async def test_tool_or_argument_that_is_not_known_is_named_with_the_nearest(url, cli, era):
    argv = url, "get-weather", "latitud=38.9", "longitude=-77", *(["--era", era] if era else [])
    assert await cli(*argv) == (
        2,
        "",
        "get-weather takes no argument latitud, but latitude: it takes place, latitude, longitude, units.\n",
    )
    argv = url, "get-alert", "state=CA", *(["--era", era] if era else [])
    assert await cli(*argv) == (2, "", "The server has no tool get-alert, but get-alerts.\n")


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("name", ["get-tides", "Wetter für morgen", "=?base64?x?=", " get-weather"])
async def test_json_rpc_error_stays_an_mcp_error(url, era, name):
    async with connect(url, era=era) as session:
        with pytest.raises(McpError, match="Unknown tool") as error:
            await session.call_tool(name)
    assert error.value.error.code == types.INVALID_PARAMS


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "tokens").write_text("right\n")
    with serving(folder, MCP_AUTH_TOKENS_FILE=str(folder / "tokens")) as server:
        yield server


@pytest.mark.parametrize("era", ERAS)
async def test_wrong_token_is_one_sentence_with_exit_code_4(guarded, cli, kind, era, tmp_path):
    (tmp_path / "wrong").write_text("wrong\n")
    url = address(guarded.port, kind)
    async with connect(url, token="right", era=era) as session:
        assert len((await session.list_tools()).tools) == 3
    code, out, err = await cli(url, "--token-file", str(tmp_path / "wrong"), *(["--era", era] if era else []))
    what = "handshake" if kind == "ws" else "request"
    assert (code, out, err.count("\n")) == (4, "", 1)
    assert err.startswith(f"No MCP session with {url}: the {what} was refused with HTTP 401, token_invalid: ")


@pytest.mark.parametrize("era", ERAS)
async def test_no_connection_is_one_sentence_with_exit_code_3(cli, kind, era):
    with socket.create_server(("127.0.0.1", 0)) as closed:
        url = address(closed.getsockname()[1], kind)
    code, _, err = await cli(url, *(["--era", era] if era else []))
    expected = f"No MCP session with {url}: connection refused, so probably no server is running there.\n"
    assert (code, err) == (3, expected)


@pytest.mark.parametrize(("era", "before"), [("modern", []), (None, []), ("legacy", HELLO)])
async def test_modern_era_needs_no_round_trip_before_the_first_request(monkeypatch, kind, era, before):
    monkeypatch.setenv("NWS_API_BASE", "simulator")
    async with recorded(app) as (port, methods), connect(address(port, kind), era=era) as session:
        await session.list_tools()
        await session.list_tools()
    assert methods == [*before, "tools/list", "tools/list"]


async def test_legacy_server_is_understood_at_its_first_answer(kind):
    async with legacy_only(kind) as (url, methods):
        async with connect(url) as session:
            await session.list_tools()
            tools = (await session.list_tools()).tools
            assert [tool.name for tool in tools] == ["get-weather"]
            assert session.get_server_capabilities().tools
        assert methods == ["tools/list", *HELLO, "tools/list", "tools/list"]


async def test_requests_at_once_shake_hands_once(kind):
    async with legacy_only(kind) as (url, methods), connect(url) as session:
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(session.list_tools)
        assert methods.count("initialize") == 1


async def test_forced_modern_era_is_not_left(kind):
    async with legacy_only(kind) as (url, methods), connect(url, era="modern") as session:
        with pytest.raises(McpError):
            await session.list_tools()
        assert methods == ["tools/list"]


async def test_forced_legacy_era_begins_with_the_handshake(kind):
    async with legacy_only(kind) as (url, methods), connect(url, era="legacy") as session:
        await session.list_tools()
        assert methods[0] == "initialize"


@pytest.fixture(scope="module")
def silent(tmp_path_factory):
    """A server whose upstream never answers."""
    with gated() as (_, settings), serving(tmp_path_factory.mktemp("silent"), **settings) as server:
        yield server


@pytest.mark.parametrize("progress", [False, True])
@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_cancelled_call_is_given_up_by_the_server(silent, kind, era, progress, monkeypatch):
    """Over HTTP by the end of its POST, since the server cannot know whose it is otherwise."""
    monkeypatch.delenv("http_proxy")

    async def note(*_):
        pass

    async with connect(address(silent.port, kind), era=era) as session, anyio.create_task_group() as tasks:
        with anyio.CancelScope() as call:

            async def cancel():
                await reach(silent, 1)
                call.cancel()

            tasks.start_soon(cancel)
            await session.call_tool("get-alerts", {"state": "CA"}, progress_callback=note if progress else None)
        await reach(silent, 0)
        assert len((await session.list_tools()).tools) == 3


async def reach(server, number):
    """So many requests are pending, on both transports."""
    with anyio.fail_after(TIMEOUT_S):
        while await anyio.to_thread.run_sync(pending, server.port) != number:  # noqa: ASYNC110  (of another process)
            await anyio.sleep(0.02)


def pending(port):
    return sum(value for name, value in gauges(port).items() if name.startswith("mcp_requests_in_flight"))


@pytest.mark.parametrize("era", ERAS)
async def test_answer_that_never_comes_ends_with_a_timeout(silent, kind, era):
    with pytest.raises(McpError, match="Timed out"):
        async with connect(address(silent.port, kind), era=era, timeout_s=1) as session:
            await session.call_tool("get-alerts", {"state": "CA"})


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize(
    ("call", "code", "said"),
    [
        (["get-alerts", "state=CA"], 0, "No active alerts"),
        (["get-weather", "latitude=40.5", "longitude=-100.5"], 1, "The National Weather Service has no data"),
    ],
)
async def test_answer_is_handed_out_though_the_server_goes_down_behind_it(tmp_path, cli, kind, era, call, code, said):
    """The tools are listed to check what was answered, by the SDK as well: that can no longer be done."""
    told = []

    async def ask(url):
        told.append(await cli(url, *call, *(["--era", era] if era else [])))

    with gated() as (gate, settings), serving(tmp_path, MCP_GRACE_SECONDS="60", **settings) as server:
        with anyio.fail_after(2 * TIMEOUT_S):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, address(server.port, kind))
                await anyio.to_thread.run_sync(eventually, lambda: gate.asked)
                server.process.send_signal(signal.SIGTERM)
                await anyio.to_thread.run_sync(eventually, lambda: not listens(server.port))
                gate.open()
        assert await anyio.to_thread.run_sync(server.process.wait, TIMEOUT_S) == 0
    ((ended, *printed),) = told
    assert ended == code
    assert said in printed[code]


def listens(port):
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


# Over HTTP alone


REFUSING = b'{"error": "capacity", "message": "Come\\nback."}'
STARTED = (
    b'data: {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 0, "progress": 1}}\n\n'
)


@pytest.mark.parametrize(
    ("answer", "code", "said"),
    [
        ((503, REFUSING), 4, "the request was refused with HTTP 503, capacity: Come back"),
        ((404, b"<html>", "text/html"), 4, "the request was refused with HTTP 404"),
        ((421, b'{"jsonrpc": "2.0", "id": 0, "error": {}}'), 4, "the request was refused with HTTP 421"),
        (
            (421, b'{"jsonrpc": "2.0", "id": null, "error": {"data": {"error": "host", "message": "No."}}}'),
            4,
            "the request was refused with HTTP 421, host: No",
        ),
        ((307, b""), 4, "the request was refused with HTTP 307"),
        ((200, b"<html>", "text/html"), 3, "what it sent holds no answer"),
        ((200, STARTED, "text/event-stream"), 3, "what it sent holds no answer"),
    ],
)
async def test_answer_that_is_none_is_one_sentence(cli, answer, code, said):
    async with recorded(answering(*answer)) as (port, _):
        url = address(port, "http")
        told = "1\n" if answer[1] is STARTED else ""
        assert await cli(url, "any") == (code, "", f"{told}No MCP session with {url}: {said}.\n")


async def test_refused_request_leaves_the_session_working():
    async with recorded(answering(503, REFUSING)) as (port, _):
        with pytest.raises(Refused, match="capacity: Come back"):
            async with connect(address(port, "http")) as session:
                with pytest.raises(McpError, match="capacity: Come back"):
                    await session.list_tools()
                await session.list_tools()


@pytest.mark.parametrize("era", ERAS)
async def test_header_that_cannot_be_sent_is_not_shown(server, era):
    with pytest.raises(SessionError, match=r"header is not valid\.$") as error:
        async with connect(address(server.port, "http"), token="s3\ncret", era=era) as session:
            await session.list_tools()
    assert "cret" not in str(error.value)


@pytest.fixture(scope="module")
def secure(tmp_path_factory, certificate):
    files = "--certfile", str(certificate), "--keyfile", str(certificate)
    with serving(tmp_path_factory.mktemp("secure"), *files) as server:
        yield server


@pytest.mark.parametrize("era", ERAS)
async def test_self_signed_certificate_needs_insecure(secure, cli, era):
    url = f"https://127.0.0.1:{secure.port}/mcp"
    more = ["--era", era] if era else []
    code, _, err = await cli(url, *more)
    assert (code, err.count("\n")) == (3, 1)
    assert "its certificate does not verify, self-signed certificate (--insecure skips the check)" in err
    code, out, _ = await cli(url, "--insecure", *more)
    assert (code, out[:11]) == (0, "get-weather")


async def test_what_the_body_raises_comes_out_as_it_is(server):
    with pytest.raises(httpx.ReadError, match="mine"):
        async with connect(address(server.port, "http")):
            raise httpx.ReadError("mine")


async def test_url_that_is_none_is_said_by_connect():
    with pytest.raises(SessionError, match="not a URL such as"):
        async with connect("ftp://127.0.0.1/"):
            pass
    with pytest.raises(SessionError, match="not a URL such as"):
        async with connect("http://127.0.0.1:port/"):
            pass
