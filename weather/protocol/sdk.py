"""The SDK's `Server.run` behind its `websocket_server`, and for each HTTP request behind a transport of its own.

No other file of the server imports `mcp.server`.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Mapping
from contextlib import nullcontext, suppress
from copy import copy
from functools import cache, partial
from itertools import count
from typing import Any

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.websocket import websocket_server

from weather import __version__
from weather.config import Settings
from weather.errors import InvalidMessage
from weather.nws import Progress, silent
from weather.protocol import legacy
from weather.protocol.messages import PendingRequest, RequestId
from weather.tools import DEFINITIONS, NAME, instructions

MCPServer = Server[Any, Any]
Pending = Mapping[RequestId, PendingRequest]

log = logging.getLogger("weather.session")


async def over_websocket(server: MCPServer, pending: Pending, scope: Any, receive: Any, send: Any, first: Any) -> bool:
    """Runs an accepted session from its message `first` on; returns False if it failed with an exception."""
    to_come, failed = [first, {"type": "websocket.connect"}], False

    def received() -> Awaitable[Any]:
        return _immediately(to_come.pop()) if to_come else receive()

    with warnings.catch_warnings():  # It goes with mcp 2; the README says why it is used here.
        warnings.filterwarnings("ignore", "The WebSocket server transport is deprecated", DeprecationWarning)
        transport = websocket_server(scope, received, send)
    try:
        async with transport as (read, write):
            await _with(server, pending).run(read, write, _options(server, subscribe=True))
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # The peer went away while something was being written.
    except* Exception:
        log.exception("a session failed")
        failed = True
    return not failed


async def over_http(server: MCPServer, pending: Pending, version: str, body: bytes) -> str:
    """Returns the response to `body`, the one request of `pending`."""
    sent: list[Any] = []
    headers = [(b"accept", b"application/json"), (b"content-type", b"application/json")]
    headers += [(b"mcp-protocol-version", version.encode())] if version else []
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    request = {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    transport = StreamableHTTPServerTransport(None, is_json_response_enabled=True)
    run = partial(_with(server, pending).run, initialization_options=_options(server, subscribe=False), stateless=True)
    async with transport.connect() as (read, write), anyio.create_task_group() as tasks:
        tasks.start_soon(run, read, write)
        await transport.handle_request(scope, lambda: _immediately(request), send)
        tasks.cancel_scope.cancel()
    return legacy.titled(b"".join(event.get("body", b"") for event in sent).decode())


async def _immediately(event: Any) -> Any:
    return event


def build_server(settings: Settings) -> MCPServer:
    """The handlers do the work of the pending request. The SDK's decorators would validate every call again."""
    server = MCPServer(NAME, __version__, instructions(settings))

    async def worked(cancelled: str) -> str:
        """Cancelled, a request gets the result `cancelled`, which the dispatcher drops."""
        context = server.request_context
        pending: PendingRequest = context.lifespan_context[context.request_id]
        with pending.scope:
            try:
                return (await pending.work(_progress(server))).json if pending.work else cancelled
            except InvalidMessage as invalid:
                raise McpError(types.ErrorData(code=invalid.code, message=str(invalid), data=invalid.data)) from None
        return cancelled

    async def list_tools(_: types.ListToolsRequest) -> types.ServerResult:
        return types.ServerResult(types.ListToolsResult(tools=DEFINITIONS))

    async def call_tool(_: types.CallToolRequest) -> types.ServerResult:
        return types.ServerResult(types.CallToolResult.model_validate_json(await worked('{"content":[]}')))

    async def read_resource(_: types.ReadResourceRequest) -> types.ServerResult:
        return types.ServerResult(types.ReadResourceResult.model_validate_json(await worked('{"contents":[]}')))

    server.request_handlers[types.ReadResourceRequest] = read_resource
    server.request_handlers[types.ListToolsRequest] = list_tools
    server.request_handlers[types.CallToolRequest] = call_tool
    return server


def _with(server: MCPServer, pending: Pending) -> MCPServer:
    """The server for one session: its handlers find `pending` in the SDK's `lifespan_context`."""
    server = copy(server)
    server.lifespan = lambda _: nullcontext(pending)
    return server


@cache
def _options(server: MCPServer, *, subscribe: bool) -> InitializationOptions:
    """Cached, since they are the same for all sessions. The SDK always says `subscribe: false`."""
    options = server.create_initialization_options()
    options.capabilities.resources = types.ResourcesCapability(subscribe=subscribe, listChanged=False)
    options.capabilities.completions = types.CompletionsCapability()
    return options


def _progress(server: MCPServer) -> Progress:
    """Sends `notifications/progress` when the request asked for it (MCP 2025-11-25, basic/utilities/progress)."""
    context, steps = server.request_context, count(1)
    token = context.meta.progressToken if context.meta else None
    if token is None:
        return silent

    async def progress(note: str) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # The client has left.
            await context.session.send_progress_notification(token, next(steps), message=note)

    return progress
