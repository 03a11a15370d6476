"""What the server is measured against, beside echo.py: ASGI applications, each the least that does its work.

sdk             the SDK's websocket_server and Server.run, and its streamable HTTP without sessions, with nothing around
                them; every tool answers with the result that ECHO_FILE has
naive           a weather server as the platform's example writes it: a new HTTP client per call, nothing cached
changing        the simulated weather service, whose alerts are another each time; /asked tells when they were asked for
slow_simulator  the simulated weather service, five seconds late for points north of 70°
remembering     the simulated weather service, which makes a large answer once, and gives it wherever one like it is due
"""

from __future__ import annotations

import json
import os
import time
import warnings
from functools import cache
from typing import Any

import anyio
import httpx
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.server.websocket import websocket_server

from tests.load.echo import lifespan, reply, tell_tasks
from weather.simulator import Simulator

warnings.filterwarnings("ignore", message="The WebSocket server transport is deprecated")


async def _serve(server: Server[Any, Any], scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    async with websocket_server(scope, receive, send) as (read, write):
        await server.run(read, write, server.create_initialization_options())


bare: Server[Any, Any] = Server("bare")
posts = StreamableHTTPSessionManager(app=bare, json_response=True, stateless=True)


@cache
def _result() -> types.ServerResult:
    return types.ServerResult(types.CallToolResult.model_validate(json.loads(reply())["result"]))


async def _ready(request: types.CallToolRequest) -> types.ServerResult:
    return _result()


bare.request_handlers[types.CallToolRequest] = _ready  # the decorator would validate every call anew


async def sdk(scope: Any, receive: Any, send: Any) -> None:
    match scope["type"]:
        case "lifespan":
            async with posts.run():
                await lifespan(receive, send)
        case "http" if scope["path"] == "/tasks":
            await tell_tasks(send)
        case "http":
            await posts.handle_request(scope, receive, send)
        case "websocket":
            await _serve(bare, scope, receive, send)


example: Server[Any, Any] = Server("weather")


@example.list_tools()
async def _list_tools() -> list[types.Tool]:
    place = {"type": "object", "properties": {"latitude": {"type": "number"}, "longitude": {"type": "number"}}}
    return [types.Tool(name="get-weather", description="The weather at a place", inputSchema=place)]


async def _get(url: str) -> Any:
    async with httpx.AsyncClient(follow_redirects=True) as client:
        response = await client.get(url, headers={"User-Agent": "naive/1.0"})
        response.raise_for_status()
        return response.json()


@example.call_tool()
async def _call_tool(name: str, arguments: dict[str, Any]) -> list[types.TextContent]:
    base = os.environ["NWS_API_BASE"]
    point = await _get(f"{base}/points/{arguments['latitude']},{arguments['longitude']}")
    forecast = await _get(point["properties"]["forecast"])
    period = forecast["properties"]["periods"][0]
    text = (
        f"Weather forecast for {period['name']}:\nTemperature: {period['temperature']}°{period['temperatureUnit']}\n"
        f"Conditions: {period['shortForecast']}\nWind: {period['windSpeed']} {period['windDirection']}"
    )
    return [types.TextContent(type="text", text=text)]


async def naive(scope: Any, receive: Any, send: Any) -> None:
    await _serve(example, scope, receive, send)


_simulator = Simulator()


async def slow_simulator(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http" and scope["path"].startswith("/points/7"):
        await anyio.sleep(5)
    await _simulator(scope, receive, send)


_remembered: dict[str, list[Any]] = {}


async def remembering(scope: Any, receive: Any, send: Any) -> None:
    kind = scope.get("path", "").rpartition("/")[2]
    if kind not in ("hourly", "active"):
        await _simulator(scope, receive, send)
        return
    if kind not in _remembered:
        events: list[Any] = []

        async def keep(event: Any) -> None:
            events.append(event)

        await _simulator(scope, receive, keep)
        _remembered[kind] = events
    for event in _remembered[kind]:
        await send(event)


_asked: list[float] = []


async def changing(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] not in ("/asked", "/alerts/active"):
        await _simulator(scope, receive, send)
        return
    found: Any = _asked
    if scope["path"] == "/alerts/active":
        _asked.append(time.monotonic())
        alert = {"id": str(len(_asked)), "event": "Flood Watch", "status": "Actual", "areaDesc": "Simulated"}
        found = {"type": "FeatureCollection", "features": [{"properties": alert}]}
    headers = [(b"content-type", b"application/geo+json"), (b"x-server-id", b"weather-simulator")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(found).encode()})
