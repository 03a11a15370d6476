"""HTTP responses, to requests and to refused WebSocket handshakes."""

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from weather.asgi import HTTP_PATH, Scope, Send, sent_path
from weather.errors import Refusal
from weather.metrics import Metrics

JSON = "application/json"
INVALID_REQUEST, INTERNAL_ERROR = -32600, -32603
ASTRAY = ("path", "method", "upgrade")  # no line for each request of a scanner

Notify = Callable[[str], Awaitable[None]]

log = logging.getLogger("weather")


@dataclass(slots=True)
class Response:
    """If `events` is set, it sends server-sent events in place of a body, for as long as the client listens if
    `lasting` is.
    """

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    events: Callable[[Notify], Awaitable[None]] | None = None
    lasting: bool = False

    @classmethod
    def of(cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Self:
        """`content` as JSON."""
        return cls(json.dumps(content).encode(), status, headers=headers or {})


def refused(scope: Scope, refusal: Refusal, metrics: Metrics) -> Response:
    """Builds the response, counts it, and logs it: at DEBUG for wrong paths and methods, else WARNING."""
    transport, what = ("websocket", "handshake") if scope["type"] == "websocket" else ("http", "request")
    metrics.refused.labels(refusal.reason, transport).inc()
    level = logging.DEBUG if what == "request" and refusal.reason in ASTRAY else logging.WARNING
    log.log(level, "%s refused", what, extra={"fields": {"reason": refusal.reason, "peer": peer(scope)}})
    body: dict[str, Any] = {"error": refusal.reason, "message": str(refusal)}
    if what == "request" and sent_path(scope) == HTTP_PATH:  # mcp 2.x shows its user no other message than this one's.
        code = INVALID_REQUEST if refusal.status < 500 else INTERNAL_ERROR
        body = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": str(refusal), "data": body}}
    return Response.of(body, refusal.status, refusal.headers)


def peer(scope: Scope) -> str:
    host, port = scope.get("client") or ("", 0)
    return f"{host}:{port}"


async def respond(scope: Scope, send: Send, response: Response, more: Mapping[str, str] | None = None) -> None:
    """Sends the response; to a WebSocket handshake, by the ASGI extension `websocket.http.response`."""
    kind = "http" if scope["type"] == "http" else "websocket.http"
    lines = {
        "content-type": response.content_type,
        "content-length": str(len(response.body)),
        **response.headers,
        **(more or {}),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": f"{kind}.response.start", "status": response.status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": response.body})
