"""What hypercorn's WebSocket does wrong is put right: whatever a peer sends or leaves undone, nothing stays behind."""

from __future__ import annotations

import json
import re
import select
import socket
import struct
import threading
import time
import zlib
from contextlib import ExitStack, contextmanager, suppress
from types import SimpleNamespace

import anyio
import psutil
import pytest
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.protocol.events import StreamClosed

from tests.conftest import serving
from tests.raw import (
    BINARY,
    CLOSE,
    CONTINUATION,
    IN_FLIGHT,
    INITIALIZE,
    MASK,
    PING,
    PONG,
    TEXT,
    TIMEOUT_S,
    Closed,
    Raw,
    call,
    configured,
    eventually,
    fill,
    frame,
    gated,
    gauges,
    handshake,
    request,
    text,
)
from weather.serving import websocket
from weather.serving.connection import Application
from weather.serving.frames import Protocol

MIB = 1024 * 1024
LONG_S = 300
MANY_ALERTS = call(1, state="CA", limit=200)  # where the simulator always has some
PAYLOAD = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
# Each of the streams is, at its start, a message that may come; the end is missing or wrong. And the code for it.
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
BROKEN = {
    "bad UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "UTF-8 cut off": (frame(TEXT, b'"\xe2\x82'), 1007),
    "an encoded surrogate": (frame(TEXT, b'"\xed\xa0\x80"'), 1007),
    "a reserved opcode": (frame(3, b"x"), 1002),
    "a reserved control opcode": (frame(11, b"x"), 1002),
    "a reserved bit": (frame(TEXT, PAYLOAD, rsv=2), 1002),
    "compressed, which was not agreed": (frame(TEXT, PAYLOAD, rsv=4), 1002),
    "no mask": (frame(TEXT, PAYLOAD, masked=False), 1002),
    "a continuation of nothing": (frame(CONTINUATION, PAYLOAD), 1002),
    "a new message within a message": (frame(TEXT, PAYLOAD, fin=False) + frame(TEXT, PAYLOAD), 1002),
    "a long ping": (frame(PING, b"x" * 126), 1002),
    "a fragmented ping": (frame(PING, b"x", fin=False), 1002),
    "a close of one byte": (frame(CLOSE, b"x"), 1002),
    "a close with a code that may not be sent": (frame(CLOSE, struct.pack("!H", 1006)), 1002),
    "a close with bad UTF-8": (frame(CLOSE, struct.pack("!H", 1000) + b"\xff"), 1007),
    "a length beyond 63 bits": (struct.pack("!BBQ", 0x81, 0xFF, 1 << 63) + MASK, 1009),
    "HTTP": (b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1002),
    "zeros": (bytes(1000), 1002),
}
HALF = {
    "one byte": b"\x81",
    "a header": frame(TEXT, PAYLOAD)[:6],
    "half a payload": frame(TEXT, PAYLOAD)[:-5],
    "half a message": frame(TEXT, PAYLOAD, fin=False),
    "half a close": frame(CLOSE, struct.pack("!H", 1000))[:-1],
}


def table(rows):
    return pytest.mark.parametrize("row", rows.values(), ids=rows)


@contextmanager
def wired(folder, **env):
    """A server that knows its answers; no timer of its own ends what is left within a test."""
    env = {"MCP_SEND_TIMEOUT_SECONDS": str(2 * TIMEOUT_S), "SIMULATOR_ALERTS_FEATURES": "200", **env}
    config = configured(folder, ping_s=LONG_S, keep_alive_s=LONG_S)
    with serving(folder, config=config, **env) as started:
        with Raw(started.port) as raw:
            raw.initialize().send(call(1), MANY_ALERTS | {"id": 2})
            assert {raw.receive()["id"] for _ in range(2)} == {1, 2}
        yield started


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with wired(tmp_path_factory.mktemp("wire")) as started:
        yield started


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    """Cuts off early who does not read."""
    with wired(tmp_path_factory.mktemp("impatient"), MCP_SEND_TIMEOUT_SECONDS="0.2") as started:
        yield started


@pytest.fixture(autouse=True)
def nothing_stays(request):
    """After each test: no session, no task, no socket, and no traceback more than before."""
    server = request.getfixturevalue(
        next((own for own in ("impatient", "slow") if own in request.fixturenames), "server")
    )
    eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "no session before")
    before, logged = kept(server), len(server.log)
    yield
    eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "sessions are gone")
    eventually(lambda: all(now <= was for now, was in zip(kept(server), before, strict=True)), "tasks and sockets gone")
    assert "Traceback" not in server.log[logged:], server.log[logged:]


def kept(server):
    now = gauges(server.port)
    return now["asyncio_tasks"], now["process_open_fds"]


@pytest.fixture
def raw(server):
    with Raw(server.port) as raw:
        yield raw.initialize()


def ended(raw):
    """The close code, 1006 for a bare end of the connection. Frames that came before are passed over."""
    try:
        while (received := raw.frame())[0] != CLOSE:
            pass
    except Closed as closed:
        return closed.code
    return struct.unpack("!H", received[1][:2] or b"\x03\xed")[0]


@table(BROKEN)
def test_what_breaks_rfc_6455_is_closed_with_its_code_and_a_reason(server, raw, row):
    """And what comes after it is thrown away, until the peer has read the close: no reset takes it away."""
    sent, code = row
    raw.socket.sendall(sent + b"more" * 10_000)
    closed = raw.closed()
    assert closed.code == code
    assert closed.reason
    assert "codec" not in closed.reason


@table(HALF)
@pytest.mark.parametrize("end", ["reset", "close"])
def test_a_peer_may_vanish_amid(server, raw, row, end):
    raw.socket.sendall(row)
    raw.reset() if end == "reset" else raw.socket.close()


@table(
    {name: row for name, row in BROKEN.items() if "within" not in name}
    | {"bad UTF-8 in the end of a long text": (frame(TEXT, b"x" * 3 * websocket.PARSED_AT_ONCE + b"\xff"), 1007)}
)
def test_what_comes_together_with_a_violation_is_answered_before_the_close(raw, row):
    sent, code = row
    raw.socket.sendall(text(request(1, "ping")) + text(request(2, "ping")) + sent)
    assert [json.loads(raw.frame()[1])["id"] for _ in range(2)] == [1, 2]
    assert raw.closed().code == code


def test_a_ping_that_comes_together_with_a_message_without_a_response_has_its_pong(raw):
    raw.socket.sendall(frame(PING, b"here") + text(INITIALIZED))
    assert raw.frame() == (PONG, b"here")


def test_a_peer_may_break_the_protocol_and_vanish(server):
    """The close frame that it gets is answered with a reset, before the server has half-closed."""
    for _ in range(50):
        with Raw(server.port) as raw:
            raw.socket.sendall(bytes(10))


@pytest.mark.parametrize(("size", "end"), [(0, "close"), (20, "reset"), (len(handshake(1)), "reset")])
def test_a_peer_may_vanish_amid_its_handshake(server, size, end):
    with socket.create_connection(("127.0.0.1", server.port)) as half:
        half.sendall(handshake(server.port)[:size])
        if end == "reset":
            half.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def refused_handshakes(port):
    """Of which hypercorn lets the application know nothing, or only that they are over."""
    whole = handshake(port)
    return {
        "an old version": handshake(port, **{"Sec-WebSocket-Version": "12"}),
        "no key": whole.replace(b"Sec-WebSocket-Key", b"X-Key"),
        "HTTP/1.0": whole.replace(b"HTTP/1.1", b"HTTP/1.0"),
        "a body": handshake(port, **{"Content-Length": "1"}) + b"x",
        "an early frame": whole + text(request(1, "ping")),
        "an extension not in ASCII": handshake(port, **{"Sec-WebSocket-Extensions": "\u00e9"}),
        "a subprotocol not in ASCII": handshake(port, **{"Sec-WebSocket-Protocol": "mcp, \u00e9"}) + b"x",
    }


@pytest.mark.parametrize("kind", refused_handshakes(0))
def test_who_is_refused_a_handshake_by_hypercorn_is_closed(server, kind):
    """While the client still holds the connection."""
    with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as refused:
        refused.sendall(refused_handshakes(server.port)[kind])
        answer = b"".join(iter(lambda: refused.recv(1 << 16), b""))
        assert answer.startswith(b"HTTP/1.1 400 ")
        assert answer.count(b"HTTP/1.1") == 1


def test_refused_handshakes_take_no_room_and_a_stop_does_not_wait_for_them(tmp_path):
    config = configured(tmp_path, keep_alive_s=LONG_S, graceful_s=LONG_S)
    with serving(tmp_path, config=config, MCP_MAX_CONNECTIONS="2") as server, ExitStack() as stack:
        kinds = refused_handshakes(server.port)
        for sent in 3 * list(kinds.values()):
            refused = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S))
            refused.sendall(sent)
            with suppress(ConnectionError):  # when it was cut off as one too many
                refused.recv(1 << 16)
        eventually(lambda: healthy(server.port), "room again")
        refused = stack.enter_context(socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S))
        refused.sendall(kinds["an old version"])
        assert refused.recv(1 << 16).startswith(b"HTTP/1.1 400 ")
        assert server.stop() == 0
        assert "Traceback" not in server.log


def healthy(port):
    with suppress(OSError):
        return "mcp_sessions_open" in gauges(port)
    return False


def test_a_message_may_come_in_fragments_with_pings_between(raw):
    raw.socket.sendall(frame(TEXT, b"", fin=False))
    for byte in PAYLOAD:
        raw.socket.sendall(frame(CONTINUATION, bytes([byte]), fin=False) + frame(PING, b"amid"))
    raw.socket.sendall(frame(CONTINUATION))
    pongs = 0
    while (received := raw.frame())[0] != TEXT:
        pongs += received == (PONG, b"amid")
    assert (received[1], pongs) == (b'{"jsonrpc":"2.0","id":1,"result":{}}', len(PAYLOAD))


def test_an_empty_first_fragment_leaves_nothing_behind(raw):
    raw.socket.sendall(frame(TEXT, b"", fin=False) + frame(CONTINUATION, PAYLOAD))
    assert raw.receive()["id"] == 1
    raw.socket.sendall(frame(BINARY, b"x"))
    assert raw.closed().code == 1003


def test_a_character_may_be_split_between_fragments(raw):
    payload = '{"jsonrpc":"2.0","id":"🌧","method":"ping"}'.encode()
    for place in range(1, len(payload)):
        raw.socket.sendall(frame(TEXT, payload[:place], fin=False) + frame(CONTINUATION, payload[place:]))
        assert raw.receive()["id"] == "🌧"


def test_a_message_may_come_byte_by_byte(raw):
    for byte in text(request(1, "ping")):
        raw.socket.sendall(bytes([byte]))
    assert raw.receive()["id"] == 1


def test_a_binary_message_in_fragments_ends_the_session(raw):
    raw.socket.sendall(frame(BINARY, b"a", fin=False) + frame(CONTINUATION, b"b"))
    assert ended(raw) == 1003


DEFLATE = "permessage-deflate; client_max_window_bits"


def test_compression_is_not_accepted_from_who_offers_it(server):
    with Raw(server.port, extensions=DEFLATE) as raw:
        assert "permessage-deflate" not in raw.answer.lower()
        assert raw.initialize().ask("ping")["result"] == {}


@pytest.fixture(scope="module")
def inflating(tmp_path_factory):
    with wired(tmp_path_factory.mktemp("inflating"), MCP_COMPRESSION="1") as started:
        yield started


def test_compression_is_accepted_where_a_setting_says_so(inflating):
    with Raw(inflating.port, extensions=DEFLATE) as raw:
        assert "permessage-deflate" in raw.answer
        deflate = zlib.compressobj(wbits=-15)
        raw.send(request(0, "initialize", INITIALIZE))
        assert raw.receive()["id"] == 0
        for _ in range(3):
            packed = deflate.compress(PAYLOAD) + deflate.flush(zlib.Z_SYNC_FLUSH)
            raw.socket.sendall(frame(TEXT, packed[:-4], rsv=4))
            assert raw.receive() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    with Raw(inflating.port, extensions=DEFLATE) as raw:
        raw.initialize().socket.sendall(frame(TEXT, b"\xff" * 50, rsv=4))
        assert raw.closed().code in (1002, 1007)


@pytest.mark.parametrize("bits", ["many", "8", "16", ""])
@pytest.mark.parametrize("side", ["client", "server"])
def test_compression_with_parameters_that_cannot_be_is_declined(inflating, side, bits):
    with Raw(inflating.port, extensions=f"permessage-deflate; {side}_max_window_bits={bits}") as raw:
        assert "permessage-deflate" not in raw.answer
        assert raw.initialize().ask("ping")["result"] == {}
    assert "Traceback" not in inflating.log


@pytest.mark.parametrize(("size", "fragments"), [(65536, 1), (65537, 1), (40_000, 2)], ids=str)
def test_a_message_is_bounded_by_what_it_inflates_to(inflating, size, fragments):
    deflate = zlib.compressobj(wbits=-15)
    parts = [deflate.compress(b" " * size) + deflate.flush(zlib.Z_SYNC_FLUSH) for _ in range(fragments)]
    with Raw(inflating.port, extensions=DEFLATE) as raw:
        raw.initialize()
        for number, part in enumerate(parts):
            end = number == fragments - 1
            opcode, rsv = (CONTINUATION, 0) if number else (TEXT, 4)
            raw.socket.sendall(frame(opcode, part[:-4] if end else part, fin=end, rsv=rsv))
        if size * fragments <= 65536:
            assert raw.receive()["error"]["code"] == -32700
        else:
            closed = raw.closed()
            assert (closed.code, closed.reason) == (1009, "a message has at most 65536 bytes")


@pytest.mark.parametrize("code", [None, 1000, 1001, 4000])
def test_a_close_is_answered_in_kind(raw, code):
    raw.socket.sendall(frame(CLOSE, struct.pack("!H", code) if code else b""))
    while (received := raw.frame())[0] != CLOSE:
        pass
    assert received[1] == (struct.pack("!H", code) if code else b"")


@pytest.mark.parametrize("code", [None, 1000, 4000])
def test_a_close_may_come_amid_a_message(server, code):
    with Raw(server.port) as raw:
        raw.socket.sendall(frame(TEXT, b"x", fin=False) + frame(CLOSE, struct.pack("!H", code) if code else b""))
        closed = raw.closed(answer=False)
        assert (closed.code, closed.reason) == (code or 1000, "")
        port = raw.socket.getsockname()[1]
    eventually(lambda: re.search(rf':{port}" .* ended="client" code={code or 1005}\n', server.log), "a line")


def test_messages_before_a_close_in_the_same_write_do_no_harm(raw):
    raw.socket.sendall(text(call(1)) * 100 + frame(CLOSE, struct.pack("!H", 1000)))
    assert ended(raw) == 1000


@pytest.mark.parametrize(
    ("count", "end", "ready"), [(1, "close", True), (1, "reset", True), (1, "reset", False), (30, "reset", False)]
)
def test_a_peer_may_vanish_with_its_calls_unanswered(impatient, count, end, ready):
    """More than hypercorn queues for a session, answered from ready bytes or by the SDK."""
    message = call(1) if ready else request(1, "tools/list")
    with Raw(impatient.port) as raw:
        raw.initialize().send(*(message | {"id": number} for number in range(count)))
        raw.reset() if end == "reset" else raw.socket.close()


def test_a_connection_that_broke_while_an_answer_was_written_is_missed(server):
    with Raw(server.port) as raw:
        fill(raw.initialize(), text(request(1, "tools/list")) * 100)
        raw.reset()
        eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "it is missed")
    assert gauges(server.port)['mcp_sessions_ended_total{ended="not_reading"}'] == 0


def test_a_peer_may_vanish_amid_a_flood_of_calls(impatient):
    with Raw(impatient.port) as raw:
        flood = b"".join(text(call(number)) for number in range(3000))
        with suppress(ConnectionError):
            fill(raw.initialize(), flood, len(flood))
        raw.reset()


@pytest.fixture(scope="module")
def slow(tmp_path_factory):
    """And its gate: what it is asked for is at work until that opens."""
    folder = tmp_path_factory.mktemp("slow")
    with gated() as (gate, env), serving(folder, config=configured(folder, ping_s=LONG_S), **env) as started:
        started.gate = gate
        yield started


def forecasts(first, count=99, padding=0):
    """More than are at work and wait at once, each of a point of its own."""
    for number in range(first, first + count):
        point = {"latitude": 30 + number / 100, "longitude": -100, "hourly": False}
        yield json.dumps(call(number, "get-forecast", **point)) + " " * padding


@pytest.mark.parametrize(("end", "padding"), [("close", 0), ("reset", 0), ("reset", 60_000)])
def test_a_peer_that_vanishes_behind_a_full_queue_is_missed_while_its_calls_are_at_work(slow, end, padding):
    slow.gate.shut()
    first = {"close": 0, "reset": 100}[end] + padding // 300
    with ExitStack() as stack:
        peers = [stack.enter_context(Raw(slow.port)).initialize() for _ in range(3)]
        for raw in peers:
            fill(raw, data := b"".join(map(text, forecasts(first, padding=padding))), len(data))
        eventually(lambda: gauges(slow.port)[IN_FLIGHT] == 3 * 32, "as many as may be")
        for raw in peers:
            raw.reset() if end == "reset" else raw.socket.close()
        eventually(lambda: gauges(slow.port)[IN_FLIGHT] == 0, "missed")
    assert ends(slow, "dead") == 0


def test_a_peer_that_stays_behind_a_full_queue_gets_every_answer(slow):
    """Though it has been looked for again and again."""
    slow.gate.shut()
    ticks = "event_loop_lag_seconds_count"
    with Raw(slow.port) as raw:
        raw.initialize().socket.sendall(b"".join(map(text, forecasts(500))))
        eventually(lambda: gauges(slow.port)[IN_FLIGHT] == 32, "as many as may be")
        before = gauges(slow.port)[ticks]
        eventually(lambda: gauges(slow.port)[ticks] > before + 8, "two seconds of the server's clock")
        slow.gate.open()
        assert sorted(raw.receive()["id"] for _ in range(99)) == list(range(500, 599))


def test_frames_that_wait_behind_a_full_queue_take_little(slow):
    """Parsed, a small frame takes sixty times its size."""
    slow.gate.shut()
    small = b"".join(map(text, forecasts(1000, 50))) + frame(TEXT) * 8000
    with ExitStack() as stack:
        peers = [stack.enter_context(Raw(slow.port)).initialize() for _ in range(10)]
        with Growth(slow) as growth:
            for raw in peers:
                raw.socket.sendall(small)
            eventually(lambda: gauges(slow.port)[IN_FLIGHT] == 10 * 32, "as many as may be")
    assert growth.peak < 15 * MIB


class Growth:
    """The most that the server's resident memory was above what it was at the start, in bytes."""

    def __init__(self, server):
        self.memory = psutil.Process(server.process.pid).memory_info
        self.peak, self._stop = 0, threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def _watch(self):
        base = self.memory().rss
        while not self._stop.wait(0.005):
            self.peak = max(self.peak, self.memory().rss - base)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()


def ends(server, how):
    return gauges(server.port).get(f'mcp_sessions_ended_total{{ended="{how}"}}', 0)


def test_who_never_reads_is_cut_off_in_bounds(impatient):
    """With small answers and with large ones, side by side."""
    before = ends(impatient, "not_reading")
    with Growth(impatient) as growth, ExitStack() as stack:
        for message in (call(1), MANY_ALERTS):
            raw = stack.enter_context(Raw(impatient.port, receive_buffer=4096)).initialize()
            with suppress(ConnectionError):  # when it is cut off as soon as that
                fill(raw, text(message) * 50)
        eventually(lambda: ends(impatient, "not_reading") == before + 2, "cut off for that")
    assert growth.peak < 20 * MIB


def test_who_stops_reading_holds_up_no_one_else(server, raw):
    many = 60  # of 800 KB
    raw.send(*[MANY_ALERTS] * many)
    with Raw(server.port) as other:
        assert "result" in other.initialize().ask("tools/call", call(1)["params"])
        assert gauges(server.port)["mcp_sessions_open"] == 2
    assert [raw.receive()["id"] for _ in range(many)] == [1] * many


@pytest.mark.parametrize("message", [b"", text(INITIALIZED)], ids=["alone", "among messages"])
def test_who_floods_with_pings_and_never_reads_is_closed(server, message):
    """The server answers pings itself; others have their turn meanwhile."""
    pings, logged = (frame(PING, b"x" * 125) * 5 + message) * 100, len(server.log)
    with Growth(server) as growth, Raw(server.port, receive_buffer=4096) as raw, Raw(server.port) as other:
        raw.initialize()
        other.initialize()
        with pytest.raises(OSError):  # noqa: PT011 - reset while it sends, or before
            for _ in range(TIMEOUT_S):  # The server reads no more for a second before it closes.
                fill(raw, pings)
        assert other.ask("ping")["result"] == {}
    assert growth.peak < 20 * MIB
    eventually(lambda: 'ended="not_reading" code=1008' in server.log[logged:], "closed for it")


def test_who_floods_with_pings_and_reads_is_answered(server):
    with Raw(server.port) as raw, Raw(server.port) as other:
        raw.initialize()
        other.initialize()
        for _ in range(20):
            raw.socket.sendall(frame(PING) * 1000)
            assert other.ask("ping")["result"] == {}
            assert [raw.frame() for _ in range(1000)] == [(PONG, b"")] * 1000
        assert raw.ask("ping")["result"] == {}


PART = b"x" * 60_000
TOO_BIG = {
    "in fragments": (frame(TEXT, PART, fin=False), frame(CONTINUATION, PART, fin=False)),
    "in one frame": (struct.pack("!BBQ", 0x81, 0xFF, 1 << 30) + MASK, PART),
    "again and again": (frame(TEXT, b"x" * 70_000), frame(TEXT, b"x" * 70_000)),
}


def test_what_comes_after_1009_is_thrown_away(server):
    """For a second. Those who go on sending are kept side by side, before a session and in one."""
    more = 40
    with ExitStack() as stack:
        peers = [(stack.enter_context(Raw(server.port)), *parts) for parts in (*TOO_BIG.values(), *TOO_BIG.values())]
        for raw, *_ in peers[:3]:
            raw.initialize()
        growth = stack.enter_context(Growth(server))
        for raw, first, then in peers:
            raw.socket.sendall(first + then * 2)
            closed = raw.closed(answer=False)
            assert (closed.code, closed.reason) == (1009, "a message has at most 65536 bytes")
        for raw, _, then in peers:
            with suppress(ConnectionError):  # The second is over.
                raw.socket.sendall(then * more)
    assert growth.peak < len(peers) * len(PART) * more / 2


@pytest.mark.parametrize("broken", [frame(TEXT, b"x" * 70_000), frame(TEXT, b"\xff"), bytes(10)], ids=len)
def test_who_breaks_the_protocol_is_closed_at_once(server, broken):
    """Before one who does not answer a close, and whose second had begun earlier; on a slow machine, in one of several
    tries.
    """

    def is_closed_first():
        with Raw(server.port) as lazy, Raw(server.port) as failed:
            lazy.initialize().socket.sendall(frame(BINARY, b"x"))
            assert lazy.closed(answer=False).code == 1003
            failed.initialize().socket.sendall(broken)
            assert failed.closed(answer=False).code in (1002, 1007, 1009)
            with pytest.raises(Closed):
                failed.frame()
            return not select.select([lazy.socket], [], [], 0)[0]

    eventually(is_closed_first, "closed first")


@pytest.fixture
def lazy(server):
    """A peer that never answers a close."""
    with Raw(server.port) as raw:
        yield raw.initialize()


def test_who_does_not_answer_a_close_is_cut_off(server, lazy):
    started = time.monotonic()
    lazy.socket.sendall(frame(BINARY, b"x"))
    assert lazy.closed(answer=False).code == 1003
    with pytest.raises(Closed):
        lazy.frame()
    assert time.monotonic() - started > 0.5


def test_who_reads_nothing_and_closes_is_cut_off(server, lazy):
    """Megabytes wait to be written before the answer to the close."""
    lazy.send(*[MANY_ALERTS] * 5)
    lazy.socket.sendall(frame(CLOSE, struct.pack("!H", 1000)))
    eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "gone")


def test_who_leaves_messages_waiting_is_let_go(server, lazy):
    """More than hypercorn queues, behind one that ends the session."""
    lazy.socket.sendall(frame(BINARY, b"x") + text(request(1, "ping")) * 100)
    assert lazy.closed().code == 1003
    with pytest.raises(Closed):
        lazy.frame()


def test_a_missed_pong_ends_the_session_and_a_pong_keeps_it(tmp_path):
    """A pong that comes in time; on a slow machine, in one of several tries."""

    def one_of_two_is_kept():
        with Raw(server.port) as dead, Raw(server.port) as alive:
            dead.initialize(), alive.initialize()
            before = ends(server, "dead")
            try:
                while gauges(server.port)["mcp_sessions_open"] == 2:
                    opcode, payload = alive.frame()
                    assert opcode in (PING, CLOSE)
                    alive.socket.sendall(frame(PONG, payload) if opcode == PING else b"")
                closed = dead.closed()
                assert (closed.code, closed.reason) == (1008, "no pong for 1 s")
                return alive.ask("ping")["result"] == {} and ends(server, "dead") == before + 1
            except (Closed, ConnectionError):
                return False

    with serving(tmp_path, config=configured(tmp_path, ping_s=1)) as server:
        eventually(one_of_two_is_kept, "a pong keeps it")


def test_a_connection_ends_without_waiting_for_its_next_ping(server):
    """Which is due in five minutes."""
    for _ in range(10):
        with Raw(server.port) as raw:
            raw.initialize().socket.sendall(frame(CLOSE))
    for _ in range(100):
        with socket.create_connection(("127.0.0.1", server.port), TIMEOUT_S) as hasty:
            hasty.sendall(handshake(server.port))
            hasty.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


@pytest.mark.anyio
async def test_pings_end_with_a_connection_that_ends_before_the_first():
    config, sent = Config.from_mapping(websocket_ping_interval=LONG_S), []
    app = Application(None, SimpleNamespace())
    stream = websocket.Stream(app, config, WorkerContext(None), None, False, None, None, sent.append, 1)
    stream.frames, stream.handshake = Protocol(1, compression=False), SimpleNamespace(accepted=True)
    await stream.handle(StreamClosed(stream_id=1))
    with anyio.fail_after(TIMEOUT_S):
        await stream._send_pings()
    assert sent == []


@pytest.mark.parametrize(
    ("end", "code"), [(frame(CLOSE, struct.pack("!H", 4001)), 4001), (frame(CLOSE), 1005), (b"", 1006)]
)
def test_the_log_tells_what_the_client_closed_with(server, end, code):
    with Raw(server.port) as raw:
        port = raw.initialize().socket.getsockname()[1]
        raw.socket.sendall(end)
        if end:
            assert raw.frame()[0] == CLOSE
    eventually(lambda: re.search(rf'peer="127.0.0.1:{port}" .* ended="client" code={code}\n', server.log), "a line")


def test_what_a_client_sends_is_not_logged(tmp_path):
    with serving(tmp_path, LOG_LEVEL="DEBUG") as server, Raw(server.port) as raw:
        raw.initialize().send(request("s3cret", "ping"))
        assert raw.receive()["id"] == "s3cret"
        raw.socket.sendall(frame(CLOSE, struct.pack("!H", 4000) + b"s3cret"))
        assert ended(raw) == 4000
        eventually(lambda: "session ended" in server.log, "a line")
        assert "s3cret" not in server.log
