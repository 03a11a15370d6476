"""The ASGI application: `hypercorn app:app`.

lifespan   settings, NWS client, MCP server: once per process, kept in scope["state"]
http       /health /ready /metrics, a description at /, and what a stray GET of /ws should have been
websocket  /ws: one MCP session per connection
"""

from __future__ import annotations

import json
import logging
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx

from weather import __version__, logs
from weather.answers import Answers
from weather.config import Settings
from weather.errors import Refusal, SettingError
from weather.metrics import CONTENT_TYPE, Metrics
from weather.nws.api import NWS
from weather.nws.host import Host
from weather.nws.upstream import Upstream
from weather.questions import TAKES
from weather.service import Service
from weather.session.access import ENDPOINT, SUBPROTOCOL, Access
from weather.session.screen import Receive, Scope, Send
from weather.session.session import Session
from weather.simulator import Faults, FaultsError, Simulator
from weather.tools import NAME, build_server

JSON = "application/json"
BODY_TIMEOUT_S = 5
ASTRAY = ("path", "method", "upgrade")  # no line for each request of a scanner

log = logging.getLogger("weather")


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    match scope["type"]:
        case "lifespan":
            await lifespan(scope, receive, send)
        case "http":
            await http(scope, receive, send)
        case "websocket":
            await websocket(scope, receive, send)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    await receive()
    failure = None
    async with AsyncExitStack() as stack:
        try:
            await start(stack, scope["state"])
        except Exception as error:  # Without an answer, hypercorn would go on and serve without state.
            told = isinstance(error, SettingError | FaultsError)
            failure = str(error) if told else f"This server cannot start: {error!r}."
        else:
            await send({"type": "lifespan.startup.complete"})
            await receive()
    if failure:
        await send({"type": "lifespan.startup.failed", "message": failure})
    else:
        await send({"type": "lifespan.shutdown.complete"})


async def start(stack: AsyncExitStack, state: MutableMapping[str, Any]) -> None:
    """Fills `state` with what `stack` closes again; raises SettingError and FaultsError."""
    settings = Settings.read()
    logs.configure(settings)
    metrics = Metrics()
    transport = httpx.ASGITransport(app=Simulator(Faults.read())) if settings.simulated else None
    upstream = await stack.enter_async_context(Upstream(Host(settings, metrics, transport)))
    answers = Answers(NWS(upstream, settings), settings, metrics)
    service = Service(settings, metrics, answers, build_server(answers, settings))
    access = Access(settings)
    tasks = await stack.enter_async_context(anyio.create_task_group())
    stack.callback(tasks.cancel_scope.cancel)
    tasks.start_soon(service.keep)
    state.update(service=service, access=access)
    log.info("MCP at %s, weather from %s", ENDPOINT, settings.source)


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    try:
        status, content_type, body, headers = await answer(scope)
    except Refusal as refusal:
        note(scope, refusal, logging.DEBUG if refusal.reason in ASTRAY else logging.WARNING)
        status, content_type, body, headers = refusal.status, JSON, explained(refusal), refusal.headers
    await respond(send, "http", status, content_type, body, headers)
    with anyio.move_on_after(BODY_TIMEOUT_S):
        while (await receive()).get("more_body"):
            pass  # An upload that nobody reads would block hypercorn.


async def answer(scope: Scope) -> tuple[int, str, bytes, dict[str, str]]:
    """Status, content type, body and further headers; raises Refusal."""
    service: Service = scope["state"]["service"]
    path = scope["path"]
    if path not in ("/health", "/ready"):
        await scope["state"]["access"].check_http(scope)
    if path not in ("/", "/health", "/ready", "/metrics", ENDPOINT):
        raise Refusal(404, "path", f"There is nothing at this path; the MCP endpoint is {ENDPOINT}.")
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "method", "Use GET or HEAD.", {"allow": "GET, HEAD"})
    match path:
        case "/health":
            return 200, JSON, b'{"status":"ok"}', {}
        case "/ready":
            draining = service.notice_end()
            ready = not (draining or service.full)
            body = {"status": "ready" if ready else "draining" if draining else "full"}
            return 200 if ready else 503, JSON, json.dumps(body).encode(), {}
        case "/metrics":
            return 200, CONTENT_TYPE, service.metrics.exposition(), {}
        case "/":
            return 200, JSON, json.dumps(DESCRIPTION).encode(), {}
    raise Refusal(
        426,
        "upgrade",
        f"This is a WebSocket endpoint: open it with a WebSocket handshake, subprotocol '{SUBPROTOCOL}'.",
        {"upgrade": "websocket", "connection": "upgrade"},
    )


DESCRIPTION: dict[str, Any] = {
    "name": NAME,
    "version": __version__,
    "endpoint": ENDPOINT,
    "subprotocol": SUBPROTOCOL,
    "tools": list(TAKES),
}


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    service: Service = scope["state"]["service"]
    try:
        admission = await scope["state"]["access"].admit(scope)
        if service.full or service.notice_end():
            raise Refusal(503, "capacity", "There is no room for another session now.", {"retry-after": "5"})
    except Refusal as refusal:
        await refuse(scope, send, refusal)
        return
    await Session(service, scope, receive, send, admission.subprotocol, admission.expires_at).run()


async def refuse(scope: Scope, send: Send, refusal: Refusal) -> None:
    """An HTTP answer in place of the handshake (ASGI extension websocket.http.response)."""
    note(scope, refusal, logging.WARNING)
    await respond(send, "websocket.http", refusal.status, JSON, explained(refusal), refusal.headers)


async def respond(send: Send, kind: str, status: int, content_type: str, body: bytes, headers: dict[str, str]) -> None:
    lines = {"content-type": content_type, "content-length": str(len(body)), **headers}
    raw = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": f"{kind}.response.start", "status": status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": body})


def note(scope: Scope, refusal: Refusal, level: int) -> None:
    scope["state"]["service"].metrics.refused(refusal.reason)
    peer = scope.get("client") or ("", 0)
    what = "handshake" if scope["type"] == "websocket" else "request"
    fields = {"reason": refusal.reason, "peer": f"{peer[0]}:{peer[1]}"}
    log.log(level, "%s refused", what, extra={"fields": fields})


def explained(refusal: Refusal) -> bytes:
    return json.dumps({"error": refusal.reason, "message": str(refusal)}).encode()
