"""Echoes messages of up to 64 MiB behind weather/serving, with compression; behind stock hypercorn with STOCK=1."""

from __future__ import annotations

import os
from typing import Any

from weather import serving

if not os.environ.get("STOCK"):
    serving.install()


async def app(scope: Any, receive: Any, send: Any) -> None:
    await receive()
    if scope["type"] == "lifespan":
        if why := serving.unsupported_reason(scope["state"]):
            assert os.environ.get("STOCK"), why
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    if (connection := serving.get_connection(scope)) and connection.stream:
        connection.stream.configure(64 << 20, compression=True, end=lambda *_: None, cached_reply=None)
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        content = {name: event[name] for name in ("text", "bytes") if event.get(name) is not None}
        await send({"type": "websocket.send", **content})
