"""The log: one line for each session at its end, as text or as JSON, whatever its client called itself."""

from __future__ import annotations

import json
import logging
import re
import sys
from datetime import datetime, timedelta

import pytest

from tests.conftest import serving
from tests.raw import BINARY, INITIALIZE, Raw, call, configured, eventually, frame, request
from weather.logs import JSONFormatter, TextFormatter

TOKEN = "a-long-enough-token-for-a-test-0123456789"
OPEN = "serving beyond loopback without checking tokens"
FIELDS = ["session", "peer", "client", "seconds", "calls", "errors", "ended", "code"]
HOSTILE = {
    "newlines": ("a\r\nb\u2028c\u0085d", "1\n2"),
    "a line of its own": ("x\n2026-01-01T00:00:00.000+00:00 INFO weather.session session ended session=1", "1"),
    "ANSI escapes": ("\x1b[2J\x1b[31mred\x9b0m", "1"),
    "control characters": ("\x00\x07\x08\x7f", "1"),
    "quotes and JSON": ('", "level": "ERROR", "x": "', "\\"),
    "format directives": ("%s%d{0}", "%n"),
    "a turned direction": ("\u202eevil\u2066", "1"),
    "10 KB": ("n" * 10_000, "v" * 10_000),
    "10 KB beyond ASCII": ("🌧" * 2_500, "1"),
}


def record(message="hello", *args, level=logging.INFO, fields=None, exc_info=None):
    made = logging.LogRecord("weather.session", level, __file__, 1, message, args, exc_info)
    made.created = 1_767_323_045.6789
    if fields is not None:
        made.fields = fields
    return made


TIME = "2026-01-02T03:04:05.678+00:00"


@pytest.mark.parametrize(
    ("made", "line"),
    [
        (record(), "INFO weather.session hello"),
        (record("%s of %d", "one", 2, level=logging.WARNING), "WARNING weather.session one of 2"),
        (record(fields={"a": "b c", "n": 1.5, "none": None}), 'INFO weather.session hello a="b c" n=1.5 none=null'),
        (record("a\nb\r\x1b[0m"), r"INFO weather.session a\nb\r\x1b[0m"),
        (record("é\u2028🌧"), r"INFO weather.session \xe9\u2028\U0001f327"),
        (record("%s", "a\nb"), r"INFO weather.session a\nb"),
    ],
)
def test_text_is_one_line_in_ascii(made, line):
    assert TextFormatter().format(made) == f"{TIME} {line}"


@pytest.mark.parametrize("value", ["a\nb", "\x1b[31m", '"', "\u2028", "é", "\x85"])
def test_text_shows_no_field_unescaped(value):
    line = TextFormatter().format(record(fields={"client": value}))
    assert line.isascii()
    assert line.isprintable()
    assert line.startswith(f'{TIME} INFO weather.session hello client="')


@pytest.mark.parametrize(
    ("made", "entry"),
    [
        (record(), {"message": "hello"}),
        (record("%s of %d", "one", 2), {"message": "one of 2"}),
        (record("a\nb\x1b\u2028🌧"), {"message": "a\nb\x1b\u2028🌧"}),
        (
            record(fields={"a": "b\nc", "n": 1.5, "none": None}),
            {"message": "hello", "a": "b\nc", "n": 1.5, "none": None},
        ),
    ],
)
def test_json_is_one_line_in_ascii(made, entry):
    line = JSONFormatter().format(made)
    assert line.isascii()
    assert line.isprintable()
    assert json.loads(line) == {"time": TIME, "level": "INFO", "logger": "weather.session", **entry}


def test_a_traceback_is_logged():
    try:
        raise ValueError("why")
    except ValueError:
        made = record(exc_info=sys.exc_info())
    first, *lines = TextFormatter().format(made).splitlines()
    assert first == f"{TIME} INFO weather.session hello"
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[-1] == "ValueError: why"
    line = JSONFormatter().format(made)
    assert "\n" not in line
    assert json.loads(line)["traceback"].splitlines() == lines


@pytest.fixture(scope="module")
def text(tmp_path_factory):
    """A server beyond loopback that lets everybody in, and logs as it does by default."""
    folder = tmp_path_factory.mktemp("text")
    with serving(folder, "--bind", "0.0.0.0:0", config=configured(folder)) as server:
        yield server


@pytest.fixture(scope="module")
def as_json(tmp_path_factory):
    """A server beyond loopback that checks tokens, and logs JSON."""
    folder = tmp_path_factory.mktemp("json")
    env = {"MCP_AUTH_TOKENS": TOKEN, "LOG_FORMAT": "json"}
    with serving(folder, "--bind", "0.0.0.0:0", config=configured(folder), **env) as server:
        yield server


def parsed(line):
    """The fields of a line of text."""
    return {name: json.loads(value) for name, value in re.findall(r'(\w+)=("(?:[^"\\]|\\.)*"|\S+)', line)}


def lines_of(server, peer):
    return [line for line in server.log.splitlines() if f'"{peer}"' in line]


def visited(server, *messages, info=INITIALIZE["clientInfo"], port=None, last=b""):
    """The lines in the log for a session that sent these messages and got as many answers."""
    with Raw(port or server.port, Authorization=f"Bearer {TOKEN}") as raw:
        peer = "{}:{}".format(*raw.socket.getsockname())
        raw.send(request(0, "initialize", INITIALIZE | {"clientInfo": info}), *messages)
        for _ in range(1 + len(messages)):
            raw.receive()
        raw.socket.sendall(last)
        if last:
            raw.closed()
    eventually(lambda: lines_of(server, peer), "the session's line")
    return lines_of(server, peer)


CALLS = call(1, state="CA"), call(2, state="CA"), call(3, state="nowhere"), "no JSON"


@pytest.mark.parametrize(("last", "ended", "code"), [(b"", "client", 1006), (frame(BINARY, b"x"), "binary", 1003)])
def test_a_session_has_one_line_of_text_with_all_about_it(text, last, ended, code):
    (line,) = visited(text, *CALLS, last=last)
    time, level, logger, what, how, _ = line.split(" ", 5)
    assert datetime.fromisoformat(time).utcoffset() == timedelta(0)
    assert (level, logger, what, how) == ("INFO", "weather.session", "session", "ended")
    check(parsed(line), ended, code)


@pytest.mark.parametrize(("last", "ended", "code"), [(b"", "client", 1006), (frame(BINARY, b"x"), "binary", 1003)])
def test_a_session_has_one_line_of_json_with_all_about_it(as_json, last, ended, code):
    (line,) = visited(as_json, *CALLS, last=last)
    entry = json.loads(line)
    assert list(entry) == ["time", "level", "logger", "message", *FIELDS]
    assert datetime.fromisoformat(entry["time"]).utcoffset() == timedelta(0)
    assert (entry["level"], entry["logger"], entry["message"]) == ("INFO", "weather.session", "session ended")
    check({name: entry[name] for name in FIELDS}, ended, code)


def check(fields, ended, code):
    assert list(fields) == FIELDS
    assert fields["session"] > 0
    assert re.fullmatch(r"127\.0\.0\.1:\d+", fields["peer"])
    assert 0 < fields["seconds"] < 60
    assert {name: fields[name] for name in ("client", "calls", "errors", "ended", "code")} == {
        "client": "raw 1",
        "calls": 3,
        "errors": 2,
        "ended": ended,
        "code": code,
    }


def test_every_session_has_a_number_of_its_own(text):
    numbers = [parsed(line)["session"] for _ in range(3) for line in visited(text)]
    assert numbers == list(range(numbers[0], numbers[0] + 3))


@pytest.mark.parametrize("row", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.parametrize("form", ["text", "as_json"])
def test_a_hostile_name_is_shown_escaped_and_shortened(request, form, row):
    server = request.getfixturevalue(form)
    (line,) = visited(server, info=dict(zip(("name", "version"), row, strict=True)))
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 500
    beginning = r'\{"time": "' if form == "as_json" else r"\d{4}-\d\d-\d\dT"
    assert all(re.match(beginning, each) for each in server.log.splitlines())
    shown = json.loads(line) if form == "as_json" else parsed(line)
    assert set(FIELDS) <= set(shown)
    assert shown["calls"] == 0


@pytest.mark.parametrize("form", ["text", "as_json"])
def test_a_name_with_a_lone_surrogate_is_refused(request, form):
    server = request.getfixturevalue(form)
    with Raw(server.port, Authorization=f"Bearer {TOKEN}") as raw:
        peer = "{}:{}".format(*raw.socket.getsockname())
        raw.send('{"jsonrpc":"2.0","id":0,"method":"initialize","params":{"clientInfo":{"name":"\\ud800"}}}')
        assert raw.receive()["error"]["code"] == -32700
    eventually(lambda: lines_of(server, peer), "the session's line")
    (line,) = lines_of(server, peer)
    assert (json.loads(line) if form == "as_json" else parsed(line))["client"] == ""


def test_no_call_has_a_line_of_its_own(text):
    visited(text)
    before = len(text.log.splitlines())
    visited(text, *(call(number, state="NY", limit=number) for number in range(1, 30)), request(50, "tools/list"))
    assert len(text.log.splitlines()) == before + 1


def test_no_line_holds_a_token(as_json):
    visited(as_json)
    assert TOKEN not in as_json.log


def test_level_leaves_out_what_is_below_it(tmp_path):
    """Both happen within one connection after the other, in this order."""
    with serving(tmp_path, config=configured(tmp_path), LOG_LEVEL="warning", MCP_MAX_SESSIONS="10") as server:
        with Raw(server.port) as raw:
            raw.initialize().socket.sendall(frame(BINARY, b"x"))
            assert raw.closed().code == 1003
        with Raw(server.port, Origin="http://evil.example") as refused:
            assert refused.answer.startswith("HTTP/1.1 403")
        eventually(lambda: "refused" in server.log, "a warning")
        assert server.stop() == 0
        lines = [line for line in server.log.splitlines() if "Running on" not in line]
        assert len(lines) == 1, lines
        assert re.search(r' WARNING weather .*reason="origin"', lines[0])


def test_serving_everybody_beyond_loopback_is_warned_of_once(text):
    """Said before the first session begins."""
    port = int(re.search(r"Running on http://0\.0\.0\.0:(\d+)", text.log)[1])
    visited(text, port=port), visited(text)
    assert text.log.count(OPEN) == 1
    assert re.search(rf" WARNING weather\.transports\.sessions {OPEN}", text.log)


def test_serving_beyond_loopback_with_tokens_is_not_warned_of(as_json):
    visited(as_json)
    assert "Running on http://0.0.0.0:" in as_json.log
    assert "beyond loopback" not in as_json.log


def test_serving_everybody_on_loopback_is_not_warned_of(server):
    visited(server)
    assert "beyond loopback" not in server.log


@pytest.mark.parametrize("audience", [None, "weather"])
def test_accepting_tokens_of_other_services_is_warned_of(tmp_path, audience):
    env = {"MCP_AUTH_JWKS_URL": "http://127.0.0.1:9/keys"} | ({"MCP_AUTH_AUDIENCE": audience} if audience else {})
    with serving(tmp_path, config=configured(tmp_path), **env) as server:
        assert ("MCP_AUTH_AUDIENCE is unset" in server.log) == (audience is None)
