"""The command line of MCP Inspector: each call is a program that starts and ends."""

import json
from contextlib import asynccontextmanager

from scenario import given, observe, printed


def configured(url, token):
    header = ["--header", f"Authorization: Bearer {token}"] if token else []
    return ["mcp-inspector", "--cli", url, "--transport", "http", *header, "--format", "json"]


class Driven:
    def __init__(self, command):
        self._command = command

    async def tools(self):
        return [tool["name"] for tool in (await self._run("tools/list"))["tools"]]

    async def call(self, name, arguments):
        result = await self._run("tools/call", "--tool-name", name, "--tool-args-json", json.dumps(arguments))
        return given([block["text"] for block in result["content"]], result.get("structuredContent"), result["isError"])

    async def _run(self, method, *more):
        return json.loads(await printed(*self._command, "--method", method, *more))["result"]


@asynccontextmanager
async def connect(url, token):
    yield Driven(configured(url, token))


observe(connect)
