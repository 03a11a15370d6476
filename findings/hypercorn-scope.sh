#!/usr/bin/env bash
# hypercorn 0.18.0: of two `Sec-WebSocket-Protocol` lines the app sees the last. And in hypercorn and uvicorn 0.54.0 a
# whole URL in the request line becomes the path.
#
# A good guess: `scope["subprotocols"]` holds what the client offered, on one header line or on several; and
#   `scope["path"]` is the path, whichever form of request line HTTP allows.
# What happens: in hypercorn an offer split over two lines loses its first line: of "mcp" and a token beside it only the
#   token is left, and there is nothing to agree on. uvicorn gives both. A request line with the whole URL, as a client
#   sends that takes the server for its proxy, gives the path "http://host/health" in both, which no router knows.
# Why it matters: a client or a gateway may write one line for each value. Read the offer from `scope["headers"]`, where
#   both lines are, and reduce a path that does not begin with "/".
# Source: RFC 6455, section 11.3.4 (the header may appear several times in a request); RFC 9112, section 3.2.2 (a server
#   must accept the absolute form); ASGI specification, HTTP and WebSocket connection scopes.
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

scopes = asyncio.Queue()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        for _ in range(2):
            await send({"type": (await receive())["type"] + ".complete"})
        return
    await scopes.put(scope)
    await receive()
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})
    else:
        await send({"type": "websocket.accept"})
        while (await receive())["type"] != "websocket.disconnect":
            pass


async def ask(port):
    """What the app sees of an offer on two lines, in `subprotocols` and in `headers`, and the path of a whole URL."""
    lines = [("Sec-WebSocket-Protocol", "mcp"), ("Sec-WebSocket-Protocol", "token.abc")]
    async with websockets.connect(f"ws://127.0.0.1:{port}/", additional_headers=lines):
        offer = await scopes.get()
    headers = [value.decode() for name, value in offer["headers"] if name == b"sec-websocket-protocol"]
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET http://example.com/health HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n")
    await reader.read()
    writer.close()
    return list(offer["subprotocols"]), headers, (await scopes.get())["path"]


async def on_hypercorn(listener):
    port = listener.getsockname()[1]
    config = hypercorn.Config()
    config.bind, config.errorlog = [f"fd://{listener.detach()}"], None  # hypercorn closes it
    stop = asyncio.Event()
    server = asyncio.create_task(hypercorn.asyncio.serve(app, config, shutdown_trigger=stop.wait))
    seen = await ask(port)
    stop.set()
    await server
    return seen


async def on_uvicorn(listener):
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    running = asyncio.create_task(server.serve(sockets=[listener]))
    seen = await ask(listener.getsockname()[1])
    server.should_exit = True
    await running
    return seen


seen = {}
for name, serve in (("hypercorn", on_hypercorn), ("uvicorn", on_uvicorn)):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        seen[name] = asyncio.run(serve(listener))
    subprotocols, headers, path = seen[name]
    print(f"{name} {version(name)}: subprotocols {subprotocols}, in the headers {headers}, path {path!r}")
both = ["mcp", "token.abc"]
assert seen["hypercorn"] == (["token.abc"], both, "http://example.com/health"), "hypercorn changed"
assert seen["uvicorn"] == (both, both, "http://example.com/health"), "uvicorn changed"
PYTHON
