"""MCP over streamable HTTP: every kind of request to /mcp, and what becomes of it, over a real hypercorn."""

from __future__ import annotations

import json
import select
import signal
import socket
import time
from contextlib import ExitStack, closing, contextmanager
from http.client import HTTPConnection, HTTPResponse

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from mcp import ClientSession, McpError
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS

from tests.conftest import serving
from tests.raw import CLIENT_INFO, INITIALIZE, TIMEOUT_S, Raw, answering, call, configured, eventually, gated, gauges
from tests.raw import request as message
from tests.transports.test_dispatch import (
    BAD_ARGUMENTS,
    IDS,
    INVALID_PARAMS,
    INVALID_REQUEST,
    NO_REQUEST,
    NONE,
    NOT_JSON,
    PARSE_ERROR,
    SILENCE,
    WRONG_REQUESTS,
    table,
)
from weather import __version__
from weather.areas import AREAS
from weather.protocol.messages import META, VERSION
from weather.protocol.resources import NOT_FOUND

IN_FLIGHT = 'mcp_requests_in_flight{transport="http"}'
CANCELLED = 'mcp_calls_total{outcome="cancelled",tool="get-alerts",transport="http"}'
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}
PLACE = {"latitude": 44.26, "longitude": -72.57}
CALLS = {"get-weather": PLACE, "get-forecast": PLACE, "get-alerts": {"state": "VT", "limit": 3}}
LIMIT = 64 * 1024
ONE_CALL = {"content", "structuredContent", "isError"}


class Client(HTTPConnection):
    """One connection; every wait is bounded."""

    def __init__(self, server):
        super().__init__("127.0.0.1", server.port, timeout=TIMEOUT_S)

    def post(self, body, *, without=(), **headers):
        """Does not wait for the answer. `headers` are named with underscores."""
        data = body if isinstance(body, bytes) else (body if isinstance(body, str) else json.dumps(body)).encode()
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in (HEADERS | named).items() if name not in without}
        if self.sock and select.select([self.sock], [], [], 0)[0]:
            self.close()  # as the server did after a while
        self.request("POST", "/mcp", data, sent)

    def answer(self):
        """Status, headers, and the body: bytes, or what they say in JSON."""
        response = self.getresponse()
        body = response.read()
        return response.status, response.headers, json.loads(body) if body else b""

    def ask(self, body, **headers):
        self.post(body, **headers)
        return self.answer()

    def result(self, body, **headers):
        status, got, answer = self.ask(body, **headers)
        assert (status, got["Content-Type"]) == (200, "application/json"), answer
        assert answer["id"] == body["id"]
        return answer["result"]

    def get(self, path, method="GET", **headers):
        self.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
        return self.answer()


@contextmanager
def served(folder, keep_alive_s=0.5, **settings):
    """A server that is quiet, whatever comes."""
    with serving(folder, config=configured(folder, keep_alive_s=keep_alive_s), **settings) as server:
        yield server
        assert "Traceback" not in server.log


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    with served(tmp_path_factory.mktemp("plain"), 2 * TIMEOUT_S, LOG_LEVEL="DEBUG") as server:
        yield server


@pytest.fixture
def http(plain):
    """A connection that still serves after whatever came."""
    with closing(Client(plain)) as client:
        yield client
        assert client.result(message("last", "ping")) == {}


# The SDK's client


@pytest.mark.anyio
async def test_the_sdks_client_initializes_lists_calls_and_is_told_of_errors(plain):
    """Each tool twice: what is built and what is ready are the same."""
    ready = gauges(plain.port)["mcp_answer_cache_hits_total"]
    with anyio.fail_after(TIMEOUT_S):
        async with (
            streamable_http_client(f"{plain.http}/mcp") as (read, write, session_id),
            ClientSession(read, write) as session,
        ):
            initialized = await session.initialize()
            assert initialized.protocolVersion == "2025-11-25"
            assert initialized.serverInfo.model_dump(exclude_none=True) == {
                "name": "weather",
                "title": "US weather",
                "version": __version__,
            }
            assert session_id() is None
            await session.send_ping()
            assert [tool.name for tool in (await session.list_tools()).tools] == list(CALLS)
            for name, arguments in CALLS.items():
                built, again = [await session.call_tool(name, arguments) for _ in range(2)]
                assert not built.isError
                assert built == again
            assert gauges(plain.port)["mcp_answer_cache_hits_total"] == ready + len(CALLS)
            bad = await session.call_tool("get-alerts", {"state": "XX"})
            assert bad.isError
            assert "two-letter code" in bad.content[0].text
            with pytest.raises(McpError) as unknown:
                await session.call_tool("nope", {})
            assert unknown.value.error.code == INVALID_PARAMS


# Bare requests: there are no sessions, so each stands alone


@pytest.mark.parametrize("version", [*SUPPORTED_PROTOCOL_VERSIONS, None])
def test_a_client_of_any_revision_need_not_initialize(http, version):
    headers = {"MCP-Protocol-Version": version} if version else {}
    assert len(http.result(message(1, "tools/list"), **headers)["tools"]) == len(CALLS)
    built, ready = (http.result(call(number, state="ME"), **headers) for number in (2, 3))
    assert built == ready
    assert built["structuredContent"]["state"] == "ME"


@pytest.mark.parametrize(
    ("asked", "answered"),
    [*((version, version) for version in SUPPORTED_PROTOCOL_VERSIONS), ("1999-01-01", "2025-11-25")],
)
def test_initialize_is_answered_as_on_the_websocket(http, plain, asked, answered):
    params = INITIALIZE | {"protocolVersion": asked}
    status, headers, answer = http.ask(message(0, "initialize", params))
    assert status == 200
    assert "Mcp-Session-Id" not in headers
    assert answer["result"]["protocolVersion"] == answered
    with Raw(plain.port) as raw:
        there = raw.ask("initialize", params)["result"]
    assert there["capabilities"]["resources"].pop("subscribe")
    assert not answer["result"]["capabilities"]["resources"].pop("subscribe")  # It takes a connection.
    assert there == answer["result"]


def test_a_progress_token_and_an_unknown_session_id_harm_nothing(http):
    for state in ("NH", "NH", "NH"):
        asked = message(1, "tools/call", {"name": "get-alerts", "arguments": {"state": state}})
        asked["params"]["_meta"] = {"progressToken": "p"}
        assert set(http.result(asked, Mcp_Session_Id="long gone")) == ONE_CALL


def reason_of(refusal):
    """mcp 2.x shows its user the message of an error with the id null, and nothing of another body."""
    error, reason = refusal["error"], refusal["error"]["data"]
    assert refusal == {"jsonrpc": "2.0", "id": None, "error": error}
    assert error == {"code": error["code"], "message": reason["message"], "data": reason}
    return reason["error"]


def error(answer, code, request_id=NONE):
    assert set(answer) == {"jsonrpc", "error"} | (set() if request_id is NONE else {"id"})
    assert request_id is NONE or answer["id"] == request_id
    assert answer["error"]["code"] == code
    return answer["error"]["message"]


@table(NOT_JSON)
def test_what_is_not_json_is_a_parse_error_without_an_id(http, row):
    status, _, answer = http.ask(row)
    assert status == 400
    error(answer, PARSE_ERROR)


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "latin-1"])
def test_what_is_not_utf_8_is_not_json(http, encoding):
    status, _, answer = http.ask('{"jsonrpc":"2.0","id":"é","method":"ping"}'.encode(encoding))
    assert status == 400
    error(answer, PARSE_ERROR)


@table({name: row for name, row in NO_REQUEST.items() if name != "a second initialize"})
def test_json_that_is_no_message_is_an_invalid_request(http, row):
    body, request_id = row
    status, _, answer = http.ask(body)
    assert status == 400
    error(answer, INVALID_REQUEST, request_id)


@table(WRONG_REQUESTS | {"initialize of nobody": (message(1, "initialize", {}), INVALID_PARAMS, "protocolVersion")})
def test_a_wrong_request_is_answered_with_what_is_wrong(http, row):
    body, code, told = row
    status, _, answer = http.ask(body)
    assert status == 200
    assert told in error(answer, code, 1)


@table(BAD_ARGUMENTS)
def test_bad_arguments_are_a_result_that_helps_to_mend_the_call(http, row):
    body, told = row
    result = http.result(body)
    assert result["isError"]
    assert told in result["content"][0]["text"]


@pytest.mark.parametrize("stateless", [False, True])
def test_a_resource_that_nws_turns_out_not_to_have_is_an_error(http, stateless):
    uri = f"weather://forecast/48.8{stateless:d},2.35"
    meta = {"_meta": {META["version"]: VERSION, META["capabilities"]: {}}} if stateless else {}
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "resources/read", "Mcp-Name": uri} if stateless else {}
    status, _, answer = http.ask(message(1, "resources/read", {"uri": uri, **meta}), **headers)
    assert status == (400 if stateless else 200)
    assert "covers the United States" in error(answer, INVALID_PARAMS if stateless else NOT_FOUND, 1)


@table(SILENCE)
def test_what_asks_nothing_is_accepted_with_an_empty_body(http, row):
    status, headers, answer = http.ask(row)
    assert (status, answer, headers["Content-Length"]) == (202, b"", "0")


@table(IDS)
@pytest.mark.parametrize("method", ["ping", "tools/list", "tools/call", "nope"])
def test_an_id_is_echoed_exactly(http, row, method):
    params = ',"params":{"name":"get-alerts","arguments":{"state":"RI"}}' if method == "tools/call" else ""
    for _ in range(2):  # a call is built, then ready
        status, _, answer = http.ask(f'{{"jsonrpc":"2.0","id":{row},"method":"{method}"{params}}}')
        assert status == 200
        assert repr(answer["id"]) == repr(json.loads(row))
        assert ("result" in answer) == (method != "nope")


# What is no MCP

METHOD = "Send each message with POST; there is no stream to GET."
CONTENT_TYPE = "Send the message as application/json."
ACCEPT = "The answer is application/json: accept that, and text/event-stream."
REFUSED = {
    "GET": ("GET", {"Accept": "text/event-stream"}, 405, "method", METHOD),
    "DELETE": ("DELETE", {"Mcp-Session-Id": "x"}, 405, "method", METHOD),
    "PUT": ("PUT", {}, 405, "method", METHOD),
    "a form": ("POST", {"Content-Type": "text/plain"}, 415, "content_type", CONTENT_TYPE),
    "JSON of a kind": ("POST", {"Content-Type": "application/json-rpc"}, 415, "content_type", CONTENT_TYPE),
    "no kind": ("POST", {"Content-Type": ""}, 415, "content_type", CONTENT_TYPE),
    "events alone": ("POST", {"Accept": "text/event-stream"}, 406, "accept", ACCEPT),
    "a page": ("POST", {"Accept": "text/html"}, 406, "accept", ACCEPT),
    "a revision to come": ("POST", {"MCP-Protocol-Version": "2099-01-01"}, 400, "version", "'2099-01-01' is not"),
    "no revision": ("POST", {"MCP-Protocol-Version": "x" * 99}, 400, "version", f"{'x' * 20!r} is not"),
    "a name made to resolve here": ("POST", {"Host": "evil.example"}, 421, "host", "'evil.example' is not served"),
    "a page of another site": ("POST", {"Origin": "http://evil.example"}, 403, "origin", "'http://evil.example' is"),
    "a page's question for it": ("OPTIONS", {"Origin": "http://evil.example"}, 403, "origin", "'http://evil.example'"),
    "a page of nowhere": ("POST", {"Origin": "null"}, 403, "origin", "'null'"),
}


@table(REFUSED)
def test_what_is_no_mcp_is_refused_and_counted(plain, row):
    """Its body is not waited for: hypercorn closes a connection where it has not come by then."""
    method, headers, status, reason, told = row
    counted = f'mcp_rejected_total{{reason="{reason}",transport="http"}}'
    before = gauges(plain.port).get(counted, 0)
    with closing(Client(plain)) as client:
        client.request(method, "/mcp", PING, HEADERS | headers)
        got = client.answer()
    assert (got[0], got[1]["Content-Type"], reason_of(got[2])) == (status, "application/json", reason)
    assert told in got[2]["error"]["message"]
    assert got[1]["Allow"] == ("POST, OPTIONS" if status == 405 else None)
    assert gauges(plain.port)[counted] == before + 1


def test_a_head_is_refused_without_a_body(http):
    status, headers, answer = http.get("/mcp", "HEAD")
    assert (status, headers["Allow"], answer) == (405, "POST, OPTIONS", b"")


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept": "*/*"},
        {"Accept": "application/*;q=0.5"},
        {"Accept": "Application/JSON, Text/Event-Stream"},
        {"Accept": "text/event-stream;q=1, application/json;q=0.1"},
        {"Content-Type": "Application/JSON; charset=utf-8"},
        {"without": ("Accept",)},
        {"Origin": "http://localhost:1"},
    ],
    ids=str,
)
def test_headers_are_taken_as_they_are_meant(http, headers):
    if "Origin" in headers:
        headers = {"Origin": f"http://127.0.0.1:{http.port}"}
    assert http.result(message(1, "ping"), **headers) == {}


# Bodies

PING = json.dumps(message("in parts", "ping")).encode()
HEAD = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"


@contextmanager
def sending(server, *more):
    """A socket on which such a request has begun, with more lines of its head."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as opened:
        opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        opened.sendall("\r\n".join((HEAD + more[0], *more[1:], "", "")).encode())
        yield opened


def received(opened):
    """Status and body of the next answer."""
    response = HTTPResponse(opened)
    response.begin()
    return response.status, json.loads(response.read())


def chunk(data):
    return b"%x\r\n%b\r\n" % (len(data), data)


def test_a_body_may_come_in_many_parts(plain):
    with sending(plain, f"Content-Length: {len(PING)}") as opened:
        for byte in PING:
            opened.sendall(bytes([byte]))
        assert received(opened) == (200, {"jsonrpc": "2.0", "id": "in parts", "result": {}})


def test_a_body_may_be_chunked_and_the_connection_goes_on(plain):
    with sending(plain, "Transfer-Encoding: chunked") as opened:
        for byte in PING:
            opened.sendall(chunk(bytes([byte])))
        opened.sendall(chunk(b""))
        assert received(opened)[1]["id"] == "in parts"
        opened.sendall(f"{HEAD}Transfer-Encoding: chunked\r\n\r\n".encode() + chunk(PING) + chunk(b""))
        assert received(opened)[1]["id"] == "in parts"


def test_a_client_that_waits_for_100_continue_is_told_to(plain):
    with sending(plain, "Expect: 100-continue", f"Content-Length: {len(PING)}") as opened:
        assert opened.recv(1 << 16).startswith(b"HTTP/1.1 100 ")
        opened.sendall(PING)
        assert received(opened)[0] == 200


def test_a_body_at_the_limit_is_read(http):
    status, _, answer = http.ask('"' + "x" * (LIMIT - 2) + '"')
    assert status == 400
    error(answer, INVALID_REQUEST)


@pytest.mark.parametrize("size", [LIMIT + 1, 8 * LIMIT, 200 * LIMIT])
@pytest.mark.parametrize("chunked", [False, True])
def test_a_body_over_the_limit_is_refused(plain, chunked, size):
    more = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {size}"
    part = b"x" * (LIMIT // 2)
    parts = [part] * (size // len(part)) + [b"x"] * (size % len(part))
    with sending(plain, more) as opened:
        for data in parts:
            opened.sendall(chunk(data) if chunked else data)
        if chunked:
            opened.sendall(chunk(b""))
        status, answer = received(opened)
    assert (status, reason_of(answer)) == (413, "too_big")
    assert answer["error"]["message"] == f"A message has at most {LIMIT} bytes."


def test_a_body_that_does_not_come_is_waited_for_five_seconds(plain):
    """At none of it, and at all but the last byte."""
    with (
        sending(plain, f"Content-Length: {len(PING)}") as silent,
        sending(plain, f"Content-Length: {len(PING)}") as slow,
    ):
        started = time.monotonic()
        slow.sendall(PING[:-1])
        for opened in (silent, slow):
            status, answer = received(opened)
            assert (status, reason_of(answer)) == (408, "slow")
            assert answer["error"]["message"] == "The message did not come within 5 s."
        assert time.monotonic() - started > 4.9


def test_a_connection_serves_hundreds_of_requests(http):
    http.connect()
    first = http.sock
    for number in range(400):
        assert http.result(call(number, state="CT"))["isError"] is False
        assert http.sock is first


# At work


@pytest.fixture(scope="module")
def slow(tmp_path_factory, gate):
    """A server with room for three requests, whose upstream answers when the gate is opened."""
    with served(tmp_path_factory.mktemp("slow"), MCP_MAX_CONCURRENT_REQUESTS="3", **gate.settings) as started:
        yield started


@pytest.fixture(scope="module")
def areas():
    """Arguments that no test has used before: their answers are not ready."""
    return ({"state": state, "limit": 9} for state in sorted(AREAS))


@pytest.fixture
def shut(slow, gate):
    gate.shut()
    gate.asked.clear()
    yield gate
    gate.open()
    at_work(slow, 0)


def listen(request_id):
    meta = {META["version"]: VERSION, META["capabilities"]: {}}
    return message(request_id, "subscriptions/listen", {"_meta": meta, "notifications": {}})


def at_work(server, number):
    eventually(lambda: gauges(server.port)[IN_FLIGHT] == number, f"{number} at work")


@contextmanager
def calling(server, arguments):
    with closing(Client(server)) as client:
        client.post(call(1, **arguments))
        yield client


def test_a_call_that_nobody_waits_for_is_cancelled(slow, shut, areas):
    before = gauges(slow.port).get(CANCELLED, 0)
    upstream = 'nws_requests_total{endpoint="alerts",status="cancelled"}'
    stopped = gauges(slow.port).get(upstream, 0)
    with calling(slow, next(areas)):
        eventually(lambda: len(shut.asked) == 1, "upstream is asked")
        at_work(slow, 1)
    at_work(slow, 0)
    eventually(lambda: gauges(slow.port).get(CANCELLED, 0) == before + 1, "counted")
    eventually(lambda: gauges(slow.port).get(upstream, 0) == stopped + 1, "upstream is not waited for")


@pytest.mark.parametrize("first", [True, False])
def test_who_asked_the_same_gets_the_answer_though_another_goes_away(slow, shut, areas, first):
    """Whoever of the two was there first."""
    before, arguments = gauges(slow.port).get(CANCELLED, 0), next(areas)
    with ExitStack() as others, closing(Client(slow)) as later:
        one = others.enter_context(calling(slow, arguments))
        eventually(lambda: len(shut.asked) == 1, "upstream is asked")
        later.post(call(1, **arguments))
        at_work(slow, 2)
        with closing(Client(slow)) as third:  # What came before has got as far by now.
            third.result(message(3, "ping"))
        goes, stays = (one, later) if first else (later, one)
        goes.close()
        at_work(slow, 1)
        assert gauges(slow.port)[CANCELLED] == before + 1
        shut.open()
        status, _, answer = stays.answer()
    assert (status, answer["result"]["isError"]) == (200, False)
    assert len(shut.asked) == 1


def test_a_session_and_a_request_share_the_work(slow, shut, areas):
    arguments = next(areas)
    with Raw(slow.port) as raw, calling(slow, arguments) as client:
        raw.initialize().send(call(1, **arguments))
        eventually(lambda: gauges(slow.port)['mcp_requests_in_flight{transport="websocket"}'] == 1, "both")
        at_work(slow, 1)
        shut.open()
        assert raw.receive() == client.answer()[2]
    assert len(shut.asked) == 1


def test_beyond_the_bound_there_is_no_room_until_there_is(slow, shut, areas):
    with ExitStack() as stack, closing(Client(slow)) as late:
        calls = [stack.enter_context(calling(slow, next(areas))) for _ in range(3)]
        at_work(slow, 3)
        for body in (message(1, "ping"), call(1, **next(areas))):
            status, headers, answer = late.ask(body)
            assert (status, headers["Retry-After"], reason_of(answer)) == (503, "5", "capacity")
            assert answer["error"]["message"] == "There is no room for another request now."
            late.close()  # as hypercorn does when a request is refused before its body is read, a little later
        assert late.get("/ready")[0] == 200
        shut.open()
        assert [client.answer()[0] for client in calls] == [200] * 3
        assert late.result(message(1, "ping")) == {}


def test_a_slow_call_holds_up_no_other(slow, shut, areas):
    with calling(slow, next(areas)) as client, closing(Client(slow)) as other:
        at_work(slow, 1)
        assert len(other.result(message(2, "tools/list"))["tools"]) == len(CALLS)
        shut.open()
        assert client.answer()[0] == 200


def test_who_listens_leaves_room_for_calls(slow):
    """Streams are bounded by MCP_MAX_STREAMS."""
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "subscriptions/listen"}
    with ExitStack() as stack, closing(Client(slow)) as late:
        for number in range(5):
            client = stack.enter_context(closing(Client(slow)))
            client.post(listen(number), **headers)
            assert client.getresponse().status == 200
        assert gauges(slow.port)["mcp_streams_open"] == 5
        at_work(slow, 0)
        assert late.result(message(1, "ping")) == {}
    eventually(lambda: gauges(slow.port)["mcp_streams_open"] == 0, "they end with their connection")


def test_going_down_a_call_is_answered_within_the_grace(tmp_path):
    config = configured(tmp_path, graceful_s=2 * TIMEOUT_S)
    with (
        gated() as (gate, settings),
        serving(tmp_path, config=config, MCP_GRACE_SECONDS=str(TIMEOUT_S), **settings) as server,
    ):
        with closing(Client(server)) as idle, calling(server, {"state": "TX"}) as client:
            assert idle.result(message(1, "ping")) == {}
            at_work(server, 1)
            server.process.send_signal(signal.SIGTERM)
            eventually(lambda: "going down" in server.log, "going down")
            gate.open()
            status, _, answer = client.answer()
            assert (status, answer["result"]["isError"]) == (200, False)
        assert server.process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in server.log


def test_going_down_a_call_is_refused_after_the_grace(tmp_path):
    with (
        gated() as (_, settings),
        serving(tmp_path, MCP_GRACE_SECONDS="0.5", **settings) as server,
        calling(server, {"state": "TX"}) as client,
    ):
        at_work(server, 1)
        started = time.monotonic()
        server.process.send_signal(signal.SIGTERM)
        status, headers, answer = client.answer()
        assert time.monotonic() - started >= 0.5
        assert (status, headers["Retry-After"], reason_of(answer)) == (503, "5", "capacity")
        assert server.process.wait(TIMEOUT_S) == 0
        assert "Traceback" not in server.log


# Pages of other sites, and tokens

PAGE, ISSUER = "https://app.example", "https://issuer.example"
METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture(scope="module")
def key():
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture(scope="module")
def guarded(tmp_path_factory, key):
    """A server for the pages of one site, who send tokens of one issuer."""
    jwk = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    with answering(lambda _: (200, {"keys": [jwk]})) as url:
        settings = {
            "MCP_AUTH_JWKS_URL": url,
            "MCP_AUTH_ISSUER": ISSUER,
            "MCP_AUTH_SCOPE": "weather",
            "MCP_ALLOWED_ORIGINS": PAGE,
        }
        with served(tmp_path_factory.mktemp("guarded"), **settings) as server:
            yield server


@pytest.fixture
def stranger(guarded):
    with closing(Client(guarded)) as client:
        yield client


def bearer(key, **changes):
    claims = {"exp": int(time.time()) + 60, "iss": ISSUER, "scope": "weather", **changes}
    return {"Authorization": f"Bearer {jwt.encode(claims, key, 'ES256')}"}


def test_an_allowed_page_may_ask_first_without_a_token(stranger):
    headers = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "x"}
    status, got, body = stranger.get("/mcp", "OPTIONS", **headers)
    assert (status, body) == (200, b"")
    assert got["Access-Control-Allow-Origin"] == PAGE
    assert got["Access-Control-Allow-Methods"] == "POST"
    allowed = set(got["Access-Control-Allow-Headers"].split(", "))
    assert allowed >= {"accept", "authorization", "content-type", "mcp-protocol-version"}
    assert allowed >= {"mcp-session-id", "last-event-id"}  # The TypeScript SDK sends them.
    assert got["Vary"] == "origin"


@pytest.mark.parametrize("known", [True, False])
def test_an_allowed_page_may_read_the_answer_and_why_there_is_none(stranger, key, known):
    status, headers, _ = stranger.ask(message(1, "ping"), Origin=PAGE.upper(), **(bearer(key) if known else {}))
    assert status == (200 if known else 401)
    assert headers["Access-Control-Allow-Origin"] == PAGE.upper()
    assert headers["Access-Control-Expose-Headers"] == "www-authenticate"


@pytest.mark.parametrize("path", [METADATA, METADATA + "/mcp"])
def test_an_allowed_page_may_read_where_to_get_a_token(stranger, path):
    status, headers, _ = stranger.get(path, Origin=PAGE)
    assert (status, headers["Access-Control-Allow-Origin"]) == (200, PAGE)


@pytest.mark.parametrize("method", ["OPTIONS", "POST"])
@pytest.mark.parametrize("origin", [None, "http://localhost:{port}", "https://app.example.evil.example", "null"])
def test_no_other_page_may(stranger, key, method, origin):
    """Those of the server's own origin need no leave, and a client that is no page has none."""
    headers = {"Origin": origin.format(port=stranger.port)} if origin else {}
    stranger.request(method, "/mcp", PING, HEADERS | {"Host": f"localhost:{stranger.port}"} | bearer(key) | headers)
    status, got, _ = stranger.answer()
    passes = origin is None or "localhost" in origin
    assert status == (200 if passes else 403)
    assert got["Access-Control-Allow-Origin"] is None


def test_a_token_opens_the_door(stranger, key):
    assert stranger.result(call(1, state="MA"), **bearer(key))["isError"] is False


REALM = 'Bearer realm="weather"'


@table(
    {
        "none": ({}, 401, "token_missing", REALM),
        "another kind": ({"Authorization": "Basic x"}, 401, "token_missing", REALM),
        "nonsense": ({"Authorization": "Bearer x"}, 401, "token_invalid", 'error="invalid_token"'),
        "expired": ({"exp": 1}, 401, "token_invalid", "expired"),
        "of another issuer": ({"iss": "x"}, 401, "token_invalid", 'error="invalid_token"'),
        "for something else": ({"scope": "x"}, 403, "scope", 'error="insufficient_scope", scope="weather"'),
    }
)
@pytest.mark.parametrize("ready", [True, False])
def test_no_other_token_does(stranger, key, row, ready):
    """Nor is it told what others were: an answer that is ready is no less guarded."""
    if ready:
        stranger.result(call(1, state="MA"), **bearer(key))
    given, status, reason, told = row
    headers = given if not given or "Authorization" in given else bearer(key, **given)
    got = stranger.ask(call(1, state="MA"), **headers)
    assert (got[0], reason_of(got[2])) == (status, reason)
    challenge = got[1]["WWW-Authenticate"]
    assert challenge.startswith(REALM)
    assert told in challenge
    assert challenge.endswith(f'resource_metadata="http://127.0.0.1:{stranger.port}{METADATA}/mcp"')


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_without_a_token_another_method_says_so(stranger, key, method):
    """mcp-use, mcporter and mcp-remote send a GET after a refusal, and show their user what that gets."""
    status, _, answer = stranger.get("/mcp", method)
    assert (status, reason_of(answer)) == (401, "token_missing")
    status, _, answer = stranger.get("/mcp", method, **bearer(key))
    assert (status, reason_of(answer)) == (405, "method")


def test_a_stream_ends_when_its_token_does(stranger, key):
    """As a WebSocket does, and with the end of a stream."""
    ends_at = int(time.time()) + 3
    headers = {"MCP-Protocol-Version": VERSION, "Mcp-Method": "subscriptions/listen"}
    stranger.post(listen(1), **headers, **bearer(key, exp=ends_at))
    response = stranger.getresponse()
    assert response.status == 200
    assert b"acknowledged" in response.read()
    assert time.time() >= ends_at - 0.1


@pytest.fixture(scope="module")
def tokens(tmp_path_factory, gate):
    """A server with two tokens, whose upstream answers when the gate is opened."""
    with served(tmp_path_factory.mktemp("tokens"), MCP_AUTH_TOKENS="ours,theirs", **gate.settings) as started:
        yield started


def test_a_client_cancels_its_own_request_and_no_other_ones(tokens, gate, areas):
    """Each request stands alone: a client is known by its token and its address."""
    gate.shut()
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    ours, theirs = ({"Authorization": f"Bearer {token}"} for token in ("ours", "theirs"))
    with ExitStack() as stack:
        waiting, other, third, late = (stack.enter_context(closing(Client(tokens))) for _ in range(4))
        for client, request_id, token in ((waiting, 1, ours), (other, 2, ours), (third, 1, theirs)):
            client.post(call(request_id, **next(areas)), **token)
        at_work(tokens, 3)
        assert late.ask(cancel, **ours)[::2] == (202, b"")
        assert waiting.answer()[::2] == (202, b"")
        at_work(tokens, 2)
        gate.open()
        assert [client.answer()[0] for client in (other, third)] == [200, 200]


@pytest.mark.parametrize(("path", "endpoint"), [("", "/mcp"), ("/mcp", "/mcp"), ("/ws", "/ws")])
def test_where_to_get_a_token_is_told_to_everybody(stranger, path, endpoint):
    status, _, document = stranger.get(METADATA + path)
    assert status == 200
    assert document == {
        "resource": f"http://127.0.0.1:{stranger.port}{endpoint}",
        "authorization_servers": [ISSUER],
        "bearer_methods_supported": ["header"],
        "scopes_supported": ["weather"],
    }


def test_behind_a_gateway_that_ends_tls_the_resource_is_https(stranger):
    _, _, document = stranger.get(METADATA + "/mcp", X_Forwarded_Proto="https", Host="localhost")
    assert document["resource"] == "https://localhost/mcp"
    _, headers, _ = stranger.ask(message(1, "ping"), X_Forwarded_Proto="https", Host="localhost")
    assert f'"https://localhost{METADATA}/mcp"' in headers["WWW-Authenticate"]


@pytest.mark.parametrize("path", ["", "/mcp", "/ws"])
def test_without_an_issuer_nothing_is_told(http, path):
    status, _, answer = http.get(METADATA + path)
    assert (status, answer["error"]) == (404, "path")


# What the operator sees


def test_calls_are_counted_as_http(http, plain):
    def counts():
        names = (
            "mcp_calls_total",
            "mcp_call_duration_seconds_count",
            "mcp_answer_cache_hits_total",
            "mcp_sessions_open",
        )
        return {name: value for name, value in gauges(plain.port).items() if name.startswith(names)}

    before = counts()
    for body in (call(1, state="OH", limit=2), call(2, state="OH", limit=2), call(3, state="XX")):
        http.result(body)
    after = counts()
    assert {name: value - before.get(name, 0) for name, value in after.items() if value != before.get(name, 0)} == {
        'mcp_calls_total{outcome="ok",tool="get-alerts",transport="http"}': 2,
        'mcp_calls_total{outcome="argument_error",tool="get-alerts",transport="http"}': 1,
        'mcp_call_duration_seconds_count{outcome="ok",tool="get-alerts",transport="http"}': 2,
        'mcp_call_duration_seconds_count{outcome="argument_error",tool="get-alerts",transport="http"}': 1,
        "mcp_answer_cache_hits_total": 1,
    }


def test_a_client_is_logged_when_it_initializes_and_not_when_it_calls(tmp_path):
    with served(tmp_path) as server, closing(Client(server)) as client:
        lines = len(server.log.splitlines())
        info = CLIENT_INFO | {"name": "evil\n\x1b[2J" + "x" * 1000}
        assert "result" in client.ask(message(1, "initialize", INITIALIZE | {"clientInfo": info}))[2]
        peer = client.sock.getsockname()
        for number in range(3):
            client.result(call(number, state="OH"))
            client.ask({"jsonrpc": "2.0", "method": "notifications/initialized"})
            client.ask(call(number, "nope"))
            client.ask("not JSON")
            client.get("/mcp")
        told = server.log.splitlines()[lines:]
        (line,) = [line for line in told if "INFO weather client initialized over HTTP" in line]
        assert f'peer="{peer[0]}:{peer[1]}"' in line
        assert 'client="evil' in line
        assert "xxx..." in line
        assert len(line) < 400
        assert told == [line]


def test_nothing_is_left_of_requests_however_they_end(slow, gate, areas):
    def held():
        seen = gauges(slow.port)
        return seen["asyncio_tasks"], seen["process_open_fds"], seen[IN_FLIGHT]

    def visits():
        gate.shut()
        for reset in (False, True):
            with calling(slow, next(areas)) as client:
                at_work(slow, 1)
                if reset:
                    client.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            at_work(slow, 0)
        gate.open()
        arguments = next(areas)
        with closing(Client(slow)) as client:
            for body in (call(1, **arguments), call(2, **arguments), "no JSON", {"jsonrpc": "2.0", "method": "x"}):
                client.ask(body)
            client.get("/mcp")
        for more, body in (
            ("Content-Length: 999", b"cut off"),
            ("Transfer-Encoding: chunked", chunk(b"cut off")),
            ("Transfer-Encoding: chunked", chunk(b"x" * 2 * LIMIT)),
            (f"Content-Length: {9 * LIMIT}", b"x" * 2 * LIMIT),
            (f"Content-Length: {len(PING)}", PING + b"no HTTP"),
            (f"Content-Length: {len(PING)}", PING + HEAD.encode() + b"Content-Length: 9\r\n\r\n"),
        ):
            with sending(slow, more) as opened:
                opened.sendall(body)
        at_work(slow, 0)

    visits()  # What is made once stays: the connections to upstream.
    seen = []
    eventually(lambda: seen.append(held()) or (len(seen) > 9 and len(set(seen[-9:])) == 1), "all is quiet")
    before, started = seen[-1], time.monotonic()
    for _ in range(4):
        visits()
    settle_s = 3 + time.monotonic() - started  # less than the five that a body is waited for, where nothing is slow
    eventually(
        lambda: all(now <= then for now, then in zip(held(), before, strict=True)), f"as before: {before}", settle_s
    )
