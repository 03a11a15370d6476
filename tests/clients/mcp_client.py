"""The Python SDK: mcp 2.x and its `Client`."""

from contextlib import asynccontextmanager

import httpx2
from mcp.client.client import Client
from mcp.client.streamable_http import streamable_http_client
from scenario import given, observe


def configured(url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return Client(streamable_http_client(url, http_client=httpx2.AsyncClient(headers=headers)))


class Driven:
    def __init__(self, client):
        self._client = client

    async def tools(self):
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name, arguments):
        result = await self._client.call_tool(name, arguments)
        return given([block.text for block in result.content], result.structured_content, result.is_error)


@asynccontextmanager
async def connect(url, token):
    async with configured(url, token) as client:
        yield Driven(client)


observe(connect)
