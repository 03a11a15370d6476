"""The ASGI application: `hypercorn app:app`.

lifespan   settings, NWS client, MCP server: once per process, kept in scope["state"]
http       /mcp: one MCP request; /health /ready /metrics, a description or the page at /; a stray GET of /ws
websocket  /ws: one MCP session per connection
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import MutableMapping
from contextlib import AsyncExitStack
from typing import Any

import anyio
import httpx

from weather import __version__, logs, serving
from weather.access import PROTECTED_RESOURCES, SUBPROTOCOL, Access, check_host_and_origin
from weather.answers import Answers
from weather.asgi import HTTP_PATH, WEBSOCKET_PATH, Receive, Scope, Send, sent_path
from weather.config import Settings, unknown_variables
from weather.console import Console
from weather.errors import Refusal, SettingError
from weather.metrics import CONTENT_TYPE, Metrics
from weather.nws import NWS
from weather.responses import Response, refused, respond
from weather.simulator import Faults, FaultsError, Simulator
from weather.tools import NAME, TOOLS
from weather.transports import Session, Sessions, StreamableHTTP

log = logging.getLogger("weather")
serving.install()


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
            known = isinstance(error, SettingError | FaultsError)
            failure = str(error) if known else f"This server cannot start: {error!r}."
        else:
            await send({"type": "lifespan.startup.complete"})
            await receive()
    if failure:
        try:
            await send({"type": "lifespan.startup.failed", "message": failure})
        except Exception:  # hypercorn's, which would end the process with a traceback.
            print(failure, file=sys.stderr, flush=True)
            os._exit(1)
    else:
        await send({"type": "lifespan.shutdown.complete"})


async def start(stack: AsyncExitStack, state: MutableMapping[str, Any]) -> None:
    """Fills `state` with what `stack` closes again; raises SettingError and FaultsError."""
    settings, metrics = Settings.read(), Metrics()
    logs.configure(settings)
    transport = httpx.ASGITransport(app=Simulator(Faults.read())) if settings.simulated else None
    nws = await stack.enter_async_context(NWS(settings, metrics, transport))
    answers = Answers(nws, settings, metrics)
    sessions = Sessions(settings, metrics, answers)
    sessions.limit_connections(state)
    tasks = await stack.enter_async_context(anyio.create_task_group())
    stack.callback(tasks.cancel_scope.cancel)
    tasks.start_soon(sessions.run_clock, tasks)
    mcp, console = StreamableHTTP(sessions, Access(settings)), Console() if settings.mcp_console else None
    serving.limits.prepare = mcp.prepare if settings.mcp_fast_path else None
    state.update(sessions=sessions, access=mcp.access, mcp=mcp, console=console)
    for warning in unknown_variables(*Settings.model_fields, *(f"simulator_{name}" for name in Faults.model_fields)):
        log.warning(warning)
    log.info("weather %s: MCP at %s and %s, %s", __version__, WEBSOCKET_PATH, HTTP_PATH, settings.in_words)
    serving.tune_interpreter()


async def http(scope: Scope, receive: Receive, send: Send) -> None:
    sessions: Sessions = scope["state"]["sessions"]
    access: Access = scope["state"]["access"]
    sessions.on_connection(serving.get_connection(scope))
    try:
        found = await answer(scope, receive, send, access)
    except Refusal as refusal:
        found = refused(scope, refusal, sessions.metrics)
    if found:  # Otherwise it is answered already, or the client is gone.
        shared = access.cors_headers(scope) if sent_path(scope) in (HTTP_PATH, *PROTECTED_RESOURCES) else {}
        await respond(scope, send, found, shared)
    sessions.preload()


async def answer(scope: Scope, receive: Receive, send: Send, access: Access) -> Response | None:
    """Raises Refusal."""
    path, sessions = sent_path(scope), scope["state"]["sessions"]
    if path not in ("/health", "/ready"):
        check_host_and_origin(scope, sessions.settings)
    if path == HTTP_PATH:
        mcp: StreamableHTTP = scope["state"]["mcp"]
        return await mcp.handle(scope, receive, send)
    console: Console | None = scope["state"]["console"]
    page = console.answer(path, dict(scope["headers"])) if console else None
    if not page and path not in ("/", "/health", "/ready", "/metrics", WEBSOCKET_PATH, *PROTECTED_RESOURCES):
        raise Refusal(404, "path", NOWHERE)
    if path == WEBSOCKET_PATH:
        raise Refusal(426, "upgrade", UPGRADE, {"upgrade": "websocket", "connection": "upgrade"})
    if scope["method"] not in ("GET", "HEAD"):
        raise Refusal(405, "method", f"Use GET or HEAD; MCP is at {HTTP_PATH}.", {"allow": "GET, HEAD"})
    if page:
        return page
    match path:
        case "/":
            return Response.of(DESCRIPTION, headers={"vary": "accept"} if console else {})
        case "/health":
            return Response(b'{"status":"ok"}')
        case "/ready":
            return Response.of({"status": sessions.status}, 200 if sessions.status == "ready" else 503)
        case "/metrics":
            return Response(sessions.metrics.exposition(), content_type=CONTENT_TYPE)
    return Response.of(access.protected_resource(scope))


UPGRADE = f"Open a WebSocket here, with the subprotocol '{SUBPROTOCOL}'; over HTTP, MCP is at {HTTP_PATH}."
NOWHERE = f"There is nothing at this path; the MCP endpoints are {WEBSOCKET_PATH} and {HTTP_PATH}."
DESCRIPTION: dict[str, Any] = {"name": NAME, "version": __version__, "endpoint": WEBSOCKET_PATH}
DESCRIPTION |= {"subprotocol": SUBPROTOCOL, "http": HTTP_PATH, "tools": list(TOOLS)}


async def websocket(scope: Scope, receive: Receive, send: Send) -> None:
    sessions: Sessions = scope["state"]["sessions"]
    sessions.on_connection(serving.get_connection(scope))
    try:
        session = Session(sessions, await scope["state"]["access"].admit(scope), scope, receive, send)
    except Refusal as refusal:
        await respond(scope, send, refused(scope, refusal, sessions.metrics))
    else:
        sessions.preload()
        await session.run()
