#!/usr/bin/env bash
# hypercorn 0.18.0: the app is told 1006 for every close by the client, also for a clean one.
#
# A good guess: `websocket.disconnect` carries the code that the client sent, as the ASGI specification says.
# What happens: the client closes with 1001 and gets 1001 back, or closes without a code; the app is told 1006 both
#   times, "lost without a close frame". uvicorn tells 1001 and 1005.
# Why it matters: a count of lost connections by `code == 1006` counts every browser tab that was closed in good order,
#   and an alarm on it always rings. A session that may be resumed after a loss is kept after a goodbye as well. Decide
#   nothing by the code on this server.
# Source: hypercorn issue 127 (open since 2023); RFC 6455, sections 5.5.1 and 7.4.1; ASGI WebSocket specification,
#   "Disconnect".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check \
    hypercorn==0.18.0 wsproto==1.3.2 h11==0.16.0 uvicorn==0.54.0 websockets==17.4
timeout 60 "$work/bin/python" - <<'PYTHON'
import asyncio
import socket
from importlib.metadata import version

import hypercorn.asyncio
import uvicorn
import websockets

told = asyncio.Queue()  # what the app was told at the end of a connection


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] != "websocket.disconnect":
        pass
    await told.put(event["code"])


async def closes(port):
    """Closes twice: with 1001, and without a code. Returns pairs: (code told to the app, code told to the client)."""
    pairs = []
    for close in ({"code": 1001, "reason": "leaving"}, {"code": 1005}):
        async with websockets.connect(f"ws://127.0.0.1:{port}/", compression=None) as client:
            if close["code"] == 1005:
                client.protocol.send_close()  # a frame without a code
                client.transport.write(b"".join(client.protocol.data_to_send()))
                await client.wait_closed()
            else:
                await client.close(**close)
        pairs.append((await told.get(), client.close_code))
    return pairs


async def on_hypercorn(listener):
    port = listener.getsockname()[1]
    config = hypercorn.Config()
    config.bind, config.errorlog = [f"fd://{listener.detach()}"], None  # hypercorn closes it
    stop = asyncio.Event()
    server = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    pairs = await closes(port)
    stop.set()
    await server
    return pairs


async def on_uvicorn(listener):
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    pairs = await closes(listener.getsockname()[1])
    server.should_exit = True
    await running
    return pairs


seen = {}
for name, serve in (("hypercorn", on_hypercorn), ("uvicorn", on_uvicorn)):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen[name] = asyncio.run(serve(listener))
    for sent, (app_code, client_code) in zip(("1001", "none"), seen[name], strict=True):
        print(f"{name} {version(name)}: the client sent {sent}; the app is told {app_code}, the client {client_code}")
assert seen["hypercorn"] == [(1006, 1001), (1006, 1005)], "hypercorn's codes changed"
assert seen["uvicorn"] == [(1001, 1001), (1005, 1005)], "uvicorn's codes changed"
PYTHON
