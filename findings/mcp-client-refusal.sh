#!/usr/bin/env bash
# mcp 2.3.0, the client: a refusal in the form that the specification names is thrown away, Retry-After not heeded.
#
# A good guess: a server that refuses a POST may say why in the body, and the user of the official client reads it. The
#   form is the specification's: for a refused Origin (403) it names a JSON-RPC error "that has no `id`".
# What happens: the message is shown only if the error has a member `id`, null or the request's own. Without `id`, or
#   as problem details (RFC 9457), it becomes "Server returned an error response"; the status is not told either. After
#   a 429 with Retry-After: 7 to `server/discover` the client sends `initialize` at once.
# Why it matters: "your token has run out" or "too many sessions" never reaches the person who could act on it. Send
#   `"id": null` (JSON-RPC 2.0, section 5), and count two requests for each refused client.
# Source: MCP specification 2026-07-28, Streamable HTTP, "Security & Endpoint" and "Sending Messages".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check mcp==2.3.0
timeout 100 "$work/bin/python" - <<'PYTHON'
import asyncio
import itertools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from mcp.client.client import Client

WHY = "Too many sessions: come back in 7 seconds"
ERROR = {"jsonrpc": "2.0", "error": {"code": -32000, "message": WHY}}
FORMS = {
    "JSON-RPC error without id": lambda request: ERROR,
    "JSON-RPC error, id null": lambda request: ERROR | {"id": None},
    "JSON-RPC error, the request's id": lambda request: ERROR | {"id": request["id"]},
    "problem details": lambda request: {"title": WHY, "status": status},
}
status, form = None, None
methods = []


class Refusal(BaseHTTPRequestHandler):
    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        methods.append(request["method"])
        body = json.dumps(FORMS[form](request)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Retry-After", "7")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


def leaves(error):
    nested = getattr(error, "exceptions", ())
    return [leaf for each in nested for leaf in leaves(each)] or [error]


async def refused(url):
    try:
        async with asyncio.timeout(6), Client(url):
            return "connected"
    except Exception as error:
        return "; ".join(str(leaf) for leaf in leaves(error))


print("mcp", version("mcp"))
shown, sent = {}, {}
with ThreadingHTTPServer(("127.0.0.1", 0), Refusal) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    for status, form in itertools.product((403, 429), FORMS):
        methods.clear()
        shown[status, form] = asyncio.run(refused(f"http://127.0.0.1:{server.server_port}/mcp"))
        sent[status, form] = list(methods)
        print(f"{status} {form:32} -> {shown[status, form]!r} after {sent[status, form]}")
    server.shutdown()
heard = {(status, form) for (status, form), message in shown.items() if message == WHY}
with_id = ("JSON-RPC error, id null", "JSON-RPC error, the request's id")
assert heard == set(itertools.product((403, 429), with_id)), "other refusals are shown now"
assert all(each == ["server/discover", "initialize"] for each in sent.values()), "the requests changed"
PYTHON
