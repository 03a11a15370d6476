"""OpenAI's Agents SDK: `MCPServerStreamableHttp`, and the function tools that an agent makes of it."""

import json
from contextlib import asynccontextmanager

from agents.mcp import MCPServerStreamableHttp, MCPUtil
from agents.tool_context import ToolContext
from scenario import given, observe


def configured(url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return MCPServerStreamableHttp({"url": url, "headers": headers})


class Driven:
    def __init__(self, server):
        self._server = server

    async def tools(self):
        return [tool.name for tool in await self._server.list_tools()]

    async def call(self, name, arguments):
        """As a model calls it: what goes back to the model."""
        tools = {tool.name: tool for tool in await self._server.list_tools()}
        tool = MCPUtil.to_function_tool(tools[name], self._server, convert_schemas_to_strict=False)
        text = json.dumps(arguments)
        context = ToolContext(None, tool_name=name, tool_call_id="1", tool_arguments=text)
        result = await tool.on_invoke_tool(context, text)
        blocks = result if isinstance(result, list) else [result]
        return given([block if isinstance(block, str) else block["text"] for block in blocks])


@asynccontextmanager
async def connect(url, token):
    async with configured(url, token) as server:
        yield Driven(server)


observe(connect)
