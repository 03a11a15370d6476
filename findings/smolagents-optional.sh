#!/usr/bin/env bash
# smolagents 1.26.0, ToolCallingAgent with a tool of an MCP server: an argument that may be left out must be given, and
# an optional integer must be a string.
#
# A good guess: a model that gives the required arguments of a tool has called it rightly, and a number for an optional
#   number is right, too.
# What happens: only arguments that the schema calls `nullable`, a word of OpenAPI and not of JSON Schema, may be left
#   out; no tool of an MCP server has any, so "Argument days is required". And an argument whose type is one of several
#   (`anyOf` with null, as FastMCP writes `int | None`) has "type": "string" to the model and to the check, so 3 is
#   refused, and "3" is sent. The tool is called in neither case. The CodeAgent calls it without the check.
# Why it matters: a tool that takes a place, or else coordinates, is always called with both: accept them where they
#   agree, empty ones as left out, and numbers and booleans as strings. Publish plain types with defaults, no `anyOf`.
# Source: MCP 2025-11-25, server/tools (`inputSchema`); JSON Schema 2020-12, Validation, 6.5.3 (`required`).
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 500 "$work/bin/pip" install --quiet --disable-pip-version-check \
    smolagents==1.26.0 mcpadapt==0.1.19 mcp==1.30.0
cat >"$work/server.py" <<'PYTHON'
from mcp.server.fastmcp import FastMCP

server = FastMCP("findings", log_level="ERROR")


@server.tool(structured_output=False)
def forecast(place: str, days: int | None = None) -> str:
    """The forecast of a place."""
    return f"{days or 7} days of sun in {place}"


server.run()
PYTHON
timeout 100 "$work/bin/python" -W ignore - "$work/server.py" <<'PYTHON'
import logging
import sys
from importlib.metadata import version

from mcp import StdioServerParameters
from smolagents import Model, ToolCallingAgent, ToolCollection

logging.disable(logging.CRITICAL)
server = StdioServerParameters(command=sys.executable, args=[sys.argv[1]])
CALLS = ({"place": "Elm"}, {"place": "Elm", "days": 3}, {"place": "Elm", "days": "3"})


def outcome(agent, arguments):
    try:
        return agent.execute_tool_call("forecast", arguments)
    except Exception as error:
        return str(error.__cause__ or error)


print(*(f"{name} {version(name)}" for name in ("smolagents", "mcpadapt", "mcp")), sep=", ")
with ToolCollection.from_mcp(server, trust_remote_code=True, structured_output=False) as collection:
    agent = ToolCallingAgent([*collection.tools], Model(), verbosity_level=0)
    [tool] = collection.tools
    seen = [outcome(agent, dict(arguments)) for arguments in CALLS]
    direct = tool(place="Elm", days=3)
for arguments, what in zip(CALLS, seen, strict=True):
    print(f"{arguments!s:32} {what}")
print("without the check:              ", direct)
assert "days is required" in seen[0], "an argument may be left out now"
assert "type 'integer' but should be 'string'" in seen[1], "an integer is taken now"
assert seen[2] == direct == "3 days of sun in Elm", "a call is answered otherwise"
PYTHON
