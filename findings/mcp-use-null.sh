#!/usr/bin/env bash
# mcp-use 1.7.1 with LangChain: an argument that the model leaves out is sent as null, which the tool's schema refuses.
#
# A good guess: a tool with an optional argument, called without it, is called without it.
# What happens: the adapter makes a pydantic model of the schema, in which each optional argument without a default is
#   `… | None = None`, and sends all of its fields. A server that validates as it should answers with an error.
# Why it matters: the model did everything right, and cannot know what to mend. Take null for an optional argument as
#   left out, or publish a default: then that is sent.
# Source: JSON Schema 2020-12, Validation, section 6.1.1 (`type`); the same mend in others: openclaw pull request 96755,
#   inspector pull request 357.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 500 "$work/bin/pip" install --quiet --disable-pip-version-check \
    mcp-use==1.7.1 mcp==1.30.0 langchain-core==1.8.3 jsonschema==4.26.0
MCP_USE_ANONYMIZED_TELEMETRY=false timeout 100 "$work/bin/python" -W ignore - <<'PYTHON'
import asyncio
import json
import logging
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import version

import jsonschema
from mcp_use import MCPClient
from mcp_use.agents.adapters import LangChainAdapter

logging.disable(logging.CRITICAL)
SCHEMA = {
    "type": "object",
    "properties": {
        "state": {"type": "string"},
        "event": {"type": "string"},
        "limit": {"type": "integer", "default": 25},
    },
    "required": ["state"],
}
RESULTS = {
    "initialize": {
        "protocolVersion": "2025-11-25",
        "capabilities": {"tools": {}},
        "serverInfo": {"name": "findings", "version": "1"},
    },
    "tools/list": {"tools": [{"name": "alerts", "description": "of a state", "inputSchema": SCHEMA}]},
    "tools/call": {"content": [{"type": "text", "text": "no alerts"}]},
}
calls = []


class Server(BaseHTTPRequestHandler):
    def do_POST(self):
        message = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if "id" not in message:
            return self.answer(202)
        if message["method"] == "tools/call":
            calls.append(message["params"]["arguments"])
        result = RESULTS.get(message["method"], {})
        self.answer(200, json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}).encode())

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
    client = MCPClient.from_dict({"mcpServers": {"weather": {"url": url}}})
    await client.create_all_sessions()
    (tool,) = await LangChainAdapter().create_tools(client)
    await tool.ainvoke({"state": "CA"})
    await client.close_all_sessions()


print("mcp-use", version("mcp-use"))
with ThreadingHTTPServer(("127.0.0.1", 0), Server) as server:
    threading.Thread(target=server.serve_forever, daemon=True).start()
    asyncio.run(main(f"http://127.0.0.1:{server.server_port}/mcp"))
    server.shutdown()
faults = [error.message for error in jsonschema.Draft202012Validator(SCHEMA).iter_errors(calls[0])]
print("called with {'state': 'CA'}; sent", calls[0], "of which the schema says", faults)
assert calls == [{"state": "CA", "event": None, "limit": 25}], "other arguments are sent"
assert faults == ["None is not of type 'string'"], "the schema takes it"
PYTHON
