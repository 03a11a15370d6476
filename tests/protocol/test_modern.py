"""The stateless era, 2026-07-28, over both transports: every answer is held against the specification's schema."""

from __future__ import annotations

import http.client
import json
import re
from base64 import b64encode
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import anyio
import jsonschema
import pytest

from tests.conftest import serving
from tests.raw import (
    IN_FLIGHT,
    INITIALIZE,
    TIMEOUT_S,
    Closed,
    Raw,
    call,
    configured,
    eventually,
    fill,
    gauges,
    request,
    text,
)
from weather import __version__
from weather.access import Access
from weather.answers import CachedResult
from weather.areas import AREAS
from weather.config import Settings
from weather.errors import InvalidMessage
from weather.metrics import Metrics
from weather.protocol import modern
from weather.protocol.messages import PendingRequest, Request
from weather.tools import Result
from weather.transports import Sessions
from weather.transports.dispatch import Dispatcher
from weather.transports.streamable_http import StreamableHTTP

# schema/2026-07-28/schema.json of the specification, as it is.
DEFINITIONS = json.loads((Path(__file__).parent.parent / "data" / "mcp-2026-07-28.json").read_text())["$defs"]
INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32600, -32601, -32602
HEADER_MISMATCH, UNSUPPORTED_VERSION = -32020, -32022
ERRORS = {HEADER_MISMATCH: "HeaderMismatchError", UNSUPPORTED_VERSION: "UnsupportedProtocolVersionError"}
RESULTS = {"server/discover": "Discover", "tools/list": "ListTools", "tools/call": "CallTool"}
STATUS = {METHOD_NOT_FOUND: 404}
NOW = "2026-07-28"
VERSION, CAPABILITIES, CLIENT, LOG_LEVEL = (
    f"io.modelcontextprotocol/{name}" for name in ("protocolVersion", "clientCapabilities", "clientInfo", "logLevel")
)
META = {VERSION: NOW, CAPABILITIES: {}, CLIENT: {"name": "table", "version": "1"}}
ABSENT = object()
TOOLS = ["get-weather", "get-forecast", "get-alerts"]
OVER_HTTP = IN_FLIGHT.replace("websocket", "http")
APP = "https://app.example"
READY = CachedResult('{"content":[]}', "get-alerts", "ok", 0, 0)


@cache
def _validator(name):
    return jsonschema.Draft202012Validator({"$ref": f"#/$defs/{name}", "$defs": DEFINITIONS})


def valid(message, method):
    """The message, which is of the schema: the answer to this method, or a notification on its way."""
    if "method" in message:
        name = "ServerNotification"
    elif "error" in message:
        name = ERRORS.get(message["error"]["code"], "JSONRPCErrorResponse")
    else:
        name = f"{RESULTS[method]}ResultResponse"
    _validator(name).validate(message)
    return message


def ask(request_id, method, params=None, **meta):
    """A request with metadata; those that are ABSENT are left out."""
    meta = {name: value for name, value in (META | meta).items() if value is not ABSENT}
    return request(request_id, method, {**(params or {}), "_meta": meta})


def alerts(request_id, area, **meta):
    return ask(request_id, "tools/call", {"name": "get-alerts", "arguments": area}, **meta)


def mirrors(message):
    params = message.get("params", {})
    meta = params.get("_meta")
    version = meta.get(VERSION, NOW) if isinstance(meta, dict) else NOW
    told = {"MCP-Protocol-Version": version, "Mcp-Method": message["method"]}
    return told | ({"Mcp-Name": params["name"]} if message["method"] == "tools/call" else {})


@contextmanager
def posted(port, message, **headers):
    """The connection that it was sent on; a header may be ABSENT, or several lines in a list."""
    body = json.dumps(message).encode()
    lines = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
    lines |= {"Content-Length": str(len(body))} | mirrors(message) | headers
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TIMEOUT_S)) as connection:
        connection.putrequest("POST", "/mcp")
        for name, value in lines.items():
            for line in value if isinstance(value, list) else [value] if value is not ABSENT else []:
                connection.putheader(name, line)
        connection.endheaders(body)
        yield connection


@contextmanager
def post(port, message, **headers):
    """The response, not read yet."""
    with posted(port, message, **headers) as connection, connection.getresponse() as response:
        yield response


def events(response):
    """The messages of an event stream."""
    for line in response:
        if line.startswith(b"data: "):
            yield json.loads(line[6:])


class OverHTTP:
    def __init__(self, port):
        self.port = port

    def __call__(self, message):
        with post(self.port, message) as response:
            answer = valid(json.load(response), message["method"])
            assert response.headers["content-type"] == "application/json"
            assert response.status == (STATUS.get(answer["error"]["code"], 400) if "error" in answer else 200)
        return answer


class OverWebSocket(Raw):
    def __call__(self, message):
        self.send(message)
        return valid(self.receive(), message["method"])


@pytest.fixture(params=["websocket", "http"])
def client(request, server):
    if request.param == "http":
        yield OverHTTP(server.port)
    else:
        with OverWebSocket(server.port) as raw:
            yield raw


@pytest.fixture(scope="module")
def areas():
    """Arguments that no test has used before: their answers are not ready."""
    return iter([{"state": state, "limit": 9} for state in sorted(AREAS)])


def table(rows):
    return pytest.mark.parametrize("row", rows.values(), ids=rows)


def complete(answer):
    """The result, of this server, without what every one has."""
    result = answer["result"]
    assert result.pop("resultType") == "complete"
    info = {"name": "weather", "title": "US weather", "version": __version__}
    assert result.pop("_meta") == {"io.modelcontextprotocol/serverInfo": info}
    return result


def refused(answer, code, request_id=1):
    assert set(answer) == {"jsonrpc", "id", "error"}
    assert answer["id"] == request_id
    assert answer["error"]["code"] == code
    message = answer["error"]["message"]
    assert len(message) < 300
    assert not any(word in message for word in ("Error", "Exception", "Traceback", ".py"))
    return message


# What is asked and what is answered


def test_a_server_is_discovered(client):
    result = complete(client(ask(1, "server/discover")))
    assert "simulated" in result.pop("instructions")
    assert result == {
        "supportedVersions": [NOW],
        "capabilities": {"tools": {}, "resources": {"subscribe": True}, "completions": {}},
        "ttlMs": 3_600_000,
        "cacheScope": "public",
    }


def test_the_tools_are_those_of_the_sessions(server, client):
    result = complete(client(ask(1, "tools/list")))
    with Raw(server.port) as raw:
        assert result.pop("tools") == raw.initialize().ask("tools/list")["result"]["tools"]
    assert result == {"ttlMs": 3_600_000, "cacheScope": "public"}


def test_a_call_is_answered_alike_before_and_after_it_is_ready_and_in_a_session(server, client, areas):
    area = next(areas)
    first, again, spelled = (
        complete(client(each))
        for each in (alerts(1, area), alerts("b", area), alerts(2, {"limit": 9.0, "state": area["state"].lower()}))
    )
    assert first == again == spelled
    assert first["isError"] is False
    (alerts_tool,) = (tool for tool in client(ask(3, "tools/list"))["result"]["tools"] if tool["name"] == "get-alerts")
    jsonschema.Draft202012Validator(alerts_tool["outputSchema"]).validate(first["structuredContent"])
    with Raw(server.port) as raw:
        raw.initialize().send(call(1, **area))
        assert raw.receive()["result"] == first


def test_bad_arguments_are_a_result_that_helps_to_mend_the_call(client):
    result = complete(client(alerts(1, {"state": "XX"})))
    assert result["isError"] is True
    assert "two-letter code" in result["content"][0]["text"]


def test_without_arguments_a_call_says_what_is_missing(client):
    result = complete(client(ask(1, "tools/call", {"name": "get-alerts"})))
    assert "'state' is missing" in result["content"][0]["text"]


IDS = [0, -7, 2**53 + 1, int("9" * 300), "", "a", "1", "\u2713\U0001f327", '\x00\n"\\']


@pytest.mark.parametrize("request_id", IDS, ids=repr)
@pytest.mark.parametrize("method", ["server/discover", "tools/call", "nope"])
def test_an_id_is_echoed_exactly(client, method, request_id):
    params = {"name": "get-alerts", "arguments": {"state": "CA"}} if method == "tools/call" else {}
    for _ in range(2):  # not ready, and ready
        assert repr(client(ask(request_id, method, params))["id"]) == repr(request_id)


INFO = {"name": "x", "version": "1"}
REFUSED = {
    "no version": (ask(1, "tools/list", **{VERSION: ABSENT}), INVALID_PARAMS, "protocolVersion"),
    "no capabilities": (ask(1, "tools/list", **{CAPABILITIES: ABSENT}), INVALID_PARAMS, "clientCapabilities"),
    "no metadata": (request(1, "server/discover"), INVALID_PARAMS, "protocolVersion"),
    "metadata of another kind": (request(1, "server/discover", {"_meta": 5}), INVALID_PARAMS, "_meta"),
    "capabilities null": (ask(1, "tools/list", **{CAPABILITIES: None}), INVALID_PARAMS, "clientCapabilities"),
    "capabilities an array": (ask(1, "tools/list", **{CAPABILITIES: []}), INVALID_PARAMS, "clientCapabilities"),
    "client a string": (ask(1, "tools/list", **{CLIENT: "x"}), INVALID_PARAMS, "clientInfo"),
    "client without a name": (ask(1, "tools/list", **{CLIENT: {"version": "1"}}), INVALID_PARAMS, "name"),
    "client without a version": (ask(1, "tools/list", **{CLIENT: {"name": "x"}}), INVALID_PARAMS, "version"),
    "client's name a number": (ask(1, "tools/list", **{CLIENT: INFO | {"name": 1}}), INVALID_PARAMS, "name"),
    "log level a number": (ask(1, "tools/list", **{LOG_LEVEL: 1}), INVALID_PARAMS, "logLevel"),
    "progress token fractional": (ask(1, "tools/list", progressToken=1.5), INVALID_PARAMS, "progressToken"),
    "progress token true": (ask(1, "tools/list", progressToken=True), INVALID_PARAMS, "progressToken"),
    "another version": (ask(1, "tools/list", **{VERSION: "1900-01-01"}), UNSUPPORTED_VERSION, "version"),
    "a version with sessions": (ask(1, "tools/list", **{VERSION: "2025-11-25"}), UNSUPPORTED_VERSION, "version"),
    "another version of no method": (ask(1, "nope", **{VERSION: "1900-01-01"}), UNSUPPORTED_VERSION, "version"),
    "an unknown method": (ask(1, "nope"), METHOD_NOT_FOUND, "'nope'"),
    "a long method": (ask(1, "x" * 1000), METHOD_NOT_FOUND, "xxx..."),
    **{
        f"the bygone {method}": (ask(1, method), METHOD_NOT_FOUND, NOW)
        for method in ("ping", "initialize", "resources/subscribe", "logging/setLevel")
    },
    "an unknown tool": (ask(1, "tools/call", {"name": "nope"}), INVALID_PARAMS, "'nope'"),
    "a long tool": (ask(1, "tools/call", {"name": "x" * 1000}), INVALID_PARAMS, "xxx..."),
    "a cursor": (ask(1, "tools/list", {"cursor": "x"}), INVALID_PARAMS, "cursor"),
    "a cursor that is no string": (ask(1, "tools/list", {"cursor": 5}), INVALID_PARAMS, "cursor"),
    **{
        f"arguments {json.dumps(it)}": (
            ask(1, "tools/call", {"name": "get-alerts", "arguments": it}),
            INVALID_PARAMS,
            "arguments",
        )
        for it in ([], "x", 5)
    },
}


@table(REFUSED)
def test_a_wrong_request_is_refused_with_what_is_wrong(client, row):
    message, code, told = row
    answer = client(message)
    assert told in refused(answer, code)
    if code == UNSUPPORTED_VERSION:
        requested = message["params"]["_meta"][VERSION]
        assert answer["error"]["data"] == {"supported": [NOW], "requested": requested}
    assert client(ask(2, "server/discover"))["id"] == 2


@pytest.mark.parametrize(
    "wrong", [{CAPABILITIES: ABSENT}, {VERSION: ABSENT}, {VERSION: "1900-01-01"}, {CAPABILITIES: 5}, {CLIENT: 5}]
)
def test_a_ready_answer_excuses_nothing(client, wrong):
    """Twice: the words of a call that was refused are not known the next time."""
    area = {"state": "NV"}
    for message in (alerts(1, area), alerts(1, area, **wrong), alerts(1, area, **wrong)):
        assert ("error" in client(message)) == (message != alerts(1, area))


def test_who_does_not_say_who_it_is_is_served(client):
    assert complete(client(ask(1, "server/discover", **{CLIENT: ABSENT})))
    assert complete(client(alerts(1, {"state": "CA"}, **{CLIENT: ABSENT, "com.example/trace": [1]})))


# Beside a session


def test_both_eras_are_served_on_one_connection(server):
    with OverWebSocket(server.port) as raw:
        for _ in range(2):
            assert complete(raw(ask(1, "server/discover")))
            assert complete(raw(alerts(2, {"state": "CA"})))
            raw.send(request(3, "tools/list"))
            assert "initialize" in refused(raw.receive(), INVALID_REQUEST, 3)  # Nothing opened a session.
        raw.initialize()
        for _ in range(2):
            assert complete(raw(alerts(4, {"state": "CA"})))
            raw.send(call(5))
            assert "resultType" not in raw.receive()["result"]
            assert complete(raw(ask(6, "tools/list")))
            assert "resultType" not in raw.ask("tools/list")["result"]
            assert raw.ask("ping")["result"] == {}
        assert NOW in refused(raw(ask(7, "ping")), METHOD_NOT_FOUND, 7)
        assert raw.ask("ping")["result"] == {}


@pytest.mark.parametrize("key", ["io.modelcontextprotocol/related-task", "com.example/x", "progressToken"])
def test_metadata_that_sessions_have_do_not_make_a_request_stateless(server, key):
    """`related-task` is of 2025-11-25. CachedResult or not, the answer is of the session."""
    with Raw(server.port) as raw:
        raw.initialize()
        for _ in range(2):
            raw.send(request(1, "tools/call", call(1, state="UT")["params"] | {"_meta": {key: "x"}}))
            while "method" in (answer := raw.receive()):
                assert key == "progressToken"
            assert "resultType" not in answer["result"]


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    """A server that waits two seconds for `initialize`."""
    with serving(tmp_path_factory.mktemp("quick"), MCP_INITIALIZE_TIMEOUT_SECONDS="2") as started:
        yield started


@pytest.mark.parametrize("first", [ask(1, "server/discover"), alerts(1, {"state": "CA"})], ids=["discover", "ready"])
def test_a_connection_without_a_session_stays_open(quick, first):
    assert OverHTTP(quick.port)(alerts(1, {"state": "CA"}))["id"] == 1
    with OverWebSocket(quick.port) as raw:
        assert complete(raw(first))
        with Raw(quick.port) as silent:  # opened later
            assert silent.closed().code == 1008
        assert complete(raw(first))


LINES = {
    "ready": ([alerts(1, {"state": "CA"})], 'client="table 1"', "calls=1 errors=0"),
    "discover": ([ask(1, "server/discover")], 'client="table 1"', "calls=0 errors=0"),
    "no name": ([ask(1, "server/discover", **{CLIENT: ABSENT})], 'client=""', "calls=0 errors=0"),
    "a name in control characters": (
        [ask(1, "server/discover", **{CLIENT: {"name": "\x1b[2J\n" + "x" * 99, "version": "1"}})],
        'client="?[2J?' + "x" * 52 + '..."',
        "calls=0 errors=0",
    ),
    "errors": (
        [alerts(1, {"state": "XX"}), ask(2, "nope"), ask(3, "tools/call", {"name": "nope"})],
        'client="table 1"',
        "calls=2 errors=3",
    ),
}


@table(LINES)
def test_the_log_says_who_it_was_and_how_it_went(quick, row):
    messages, who, how = row
    OverHTTP(quick.port)(alerts(1, {"state": "CA"}))
    with OverWebSocket(quick.port) as raw:
        host, port = raw.socket.getsockname()
        for message in messages:
            raw(message)
    pattern = rf'session ended .*peer="{host}:{port}" (.*) seconds=\S+ (.*) ended='
    eventually(lambda: re.search(pattern, quick.log), "logged")
    assert re.search(pattern, quick.log).groups() == (who, how)


# At work


@pytest.fixture(scope="module")
def slow(tmp_path_factory, gate):
    """A server with four requests at work per connection, whose upstream answers when the gate is opened."""
    folder = tmp_path_factory.mktemp("slow")
    env = {"MCP_MAX_IN_FLIGHT": "4", "MCP_ALLOWED_ORIGINS": APP, **gate.settings}
    with serving(folder, config=configured(folder), **env) as started:
        yield started


@pytest.fixture
def waiting(slow, gate):
    gate.shut()
    with OverWebSocket(slow.port) as raw:
        yield raw
        assert raw(ask("last", "server/discover"))["id"] == "last"
    gate.open()


@pytest.fixture
def shut(gate):
    gate.shut()
    yield
    gate.open()


def at_work(server, number, gauge=IN_FLIGHT):
    eventually(lambda: gauges(server.port)[gauge] == number, f"{number} at work")


def cancelled_calls(server, transport):
    return gauges(server.port).get(
        f'mcp_calls_total{{outcome="cancelled",tool="get-alerts",transport="{transport}"}}', 0
    )


def cancel(request_id):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


@pytest.mark.parametrize("token", ["a", 7, "", 2**60])
def test_progress_is_told_to_who_asked_for_it(gate, waiting, areas, token):
    area = next(areas)
    waiting.send(alerts(1, area, progressToken=token))
    note = valid(waiting.receive(), "tools/call")["params"]
    assert repr(note["progressToken"]) == repr(token)
    gate.open()
    assert complete(valid(waiting.receive(), "tools/call"))
    assert complete(waiting(alerts(2, area, progressToken=token)))  # ready: nothing to tell


def test_progress_grows_with_each_note(server):
    place = {"name": "get-weather", "arguments": {"latitude": 44.4759, "longitude": -73.2121}}
    with OverWebSocket(server.port) as raw:
        raw.send(ask(1, "tools/call", place, progressToken=1))
        steps = []
        while "method" in (answer := valid(raw.receive(), "tools/call")):
            steps.append(answer["params"]["progress"])
    assert complete(answer)
    assert len(steps) > 1
    assert steps == sorted(set(steps))


def test_without_a_token_nothing_is_told(gate, waiting, areas):
    waiting.send(alerts(1, next(areas)))
    gate.open()
    assert complete(valid(waiting.receive(), "tools/call"))


@pytest.mark.parametrize("request_id", [5, "5", 2**70])
def test_a_cancelled_request_is_not_answered(slow, waiting, areas, request_id):
    """The work stops, though upstream has not answered; and the id is free."""
    before = cancelled_calls(slow, "websocket")
    waiting.send(alerts(request_id, next(areas)))
    at_work(slow, 1)
    waiting.send(cancel(request_id))
    at_work(slow, 0)
    assert cancelled_calls(slow, "websocket") == before + 1
    assert waiting(ask(request_id, "tools/list"))["id"] == request_id


def test_a_request_cancelled_in_the_same_write_is_not_answered(slow, waiting, areas):
    waiting.send(alerts(5, next(areas)), cancel(5), cancel("5"), ask(6, "tools/list"))
    assert waiting.receive()["id"] == 6
    at_work(slow, 0)


def test_a_cancel_harms_no_one_else(gate, waiting, areas):
    area = next(areas)
    waiting.send(alerts(1, area), alerts(2, area), cancel(1), cancel("2"), cancel(3))
    gate.open()
    assert waiting.receive()["id"] == 2


def test_an_id_at_work_is_not_taken_twice_by_either_era(gate, waiting, areas):
    area = next(areas)
    waiting.initialize().send(alerts(1, area), alerts(1, area), request(1, "ping"), call(2, **area), alerts(2, area))
    for request_id in (1, 1, 2):
        refused(valid(waiting.receive(), ""), INVALID_REQUEST, request_id)
    gate.open()
    assert {waiting.receive()["id"] for _ in range(2)} == {1, 2}


def test_both_eras_are_at_work_at_once(slow, gate, waiting, areas):
    area = next(areas)
    waiting.initialize().send(call("legacy", **area), alerts("modern", area))
    at_work(slow, 2)
    waiting.send(cancel("legacy"))
    at_work(slow, 1)
    gate.open()
    assert complete(valid(waiting.receive(), "tools/call"))


def test_no_more_are_at_work_than_may_be(slow, gate, waiting, areas):
    gate.asked.clear()
    waiting.send(*(alerts(number, next(areas)) for number in range(10)))
    at_work(slow, 4)
    eventually(lambda: len(gate.asked) == 4, "four are asked upstream")
    gate.open()
    assert sorted(waiting.receive()["id"] for _ in range(10)) == list(range(10))


def test_who_does_not_read_is_held_back(slow):
    """What is answered, and not taken in yet, is at work."""
    wrong = b"".join(text(alerts(number, {"state": "x" * 60})) for number in range(50))
    with Raw(slow.port, receive_buffer=4096) as raw:
        most = 1000 * len(wrong)
        assert fill(raw, wrong, most) < most
        at_work(slow, 4)
        assert gauges(slow.port)["asyncio_tasks"] < 100
        raw.reset()
    at_work(slow, 0)


@pytest.mark.parametrize("end", ["reset", "close"])
def test_requests_at_work_end_with_their_connection(slow, shut, areas, end):
    before = cancelled_calls(slow, "websocket")
    with Raw(slow.port) as raw:
        raw.send(alerts(1, next(areas)), alerts(2, next(areas), progressToken=1))
        at_work(slow, 2)
        raw.reset() if end == "reset" else raw.socket.close()
        at_work(slow, 0)
    assert cancelled_calls(slow, "websocket") == before + 2


@pytest.mark.anyio
async def test_a_send_that_fails_harms_no_one_else():
    """ASGI lets `send` raise an OSError when the client is gone; hypercorn ignores it, others do not."""

    async def gone(_):
        raise OSError("gone")

    async def work(_):
        return Result(READY.json)

    settings = Settings.read(nws_api_base="simulator")
    sessions = SimpleNamespace(answers=None, start=None, settings=settings, subscriptions=None)
    dispatcher = Dispatcher(sessions, None, gone, None)
    dispatcher.in_flight[1] = pending = PendingRequest(1, work, gone)
    with anyio.fail_after(TIMEOUT_S):
        await dispatcher._work(pending)
    assert not dispatcher.in_flight


# HTTP alone


def encoded(name):
    return f"=?base64?{b64encode(name.encode()).decode()}?="


CALL = alerts(1, {"state": "CA"})
UNICODE = ask(1, "tools/call", {"name": "\u2713"})
MIRRORS = {
    "as they should be": (CALL, {}, None),
    "names in lower case": (
        CALL,
        {"Mcp-Method": ABSENT, "Mcp-Name": ABSENT, "mcp-method": "tools/call", "MCP-NAME": "get-alerts"},
        None,
    ),
    "blanks around": (CALL, {"Mcp-Name": "  get-alerts \t"}, None),
    "Base64": (CALL, {"Mcp-Name": encoded("get-alerts")}, None),
    "Base64 beyond ASCII": (UNICODE, {"Mcp-Name": encoded("\u2713")}, INVALID_PARAMS),
    "no version": (CALL, {"MCP-Protocol-Version": ABSENT}, HEADER_MISMATCH),
    "no method": (CALL, {"Mcp-Method": ABSENT}, HEADER_MISMATCH),
    "no name": (CALL, {"Mcp-Name": ABSENT}, HEADER_MISMATCH),
    "another version": (CALL, {"MCP-Protocol-Version": "2025-11-25"}, HEADER_MISMATCH),
    "an unknown version": (CALL, {"MCP-Protocol-Version": "1900-01-01"}, HEADER_MISMATCH),
    "another method": (CALL, {"Mcp-Method": "tools/list"}, HEADER_MISMATCH),
    "a method in upper case": (CALL, {"Mcp-Method": "TOOLS/CALL"}, HEADER_MISMATCH),
    "another name": (CALL, {"Mcp-Name": "get-weather"}, HEADER_MISMATCH),
    "a name in upper case": (CALL, {"Mcp-Name": "Get-Alerts"}, HEADER_MISMATCH),
    "two names": (CALL, {"Mcp-Name": ["get-alerts", "get-alerts"]}, HEADER_MISMATCH),
    "two methods": (CALL, {"Mcp-Method": ["tools/call", "tools/call"]}, HEADER_MISMATCH),
    "Base64 of another name": (CALL, {"Mcp-Name": encoded("get-weather")}, HEADER_MISMATCH),
    "Base64 without its padding": (CALL, {"Mcp-Name": "=?base64?Z2V0LWFsZXJ0cw?="}, HEADER_MISMATCH),
    "Base64 with another letter": (CALL, {"Mcp-Name": "=?base64?Z2V0LWFsZXJ0cw*==?="}, HEADER_MISMATCH),
    "Base64 that is not UTF-8": (CALL, {"Mcp-Name": "=?base64?/w==?="}, HEADER_MISMATCH),
    "Base64 marked in upper case": (CALL, {"Mcp-Name": "=?BASE64?Z2V0LWFsZXJ0cw==?="}, HEADER_MISMATCH),
    "a method in Base64": (CALL, {"Mcp-Method": encoded("tools/call")}, HEADER_MISMATCH),
    "beyond ASCII as it is": (UNICODE, {"Mcp-Name": "\u2713".encode()}, HEADER_MISMATCH),
    "the version in the header alone": (request(1, "tools/list"), {}, INVALID_PARAMS),
    "nothing but the version": (request(1, "tools/list"), {"Mcp-Method": ABSENT}, HEADER_MISMATCH),
}


@table(MIRRORS)
def test_the_headers_say_what_the_body_says(server, row):
    message, headers, code = row
    with post(server.port, message, **headers) as response:
        answer = valid(json.load(response), message["method"])
        assert response.status == (200 if code is None else 400)
    if code is None:
        assert complete(answer)
    else:
        refused(answer, code)


def test_a_call_is_answered_with_an_event_stream_where_progress_was_asked_for(slow, shut, gate, areas):
    area = next(areas)
    with post(slow.port, alerts(1, area, progressToken="p"), Origin=APP) as response:
        assert response.status == 200
        assert response.headers["content-type"] == "text/event-stream"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["access-control-allow-origin"] == APP
        stream = events(response)
        assert valid(next(stream), "tools/call")["params"]["progressToken"] == "p"
        gate.open()
        *notes, answer = (valid(message, "tools/call") for message in stream)
        assert all(note["params"]["progressToken"] == "p" for note in notes)
        assert answer["id"] == 1
        assert complete(answer)
    with post(slow.port, alerts(2, area, progressToken="p"), Origin=APP) as response:
        assert response.headers["content-type"] == "application/json"  # It is ready.
        assert response.headers["access-control-allow-origin"] == APP
        assert complete(valid(json.load(response), "tools/call"))


def test_a_call_is_answered_with_json_where_it_was_not(slow, shut, gate, areas):
    gate.open()
    assert complete(OverHTTP(slow.port)(alerts(1, next(areas))))


def test_a_page_of_another_site_gets_no_stream(slow, areas):
    with post(slow.port, alerts(1, next(areas), progressToken="p"), Origin="https://evil.example") as response:
        assert response.status == 403
        assert response.headers["access-control-allow-origin"] is None


@pytest.mark.parametrize("meta", [{"progressToken": 1}, {}], ids=["stream", "JSON"])
def test_who_leaves_cancels(slow, shut, areas, meta):
    before = cancelled_calls(slow, "http")
    message = alerts(1, next(areas), **meta)
    with posted(slow.port, message):
        at_work(slow, 1, OVER_HTTP)
    at_work(slow, 0, OVER_HTTP)
    assert cancelled_calls(slow, "http") == before + 1


@pytest.mark.anyio
async def test_who_does_not_read_a_stream_takes_no_room_for_good():
    """The slots of MCP_MAX_CONCURRENT_REQUESTS are few."""
    message = alerts(1, {"state": "CA"}, progressToken=1)

    async def answer(*_):
        return READY

    async def stuck(_):
        await anyio.sleep_forever()

    received = iter([{"type": "http.request", "body": json.dumps(message).encode()}])

    async def receive():
        for event in received:
            return event
        return await anyio.sleep_forever()

    settings = Settings.read(nws_api_base="simulator", nws_deadline_seconds=0.1, mcp_send_timeout_seconds=0.1)
    answers = SimpleNamespace(
        lookup_key=lambda *_, **__: None,
        parse=lambda *_: None,
        lookup=lambda _: None,
        answer=answer,
        metrics=Metrics(),
        nws=None,
    )
    sessions = Sessions(settings, answers.metrics, answers)
    headers = {"host": "localhost", "content-type": "application/json", **mirrors(message)}
    scope = {
        "type": "http",
        "method": "POST",
        "path": "/mcp",
        "headers": [(name.lower().encode(), value.encode()) for name, value in headers.items()],
    }
    with anyio.fail_after(TIMEOUT_S):
        assert await StreamableHTTP(sessions, Access(settings)).handle(scope, receive, stuck) is None


def test_a_cancel_in_a_message_is_taken_and_means_nothing(server):
    with post(server.port, cancel(1), **{"Mcp-Method": "notifications/cancelled"}) as response:
        assert (response.status, response.read()) == (202, b"")


# The names of the draft for WebSocket


@pytest.fixture(scope="module")
def guarded(tmp_path_factory):
    with serving(tmp_path_factory.mktemp("guarded"), MCP_AUTH_TOKENS="s3cret", LOG_LEVEL="DEBUG") as started:
        yield started


OFFERS = {
    "token first": (["mcp.auth.s3cret, mcp.version.2026-07-28"], 101, "mcp.version.2026-07-28"),
    "token last": (["mcp.version.2026-07-28, mcp.auth.s3cret"], 101, "mcp.version.2026-07-28"),
    "token and mcp": (["mcp.auth.s3cret,mcp"], 101, "mcp"),
    "mcp and token": (["mcp,mcp.auth.s3cret"], 101, "mcp"),
    "an older version": (["mcp.version.2025-11-25, mcp.auth.s3cret"], 101, "mcp.version.2025-11-25"),
    "the newest of several": (
        ["mcp.version.2024-11-05, mcp.auth.s3cret, mcp.version.2026-07-28, mcp.version.2025-11-25"],
        101,
        "mcp.version.2026-07-28",
    ),
    "an unknown version": (["mcp.version.1900-01-01, mcp.auth.s3cret"], 400, None),
    "nothing but a token": (["mcp.auth.s3cret"], 400, None),
    "no token": (["mcp.version.2026-07-28"], 401, None),
    "a wrong token": (["mcp.auth.wr0ng, mcp.version.2026-07-28"], 401, None),
    "an empty token": (["mcp.auth., mcp"], 401, None),
    "two tokens": (["mcp.auth.s3cret, mcp.auth.s3cret, mcp"], 400, None),
}


@table(OFFERS)
def test_a_token_among_the_subprotocols_is_checked_and_never_shown(guarded, row):
    offers, status, accepted = row
    with OverWebSocket(guarded.port, **{"Sec-WebSocket-Protocol": ", ".join(offers)}) as raw:
        assert raw.answer.split()[1] == str(status)
        found = re.search("(?i)sec-websocket-protocol: *(.*)", raw.answer)
        assert (found and found[1].strip()) == accepted
        if status == 101:
            assert complete(raw(ask(1, "server/discover")))
        else:
            with pytest.raises(Closed):
                raw._take(10_000)
    shown = raw.answer + raw.unread.decode(errors="replace") + guarded.log
    assert not re.search("s3cret|wr0ng", shown)


def test_a_token_comes_one_way(guarded):
    headers = {"Sec-WebSocket-Protocol": "mcp, mcp.auth.s3cret", "Authorization": "Bearer s3cret"}
    with Raw(guarded.port, **headers) as raw:
        assert raw.answer.split()[1] == "400"


# As a function

ANSWERED = {
    "discover": (ask(1, "server/discover"), "supportedVersions"),
    "list": (ask(1, "tools/list"), "tools"),
    "call": (CALL, "content"),
    "call to be worked on": (alerts(1, {"state": "WA"}), None),
    "call without arguments": (ask(1, "tools/call", {"name": "get-alerts"}), None),
    "call with null for them": (ask(1, "tools/call", {"name": "get-alerts", "arguments": None}), None),
    "other metadata": (ask(1, "tools/list", progressToken="x", **{LOG_LEVEL: "debug", "traceparent": "00-"}), "tools"),
    "unknown method": (ask(1, "nope"), METHOD_NOT_FOUND),
    "unknown tool": (ask(1, "tools/call", {"name": ["get-alerts"]}), INVALID_PARAMS),
    "no tool": (ask(1, "tools/call"), INVALID_PARAMS),
    "cursor": (ask(1, "tools/list", {"cursor": "2"}), INVALID_PARAMS),
    "no cursor": (ask(1, "tools/list", {"cursor": None}), "tools"),
    "no cursor of resources": (ask(1, "resources/list", {"cursor": None}), "resources"),
    "no cursor of templates": (ask(1, "resources/templates/list", {"cursor": None}), "resourceTemplates"),
    "no version": (ask(1, "tools/list", **{VERSION: ABSENT}), INVALID_PARAMS),
    "another version": (ask(1, "tools/list", **{VERSION: ""}), UNSUPPORTED_VERSION),
    "another version before all else": (ask(1, "x", **{VERSION: "x", CAPABILITIES: ABSENT}), UNSUPPORTED_VERSION),
    "a version that is none": (ask(1, "tools/list", **{VERSION: 20260728}), INVALID_PARAMS),
}


@table(ANSWERED)
@pytest.mark.parametrize("key", [None, "plain"])
def test_answered(row, key):
    message, expected = row
    answers = SimpleNamespace(
        settings=Settings.read(nws_api_base="simulator"),
        metrics=Metrics(),
        parse=lambda _, arguments, *__: arguments.get("state"),
        lookup=lambda state: READY if state == "CA" else None,
    )
    asked = Request(message["id"], message["method"], message["params"], key, stateless=True)
    if isinstance(expected, int):
        with pytest.raises(InvalidMessage) as invalid:
            modern.answered(answers, None, asked, "http", 0)
        assert (invalid.value.code, invalid.value.request_id) == (expected, 1)
        return
    answer = modern.answered(answers, None, asked, "http", 0)
    assert expected in json.loads(answer)["result"] if expected else callable(answer)


SPEAKS = {
    "discover, whatever it says": (request(1, "server/discover"), True),
    "metadata": (ask(1, "initialize"), True),
    "one of them": (request(1, "ping", {"_meta": {LOG_LEVEL: "x"}}), True),
    "wrong ones": (request(1, "ping", {"_meta": {VERSION: None}}), True),
    "none": (request(1, "tools/list", {}), False),
    "metadata of sessions": (request(1, "ping", {"_meta": {"progressToken": 1}}), False),
    "metadata of another kind": (request(1, "ping", {"_meta": [VERSION]}), False),
    "initialize": (request(1, "initialize", INITIALIZE), False),
}


@table(SPEAKS)
def test_speaks(row):
    message, expected = row
    assert modern.speaks(Request(1, message["method"], message.get("params", {}))) is expected
