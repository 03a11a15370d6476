#!/usr/bin/env bash
# mcp 2.3.0, the client: a server that is away for a moment looks like a cancellation, and ends the client for good.
#
# A good guess: a call while the server restarts raises an error that says so, and the next one, with the server back,
#   is answered, as the transport has no connection to lose (2026-07-28 has no sessions either).
# What happens: the call raises `asyncio.CancelledError`, which `except Exception` does not catch and which elsewhere
#   means that somebody wants this task to stop; `task.cancelling()` says so as well. With the server back, the next
#   call fails too (as cancelled, or as "Connection closed"), and sends nothing. `ConnectError`, the cause, comes out
#   only when the client is left.
# Why it matters: each restart of a server ends the clients that call meanwhile, and the agents that stand on them fail
#   until they are restarted too. Leave the client, and open a new one, after either error.
# Source: python-sdk issue 3560 (open); Python's documentation of asyncio, "Task Cancellation".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0
timeout 100 "$work/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from mcp.client.client import Client

CACHED = {"resultType": "complete", "ttlMs": 60_000, "cacheScope": "public"}
RESULTS = {
    "server/discover": CACHED | {
        "supportedVersions": ["2026-07-28"],
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "findings", "version": "1"},
    },
    "tools/list": CACHED | {"tools": [{"name": "weather", "inputSchema": {"type": "object"}}]},
    "tools/call": {"resultType": "complete", "content": [{"type": "text", "text": "sunny"}]},
}
methods = []


class Answer(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        methods.append(request["method"])
        body = json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": RESULTS[request["method"]]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


@contextmanager
def serving(port=0):
    with ThreadingHTTPServer(("127.0.0.1", port), Answer) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_port
        server.shutdown()


async def outcome(client):
    try:
        return (await client.call_tool("weather", {})).content[0].text
    except BaseException as error:
        return type(error).__name__


def leaves(error):
    nested = getattr(error, "exceptions", ())
    return [leaf for each in nested for leaf in leaves(each)] or [error]


async def main():
    seen = {}
    with serving() as port:
        client = Client(f"http://127.0.0.1:{port}/mcp")
        await client.__aenter__()
        seen["up"] = await outcome(client)
    seen["down"] = await outcome(client)
    seen["cancelling"] = asyncio.current_task().cancelling()
    with serving(port):
        methods.clear()
        seen["up again"] = await outcome(client)
    try:
        await client.__aexit__(None, None, None)
    except BaseException as error:
        seen["left"] = {type(leaf).__name__ for leaf in leaves(error)}
    return seen


print("mcp", version("mcp"))
seen = asyncio.run(main())
for name, what in seen.items():
    print(f"{name:10} {what}")
print("requests once it was up again:", methods)
assert seen["up"] == "sunny", "a call is answered otherwise"
assert (seen["down"], seen["cancelling"]) == ("CancelledError", 1), "a server that is away is told otherwise"
assert seen["up again"] in ("CancelledError", "MCPError") and methods == [], "the client goes on now"
assert seen["left"] == {"ConnectError"}, "the cause is told otherwise"
PYTHON
