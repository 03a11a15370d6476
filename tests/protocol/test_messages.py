"""Arbitrary messages and arbitrary bytes: the server goes on serving, and answers each request once."""

from __future__ import annotations

import json
import os
import timeit
from collections import Counter
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.conftest import serving
from tests.raw import Closed, Raw, configured, eventually, frame, gauges, request
from weather.errors import InvalidMessage
from weather.protocol import messages

MIB = 1024 * 1024
TOLERANCE = {"asyncio_tasks": 2, "process_open_fds": 2, "process_resident_memory_bytes": 40 * MIB}
bounded = settings(
    max_examples=80,
    deadline=None,
    derandomize="CI" in os.environ,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4), max_leaves=12
)
objects = st.dictionaries(st.text(), anything, max_size=4)
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5)
arguments = objects | st.fixed_dictionaries({"latitude": numbers, "longitude": numbers}) | st.just({"state": "CA"})
tools = st.sampled_from(["get-alerts", "get-forecast", "get-weather"]) | st.text()
params = objects | st.fixed_dictionaries({"name": tools | anything, "arguments": arguments | anything}) | st.none()
methods = st.sampled_from(["ping", "tools/list", "tools/call", "initialize", "resources/list"]) | st.text()
# Requests as JSON-RPC has them, but for the id, which the test gives.
requests = st.fixed_dictionaries({"jsonrpc": st.just("2.0"), "method": methods}, optional={"params": params})
notifications = st.fixed_dictionaries(
    {"jsonrpc": st.just("2.0"), "method": st.sampled_from(["notifications/cancelled", "notifications/nope"])},
    optional={"params": st.fixed_dictionaries({"requestId": anything}) | anything},
)
members = {"jsonrpc": st.just("2.0") | anything, "id": anything, "method": methods | anything, "params": anything}
nearly = st.fixed_dictionaries({}, optional={**members, "result": anything, "error": anything})
frames = st.builds(
    frame,
    st.integers(0, 15),
    st.binary(max_size=200),
    fin=st.booleans(),
    rsv=st.sampled_from([0, 0, 0, 4, 7]),
    masked=st.sampled_from([True, True, True, False]),
)
extensions = st.sampled_from(["", "permessage-deflate", "permessage-deflate; client_no_context_takeover"])


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("properties")
    with serving(folder, config=configured(folder), MCP_SEND_TIMEOUT_SECONDS="1") as started:
        with Raw(started.port) as raw:
            raw.initialize()
        eventually(lambda: gauges(started.port)["mcp_sessions_open"] == 0)
        before = gauges(started.port)
        yield started
        eventually(lambda: gauges(started.port)["mcp_sessions_open"] == 0, "sessions are gone")
        for gauge, more in TOLERANCE.items():
            eventually(lambda: gauges(started.port)[gauge] <= before[gauge] + more, gauge)  # noqa: B023  (called before the next turn)
        assert "Traceback" not in started.log, started.log
        assert "Failed to validate" not in started.log, started.log


@bounded
@given(st.lists(requests, max_size=8), st.lists(nearly | notifications | anything, max_size=8), st.randoms())
def test_each_request_is_answered_once_whatever_comes_between(server, asked, noise, chance):
    """The ids of requests are of a kind that the noise does not use."""
    valid = [message | {"id": f"request {number}"} for number, message in enumerate(asked)]
    mixed = valid + noise
    chance.shuffle(mixed)
    awaited = {message["id"] for message in valid}
    with Raw(server.port) as raw:
        raw.initialize().send(*map(json.dumps, mixed))
        answers = Counter()
        while not awaited <= answers.keys():
            count(answers, raw.receive())
        raw.send(request("the last", "ping"))
        while "the last" not in answers:
            count(answers, raw.receive())
    assert all(answers[request_id] == 1 for request_id in awaited)
    assert sum(answers.values()) <= len(mixed) + 1
    assert sum(answers.values()) >= len(valid) + 1


@bounded
@given(
    st.text() | st.integers(),
    st.fixed_dictionaries({"name": st.text()}, optional={"arguments": anything}),
    st.none() | st.text() | st.integers(),
)
def test_a_plain_call_is_the_request_that_it_would_be_parsed_to(request_id, params, token):
    """`parse` leaves the arguments of a plain call as bytes, and `request` parses just those."""
    params |= {} if token is None else {"_meta": {"progressToken": token}}
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
    call = messages.parse(json.dumps(message))
    assert isinstance(call, messages.Call)
    assert call.request() == messages.Request(request_id, "tools/call", {"arguments": {}} | params, call.key)


def test_arguments_beyond_the_bounds_are_no_json():
    arguments = json.loads("[" * 250 + "]" * 250)
    call = messages.parse(json.dumps(request(1, "tools/call", {"name": "get-weather", "arguments": arguments})))
    with pytest.raises(InvalidMessage) as raised:
        call.request()
    assert raised.value.code == messages.PARSE_ERROR


NUMBERS = "[" + ",".join(["1.2345678901234567e-300"] * 2600) + "]"
COSTLY = {
    "arguments": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-weather","arguments":{"a":%s}}}',
    "capabilities": '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"get-weather","_meta":'
    '{"io.modelcontextprotocol/clientCapabilities":{"a":%s}}}}',
    "parameters": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":%s}}',
    "a result": '{"jsonrpc":"2.0","id":1,"result":%s}',
}


@pytest.mark.parametrize("around", COSTLY.values(), ids=COSTLY)
def test_long_numbers_take_no_longer_than_json_takes(around):
    """msgspec takes up to 18 µs for each: thirty times as long. The best of several rounds counts."""

    def best(function):
        timer = timeit.Timer(lambda: function(around % NUMBERS))
        return min(timer.repeat(5, 1))

    def parsed(text):
        message = messages.parse(text)
        return message.request() if isinstance(message, messages.Call) else message

    assert best(parsed) <= 10 * best(json.loads)


def count(answers, answer):
    assert answer["jsonrpc"] == "2.0"
    assert ("result" in answer) != ("error" in answer), answer
    assert len(answer.get("error", {}).get("message", "")) <= 300
    answers[answer.get("id") if isinstance(answer.get("id"), str | int) else None] += 1


@bounded
@given(st.lists(st.text(max_size=300), max_size=10))
def test_arbitrary_texts_are_answered_and_harm_nothing(server, texts):
    with Raw(server.port) as raw:
        raw.initialize().send(*texts, request("the last", "ping"))
        answers = [raw.receive()]
        while answers[-1].get("id") != "the last":
            answers.append(raw.receive())
    assert len(answers) <= len(texts) + 1


@bounded
@given(st.lists(frames | st.binary(max_size=300), max_size=10), extensions, st.booleans())
def test_arbitrary_bytes_harm_no_one_else(server, chunks, offered, initialized):
    with Raw(server.port) as other:
        other.initialize()
        with suppress(Closed, ConnectionError), Raw(server.port, extensions=offered) as raw:
            if initialized:
                raw.initialize()
            for chunk in chunks:
                raw.socket.sendall(chunk)
        assert other.ask("ping")["result"] == {}
