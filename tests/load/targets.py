"""What the server is measured against, beside echo.py: ASGI applications, each the least that does its work.

sdk             the SDK's websocket_server and Server.run, and its streamable HTTP without sessions, with nothing around
                them; every tool answers with the result that ECHO_FILE has
naive           a weather server as the platform's example writes it: a new HTTP client per call, nothing cached
changing        the simulated weather service, whose alerts are another each time; /asked tells when they were asked for
slow_simulator  the simulated weather service, five seconds late for points north of 70°
overlong        the simulated weather service, whose hours and alerts have nearly as many bytes as are read, and more in
                the alerts of SL; /asked tells which of them were sent: hourly, active or too long
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
from weather.nws.exchange import MOST_BYTES
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


async def _simulated(scope: Any, receive: Any) -> bytes:
    """The body of the simulator's response; alerts are those of the whole country.

    At any hour only some areas have alerts.
    """
    events: list[Any] = []
    if scope["path"] == "/alerts/active":
        scope = {**scope, "query_string": b"status=actual"}

    async def keep(event: Any) -> None:
        events.append(event)

    await _simulator(scope, receive, keep)
    start, body = events
    assert start["status"] == 200, body
    return body["body"]


ALERTS = 600  # that `remembering` gives of those of the country, where SIMULATOR_ALERTS_FEATURES has as many
_large: dict[Any, bytes] = {}


async def remembering(scope: Any, receive: Any, send: Any) -> None:
    kind = scope.get("path", "").rpartition("/")[2]
    if kind not in ("hourly", "active"):
        await _simulator(scope, receive, send)
        return
    if kind not in _large:
        body = await _simulated(scope, receive)
        document = json.loads(body)
        if kind == "active":
            document["features"] = document["features"][:ALERTS]
        _large[kind] = json.dumps(document).encode()
    await _send_json(send, _large[kind])


_asked: list[Any] = []


async def _send_json(send: Any, found: Any) -> None:
    headers = [(b"content-type", b"application/geo+json"), (b"x-server-id", b"weather-simulator")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send(
        {"type": "http.response.body", "body": found if isinstance(found, bytes) else json.dumps(found).encode()}
    )


async def changing(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] != "http" or scope["path"] not in ("/asked", "/alerts/active"):
        await _simulator(scope, receive, send)
    elif scope["path"] == "/asked":
        await _send_json(send, _asked)
    else:
        _asked.append(time.monotonic())
        alert = {"id": str(len(_asked)), "event": "Flood Watch", "status": "Actual", "areaDesc": "Simulated"}
        await _send_json(send, {"type": "FeatureCollection", "features": [{"properties": alert}]})


async def overlong(scope: Any, receive: Any, send: Any) -> None:
    kind = scope.get("path", "").rpartition("/")[2]
    if kind not in ("hourly", "active", "asked"):
        await _simulator(scope, receive, send)
        return
    if kind == "asked":
        await _send_json(send, _asked)
        return
    too_long = b"area=SL" in scope["query_string"]
    if (kind, too_long) not in _large:
        body = await _simulated(scope, receive)
        _large[kind, too_long] = _lengthened(kind, body, MOST_BYTES * (1.1 if too_long else 0.95))
    await _send_json(send, _large[kind, too_long])
    _asked.append("too long" if too_long else kind)


def _lengthened(kind: str, body: bytes, size: float) -> bytes:
    """With as many hours or alerts as fit; the alerts have ids of their own."""
    document = json.loads(body)
    parts = document["properties"]["periods"] if kind == "hourly" else document["features"]
    one, number = json.dumps(parts[0]), len(parts)
    for again in range(int((size - len(body)) / len(one))):
        part = json.loads(one)
        if kind == "active":
            part["id"] = part["properties"]["id"] = f"urn:oid:{number + again}"
        parts.append(part)
    return json.dumps(document).encode()
