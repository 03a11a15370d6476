"""Every kind of message, pending requests and their cancellation, over a real hypercorn."""

from __future__ import annotations

import json

import pytest

from tests.conftest import serving
from tests.raw import (
    IN_FLIGHT,
    INITIALIZE,
    Raw,
    call,
    configured,
    eventually,
    fill,
    gauges,
    request,
    text,
)
from weather.areas import AREAS

PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS = -32700, -32600, -32601, -32602
NONE = object()  # no id in the answer


def ping(**changes):
    return request(1, "ping") | changes


def cancelled(request_id):
    return {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": request_id}}


def nested(depth):
    return "[" * depth + "]" * depth


def with_id(number):
    return f'{{"jsonrpc":"2.0","id":{number},"method":"ping"}}'


NOT_JSON = {
    "empty": "",
    "blank": " ",
    "cut off": '{"jsonrpc":"2.0","id":1',
    "trailing text": '{"jsonrpc":"2.0","id":1,"method":"ping"}x',
    "two messages": f"{with_id(1)}{with_id(2)}",
    "a bare word": "ping",
    "a byte order mark": "\ufeff" + with_id(1),
    "NaN": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":NaN}}',
    "Infinity": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":Infinity}}',
    "minus Infinity": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":-Infinity}}',
    "a lone surrogate": '{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"\\ud800"}}',
    "a control character": '{"jsonrpc":"2.0","id":1,"method":"pi\nng"}',
    "single quotes": "{'jsonrpc':'2.0'}",
    "an integer beyond bounds": with_id("9" * 5000),
    "a leading zero": with_id("01"),
    "nesting beyond bounds": nested(1000),
    "nesting far beyond bounds": nested(30_000),
}
NO_REQUEST = {
    "an array": ([], NONE),
    "a batch": ([ping()], NONE),
    "a number": ("1", NONE),
    "null": ("null", NONE),
    "no jsonrpc": ({"id": 1, "method": "ping"}, 1),
    "another jsonrpc": (ping(jsonrpc="1.0"), 1),
    "a jsonrpc that is a number": (ping(jsonrpc=2.0), 1),
    "no method": ({"jsonrpc": "2.0", "id": 1}, 1),
    "nothing but jsonrpc": ({"jsonrpc": "2.0"}, NONE),
    "method a number": (ping(method=1), 1),
    "method null": (ping(method=None), 1),
    "params an array": (ping(params=[]), 1),
    "params a string": (ping(params="x"), 1),
    "params false": (ping(params=False), 1),
    "method and result": (ping(result={}), 1),
    "result and error": ({"jsonrpc": "2.0", "id": 1, "result": {}, "error": {}}, 1),
    "id null": (ping(id=None), NONE),
    "id fractional": (ping(id=1.5), NONE),
    "id a whole float": (ping(id=1.0), NONE),
    "id true": (ping(id=True), NONE),
    "id an array": (ping(id=[]), NONE),
    "id an object": (ping(id={}), NONE),
    "a second initialize": (request(1, "initialize", INITIALIZE), 1),
}
WRONG_REQUESTS = {
    "an unknown method": (ping(method="nope"), METHOD_NOT_FOUND, "'nope'"),
    "an undeclared method": (ping(method="prompts/list"), METHOD_NOT_FOUND, "'prompts/list'"),
    "a long method": (ping(method="x" * 1000), METHOD_NOT_FOUND, "xxx..."),
    "a method in control characters": (ping(method="\x1b[2J\n"), METHOD_NOT_FOUND, "'?[2J?'"),
    "an unknown tool": (call(1, "nope"), INVALID_PARAMS, "'nope'"),
    "a long tool": (call(1, "x" * 1000), INVALID_PARAMS, "xxx..."),
    "a tool that is no string": (request(1, "tools/call", {"name": ["get-alerts"]}), INVALID_PARAMS, "name"),
    "no tool": (request(1, "tools/call", {}), INVALID_PARAMS, "name"),
    "no params": (request(1, "tools/call"), INVALID_PARAMS, "params"),
    "arguments an array": (request(1, "tools/call", {"name": "get-alerts", "arguments": []}), INVALID_PARAMS, "arg"),
    "a cursor": (request(1, "tools/list", {"cursor": "x"}), INVALID_PARAMS, "cursor"),
    "a cursor that is no string": (request(1, "tools/list", {"cursor": 5}), INVALID_PARAMS, "cursor"),
    "_meta a number": (request(1, "ping", {"_meta": 5}), INVALID_PARAMS, "_meta"),
}
BAD_ARGUMENTS = {
    "an unknown state": (call(1, state="XX"), "two-letter code"),
    "a long state": (call(1, state="x" * 1000), "two-letter code"),
    "no state": (call(1, limit=5), "'state' is missing"),
    "no arguments": (request(1, "tools/call", {"name": "get-alerts"}), "'state' is missing"),
    "a limit beyond bounds": (call(1, state="CA", limit=10_000), "from 1 to 200"),
    "an unknown argument": (call(1, state="CA", zip=90210), "'zip'"),
    "a latitude beyond bounds": (call(1, "get-forecast", latitude=91, longitude=0), "-90 to 90"),
    "a latitude as text": (call(1, "get-weather", latitude="forty", longitude=-100), "-90 to 90"),
    "outside the United States": (call(1, "get-forecast", latitude=48.85, longitude=2.35), "has no data"),
}
SILENCE = {
    "an unknown notification": {"jsonrpc": "2.0", "method": "notifications/nope"},
    "a notification of an unknown kind": {"jsonrpc": "2.0", "method": "nope", "params": {}},
    "a request without an id": {"jsonrpc": "2.0", "method": "tools/list"},
    "progress of nothing": {
        "jsonrpc": "2.0",
        "method": "notifications/progress",
        "params": {"progressToken": 1, "progress": 1},
    },
    "initialized again": {"jsonrpc": "2.0", "method": "notifications/initialized"},
    "initialized with bad params": {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"_meta": 5}},
    "a response to nothing": {"jsonrpc": "2.0", "id": 1, "result": {}},
    "an error to nothing": {"jsonrpc": "2.0", "id": 1, "error": {"code": 1, "message": "x"}},
    "an error to null": {"jsonrpc": "2.0", "id": None, "error": {"code": 1, "message": "x"}},
    "cancel of an unknown id": cancelled(77),
    "cancel of an id that is none": cancelled([]),
    "cancel of nothing": {"jsonrpc": "2.0", "method": "notifications/cancelled"},
}
IDS = {
    "0": "0",
    "negative": "-7",
    "past 53 bits": "9007199254740993",
    "past 64 bits": "18446744073709551617",
    "of 4300 digits": "9" * 4300,
    "a string": '"a"',
    "an empty string": '""',
    "a string of digits": '"1"',
    "a string of 60,000": '"' + "x" * 60_000 + '"',
    "a string with escapes": '"\\u0000\\n\\"\\\\"',
    "a string beyond ASCII": '"✓🌧"',
}


def table(rows):
    return pytest.mark.parametrize("row", rows.values(), ids=rows)


@pytest.fixture
def session(server):
    with Raw(server.port) as raw:
        yield raw.initialize()
        # Whatever came, the session lives, and nothing else is on its way.
        assert raw.ask("ping")["result"] == {}


def refused(raw, code, request_id=NONE):
    answer = raw.receive()
    assert set(answer) == {"jsonrpc", "error"} | (set() if request_id is NONE else {"id"})
    assert request_id is NONE or answer["id"] == request_id
    assert answer["error"]["code"] == code
    message = answer["error"]["message"]
    assert len(message) < 300
    assert not any(word in message for word in ("Error", "Exception", "Traceback", "/home", ".py"))
    return message


@table(NOT_JSON)
def test_what_is_not_json_is_a_parse_error_without_an_id(session, row):
    session.send(row)
    refused(session, PARSE_ERROR)


@table(NO_REQUEST)
def test_json_that_is_no_message_is_an_invalid_request(session, row):
    message, request_id = row
    session.send(message)
    refused(session, INVALID_REQUEST, request_id)


@table(WRONG_REQUESTS)
def test_a_wrong_request_is_answered_with_what_is_wrong(session, row):
    message, code, told = row
    session.send(message)
    assert told in refused(session, code, 1)


@table(BAD_ARGUMENTS)
def test_bad_arguments_are_a_result_that_helps_to_mend_the_call(session, row):
    message, told = row
    session.send(message)
    answer = session.receive()
    assert answer["id"] == 1
    assert answer["result"]["isError"]
    (content,) = answer["result"]["content"]
    assert told in content["text"]
    assert "x" * 201 not in content["text"]


@table(SILENCE)
def test_nothing_is_said_to(session, row):
    session.send(row)


@table(IDS)
@pytest.mark.parametrize("method", ["ping", "tools/list", "tools/call", "nope"])
def test_an_id_is_echoed_exactly(session, row, method):
    session.send(call("fill the cache"))
    assert "result" in session.receive()
    params = ',"params":{"name":"get-alerts","arguments":{"state":"CA"}}' if method == "tools/call" else ""
    session.send(f'{{"jsonrpc":"2.0","id":{row},"method":"{method}"{params}}}')
    answer = session.receive()
    assert answer["id"] == json.loads(row)
    assert type(answer["id"]) is type(json.loads(row))


def test_a_result_that_is_built_is_sent_in_the_same_bytes_as_a_ready_one(session):
    message = call(1, "get-weather", latitude=47.6062, longitude=-122.3321)
    session.send(message)
    _, built = session.frame()
    session.send(message)
    assert session.frame()[1] == built


def test_ids_that_look_alike_differ(session):
    session.send(ping(id=1), ping(id="1"))
    assert [session.receive()["id"] for _ in range(2)] == [1, "1"]


@pytest.mark.parametrize("method", ["tools/list", "resources/list", "resources/templates/list"])
def test_a_cursor_of_null_is_none(session, method):
    assert "result" in session.ask(method, {"cursor": None})


@pytest.mark.parametrize("method", ["tools/list", "tools/call", "nope"])
def test_before_initialize_only_ping_is_answered(server, method):
    with Raw(server.port) as raw:
        assert "result" in raw.ask("ping")
        raw.send(request(1, method))
        assert "initialize" in refused(raw, INVALID_REQUEST, 1)
        raw.initialize()
        assert "result" in raw.ask("tools/list")


def test_a_failed_initialize_may_be_mended(server):
    with Raw(server.port) as raw:
        raw.send(request(1, "initialize", {}))
        refused(raw, INVALID_PARAMS, 1)
        raw.initialize()
        assert "result" in raw.ask("ping")


def test_initialize_and_what_follows_may_come_in_one_write(server):
    with Raw(server.port) as raw:
        initialized = {"jsonrpc": "2.0", "method": "notifications/initialized"}
        raw.send(request(1, "initialize", INITIALIZE), initialized, call(2), request(3, "tools/list"))
        answers = [raw.receive() for _ in range(3)]
        assert answers[0]["id"] == 1
        assert {answer["id"] for answer in answers} == {1, 2, 3}
        assert all("result" in answer for answer in answers)


def test_notifications_initialized_is_not_needed(server):
    with Raw(server.port) as raw:
        raw.send(request(1, "initialize", INITIALIZE))
        assert raw.receive()["id"] == 1
        assert "result" in raw.ask("tools/list")


WORDS = '{"jsonrpc":"2.0",%s,"method":"tools/call","params":{"name":"get-alerts","arguments":{"state":"VT"}}%s}'
ALIKE = {
    "another number": (WORDS % ('"id":7', ""), 7),
    "a string": (WORDS % ('"id":"7"', ""), "7"),
    "a blank": (WORDS % ('"id": 7', ""), 7),
    "more blanks": (WORDS % ('"id" :  7 ', ""), 7),
    "a negative number": (WORDS % ('"id":-7', ""), -7),
    "a long number": (WORDS % ('"id":' + "7" * 40, ""), int("7" * 40)),
    "another id after it": (WORDS % ('"id":7', ',"id":8'), 8),
    "another id before it": (WORDS % ('"id":8,"id":7', ""), 7),
    "another id, escaped": (WORDS % ('"id":7', ',"\\u0069d":8'), 8),
    "a leading zero": (WORDS % ('"id":07', ""), PARSE_ERROR),
    "a fraction": (WORDS % ('"id":7.5', ""), INVALID_REQUEST),
    "an exponent": (WORDS % ('"id":7e0', ""), INVALID_REQUEST),
    "true": (WORDS % ('"id":true', ""), INVALID_REQUEST),
    "a cut end": ((WORDS % ('"id":7', ""))[:-1], PARSE_ERROR),
    "a tail": (WORDS % ('"id":7', "") + "x", PARSE_ERROR),
}


@pytest.mark.parametrize(("like", "expected"), ALIKE.values(), ids=ALIKE)
def test_a_call_in_almost_the_words_of_one_before_is_what_it_says(server, like, expected):
    """Words that were parsed before are not parsed again, for another id: each of these twice, in both orders."""
    with Raw(server.port) as raw:
        raw.initialize()
        for message in (like, WORDS % ('"id":1', ""), like, WORDS % ('"id":2', ""), like):
            raw.send(message)
            answer = raw.receive()
            if message is like and expected in (PARSE_ERROR, INVALID_REQUEST):
                assert answer["error"]["code"] == expected
            else:
                assert answer["result"]["structuredContent"]["state"] == "VT"
                assert repr(answer["id"]) == repr(expected if message is like else json.loads(message)["id"])


@pytest.mark.parametrize("more", ['"_meta":5', '"task":5', '"_meta":{"progressToken":1.5}'])
def test_a_ready_answer_excuses_nothing(session, more):
    plain = WORDS % ('"id":7', "")
    session.send(plain, plain, plain.replace('"name"', f'{more},"name"'))
    assert [("result" in session.receive()) for _ in range(2)] == [True, True]
    assert session.receive()["error"]["code"] == INVALID_PARAMS


def test_a_message_at_the_limit_is_read(session):
    session.send('"' + "x" * (64 * 1024 - 2) + '"')
    refused(session, INVALID_REQUEST)


@pytest.fixture(scope="module")
def slow(tmp_path_factory, gate):
    """A server with four requests at work per session, whose upstream answers when the gate is opened."""
    folder = tmp_path_factory.mktemp("slow")
    with serving(folder, config=configured(folder), MCP_MAX_IN_FLIGHT="4", **gate.settings) as started:
        yield started


@pytest.fixture(scope="module")
def areas():
    """Arguments that no test has used before: their answers are not ready."""
    return iter([{"state": state, "limit": 7} for state in sorted(AREAS)])


@pytest.fixture
def waiting(slow, gate):
    gate.shut()
    with Raw(slow.port) as raw:
        yield raw.initialize()
        assert raw.ask("ping")["result"] == {}
    gate.open()


def in_flight(server, number):
    eventually(lambda: gauges(server.port)[IN_FLIGHT] == number, f"{number} in flight")


def test_an_id_in_flight_is_not_taken_twice(gate, waiting, areas):
    waiting.send(call(1, **next(areas)), ping(id=1), call(1, **next(areas)))
    refused(waiting, INVALID_REQUEST, 1)
    refused(waiting, INVALID_REQUEST, 1)
    gate.open()
    assert "result" in waiting.receive()
    waiting.send(ping(id=1))
    assert waiting.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}


@pytest.mark.parametrize("request_id", [5, "5", "five", 2**70])
def test_a_cancelled_request_is_not_answered(slow, waiting, areas, request_id):
    """The work stops, though upstream has not answered."""
    counted = 'mcp_calls_total{outcome="cancelled",tool="get-alerts",transport="websocket"}'
    before = gauges(slow.port).get(counted, 0)
    waiting.send(call(request_id, **next(areas)))
    in_flight(slow, 1)
    waiting.send(cancelled(request_id))
    in_flight(slow, 0)
    assert gauges(slow.port)[counted] == before + 1
    waiting.send(ping(id=request_id))
    assert waiting.receive()["id"] == request_id


def test_a_request_cancelled_in_the_same_write_is_not_answered(slow, waiting, areas):
    waiting.send(call(5, **next(areas)), cancelled(5), cancelled("5"), ping(id=6))
    assert waiting.receive()["id"] == 6
    in_flight(slow, 0)


def test_a_cancel_harms_no_one_who_asked_the_same(slow, gate, waiting, areas):
    arguments = next(areas)
    with Raw(slow.port) as other:
        other.initialize().send(call(1, **arguments))
        waiting.send(call(1, **arguments), cancelled(1), ping(id=2))
        assert waiting.receive()["id"] == 2
        gate.open()
        assert not other.receive()["result"]["isError"]


def test_a_cancel_of_another_kind_of_id_is_ignored(gate, waiting, areas):
    waiting.send(call(5, **next(areas)), cancelled("5"), cancelled(5.0), ping(id=6))
    assert waiting.receive()["id"] == 6
    gate.open()
    assert waiting.receive()["id"] == 5


def test_more_than_may_be_in_flight_wait_for_their_turn(slow, gate, waiting, areas):
    gate.asked.clear()
    waiting.send(*(call(number, **next(areas)) for number in range(10)))
    in_flight(slow, 4)
    eventually(lambda: len(gate.asked) == 4, "four are asked upstream")
    gate.open()
    assert sorted(waiting.receive()["id"] for _ in range(10)) == list(range(10))
    assert len(gate.asked) == 10


def test_a_sender_is_held_back_through_tcp(slow, gate, areas):
    gate.shut()
    with Raw(slow.port) as raw:
        raw.initialize().send(*(call(number, **next(areas)) for number in range(4)))
        in_flight(slow, 4)
        most = 200 * 60_000
        assert fill(raw, text(ping(params={"padding": "x" * 60_000})), most) < most
    gate.open()


def test_a_slow_tool_harms_only_its_own_call(slow, gate, waiting, areas):
    waiting.send(call(1, **next(areas)))
    assert "result" in waiting.ask("tools/list")
    with Raw(slow.port) as other:
        assert "result" in other.initialize().ask("ping")
    gate.open()
    assert waiting.receive()["id"] == 1


def test_a_tool_that_hangs_is_ended_by_its_deadline(tmp_path):
    env = {"SIMULATOR_HANG_RATE": "1", "NWS_DEADLINE_SECONDS": "0.3"}
    with serving(tmp_path, config=configured(tmp_path), **env) as server, Raw(server.port) as raw:
        raw.initialize().send(call(1), ping(id=2))
        answers = {answer["id"]: answer["result"] for answer in (raw.receive(), raw.receive())}
    assert answers[2] == {}
    assert answers[1]["isError"]
    assert "did not answer within 0.3 seconds" in answers[1]["content"][0]["text"]
