"""The command line of mcporter: each call is a program that starts and ends."""

import json
import tempfile
from contextlib import asynccontextmanager

from scenario import Printed, given, observe, printed


def configured(url, token):
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return {"mcpServers": {"weather": {"url": url, "headers": headers}}}


class Driven:
    def __init__(self, config):
        self._command = "mcporter", "--config", config

    async def tools(self):
        listed = json.loads(await printed(*self._command, "list", "weather", "--json"))
        if "error" in listed:
            raise Printed(f"{listed['error']}: {listed['issue']['rawMessage']}")
        return [tool["name"] for tool in listed["tools"]]

    async def call(self, name, arguments):
        more = "--args", json.dumps(arguments), "--output", "json"
        result = json.loads(await printed(*self._command, "call", f"weather.{name}", *more))
        if "error" in result:
            raise Printed(result["error"])
        if "content" not in result:
            return given(None, result)
        return given([block["text"] for block in result["content"]], None, result["isError"])


@asynccontextmanager
async def connect(url, token):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        file.write(json.dumps(configured(url, token)))
        file.flush()
        yield Driven(file.name)


observe(connect)
