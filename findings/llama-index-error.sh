#!/usr/bin/env bash
# llama-index-tools-mcp 0.6.0: a tool that failed is handed on as one that succeeded.
#
# A good guess: a result with `isError` becomes a `ToolOutput` with `is_error`, at which LlamaIndex's agents look.
# What happens: `is_error` is False for both. The error stays in `raw_output`, and what a model reads is the Python repr
#   of the whole result: "meta=None content=[TextContent(…)] structured_content=None is_error=True …".
# Why it matters: an agent that ends with a tool's answer (`return_direct`) ends with the error as its answer, and text
#   for a model arrives wrapped in field names and quotes. A server can but write errors that read as errors.
# Source: llama_index issue 22943 (open); MCP specification 2025-11-25, Tools, "Error Handling".
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 500 "$work/bin/pip" install --quiet --disable-pip-version-check \
    llama-index-tools-mcp==0.6.0 llama-index-core==0.14.25 mcp==2.3.0
timeout 100 "$work/bin/python" - <<'PYTHON'
import asyncio
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

STATE = {"type": "object", "properties": {"state": {"type": "string"}}, "required": ["state"]}
WHY = "There is no state Atlantis"


def result(method, params):
    if method == "initialize":
        server = {"name": "findings", "version": "1"}
        return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": server}
    if method == "tools/list":
        return {"tools": [{"name": "alerts", "description": "of a state", "inputSchema": STATE}]}
    failed = params["arguments"]["state"] == "Atlantis"
    return {"content": [{"type": "text", "text": WHY if failed else "no alerts"}], "isError": failed}


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.answer(202)
        told = result(message["method"], message.get("params"))
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": told}).encode())

    def do_GET(self):
        self.answer(405)

    def answer(self, status, body=b""):
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


async def main(url):
    (tool,) = await McpToolSpec(client=BasicMCPClient(url)).to_tool_list_async()
    return {state: await tool.acall(state=state) for state in ("Vermont", "Atlantis")}


print("llama-index-tools-mcp", version("llama-index-tools-mcp"), "llama-index-core", version("llama-index-core"))
with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    seen = asyncio.run(main(f"http://127.0.0.1:{server.server_port}/mcp"))
    server.shutdown()
for state, output in seen.items():
    print(f"{state}: is_error {output.is_error}, told by the server {output.raw_output.is_error}\n    {output.content}")
assert [output.raw_output.is_error for output in seen.values()] == [False, True], "the server is understood otherwise"
assert [output.is_error for output in seen.values()] == [False, False], "the flag is handed on now"
assert "TextContent(" in seen["Atlantis"].content, "a model reads the text alone now"
PYTHON
