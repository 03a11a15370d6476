"""LangChain's MCP adapters: a tool of an agent opens a session for each call."""

from contextlib import asynccontextmanager

from langchain_mcp_adapters.client import MultiServerMCPClient
from scenario import given, observe


def configured(url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return MultiServerMCPClient({"weather": {"transport": "http", "url": url, "headers": headers}})


class Driven:
    def __init__(self, tools):
        self._tools = {tool.name: tool for tool in tools}

    async def tools(self):
        return list(self._tools)

    async def call(self, name, arguments):
        """As a model calls it: the message that goes back to the model, with what it leaves to the program."""
        asked = {"type": "tool_call", "id": "1", "name": name, "args": arguments}
        message = await self._tools[name].ainvoke(asked)
        texts = [message.content] if isinstance(message.content, str) else [block["text"] for block in message.content]
        return given(texts, (message.artifact or {}).get("structured_content"), message.status == "error")


@asynccontextmanager
async def connect(url, token):
    yield Driven(await configured(url, token).get_tools())


observe(connect)
