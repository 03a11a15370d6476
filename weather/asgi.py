"""ASGI types, path and header look-up, and the paths of the MCP endpoints."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

WEBSOCKET_PATH, HTTP_PATH = "/ws", "/mcp"


def sent_path(scope: Scope) -> str:
    """The path as the client sent it: `/%6dcp` is not `/mcp`. A server may leave out `raw_path`; then it is `path`."""
    raw: bytes | None = scope.get("raw_path")
    return scope["path"] if raw is None else raw.decode("latin-1")


def header(scope: Scope, name: bytes) -> list[bytes]:
    """Returns the values of every header line of that name. The scope keeps them by name after the first look-up."""
    by_name = scope.get("weather.headers")
    if by_name is None:
        scope["weather.headers"] = by_name = {}
        for key, value in scope["headers"]:
            by_name.setdefault(key.lower(), []).append(value)
    return list(by_name.get(name, ()))


def forget_headers(scope: Scope) -> None:
    """Frees a kilobyte of a session that looks up no more of them."""
    scope.pop("weather.headers", None)
