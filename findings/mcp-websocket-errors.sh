#!/usr/bin/env bash
# mcp 1.30.0, a server over `websocket_server`: errors go without an id, with another code, or not at all; and what was
# cancelled is answered.
#
# A good guess: the official SDK answers bad input as JSON-RPC 2.0 says, -32700 for no JSON and -32601 for an unknown
#   method, and leaves a cancelled request unanswered, as MCP says.
# What happens: no JSON is answered by a log notification "Internal Server Error". An unknown method is answered with
#   -32602 (invalid params). A request whose id is null gets no answer at all, and its sender waits for ever.
#   A cancelled request is answered with an error of code 0.
# Why it matters: a client that asks whether a method is there by calling it sees "wrong arguments". Some clients take
#   an answer to a request that they have forgotten for a fault, and drop the connection. Parse before the SDK does,
#   and hold back that answer.
# Source: python-sdk issues 1561 and 3557 (codes), 2480 and 1419 (cancellation); JSON-RPC 2.0, section 5.1; MCP
#   specification 2025-11-25, Cancellation, "Behavior Requirements".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check \
    "mcp[ws]==1.30.0" uvicorn==0.54.0 websockets==17.4
timeout 60 "$work/bin/python" -W ignore - <<'PYTHON'
import asyncio
import json
import logging
import socket
from importlib.metadata import version

import mcp.types as types
import uvicorn
import websockets
from mcp.server.lowlevel import Server
from mcp.server.websocket import websocket_server

logging.disable(logging.CRITICAL)
server = Server("findings")
started = asyncio.Event()


@server.list_tools()
async def list_tools():
    return [types.Tool(name="slow", inputSchema={"type": "object"})]


@server.call_tool()
async def call_tool(name, arguments):
    started.set()
    await asyncio.Event().wait()


async def app(scope, receive, send):
    async with websocket_server(scope, receive, send) as (read, write):
        await server.run(read, write, server.create_initialization_options())


def request(request_id, method, **params):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


async def answers(client, text):
    """What comes before the answer to a ping that is sent after `text`."""
    await client.send(text)
    await client.send(request("barrier", "ping"))
    received = []
    while (message := json.loads(await client.recv())).get("id") != "barrier":
        received.append(message)
    return received


async def main():
    seen = {}
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        host = uvicorn.Server(uvicorn.Config(app, lifespan="off", log_level="critical"))
        serving = asyncio.create_task(host.serve(sockets=[listener]))
        async with websockets.connect(f"ws://127.0.0.1:{port}/", subprotocols=["mcp"]) as client:
            info = {"name": "findings", "version": "1"}
            await client.send(request(0, "initialize", protocolVersion="2025-11-25", capabilities={}, clientInfo=info))
            await client.recv()
            for text in ("not JSON", request(1, "no/such"), request(None, "ping")):
                seen[text] = await answers(client, text)
            await client.send(request(2, "tools/call", name="slow", arguments={}))
            await started.wait()
            cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 2}}
            await client.send(json.dumps(cancel))
            seen["cancelled"] = [json.loads(await client.recv())]
        host.should_exit = True
        await serving
    return seen


print("mcp", version("mcp"))
seen = asyncio.run(main())
for text, received in seen.items():
    print(text, "->", received or "nothing")
not_json, unknown, null_id, cancelled = seen.values()
assert [message.get("method") for message in not_json] == ["notifications/message"], "no JSON is answered otherwise"
assert [message["error"]["code"] for message in unknown] == [-32602], "an unknown method has another code"
assert null_id == [], "an id that is null is answered"
assert [(m["id"], m["error"]["code"]) for m in cancelled] == [(2, 0)], "a cancelled request is answered otherwise"
PYTHON
