"""FastMCP 4.x: its `Client`."""

from contextlib import asynccontextmanager

from fastmcp import Client
from scenario import given, observe


def configured(url, token):
    return Client(url, auth=token)


class Driven:
    def __init__(self, client):
        self._client = client

    async def tools(self):
        return [tool.name for tool in await self._client.list_tools()]

    async def call(self, name, arguments):
        result = await self._client.call_tool(name, arguments)
        return given([block.text for block in result.content], result.structured_content, result.is_error)


@asynccontextmanager
async def connect(url, token):
    async with configured(url, token) as client:
        yield Driven(client)


observe(connect)
