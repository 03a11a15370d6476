"""The yardstick: answers every WebSocket message, and every POST, with the text of the file that ECHO_FILE names.

The least that an ASGI application can do, for any server. It imports nothing of this project, so that hypercorn serves
it as it comes. GET /tasks tells how many tasks the event loop has.
"""

from __future__ import annotations

import asyncio
import os
import sys
from functools import cache
from pathlib import Path
from typing import Any

JSON = (b"content-type", b"application/json")


@cache
def reply() -> str:
    return Path(os.environ["ECHO_FILE"]).read_text()


async def lifespan(receive: Any, send: Any) -> None:
    if "weather.serving" in sys.modules:
        raise AssertionError("hypercorn is not as it comes")
    await receive()
    await send({"type": "lifespan.startup.complete"})
    await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def respond(send: Any, body: bytes) -> None:
    headers = [JSON, (b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def tell_tasks(send: Any) -> None:
    await respond(send, str(len(asyncio.all_tasks())).encode())


async def app(scope: Any, receive: Any, send: Any) -> None:
    match scope["type"]:
        case "lifespan":
            await lifespan(receive, send)
        case "http" if scope["path"] == "/tasks":
            await tell_tasks(send)
        case "http":
            while (await receive()).get("more_body"):
                pass
            await respond(send, reply().encode())
        case "websocket":
            await receive()
            await send({"type": "websocket.accept", "subprotocol": "mcp"})
            text = reply()
            while (await receive())["type"] == "websocket.receive":
                await send({"type": "websocket.send", "text": text})
