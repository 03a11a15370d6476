"""The life of a session: what ends it, and when, over a real hypercorn."""

from __future__ import annotations

import json
import struct
import time
from contextlib import ExitStack
from types import SimpleNamespace

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from tests.conftest import serving
from tests.raw import (
    BINARY,
    CLOSE,
    INITIALIZE,
    PING,
    PONG,
    TIMEOUT_S,
    Raw,
    answering,
    configured,
    eventually,
    frame,
    gauges,
    request,
)
from tests.transports.test_dispatch import ping
from weather.access import Admission
from weather.config import Settings
from weather.metrics import Metrics
from weather.transports import Session, Sessions


def test_a_binary_frame_ends_the_session(server):
    with Raw(server.port) as raw:
        raw.initialize()
        raw.socket.sendall(frame(BINARY, b"{}"))
        closed = raw.closed()
        assert closed.code == 1003
        assert "text" in closed.reason


@pytest.mark.parametrize("character", ["x", "é", "🌧"])
@pytest.mark.parametrize("extensions", ["", "permessage-deflate"])
def test_a_message_over_the_limit_ends_the_session(server, character, extensions):
    with Raw(server.port, extensions=extensions) as raw:
        raw.initialize()
        raw.send('"' + character * (64 * 1024 // len(character.encode())) + '"')
        assert raw.closed().code == 1009


def test_a_session_that_does_not_initialize_is_closed(tmp_path):
    env = {"MCP_INITIALIZE_TIMEOUT_SECONDS": "0.3"}
    with serving(tmp_path, config=configured(tmp_path), **env) as server, Raw(server.port) as raw:
        closed = raw.closed()
        assert (closed.code, closed.reason) == (1008, "not initialized within 0.3 s")


def test_an_idle_session_is_closed_though_it_answers_pings(tmp_path):
    """The first one that answers them all in time."""
    env = {"MCP_IDLE_TIMEOUT_SECONDS": "0.5"}
    with serving(tmp_path, config=configured(tmp_path, ping_s=0.1), **env) as server:
        eventually(lambda: closed_as_idle(server), "closed as idle")


def closed_as_idle(server):
    """Whether it was, and not for a missed pong."""
    with Raw(server.port) as raw:
        raw.send(request(0, "initialize", INITIALIZE))
        opcodes = []
        while (received := raw.frame())[0] != CLOSE:
            opcodes.append(received[0])
            if received[0] == PING:
                raw.socket.sendall(frame(PONG, received[1]))
    if received[1].startswith(struct.pack("!H", 1008) + b"no pong"):
        return False
    assert received[1] == struct.pack("!H", 1000) + b"idle for 0.5 s"
    assert PING in opcodes
    return True


@pytest.mark.anyio
async def test_a_session_is_idle_from_its_last_message_on():
    """By the session's own clock, which the test sets: nothing has to be quick."""
    messages, told = anyio.create_memory_object_stream(10)
    sent, events = anyio.create_memory_object_stream(10)
    settings = Settings.read(nws_api_base="simulator", mcp_idle_timeout_seconds=100, mcp_initialize_timeout_seconds=9)
    answers = SimpleNamespace(lookup_key=lambda *_, **__: None, nws=None, settings=settings)
    sessions = Sessions(settings, Metrics(), answers)
    scope = {"type": "websocket", "headers": []}
    session = Session(sessions, Admission(None, None), scope, told.receive, sent.send)
    with anyio.fail_after(TIMEOUT_S):
        async with messages, told, sent, events, anyio.create_task_group() as tasks:
            tasks.start_soon(session.run)

            async def ask(message):
                await messages.send({"type": "websocket.receive", "text": json.dumps(message)})
                return json.loads((await events.receive())["text"])

            await messages.send({"type": "websocket.connect"})
            assert (await events.receive())["type"] == "websocket.accept"
            assert "result" in await ask(request(1, "initialize", INITIALIZE))
            for _ in range(3):
                before = time.perf_counter()
                assert "result" in await ask(ping(id=2))
                session.check(before + 100)
            assert events.statistics().current_buffer_used == 0
            session.check(time.perf_counter() + 100.1)
            assert await events.receive() == {"type": "websocket.close", "code": 1000, "reason": "idle for 100 s"}
            await messages.send({"type": "websocket.disconnect", "code": 1000})


@pytest.fixture(scope="module")
def issuer():
    """A key, and the URL where it is published."""
    key = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.get_algorithm_by_name("ES256").to_jwk(key.public_key(), as_dict=True)
    with answering(lambda _: (200, {"keys": [jwk]})) as url:
        yield key, url


def valid(key, seconds):
    """A token that expires so many seconds from now."""
    return jwt.encode({"exp": int(time.time()) + seconds}, key, "ES256")


def test_a_session_ends_when_its_token_does(tmp_path, issuer):
    key, url = issuer
    with serving(tmp_path, config=configured(tmp_path), MCP_AUTH_JWKS_URL=url) as server:
        with Raw(server.port, Authorization=f"Bearer {valid(key, 600)}") as long, ExitStack() as stack:
            long.initialize()
            for seconds in (2, 8, 32, TIMEOUT_S):  # until one is long enough for the handshake
                expiring = valid(key, seconds)
                short = stack.enter_context(Raw(server.port, Authorization=f"Bearer {expiring}"))
                if " 101 " in short.answer:
                    break
            short.send(request(0, "initialize", INITIALIZE))
            closed = short.closed()
            assert (closed.code, closed.reason) == (1008, "the token has expired")
            assert time.time() >= jwt.decode(expiring, options={"verify_signature": False})["exp"]
            eventually(
                lambda: gauges(server.port).get('mcp_sessions_ended_total{ended="token_expired"}') == 1, "counted"
            )
            assert long.ask("ping")["result"] == {}
        assert expiring not in server.log
