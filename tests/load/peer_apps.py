"""Servers of other libraries with the same ready answer, for `make bench-peers`: in an environment that has them.

mcp       the SDK's low-level server of 2026 over streamable HTTP, without sessions
fastmcp   FastMCP's, likewise
"""

from __future__ import annotations

import json
from typing import Any

import mcp_types as types
from fastmcp import FastMCP
from fastmcp.tools import ToolResult
from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings

from tests.load.echo import reply

RESULT = types.CallToolResult.model_validate(json.loads(reply())["result"])
SCHEMA = {"type": "object", "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}}}


async def list_tools(context: Any, params: Any) -> types.ListToolsResult:
    return types.ListToolsResult(tools=[types.Tool(name="get-weather", input_schema=SCHEMA)])


async def call_tool(context: Any, params: types.CallToolRequestParams) -> types.CallToolResult:
    return RESULT


mcp = Server("peer", on_list_tools=list_tools, on_call_tool=call_tool).streamable_http_app(
    json_response=True,
    stateless_http=True,
    transport_security=TransportSecuritySettings(allowed_hosts=["127.0.0.1"]),  # by default those with a port
)
peer = FastMCP("peer")


@peer.tool(name="get-weather")
async def get_weather(latitude: float, longitude: float) -> ToolResult:
    return ToolResult(RESULT.content, RESULT.structured_content)


fastmcp = peer.http_app(json_response=True, stateless_http=True)
