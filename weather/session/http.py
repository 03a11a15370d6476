"""HTTP beside the WebSocket: answers, and refusals, which a handshake gets in the same form."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from typing import Any

import anyio

from weather.config import SECONDS
from weather.errors import Refusal
from weather.metrics import Metrics
from weather.session.screen import Receive, Scope, Send

JSON = "application/json"
BODY_TIMEOUT_S = 5 * SECONDS
ASTRAY = ("path", "method", "upgrade")  # no line for each request of a scanner

log = logging.getLogger("weather")


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, content: Any, status: int = 200, headers: dict[str, str] | None = None) -> Answer:
        """`content` as JSON."""
        return cls(json.dumps(content).encode(), status, headers=headers or {})


def refused(scope: Scope, refusal: Refusal, metrics: Metrics) -> Answer:
    """Counted, and logged as far as it tells more than that somebody lost the way."""
    metrics.refused(refusal.reason)
    host, port = scope.get("client") or ("", 0)
    what = "handshake" if scope["type"] == "websocket" else "request"
    level = logging.DEBUG if what == "request" and refusal.reason in ASTRAY else logging.WARNING
    log.log(level, "%s refused", what, extra={"fields": {"reason": refusal.reason, "peer": f"{host}:{port}"}})
    return Answer.of({"error": refusal.reason, "message": str(refusal)}, refusal.status, refusal.headers)


async def respond(scope: Scope, receive: Receive, send: Send, answer: Answer) -> None:
    """In place of a handshake, by the ASGI extension websocket.http.response."""
    kind = "http" if scope["type"] == "http" else "websocket.http"
    lines = {"content-type": answer.content_type, "content-length": str(len(answer.body)), **answer.headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": f"{kind}.response.start", "status": answer.status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": answer.body})
    with anyio.move_on_after(BODY_TIMEOUT_S):
        while kind == "http" and (await receive()).get("more_body"):
            pass  # An upload that nobody reads would block hypercorn.
