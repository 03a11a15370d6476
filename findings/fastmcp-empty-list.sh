#!/usr/bin/env bash
# FastMCP 4.2.3: a tool that returns an empty list says nothing at all.
#
# A good guess: `return []` reaches the model as "[]", as `return ["x"]` reaches it as '["x"]'.
# What happens: `content` is empty, no block of text. With `-> list[...]` there is still structured content,
#   {"result": []}; with a bare `-> list` that is missing too, and the whole answer is empty. `None` does the same.
#   A dict with an empty list in it is fine.
# Why it matters: the most common good news of a weather server is "no alerts". A client that shows a model the text
#   alone shows it nothing, and a model may take that for a failure, or make something up. Return an object, or a
#   sentence that says what was asked and that nothing was found.
# Source: MCP specification 2025-11-25, Tools, "Structured Content": a tool that returns it SHOULD also return the
#   serialized JSON in a text block.
set -euo pipefail
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work"
timeout 400 "$work/bin/pip" install --quiet --disable-pip-version-check fastmcp==4.2.3 mcp==2.3.0
FASTMCP_CHECK_FOR_UPDATES=off timeout 60 "$work/bin/python" - <<'PYTHON'
import asyncio
from importlib.metadata import version

from fastmcp import Client, FastMCP

server = FastMCP("alerts")


@server.tool
def one() -> list[str]:
    return ["Wind Advisory"]


@server.tool
def typed() -> list[str]:
    return []


@server.tool
def bare() -> list:
    return []


@server.tool
def wrapped() -> dict[str, list[str]]:
    return {"alerts": []}


async def main():
    async with Client(server) as client:
        return {name: await client.call_tool(name, {}) for name in ("one", "typed", "bare", "wrapped")}


print("fastmcp", version("fastmcp"), "mcp", version("mcp"))
texts, structured = {}, {}
for name, result in asyncio.run(main()).items():
    texts[name] = [block.text for block in result.content]
    structured[name] = result.structured_content
    print(f"{name:8} text {texts[name]!s:26} structured {structured[name]}")
assert texts["one"] == ['["Wind Advisory"]'], "a full list is shown otherwise"
assert texts["typed"] == texts["bare"] == [], "an empty list has a text now"
assert (structured["typed"], structured["bare"]) == ({"result": []}, None), "structured content changed"
assert texts["wrapped"] == ['{"alerts":[]}'], "an object is shown otherwise"
PYTHON
