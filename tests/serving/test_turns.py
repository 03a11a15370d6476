"""What many clients do at the same moment is not done in one turn of the loop, in which all others would wait."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
from contextlib import ExitStack, contextmanager
from urllib.request import urlopen

import pytest

from tests.conftest import ROOT, serving
from tests.raw import CLOSE, TIMEOUT_S, eventually, frame, gauges, handshake
from weather.serving.turns import MOST, Turns

pytestmark = pytest.mark.anyio
CLIENTS = 10 * MOST


@contextmanager
def stopped(process):
    """Whatever is sent meanwhile, the process finds at once."""
    process.send_signal(signal.SIGSTOP)
    os.waitpid(process.pid, os.WUNTRACED)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


def accepted(server, stack):
    """CLIENTS connections that have sent nothing yet."""
    files, address = gauges(server.port)["process_open_fds"], ("127.0.0.1", server.port)
    clients = [stack.enter_context(socket.create_connection(address, TIMEOUT_S)) for _ in range(CLIENTS)]
    eventually(lambda: gauges(server.port)["process_open_fds"] >= files + CLIENTS, "all accepted")
    return clients


def read(client, end):
    data = b""
    while end not in data:
        data += (more := client.recv(1 << 16))
        assert more, data
    return data


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process")
def test_sessions_that_come_or_go_at_once_begin_and_end_in_many_turns(tmp_path):
    env = {"MCP_INITIALIZE_TIMEOUT_SECONDS": "300", "PYTHONPATH": str(ROOT)}
    with serving(tmp_path, application="tests.serving.begun:app", **env) as server, ExitStack() as stack:
        clients = accepted(server, stack)
        with stopped(server.process):
            for client in clients:
                client.sendall(handshake(server.port))
        for client in clients:
            assert read(client, b"\r\n\r\n").startswith(b"HTTP/1.1 101 ")
        with stopped(server.process):
            for client in clients:
                client.sendall(frame(CLOSE, struct.pack("!H", 1000)))
        for client in clients:
            read(client, struct.pack("!BBH", 0x88, 2, 1000))
        eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "all ended")
        with urlopen(f"{server.http}/most", timeout=TIMEOUT_S) as answer:
            begun, ended = map(int, answer.read().split())
    assert 1 < begun <= 2 * MOST
    assert 1 < ended <= 2 * MOST


@pytest.mark.skipif(not hasattr(signal, "SIGSTOP"), reason="stops a process")
def test_who_waits_for_a_turn_when_the_server_goes_down_is_answered(tmp_path):
    with serving(tmp_path, PYTHONPATH=str(ROOT)) as server, ExitStack() as stack:
        clients = accepted(server, stack)
        with stopped(server.process):
            for client in clients:
                client.sendall(handshake(server.port))
            server.process.send_signal(signal.SIGTERM)
        for client in clients:
            assert read(client, b"\r\n\r\n").startswith((b"HTTP/1.1 101 ", b"HTTP/1.1 503 "))
        server.process.wait(TIMEOUT_S)
        assert "Traceback" not in server.log


async def turns_taken(turns, callers):
    """The turn in which each caller went on, in the order in which they did."""
    loop, turn, found = asyncio.get_running_loop(), 0, []

    def tick():
        nonlocal turn, ticking
        turn += 1
        ticking = loop.call_soon(tick)

    async def caller(number):
        await turns.wait()
        found.append((number, turn))

    ticking = loop.call_soon(tick)
    async with asyncio.timeout(TIMEOUT_S):
        await asyncio.gather(*map(caller, callers))
    ticking.cancel()
    return found


async def test_callers_go_on_in_the_order_in_which_they_came():
    turns = Turns()
    for _ in range(2):  # It is as new once all have gone on.
        found = await turns_taken(turns, range(CLIENTS))
        assert [number for number, _ in found] == list(range(CLIENTS))
        taken = [turn for _, turn in found]
        assert max(map(taken.count, taken)) == MOST


async def test_one_who_comes_alone_does_not_wait():
    turn = Turns().wait()
    with pytest.raises(StopIteration):
        turn.send(None)


async def test_whoever_is_cancelled_holds_up_nobody():
    turns = Turns()
    waiting = [asyncio.create_task(turns.wait()) for _ in range(CLIENTS)]
    await asyncio.sleep(0)
    waiting[MOST].cancel()
    async with asyncio.timeout(TIMEOUT_S):
        done = await asyncio.gather(*waiting, return_exceptions=True)
    assert [number for number, result in enumerate(done) if result is not None] == [MOST]
