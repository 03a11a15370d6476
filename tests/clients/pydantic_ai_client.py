"""pydantic-ai: `MCPToolset`, as an agent has it."""

from contextlib import asynccontextmanager

from pydantic_ai.mcp import MCPToolset
from scenario import given, observe


def configured(url, token):
    return MCPToolset(url, auth=token)


class Driven:
    def __init__(self, toolset):
        self._toolset = toolset

    async def tools(self):
        return [tool.name for tool in await self._toolset.list_tools()]

    async def call(self, name, arguments):
        result = await self._toolset.direct_call_tool(name, arguments)
        if isinstance(result, dict):
            return given(None, result)
        return given(result if isinstance(result, list) else [result])


@asynccontextmanager
async def connect(url, token):
    async with configured(url, token) as toolset:
        yield Driven(toolset)


observe(connect)
