"""A connection that has ended is freed at once: it leaves no reference cycles to the garbage collector."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import ExitStack, suppress
from urllib.request import urlopen

import pytest
from hypercorn.config import Config

from tests.conftest import ROOT, serving
from tests.raw import (
    BINARY,
    CLOSE,
    IN_FLIGHT,
    TIMEOUT_S,
    Raw,
    call,
    configured,
    eventually,
    frame,
    gated,
    gauges,
    handshake,
    posted,
    request,
)
from weather.serving import get_hosts
from weather.serving.connection import Startup

NUMBER = 100
CLOSING = frame(CLOSE, struct.pack("!H", 1000))


def uncollected(folder, **env):
    """A server that collects no garbage."""
    application, config = "tests.serving.uncollected:app", configured(folder)
    return serving(folder, application=application, config=config, PYTHONPATH=str(ROOT), **env)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with uncollected(tmp_path_factory.mktemp("uncollected")) as started:
        with Raw(started.port) as raw:  # waits until the SDK is imported
            raw.initialize().ask("tools/call", call(1)["params"])
        yield started


def tracked(server):
    with urlopen(f"{server.http}/tracked", timeout=TIMEOUT_S) as answer:
        return int(answer.read())


def session(end):
    def run(port):
        with Raw(port) as raw, suppress(ConnectionError):
            raw.initialize().ask("ping")
            raw.socket.sendall(end)
            if end:
                raw.closed()

    return run


def invalid(port):
    with Raw(port) as raw:
        assert raw.initialize().ask("tools/call", call(1, state="Nowhere")["params"])["result"]["isError"]
        raw.socket.sendall(CLOSING)
        raw.closed(answer=False)


def vanished(port):
    with Raw(port) as raw:
        raw.initialize().send(request(1, "ping"))
        raw.reset()


def exchange(data):
    def run(port):
        with socket.create_connection(("127.0.0.1", port), TIMEOUT_S) as client:
            client.sendall(data)
            assert client.recv(1 << 16).startswith(b"HTTP/1.1 ")

    return run


ENDS = {
    "closed by the client": session(CLOSING),
    "closed by the server": session(frame(BINARY, b"x")),
    "failed": session(bytes(10)),
    "left": session(b""),
    "closed after an invalid call": invalid,
    "vanished": vanished,
    "a request over HTTP": exchange(posted(request(1, "ping"))),
    "a handshake that is refused": exchange(handshake(0, Host="elsewhere")),
    "a handshake that is none": exchange(handshake(0, **{"Sec-WebSocket-Version": "12"})),
    "no HTTP": exchange(b"\0\r\n\r\n"),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_what_has_ended_leaves_nothing_to_be_collected(server, end):
    for _ in range(5):
        end(server.port)
    before = tracked(server)
    for _ in range(NUMBER):
        end(server.port)
    eventually(lambda: tracked(server) < before + NUMBER, "freed")


def test_sessions_that_the_sdk_has_served_leave_nothing_either(tmp_path):
    """All wait for one request to the Weather Service, and that leaves some hundred objects."""

    def served(state):
        gate.shut()
        with ExitStack() as stack:
            sessions = [stack.enter_context(Raw(server.port)).initialize() for _ in range(NUMBER)]
            for raw in sessions:
                raw.send(call(1, state=state))
            eventually(lambda: gauges(server.port)[IN_FLIGHT] == NUMBER, "all wait")
            gate.open()
            for raw in sessions:
                assert "result" in raw.receive()
                raw.socket.sendall(CLOSING)
                assert raw.closed(answer=False).code == 1000
        return tracked(server)

    with gated() as (gate, env), uncollected(tmp_path, **env) as server:
        before = served("CA")
        served("TX")
        eventually(lambda: tracked(server) < before + 10 * NUMBER, "freed")


@pytest.mark.anyio
async def test_inherited_sockets_have_no_host_names():
    config, state = Config.from_mapping(bind=["127.0.0.1:80", "[::1]:80", "unix:/run/weather", "fd://3"]), {}
    Startup(None, config, asyncio.get_running_loop(), state)
    assert get_hosts(state) == ["127.0.0.1", "[::1]"]
