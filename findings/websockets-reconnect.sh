#!/usr/bin/env bash
# websockets 17.4: `async for ws in connect(...)` comes back at once after 1012, and looks at no Retry-After.
#
# A good guess: the automatic reconnection backs off, also from a server that closes with 1012 (service restart), and
#   from one that refuses with 503 it stays away as long as Retry-After says.
# What happens: the pause belongs to failed handshakes alone. After a connection that was accepted and then closed the
#   next handshake follows without any pause: 50 of them in a fraction of a second. After a refusal with 503 and
#   Retry-After: 60 the client is back within seconds.
# Why it matters: a server that closes its sessions with 1012 to be replaced meets all of them again at once, itself or
#   its one neighbour; and one that accepts first and then closes for want of room is asked all the harder. Refuse in
#   the handshake what should back off, and let an app that uses this loop wait by itself after 1012 and 1013.
# Source: documentation of websockets, asyncio client, `connect` (a connection that fails with a transient error is
#   retried with backoff); IANA registry of WebSocket close codes (1012, 1013); RFC 9110, section 10.2.3 (Retry-After).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check websockets==17.4
timeout 60 "$work/bin/python" - <<'PYTHON'
import asyncio
import logging
import time
from importlib.metadata import version

from websockets import ConnectionClosed
from websockets.asyncio.client import connect
from websockets.asyncio.server import serve

logging.getLogger("websockets").setLevel(logging.CRITICAL)
ROUNDS = 50


async def restarting(websocket):
    await websocket.close(1012, "service restart")


async def after_1012():
    """Seconds that so many connections take, each closed with 1012."""
    async with serve(restarting, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        began, rounds = time.monotonic(), 0
        async for websocket in connect(f"ws://{host}:{port}"):
            try:
                await websocket.recv()
            except ConnectionClosed as closed:
                rounds += closed.rcvd.code == 1012
            if rounds == ROUNDS:
                break
    return time.monotonic() - began


async def after_503():
    """Seconds between the first two handshakes, each refused with Retry-After: 60."""
    handshakes = asyncio.Queue()

    def refuse(connection, request):
        handshakes.put_nowait(time.monotonic())
        response = connection.respond(503, "busy\n")
        response.headers["Retry-After"] = "60"
        return response

    async def client(url):
        async for _ in connect(url):
            pass

    async with serve(restarting, "127.0.0.1", 0, process_request=refuse) as server:
        host, port = server.sockets[0].getsockname()
        task = asyncio.create_task(client(f"ws://{host}:{port}"))
        first = await handshakes.get()
        second = await handshakes.get()
        task.cancel()
        return second - first


print("websockets", version("websockets"))
at_once, refused = asyncio.run(after_1012()), asyncio.run(after_503())
print(f"{ROUNDS} connections, each closed with 1012: {at_once:.2f} s in all")
print(f"refused with 503 and Retry-After: 60: back after {refused:.1f} s")
assert at_once / ROUNDS < 0.5, "there is a pause after 1012 now"
assert refused < 30, "Retry-After is heeded now"
PYTHON
