"""The short way sends what the long way sends, and stands aside where it must."""

from __future__ import annotations

import json
import os
import re
import select
import socket
import time
from collections import Counter
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import serving
from tests.raw import (
    BINARY,
    CLOSE,
    PING,
    PONG,
    TEXT,
    TIMEOUT_S,
    Raw,
    answering,
    call,
    configured,
    eventually,
    fill,
    frame,
    gauges,
    text,
)
from tests.raw import request as message
from weather.protocol.messages import META, VERSION
from weather.serving.ready import BODY_TIMEOUT_S

REPLIES = "mcp_fast_path_replies_total"
STATES = ("CA", "VT")
checked = settings(
    max_examples=100,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def modern(request_id, name="get-alerts", **arguments):
    meta = {META["version"]: VERSION, META["capabilities"]: {}}
    params = {"name": name, "arguments": arguments or {"state": "CA"}, "_meta": meta}
    return message(request_id, "tools/call", params)


def with_token(request_id):
    asked = call(request_id, state="CA")
    asked["params"]["_meta"] = {"progressToken": "p"}
    return asked


@pytest.fixture(scope="module")
def upstream():
    """A National Weather Service without alerts and places: its answers hold no time."""

    def answer(path):
        if path.startswith("/alerts"):
            return 200, {"type": "FeatureCollection", "features": []}
        return 404, {"type": "https://api.weather.gov/problems/InvalidPoint", "title": "Data Unavailable"}

    with answering(answer) as url:
        yield url


@pytest.fixture(scope="module")
def pair(tmp_path_factory, upstream):
    """Two servers that differ in the setting, and have the results for STATES in their caches."""
    folder = tmp_path_factory.mktemp("pair")
    with ExitStack() as stack:
        servers = [
            stack.enter_context(
                serving(folder, config=configured(folder, keep_alive_s=TIMEOUT_S), NWS_API_BASE=upstream, **setting)
            )
            for setting in ({}, {"MCP_FAST_PATH": "false"})
        ]
        for server in servers:
            with Raw(server.port) as raw:
                raw.initialize()
                for state in STATES:
                    raw.ask("tools/call", {"name": "get-alerts", "arguments": {"state": state}})
                    raw.send(modern(1, state=state))
                    raw.receive()
        yield servers


def check_same(pair, asked):
    """Both get the same. A result may expire between the two, which makes a difference once."""
    for _ in range(3):
        fast, slow = (asked(server) for server in pair)
        if fast == slow:
            return
    assert fast == slow


def replies(server):
    return gauges(server.port)[REPLIES]


# Requests of both eras: ready, not ready, wrong; by what makes them of an id
KINDS_OF_REQUEST = st.sampled_from(
    [
        *(lambda request_id, state=state: call(request_id, state=state) for state in STATES * 2),
        *(lambda request_id, state=state: modern(request_id, state=state) for state in STATES),
        with_token,
        lambda request_id: call(request_id, state="nowhere"),
        lambda request_id: call(request_id, "get-weather", latitude=1, longitude=2),
        lambda request_id: call(request_id, "nope", a=1),
        lambda request_id: message(request_id, "ping"),
        lambda request_id: message(request_id, "tools/list"),
        lambda _: [],
        lambda _: "{",
        lambda _: {"jsonrpc": "2.0", "method": "notifications/initialized"},
    ]
)
IDS = st.sampled_from([str, int, lambda number: -number, lambda number: 2**60 + number, lambda number: f"é{number}"])


def said(requests):
    """The messages as JSON, each with an id of its own."""
    made = [make(of(number)) for number, (make, of) in enumerate(requests, 1)]
    return [each if isinstance(each, str) else json.dumps(each, ensure_ascii=False) for each in made]


def responses(messages):
    """How many there will be."""
    return sum("notifications/" not in each for each in messages)


CUTS = st.lists(st.floats(0, 1), max_size=4)


def pieces(data, cuts):
    """`data` in so many parts as there are cuts, and one."""
    places = [0, *sorted(int(cut * len(data)) for cut in cuts), len(data)]
    return [data[start:end] for start, end in pairwise(places) if end > start]


def sent_in(connection, parts):
    """Each in a segment of its own, as far as the system lets that be seen."""
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for part in parts:
        connection.sendall(part)
        time.sleep(0.001)


# WebSocket


def framed(payload, kind):
    data = payload.encode()
    match kind:
        case "fragments":
            return frame(TEXT, data[:1], fin=False) + frame(PING) + frame(0, data[1:])
        case "a long length":
            return bytes([0x80 | TEXT, 0xFF]) + len(data).to_bytes(8, "big") + bytes(4) + data
        case "a masked frame":
            mask = b"\x01\x02\x03\x04"
            masked = bytes(byte ^ mask[index % 4] for index, byte in enumerate(data))
            head = frame(TEXT, data)[: -len(data) - 4] if data else frame(TEXT)[:-4]
            return head + mask + masked
    return text(payload)


def exchanged(server, parts, number):
    """So many messages as come back, in no order, and whether the server has closed."""
    found = Counter()
    with Raw(server.port) as raw:
        raw.initialize().ask("ping")
        sent_in(raw.socket, parts)
        while found.total() < number and CLOSE not in {opcode for opcode, _ in found}:
            opcode, payload = raw.frame()
            if opcode not in (PING, PONG):
                found[opcode, payload] += 1
    return found


KINDS = st.sampled_from(["plain", "plain", "plain", "a masked frame", "fragments", "a long length"])


@checked
@given(st.lists(st.tuples(KINDS_OF_REQUEST, IDS, KINDS), max_size=6), CUTS)
def test_a_websocket_gets_the_same_messages_on_either_way(pair, requests, cuts):
    """In whatever frames and pieces they are sent."""
    messages = said(row[:2] for row in requests)
    frames = [framed(each, kind) for each, (*_, kind) in zip(messages, requests, strict=True)]
    parts = pieces(b"".join(frames), cuts)
    check_same(pair, lambda server: exchanged(server, parts, responses(messages)))


@pytest.mark.parametrize("ready", [call(1, state="CA"), modern(1, state="CA")], ids=["legacy", "modern"])
def test_a_ready_call_is_the_same_at_whatever_byte_it_is_cut(pair, ready):
    whole = text(ready)
    found = {tuple(exchanged(pair[0], [whole[:at], whole[at:]], 1)) for at in range(1, len(whole))}
    assert len(found) == 1


def test_the_short_way_is_taken_on_a_websocket(pair):
    before = [replies(server) for server in pair]
    for server in pair:
        with Raw(server.port) as raw:
            raw.initialize().ask("ping")
            raw.send(*(call(number, state="CA") for number in range(50)))
            assert [raw.receive()["id"] for _ in range(50)] == list(range(50))
    assert [replies(server) - number for server, number in zip(pair, before, strict=True)] == [50, 0]


ASIDE = {
    "before initialize": (lambda raw: raw, [call(1, state="CA")]),
    "another era before its first request": (lambda raw: raw, [modern(1, state="CA")]),
    "a call that is not ready": (lambda raw: raw.initialize(), [call(1, state="nowhere")]),
    "a part of a message": (lambda raw: raw.initialize(), [frame(TEXT, b"{", fin=False)]),
    "bytes in place of text": (lambda raw: raw.initialize(), [frame(BINARY, json.dumps(call(1)).encode())]),
    "behind a length of more bytes than it needs": (
        lambda raw: raw.initialize(),
        [framed(json.dumps(message(0, "ping")), "a long length"), call(1, state="CA")],
    ),
}


@pytest.mark.parametrize("row", ASIDE.values(), ids=ASIDE)
def test_the_short_way_stands_aside_on_a_websocket_for(pair, row):
    opened, sent = row
    before = replies(pair[0])
    with Raw(pair[0].port) as raw:
        opened(raw)
        for each in sent:
            raw.socket.sendall(each if isinstance(each, bytes) else text(each))
            if b"{}" not in bytes(str(each), "ascii") and not isinstance(each, bytes):
                raw.receive()
    assert replies(pair[0]) == before


def test_the_short_way_stands_aside_for_compression(tmp_path, upstream):
    env = {"NWS_API_BASE": upstream, "MCP_COMPRESSION": "true"}
    with serving(tmp_path, **env) as server, Raw(server.port, extensions="permessage-deflate") as raw:
        raw.initialize()
        for number in range(3):
            raw.send(call(number, state="CA"))
            assert raw.receive()["id"] == number
        assert replies(server) == 0


def test_the_short_way_stands_aside_for_who_reads_nothing(pair):
    """What a client sends waits for it to read, through TCP."""
    calls = text(call(1, state="CA")) * 100
    with Raw(pair[0].port, receive_buffer=4096) as raw:
        raw.initialize().ask("ping")
        before = replies(pair[0])
        sent = fill(raw, calls, 5000 * len(calls))
        assert sent < 5000 * len(calls)
        assert 0 < replies(pair[0]) - before < sent / len(calls) * 100
        with Raw(pair[0].port) as other:
            assert other.initialize().ask("ping")["result"] == {}


def test_others_have_their_turn_after_so_many_responses(pair):
    """A long row of calls in one write is answered in full, some on the long way."""
    with Raw(pair[0].port) as raw:
        raw.initialize().send(*(call(number, state="CA") for number in range(2000)))
        assert [raw.receive()["id"] for _ in range(2000)] == list(range(2000))


def test_a_session_at_its_limit_of_requests_is_held_back(tmp_path, gate):
    with serving(tmp_path, MCP_MAX_IN_FLIGHT="1", **gate.settings) as server, Raw(server.port) as raw:
        gate.open()
        raw.initialize().ask("tools/call", {"name": "get-alerts", "arguments": {"state": "CA"}})
        gate.shut()
        before = replies(server)
        raw.send(call("waits", state="NY"))
        eventually(lambda: gauges(server.port)['mcp_requests_in_flight{transport="websocket"}'] == 1, "at work")
        raw.send(call("behind", state="CA"))
        with Raw(server.port) as other:  # What came before has got as far by now.
            assert other.initialize().ask("ping")["result"] == {}
        assert not select.select([raw.socket], [], [], 0)[0]
        gate.open()
        assert [raw.receive()["id"] for _ in range(2)] == ["waits", "behind"]
        assert replies(server) == before


# HTTP

ACCEPT = "accept: application/json, text/event-stream\r\ncontent-type: application/json\r\n"


def posted(body, more="", path="/mcp"):
    data = body.encode()
    return f"POST {path} HTTP/1.1\r\nhost: localhost\r\n{ACCEPT}{more}".encode() + (
        f"content-length: {len(data)}\r\n\r\n".encode() + data
    )


def headers_of(body):
    """Those that repeat the body, where it is of the stateless era."""
    return (
        f"mcp-protocol-version: {VERSION}\r\nmcp-method: tools/call\r\nmcp-name: get-alerts\r\n"
        if VERSION in body
        else ""
    )


def answered(server, parts):
    """All bytes until the server closes, but for the time."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as connection:
        sent_in(connection, parts)
        found = b""
        while data := connection.recv(1 << 16):
            found += data
    return re.sub(rb"date: [^\r]*\r\n", b"", found)


LAST = posted(json.dumps(message("the last", "ping")), "connection: close\r\n")
MORE = st.sampled_from(["", "", "", "x: y\r\n", "mcp-protocol-version: 2025-11-25\r\n", "expect: 100-continue\r\n"])


TARGETS = st.sampled_from(["/mcp", "/mcp", "http://localhost/mcp", "HTTP://127.0.0.1/mcp", "http://evil.example/mcp"])


@checked
@given(st.lists(st.tuples(KINDS_OF_REQUEST, IDS, MORE, TARGETS), max_size=5), CUTS)
def test_http_is_answered_with_the_same_bytes_on_either_way(pair, requests, cuts):
    """Pipelined, and in whatever pieces they are sent; each head comes twice."""
    bodies = zip(said(row[:2] for row in requests), (row[2:] for row in requests), strict=True)
    whole = b"".join(2 * posted(body, headers_of(body) or more, to) for body, (more, to) in bodies) + LAST
    check_same(pair, lambda server: answered(server, pieces(whole, cuts)))


def response(file):
    """The next one: the lines of its head, without the time, and its body."""
    head = []
    while (line := file.readline()) != b"\r\n":
        assert line, "the server has closed"
        head += [line] if not line.startswith(b"date") else []
    size = next(int(line.split(b":")[1]) for line in head if line.startswith(b"content-length"))
    return head, file.read(size)


@contextmanager
def connected(server):
    """A socket, and the file of what comes."""
    with (
        socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as connection,
        connection.makefile("rb") as file,
    ):
        yield connection, file


def one_by_one(server, requests, apart=False):
    """The responses to requests of which each waits for the one before."""
    found = []
    with connected(server) as (connection, file):
        for request in requests:
            head, end, body = request.partition(b"\r\n\r\n")
            sent_in(connection, [head + end, body] if apart else [request])
            found.append(response(file))
    return found


@pytest.mark.parametrize("apart", [False, True], ids=["together", "head and body apart"])
@pytest.mark.parametrize("ready", [call(1, state="CA"), modern(1, state="CA")], ids=["legacy", "modern"])
@pytest.mark.parametrize("path", ["/mcp", "http://localhost/mcp"])
def test_the_short_way_is_taken_over_http(pair, ready, apart, path):
    body = json.dumps(ready)
    requests = [posted(body, headers_of(body) + f"x: {apart}\r\n", path)] * 20
    before = [replies(server) for server in pair]
    check_same(pair, lambda server: one_by_one(server, requests, apart))
    taken, none = (replies(server) - number for server, number in zip(pair, before, strict=True))
    assert taken > 0  # The first has to be learned, and one that comes too early does not wait.
    assert none == 0


CALL = json.dumps(call(1, state="CA"))
HTTP_ASIDE = {
    "a page of this host": posted(CALL, "origin: http://localhost\r\n"),
    "an expectation": posted(CALL, "expect: 100-continue\r\n"),
    "a connection that is to close": posted(CALL, "connection: keep-alive\r\n"),
    "an upgrade": posted(CALL, "upgrade: h2c\r\n"),
    "another path": posted(CALL, path="/mcp?x=y"),
    "another spelling of the path": posted(CALL, path="/%6dcp"),
    "another host in the target than in Host": posted(CALL, path="http://evil.example/mcp"),
    "a chunked body": f"POST /mcp HTTP/1.1\r\nhost: localhost\r\n{ACCEPT}transfer-encoding: chunked\r\n\r\n"
    f"{len(CALL):x}\r\n{CALL}\r\n0\r\n\r\n".encode(),
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a call that is not ready": posted(json.dumps(call(1, state="nowhere"))),
    "headers that disagree with the body": posted(json.dumps(modern(1)), f"mcp-protocol-version: {VERSION}\r\n"),
}


@pytest.mark.parametrize("request_bytes", HTTP_ASIDE.values(), ids=HTTP_ASIDE)
def test_the_short_way_stands_aside_over_http_for(pair, request_bytes):
    before = replies(pair[0])
    check_same(pair, lambda server: [answered(server, [request_bytes, LAST]) for _ in range(3)])
    assert replies(pair[0]) == before


@pytest.mark.parametrize(
    ("flags", "env", "more"),
    [
        ((), {"MCP_AUTH_TOKENS": "ours"}, "authorization: Bearer ours\r\n"),
        (("--access-logfile", "-"), {}, ""),
        (("--max-requests", "100000"), {}, ""),
    ],
    ids=["tokens", "an access log", "a limit of requests"],
)
def test_the_short_way_stands_aside_on_a_server_with(tmp_path, upstream, flags, env, more):
    with serving(tmp_path, *flags, NWS_API_BASE=upstream, **env) as server:
        assert len(one_by_one(server, [posted(CALL, more)] * 5)) == 5
        assert replies(server) == 0


def test_the_last_request_of_a_connection_says_so(tmp_path, upstream):
    config = configured(tmp_path)
    Path(config).write_text(Path(config).read_text() + "keep_alive_max_requests = 5\n")
    with serving(tmp_path, config=config, NWS_API_BASE=upstream) as server:
        responses = one_by_one(server, [posted(CALL)] * 5)
    assert [b"connection: close\r\n" in head for head, _ in responses] == [False, False, False, False, True]


def test_a_head_whose_body_does_not_come_is_given_to_the_long_way(pair):
    head, end, body = posted(CALL, "x: late\r\n").partition(b"\r\n\r\n")
    one_by_one(pair[0], [head + end + body] * 2)
    with connected(pair[0]) as (connection, file):
        connection.sendall(head + end)
        time.sleep(2 * BODY_TIMEOUT_S)
        connection.sendall(body)
        assert response(file)[0][0].startswith(b"HTTP/1.1 200")
        connection.sendall(head + end)
        connection.shutdown(socket.SHUT_WR)
        assert b" 200 " not in file.read()


def test_a_connection_that_is_answered_at_once_is_not_idle(tmp_path, upstream):
    """keep_alive_timeout counts from its last request on."""
    config = configured(tmp_path, keep_alive_s=1)
    with serving(tmp_path, config=config, NWS_API_BASE=upstream) as server, connected(server) as (connection, file):
        started = time.monotonic()
        while time.monotonic() < started + 2:
            connection.sendall(posted(CALL))
            assert response(file)[0][0].startswith(b"HTTP/1.1 200")
            time.sleep(0.05)  # hypercorn serves a connection a thousand requests
        assert replies(server) > 0
        assert file.read() == b""


def test_results_are_refreshed_ahead_by_calls_on_the_short_way(tmp_path):
    """In the last tenth of their time, from where no task runs."""
    asked = []

    def answer(path):
        asked.append(path)
        return 200, {"type": "FeatureCollection", "features": []}

    with (
        answering(answer) as url,
        serving(tmp_path, NWS_API_BASE=url, NWS_ALERTS_FRESH_SECONDS="1") as server,
        Raw(server.port) as raw,
    ):
        raw.initialize()
        deadline = time.monotonic() + TIMEOUT_S
        while len(asked) < 4 and time.monotonic() < deadline:
            raw.send(call(1, state="CA"))
            assert not raw.receive()["result"]["isError"]
            time.sleep(0.02)
        assert len(asked) >= 4
        assert replies(server) > 0
        assert "Traceback" not in server.log
