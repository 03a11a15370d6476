"""What hypercorn's HTTP does wrong is put right: nothing stays of a connection whose client has left."""

from __future__ import annotations

import socket
import ssl
import struct
from contextlib import ExitStack, contextmanager, suppress

import pytest

from tests.conftest import serving
from tests.protocol.test_subscriptions import listen, modern
from tests.raw import INITIALIZE, TIMEOUT_S, Raw, call, configured, eventually, gated, gauges, posted, request

HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
METRICS = HEALTH.replace(b"health", b"metrics")
LISTEN = posted(listen(1, "weather://alerts/CA"))
TICKS = "event_loop_lag_seconds_count"  # of the server's clock, four a second
LONG_S = 300  # No timer of the server's ends what is left within a test.
LEFT = ("asyncio_tasks", "process_open_fds", 'mcp_requests_in_flight{transport="http"}')
LEFT += ("mcp_subscriptions_open", "mcp_streams_open")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("http")
    config = configured(folder, ping_s=LONG_S, keep_alive_s=LONG_S)
    with serving(folder, config=config, SIMULATOR_ALERTS_FEATURES="200", MCP_MAX_CONNECTIONS="50") as started:
        yield started


def left(server):
    now = gauges(server.port)
    return [now[gauge] for gauge in LEFT]


@pytest.fixture(autouse=True)
def nothing_stays(request):
    server = request.getfixturevalue("impatient" if "impatient" in request.fixturenames else "server")
    left(server)
    before, logged = left(server), len(server.log)
    yield
    eventually(lambda: all(now <= was for now, was in zip(left(server), before, strict=True)), f"as before: {before}")
    assert "Traceback" not in server.log[logged:], server.log[logged:]


@contextmanager
def connected(server, receive_buffer=0):
    with socket.socket() as client:
        client.settimeout(TIMEOUT_S)
        if receive_buffer:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        client.connect(("127.0.0.1", server.port))
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        yield client


def until(client, found):
    """What has come once `found` has; b"" at the end in place of it."""
    got = b""
    with suppress(ConnectionError):
        while found not in got:
            data = client.recv(1 << 16)
            got += data
            if not data:
                return got
    return got


def leave(client, how):
    if how == "reset":
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


LEAVING = pytest.mark.parametrize("how", ["close", "reset"])


@LEAVING
@pytest.mark.parametrize(
    ("line", "status"),
    [("POST /nowhere", 404), ("POST /health", 405), ("PUT /mcp", 405), ("POST /mcp", 415)],
)
def test_who_leaves_amid_the_body_of_a_refused_request_leaves_nothing(server, line, status, how):
    """In more pieces than hypercorn queues for the application."""
    for _ in range(5):
        with connected(server) as client:
            client.sendall(f"{line} HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n".encode())
            for _ in range(40):
                client.sendall(b"1\r\nx\r\n")
            assert until(client, b"\r\n\r\n").startswith(f"HTTP/1.1 {status} ".encode())
            leave(client, how)


def test_who_goes_on_sending_reads_the_refusal_and_is_served_again(server):
    """RFC 9112, 9.6: closing at once would take the answer away."""
    with connected(server) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\n")
        assert until(client, b"}").startswith(b"HTTP/1.1 404 ")
        for _ in range(20):
            client.sendall(b"x" * 10_000)
        client.sendall(HEALTH)
        assert until(client, b"}").startswith(b"HTTP/1.1 200 ")


def test_who_never_ends_a_refused_body_is_cut_off(server):
    with connected(server) as client:
        client.sendall(b"POST /nowhere HTTP/1.1\r\nHost: localhost\r\nContent-Length: 200000\r\n\r\nx")
        assert until(client, b"}").startswith(b"HTTP/1.1 404 ")
        assert until(client, b"never") == b""


@LEAVING
@pytest.mark.parametrize("waiting", [HEALTH, LISTEN, HEALTH * 20, HEALTH[:-5], b"x" * 300_000], ids=len)
def test_who_leaves_while_a_request_waits_behind_a_stream_leaves_nothing(server, waiting, how):
    for _ in range(5):
        with connected(server) as client:
            client.sendall(LISTEN)
            assert b"acknowledged" in until(client, b"acknowledged")
            with suppress(ConnectionError):
                client.sendall(waiting)
            leave(client, how)


def test_requests_that_wait_are_answered_in_their_order(server):
    with connected(server) as client:
        client.sendall(b"".join(posted(request(number, "ping")) for number in range(50)))
        got = b""
        while b'"id":49,' not in got:
            got += client.recv(1 << 16)
        places = [got.index(b'"id":%d,' % number) for number in range(50)]
        assert places == sorted(places)


def test_small_requests_that_come_one_by_one_behind_a_slow_one_are_all_answered(tmp_path):
    """Each read by itself; the slow one takes longer than a client has that sends too much ahead."""
    with gated() as (gate, env), serving(tmp_path, **env) as server, connected(server) as client:
        client.sendall(posted(call(0)))
        eventually(lambda: gate.asked, "at work")
        for number in range(1, 21):
            client.sendall(posted(request(number, "ping")))
            before = gauges(server.port)[TICKS]
        eventually(lambda: gauges(server.port)[TICKS] > before + 8, "two seconds of the server's clock")
        gate.open()
        assert until(client, b'"id":20,').count(b"HTTP/1.1 200 ") == 21


def test_who_sends_too_much_ahead_is_cut_off(server):
    with connected(server) as client:
        client.sendall(LISTEN)
        assert b"acknowledged" in until(client, b"acknowledged")
        with suppress(ConnectionError):
            client.sendall(HEALTH * 20_000)
        assert b"HTTP/1.1 " not in until(client, b"never")


def test_who_has_nothing_more_to_send_gets_the_answers(server):
    with connected(server) as client:
        client.sendall(HEALTH * 2)
        client.shutdown(socket.SHUT_WR)
        assert until(client, b"never").count(b"HTTP/1.1 200 ") == 2


@LEAVING
def test_an_idle_connection_ends_with_its_client(server, how):
    for _ in range(5):
        with connected(server) as client:
            client.sendall(HEALTH)
            until(client, b"}")
            leave(client, how)


@LEAVING
def test_who_asks_for_much_and_leaves_leaves_nothing(server, how):
    for _ in range(3):
        with connected(server, 4096) as client:
            client.sendall(METRICS * 500)
            leave(client, how)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory):
    folder = tmp_path_factory.mktemp("impatient")
    config = configured(folder, ping_s=LONG_S, keep_alive_s=LONG_S)
    env = {"MCP_SEND_TIMEOUT_SECONDS": "0.5", "SIMULATOR_ALERTS_FEATURES": "200"}
    with serving(folder, config=config, **env) as started:
        with Raw(started.port) as raw:
            raw.initialize().ask("tools/call", call(1, state="CA", limit=200)["params"])
        yield started


MUCH = {
    "metrics": METRICS * 500,
    "alerts": posted(call(1, state="CA", limit=200)) * 40,
    "tools": posted(request(1, "tools/list")) * 500,
}


@pytest.mark.parametrize("asked", MUCH.values(), ids=MUCH)
def test_who_does_not_read_an_answer_is_cut_off(impatient, asked):
    """While the client still holds the connection."""
    before = gauges(impatient.port)["process_open_fds"]
    with connected(impatient, 4096) as client:
        client.sendall(asked)
        eventually(lambda: gauges(impatient.port)["process_open_fds"] <= before, "cut off")


UPGRADE = "Connection: Upgrade\r\nUpgrade: websocket\r\n"
UPGRADE += "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"


def status(server, line, host="localhost", more=""):
    with connected(server) as client:
        client.sendall(f"{line} HTTP/1.1\r\nHost: {host}\r\n{more}\r\n".encode())
        return int(until(client, b"\r\n\r\n").split()[1])


@pytest.mark.parametrize(
    ("method", "path", "more", "expected"),
    [
        ("GET", "", "", 200),
        ("GET", "/", "", 200),
        ("GET", "/health", "", 200),
        ("HEAD", "/ready", "", 200),
        ("GET", "/metrics", "", 200),
        ("GET", "/mcp", "", 405),
        ("OPTIONS", "/mcp", "", 200),
        ("POST", "/mcp", "Content-Length: 0\r\n", 415),
        ("GET", "/ws", "", 426),
        ("GET", "/ws?any=thing", UPGRADE, 101),
        ("GET", "/mcp", UPGRADE, 404),
        ("GET", "/%6dcp", "", 404),
        ("GET", "//mcp", "", 404),
        ("GET", "/http://localhost/mcp", "", 404),
    ],
)
def test_a_target_in_absolute_form_is_served_like_one_in_origin_form(server, method, path, more, expected):
    """RFC 9112, 3.2.2."""
    for scheme in ("http", "HTTPS", "ws"):
        assert status(server, f"{method} {scheme}://localhost{path}", more=more) == expected
    assert status(server, f"{method} {path or '/'}", more=more) == expected


@pytest.mark.parametrize("more", ["", UPGRADE], ids=["http", "websocket"])
@pytest.mark.parametrize(
    ("authority", "host", "expected"),
    [
        ("localhost", "evil.example", None),
        ("127.0.0.1:8000", "evil.example", None),
        ("evil.example", "localhost", 421),
        ("evil.example:80", "localhost", 421),
        ("localhost.evil.example", "localhost", 421),
        ("", "localhost", 400),
        ("localhost@evil.example", "localhost", 400),
        ("evil.example@localhost", "localhost", 400),
        ("localhost:x", "localhost", 400),
    ],
)
def test_the_host_of_a_target_in_absolute_form_counts_in_place_of_the_header(server, authority, host, expected, more):
    """RFC 9112, 3.2.2: else a page could reach a server on this machine by whichever of the two is not checked."""
    path = "/ws" if more else "/"
    assert status(server, f"GET http://{authority}{path}", host, more) == (expected or (101 if more else 200))


def test_an_origin_is_compared_with_the_host_of_a_target_in_absolute_form(server):
    for line, host, expected in (
        ("GET http://localhost:81/", "localhost:80", 200),
        ("GET http://localhost:80/", "localhost:81", 403),
        ("GET /", "localhost:81", 200),
    ):
        assert status(server, line, host, "Origin: http://localhost:81\r\n") == expected


def test_http_2_is_not_spoken_to_who_begins_with_it(server):
    with connected(server) as client:
        client.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert until(client, b"never").startswith(b"HTTP/1.1 505 ")


def test_an_upgrade_to_h2c_is_ignored(server):
    asked = (
        HEALTH[:-2] + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"
    )
    for _ in range(5):
        with connected(server) as client:
            client.sendall(asked)
            assert until(client, b"}").startswith(b"HTTP/1.1 200 ")


def test_tls_offers_http_1_1_alone_whatever_the_configuration_says(tmp_path, certificate):
    config = tmp_path / "own.toml"
    config.write_text(
        f'worker_class = "uvloop"\nworkers = 0\ncertfile = "{certificate}"\nkeyfile = "{certificate}"\n'
        'alpn_protocols = ["h2", "http/1.1"]\n'
    )
    context = ssl.create_default_context(cafile=certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        serving(tmp_path, config=str(config)) as server,
        connected(server) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as client,
    ):
        assert client.selected_alpn_protocol() == "http/1.1"
        client.sendall(HEALTH)
        assert until(client, b"}").startswith(b"HTTP/1.1 200 ")


def test_the_longest_idle_connection_makes_room(server):
    """MCP_MAX_CONNECTIONS is 50; sessions and requests at work are not idle."""
    with ExitStack() as stack:
        session = stack.enter_context(Raw(server.port)).initialize()
        stream = stack.enter_context(connected(server))
        stream.sendall(LISTEN)
        assert b"acknowledged" in until(stream, b"acknowledged")
        silent = [stack.enter_context(connected(server)) for _ in range(60)]
        silent[59].sendall(HEALTH)
        assert until(silent[59], b"}").startswith(b"HTTP/1.1 200 ")
        assert until(silent[0], b"never") == b""
        before = gauges(server.port)["process_open_fds"]
        more = [stack.enter_context(connected(server)) for _ in range(100)]
        more[99].sendall(HEALTH)
        assert until(more[99], b"}").startswith(b"HTTP/1.1 200 ")
        assert gauges(server.port)["process_open_fds"] <= before + 1
        assert session.ask("ping")["result"] == {}


def test_where_none_is_idle_there_is_no_room_for_another(tmp_path):
    with serving(tmp_path, MCP_MAX_CONNECTIONS="2") as server, ExitStack() as stack:
        for _ in range(2):
            stream = stack.enter_context(connected(server))
            stream.sendall(LISTEN)
            assert b"acknowledged" in until(stream, b"acknowledged")
        with connected(server) as late:
            assert until(late, b"never") == b""
        stack.close()
        eventually(lambda: health(server), "room again")


def health(server):
    """The answer to a request on a connection of its own; b"" if that is cut."""
    with connected(server) as client, suppress(ConnectionError):
        client.sendall(HEALTH)
        return until(client, b"}")
    return b""


def test_a_stop_waits_for_nobody_who_only_holds_a_connection(tmp_path):
    """For calls at work it would wait for longer than the test does."""
    config = configured(tmp_path, ping_s=LONG_S, keep_alive_s=LONG_S)
    patient = str(2 * TIMEOUT_S)
    env = {"MCP_GRACE_SECONDS": patient, "MCP_SEND_TIMEOUT_SECONDS": patient, "SIMULATOR_ALERTS_FEATURES": "200"}
    with serving(tmp_path, config=config, **env) as server, ExitStack() as stack:
        for first in (b"", HEALTH, HEALTH[:-4], MUCH["alerts"], MUCH["metrics"], LISTEN, LISTEN * 2, LISTEN[:-4]):
            stack.enter_context(connected(server, 4096)).sendall(first)
        raw = stack.enter_context(Raw(server.port, receive_buffer=4096)).initialize()
        raw.send(*[call(1, state="CA", limit=200)] * 10)
        eventually(lambda: gauges(server.port)["mcp_streams_open"] >= 1, "all is taken up")
        assert server.stop() == 0
        assert "Traceback" not in server.log


def test_every_era_is_served_where_warnings_are_errors(tmp_path):
    with serving(tmp_path, PYTHONWARNINGS="error") as server, Raw(server.port) as raw, connected(server) as client:
        assert raw.initialize().ask("tools/call", call(1)["params"])["result"]["isError"] is False
        raw.send(modern(1, "server/discover"))
        assert "result" in raw.receive()
        for message in (request(1, "initialize", INITIALIZE), request(2, "ping"), modern(3, "server/discover")):
            client.sendall(posted(message))
            assert b'"result"' in until(client, b'"result"')
        assert server.stop() == 0
        assert "Warning" not in server.log
