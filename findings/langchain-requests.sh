#!/usr/bin/env bash
# langchain-mcp-adapters 0.3.2: each call of a tool is six requests, and a session that begins and ends.
#
# A good guess: `MultiServerMCPClient` connects once; a call of one of its tools is one POST, `tools/call`.
# What happens: the client keeps no connection. Each call of a tool sends `initialize`, `notifications/initialized`, a
#   GET for a stream, `tools/call`, `tools/list` (to check the structured content, with all tools in the answer) and a
#   DELETE. The SDK below it sends, on a session of its own, `tools/list` with the first call, then `tools/call` alone.
# Why it matters: a server meets six times the requests, and as many sessions as calls; limits by request, state in a
#   session and load tests with an SDK client all miss it. With `client.session("name")` and `load_mcp_tools(session)` a
#   call is one request.
# Source: langchain-mcp-adapters issue 207 (a session for each call); MCP specification 2025-11-25, Tools, "Output
#   Schema" (clients SHOULD validate structured results).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 300 "$work/bin/pip" install --quiet --disable-pip-version-check \
    langchain-mcp-adapters==0.3.2 langchain-core==1.8.3 mcp==1.30.0
timeout 100 "$work/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from langchain_mcp_adapters.client import MultiServerMCPClient
from langchain_mcp_adapters.tools import load_mcp_tools

ANY = {"type": "object", "properties": {}}
RESULTS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "findings", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "alerts", "description": "all", "inputSchema": ANY, "outputSchema": ANY}]},
    "tools/call": {"content": [{"type": "text", "text": "{}"}], "structuredContent": {}},
}
asked = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        asked.append(message["method"])
        answer = {"jsonrpc": "2.0", "id": message.get("id"), "result": RESULTS.get(message["method"])}
        self.answer(200, json.dumps(answer).encode()) if "id" in message else self.answer(202)

    def do_GET(self):
        asked.append("GET")
        self.answer(405)

    def do_DELETE(self):
        asked.append("DELETE")
        self.answer(204)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Mcp-Session-Id", "one")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


async def requests_of(call):
    asked.clear()
    await call
    return sorted(asked)


async def main(url):
    client = MultiServerMCPClient({"weather": {"transport": "http", "url": url}})
    (tool,) = await client.get_tools()
    seen = {"a tool, first call": await requests_of(tool.ainvoke({}))}
    seen["a tool, next call"] = await requests_of(tool.ainvoke({}))
    async with client.session("weather") as session:
        (tool,) = await load_mcp_tools(session)
        await tool.ainvoke({})
        seen["a tool of a session, next call"] = await requests_of(tool.ainvoke({}))
    return seen


print("langchain-mcp-adapters", version("langchain-mcp-adapters"), "mcp", version("mcp"))
with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = asyncio.run(main(f"http://127.0.0.1:{server.server_port}/mcp"))
    server.shutdown()
for name, requests in seen.items():
    print(f"{name:32} {requests}")
six = ["DELETE", "GET", "initialize", "notifications/initialized", "tools/call", "tools/list"]
assert list(seen.values()) == [six, six, ["tools/call"]], "other requests are sent"
PYTHON
