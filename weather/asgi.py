"""ASGI types, path and headers of a request, and the paths of the MCP endpoints."""

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


def header_lines(scope: Scope, name: bytes) -> list[bytes]:
    """The value of every header line of that name."""
    return [value for key, value in scope["headers"] if key.lower() == name]  # hypercorn can be set not to lower it


def header(scope: Scope, name: bytes) -> str:
    """Its lines as one value (RFC 9110, 5.2), "" if there is none."""
    return b", ".join(header_lines(scope, name)).decode("latin-1")
