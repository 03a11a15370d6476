"""`weather.client` against a stand-in server of the legacy era that answers MCP by hand on a port of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import ssl
import sys
from asyncio.subprocess import PIPE
from contextlib import asynccontextmanager
from http import HTTPStatus

import anyio
import anyio.to_thread
import pytest
from mcp import McpError
from websockets.asyncio.server import serve

from tests.conftest import ROOT
from weather import __version__
from weather.client import SessionError, connect, main

pytestmark = pytest.mark.anyio

TOOL = {
    "name": "get-alerts",
    "title": "Alerts",
    "description": "Warnings in force.\nA second line.",
    "inputSchema": {"type": "object", "properties": {"state": {}, "limit": {}}, "required": ["state"]},
    "outputSchema": {"type": "object"},
}
INITIALIZED = {
    "protocolVersion": "2025-06-18",
    "capabilities": {"tools": {}},
    "serverInfo": {"name": "stand-in", "version": "1"},
}
RESULTS = {"initialize": INITIALIZED, "ping": {}, "tools/list": {"tools": [TOOL]}}


class StandIn:
    """Answers each tool call with its own name and arguments, unless the name says otherwise."""

    def __init__(self):
        self.requests, self.methods = [], []
        self.called = asyncio.Event()
        self.close_code = None
        self.results = RESULTS

    async def __call__(self, socket):
        self.requests.append(socket.request)
        async for text in socket:
            message = json.loads(text)
            self.methods.append(message["method"])
            if "id" in message:
                await self.answer(socket, message)
        self.close_code = socket.close_code

    async def answer(self, socket, message):
        if "initialize" not in self.methods:
            result = {"code": -32600, "message": "The session is not initialized"}
        elif message["method"] == "tools/call":
            result = await self.call(socket, **message["params"])
        else:
            result = self.results[message["method"]]
        reply = {"error": result} if "code" in result else {"result": result}
        if result is not NO_ANSWER:
            await socket.send(json.dumps({"jsonrpc": "2.0", "id": message["id"], **reply}))

    async def call(self, socket, name, arguments=None, _meta=None):
        self.called.set()
        match name:
            case "hang-up":
                await socket.close(1011, "going under")
                return NO_ANSWER
            case "cut":
                socket.transport.abort()
                return NO_ANSWER
            case "never":
                return NO_ANSWER
            case "garbage":
                await socket.send("{not json")
            case "refuse":
                return {"code": -32602, "message": "Unknown tool"}
            case "silent":
                return {"content": [{"type": "text", "text": ""}]}
            case "fail":
                return {"isError": True, "content": [{"type": "text", "text": "No such state"}]}
        if _meta:
            await socket.send(progress(_meta["progressToken"]))
        said = {"name": name, "arguments": arguments}
        return {"content": [{"type": "text", "text": f"called {name}"}], "structuredContent": said}


NO_ANSWER = {"no": "answer"}


def progress(token):
    params = {"progressToken": token, "progress": 1, "total": 2, "message": "asking"}
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})


@asynccontextmanager
async def running(**options):
    stand_in = StandIn()
    async with serve(stand_in, "127.0.0.1", 0, subprotocols=["mcp"], **options) as server:
        scheme = "wss" if "ssl" in options else "ws"
        stand_in.url = f"{scheme}://127.0.0.1:{server.sockets[0].getsockname()[1]}/ws"
        yield stand_in


@pytest.fixture
async def server():
    async with running() as stand_in:
        yield stand_in


@pytest.fixture(autouse=True)
def _environment(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.delenv("MCP_TOKEN", raising=False)


@pytest.fixture
def tls(certificate):
    """A server's context with a certificate that nobody signed but itself."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def refusing(status, body):
    def process_request(connection, request):
        return connection.respond(status, body)

    return process_request


async def test_connect_sends_token_and_subprotocol_and_initializes(server):
    async with connect(server.url, token="s3cret") as session:
        result = await session.call_tool("echo", {"a": 1})
    headers = server.requests[0].headers
    assert headers["Authorization"] == "Bearer s3cret"
    assert headers["Sec-WebSocket-Protocol"] == "mcp"
    assert server.methods[:4] == ["tools/call", "initialize", "notifications/initialized", "tools/call"]
    assert result.structuredContent == {"name": "echo", "arguments": {"a": 1}}


async def test_without_token_no_authorization_is_sent(server):
    async with connect(server.url):
        pass
    assert "Authorization" not in server.requests[0].headers


async def test_what_the_body_raises_comes_out_as_it_is(server):
    with pytest.raises(LookupError, match="mine"):
        async with connect(server.url):
            raise LookupError("mine")


async def test_json_rpc_error_stays_an_mcp_error(server):
    with pytest.raises(McpError, match="Unknown tool"):
        async with connect(server.url) as session:
            await session.call_tool("refuse")


async def test_message_that_does_not_parse_leaves_the_session_working(server):
    async with connect(server.url) as session:
        result = await session.call_tool("garbage")
    assert not result.isError


async def test_answer_that_never_comes_ends_with_a_timeout(server):
    with pytest.raises(McpError, match="Timed out"):
        async with connect(server.url, timeout_s=1) as session:
            await session.call_tool("never")


async def test_cancelled_call_closes_cleanly_and_leaves_no_task(server):
    before = asyncio.all_tasks()
    with anyio.CancelScope() as scope:
        async with anyio.create_task_group() as tasks, connect(server.url) as session:
            tasks.start_soon(session.call_tool, "never")
            await server.called.wait()
            scope.cancel()
            await anyio.sleep_forever()
    assert scope.cancelled_caught
    if left := asyncio.all_tasks() - before:  # the server's own for this connection
        await asyncio.wait(left)
    assert server.close_code == 1000


async def test_native_cancellation_is_not_swallowed(server):
    async def wait():
        async with connect(server.url) as session:
            await session.call_tool("never")

    task = asyncio.create_task(wait())
    await server.called.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.mark.parametrize(("tool", "said"), [("hang-up", "1011 going under"), ("cut", "1006")])
async def test_server_that_goes_away_during_a_call_ends_it(server, tool, said):
    with pytest.raises(SessionError, match=f"the connection was closed \\({said}\\)"):
        async with connect(server.url) as session:
            await session.call_tool(tool)


async def test_call_after_the_server_has_gone_says_so(server):
    async def call_twice():
        async with connect(server.url) as session:
            with pytest.raises(McpError):
                await session.call_tool("hang-up")
            await session.send_ping()

    with pytest.raises(SessionError, match="1011"):
        await call_twice()


@pytest.mark.parametrize(
    ("argv", "arguments"),
    [
        (["state=CA"], {"state": "CA"}),
        (["state=CA", "limit=3"], {"state": "CA", "limit": 3}),
        (["latitude=-14.3", "longitude=-170"], {"latitude": -14.3, "longitude": -170}),
        (["state=New York"], {"state": "New York"}),
        (['state="7"'], {"state": "7"}),
        (["a=[1]", "b=NaN", "c=", "d=x=y", "e=null"], {"a": [1], "b": "NaN", "c": "", "d": "x=y", "e": None}),
        ([], {}),
    ],
)
async def test_tool_is_called_with_its_arguments(server, cli, argv, arguments):
    code, out, err = await cli(server.url, "any", *argv, "--json")
    result = json.loads(out)
    assert (code, result["structuredContent"]) == (0, {"name": "any", "arguments": arguments})
    assert result["content"] == [{"type": "text", "text": "called any"}]
    assert err == "asking\n"


@pytest.mark.parametrize(
    "argv", [["--insecure", "URL", "any"], ["URL", "--insecure", "any"], ["URL", "any", "--insecure"]]
)
async def test_text_is_printed_and_options_may_stand_anywhere(server, cli, argv):
    code, out, err = await cli(*(server.url if word == "URL" else word for word in argv))
    assert (code, out) == (0, "called any\n")
    assert err == "Warning: the server's TLS certificate is not checked.\nasking\n"


async def test_tools_are_listed_with_their_arguments(server, cli):
    expected = "get-alerts state=… [limit=…]\n    Warnings in force.\n"
    assert await cli(server.url) == (0, expected, "")
    _, out, _ = await cli("--json", server.url)
    assert json.loads(out) == {"tools": [TOOL]}


async def test_token_comes_from_the_environment_or_a_file_that_counts_more(server, cli, monkeypatch, tmp_path):
    monkeypatch.setenv("MCP_TOKEN", "from-env\n")
    (tmp_path / "token").write_text("from-file\n")
    await cli(server.url)
    await cli(server.url, "--token-file", str(tmp_path / "token"))
    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer from-env", "Bearer from-file"]


async def test_who_reads_no_more_is_not_complained_to(server):
    reader, writer = os.pipe()
    os.close(reader)
    command = [sys.executable, "-m", "weather.client", server.url]
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=writer, stderr=PIPE)
    os.close(writer)
    assert (await process.communicate())[1] == b""
    assert process.returncode == 0


@pytest.mark.parametrize(("tool", "said"), [("fail", "No such state\n"), ("refuse", "Unknown tool\n")])
@pytest.mark.parametrize(
    "listed",
    [
        {"tools": [{**TOOL, "name": "fail"}, {**TOOL, "name": "refuse"}]},
        {"tools": [TOOL], "nextCursor": "more"},
        {"code": -32603, "message": "That cannot be told"},
    ],
)
async def test_error_of_a_tool_goes_to_stderr_with_exit_code_1(server, cli, tool, said, listed):
    server.results = RESULTS | {"tools/list": listed}
    assert await cli(server.url, tool) == (1, "", said)


@pytest.mark.parametrize("tool", ["fail", "refuse"])
async def test_tool_that_is_not_listed_is_wrong_usage_however_the_server_says_so(server, cli, tool):
    assert await cli(server.url, tool) == (2, "", f"The server has no tool {tool}.\n")


async def test_a_text_of_nothing_is_an_empty_line(server, cli):
    assert await cli(server.url, "silent") == (0, "\n", "")


async def test_json_of_a_tools_error_is_the_whole_result(server, cli):
    server.results = RESULTS | {"tools/list": {"tools": [{**TOOL, "name": "fail"}]}}
    code, out, err = await cli(server.url, "fail", "--json")
    assert (code, json.loads(out)["isError"], err) == (1, True, "")


URLS = "a URL such as wss://example.com/ws or https://example.com/mcp"


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        ([], "URL"),
        (["ftp://127.0.0.1/"], f"not {URLS}: scheme isn't ws, wss, http or https"),
        (["ws://["], f"not {URLS}: Invalid IPv6 URL"),
        (["http://"], f"not {URLS}: hostname isn't provided"),
        (["ws://127.0.0.1:port/ws"], f"not {URLS}: Port could not be cast"),
        (["http://127.0.0.1:port/mcp"], f"not {URLS}: Port could not be cast"),
        (["ws://127.0.0.1/ws", "--era", "old"], "argument --era: invalid choice: 'old'"),
        (["ws://127.0.0.1/ws", "any", "CA"], "'CA' should be name=value, such as state=CA"),
        (["ws://127.0.0.1/ws", "any", "=CA"], "'=CA' should be name=value"),
        (["ws://127.0.0.1/ws", "--token", "s3cret"], "there is no option --token, but --token-file"),
        (["ws://127.0.0.1/ws", "--jsno"], "there is no option --jsno, but --json"),
        (["ws://127.0.0.1/ws", "--verbose=s3cret"], "there is no option --verbose, but --version"),
        (["ws://127.0.0.1/ws", "any", "state=CA", "state=NY"], "the argument state should be given once"),
        (["ws://127.0.0.1/ws", "watch"], "watch takes one URI such as weather://alerts/CA, with a code of two letters"),
        (["ws://127.0.0.1/ws", "watch", "CA"], "watch takes one URI such as weather://alerts/CA"),
        (["ws://127.0.0.1/ws", "watch", "weather://alerts/CA", "--json"], "watch takes one URI"),
        (["ws://127.0.0.1/ws", "watch", "weather://alerts/ca"], ": weather://alerts/ca should be weather://alerts/CA"),
        (["ws://127.0.0.1/ws", "watch", "Weather://Alerts/CA/"], "Weather://Alerts/CA/ should be weather://alerts/CA"),
        (["ws://127.0.0.1/ws", "watch", "weather://alerts/california"], "watch takes one URI such as"),
        (["ws://127.0.0.1/ws", "--token-file", "/none"], "/none cannot be used as a token: No such file"),
        (
            ["ws://127.0.0.1/ws", "--token-file", "/dev/null"],
            "/dev/null cannot be used as a token: a token is one",
        ),
        (["ws://127.0.0.1/ws", "--token-file", __file__], "cannot be used as a token: a token is one word in ASCII"),
        (["ws://127.0.0.1/ws", "--token-file", __file__ + "/x"], "cannot be used as a token: Not a directory"),
    ],
)
def test_wrong_usage_ends_with_exit_code_2(capsys, argv, said):
    with pytest.raises(SystemExit, match="2"):
        main(argv)
    err = capsys.readouterr().err
    assert said in err
    assert (err.count("\n"), "s3cret" in err) == (1, False)


def test_version_is_told(capsys):
    with pytest.raises(SystemExit, match="0"):
        main(["--version"])
    assert capsys.readouterr().out == f"weather-client {__version__}\n"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ('{"error": "bad_token", "message": "It\\nhas expired."}', ", bad_token: It has expired"),
        ('{"error": 7}', ""),
        ("[7]", ""),
        ("<html>", ""),
    ],
)
async def test_refused_handshake_is_one_sentence_with_exit_code_4(cli, monkeypatch, body, said):
    monkeypatch.setenv("MCP_TOKEN", "s3cret")
    async with running(process_request=refusing(HTTPStatus.UNAUTHORIZED, body)) as server:
        code, out, err = await cli(server.url + "?token=s3cret")
    refused = f"the handshake was refused with HTTP 401{said} (a token comes from --token-file or MCP_TOKEN)"
    assert (code, out, err) == (4, "", f"No MCP session with {server.url}: {refused}.\n")


def test_token_that_no_header_can_hold_is_wrong_usage_and_not_shown(capsys, monkeypatch):
    monkeypatch.setenv("MCP_TOKEN", "s3cret\nx")
    with pytest.raises(SystemExit, match="2"):
        main(["ws://127.0.0.1/ws"])
    said = capsys.readouterr().err
    assert "MCP_TOKEN cannot be used as a token: a token is one word in ASCII" in said
    assert "s3cret" not in said


async def test_a_proxy_is_not_asked_for_this_machine(server, monkeypatch):
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with connect(server.url) as session:
        await session.send_ping()


async def test_no_connection_is_one_sentence_with_exit_code_3(cli):
    async with running() as server:
        pass
    code, _, err = await cli(server.url)
    assert code == 3
    assert err.startswith(f"No MCP session with {server.url}: connection refused")
    assert err.count("\n") == 1


@pytest.mark.parametrize("tool", ["hang-up", "cut"])
async def test_connection_that_breaks_is_one_sentence_with_exit_code_3(server, cli, tool):
    code, out, err = await cli(server.url, tool)
    assert (code, out, err.count("\n")) == (3, "", 1)


async def test_self_signed_certificate_needs_insecure(cli, tls):
    async with running(ssl=tls) as server:
        code, _, err = await cli(server.url)
        assert (code, err.count("\n")) == (3, 1)
        assert "its certificate does not verify, self-signed certificate (--insecure skips the check)" in err
        async with connect(server.url, insecure=True) as session:
            await session.send_ping()


async def test_ctrl_c_is_quiet(server, interruptible):
    argv = "-m", "weather.client", server.url, "never"
    process = await asyncio.create_subprocess_exec(sys.executable, *argv, cwd=ROOT, stdout=PIPE, stderr=PIPE)
    try:
        await server.called.wait()
        process.send_signal(signal.SIGINT)
        assert await process.communicate() == (b"", b"")
        assert process.returncode == 130
    finally:
        if process.returncode is None:
            process.kill()
