"""The SDK's `Server.run` behind its `websocket_server`.

No other file of the server imports `mcp`. That takes half a second and 50 MB, so `protocol.load` imports this one late.
"""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Awaitable, Mapping
from contextlib import nullcontext, suppress
from copy import copy
from itertools import count
from typing import Any

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.websocket import websocket_server

from weather import __version__
from weather.config import Settings
from weather.errors import InvalidMessage
from weather.nws import Progress, silent
from weather.protocol.messages import PendingRequest, RequestId
from weather.tools import NAME, instructions

Pending = Mapping[RequestId, PendingRequest]

log = logging.getLogger("weather.session")


class SDK:
    """The handlers do the work of the pending request. The SDK's decorators would validate every call again."""

    def __init__(self, settings: Settings) -> None:
        self._server: Server[Any, Any] = Server(NAME, __version__, instructions(settings))
        self._server.request_handlers[types.CallToolRequest] = self._call_tool
        self._server.request_handlers[types.ReadResourceRequest] = self._read_resource
        self._options = self._server.create_initialization_options()

    async def over_websocket(
        self, pending: Pending, scope: Any, receive: Any, send: Any, version: str, first: Any
    ) -> bool:
        """Runs an accepted and initialized session from its message `first` on. Returns False if it failed.

        The client has its response to `initialize` already: the SDK gets another such request, and its response is
        dropped.
        """
        to_come = [first, _initialize(version), {"type": "websocket.connect"}]
        initialized, failed = False, False

        def received() -> Awaitable[Any]:
            return _immediately(to_come.pop()) if to_come else receive()

        async def sent(event: Any) -> None:
            nonlocal initialized
            if initialized:
                await send(event)
            initialized = initialized or event["type"] == "websocket.send"

        server = copy(self._server)
        server.lifespan = lambda _: nullcontext(pending)  # the SDK's `lifespan_context` of its handlers
        with warnings.catch_warnings():  # It goes with mcp 2; the README says why it is used here.
            warnings.filterwarnings("ignore", "The WebSocket server transport is deprecated", DeprecationWarning)
            transport = websocket_server(scope, received, sent)
        try:
            async with transport as (read, write):
                await server.run(read, write, self._options)
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # The peer went away while something was being written.
        except* Exception:
            log.exception("a session failed")
            failed = True
        return not failed

    async def _call_tool(self, _: types.CallToolRequest) -> types.ServerResult:
        return types.ServerResult(types.CallToolResult.model_validate_json(await self._work('{"content":[]}')))

    async def _read_resource(self, _: types.ReadResourceRequest) -> types.ServerResult:
        return types.ServerResult(types.ReadResourceResult.model_validate_json(await self._work('{"contents":[]}')))

    async def _work(self, cancelled: str) -> str:
        """A cancelled request gets the result `cancelled`, which the dispatcher drops. Raises McpError."""
        context = self._server.request_context
        pending: PendingRequest = context.lifespan_context[context.request_id]
        with pending.scope:
            try:
                return (await pending.handler(self._progress())).json
            except InvalidMessage as invalid:
                raise McpError(types.ErrorData(code=invalid.code, message=str(invalid), data=invalid.data)) from None
        return cancelled

    def _progress(self) -> Progress:
        """Sends `notifications/progress` if the request asked for it (MCP 2025-11-25, basic/utilities/progress)."""
        context, steps = self._server.request_context, count(1)
        token = context.meta.progressToken if context.meta else None
        if token is None:
            return silent

        async def progress(note: str) -> None:
            with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # The client has left.
                await context.session.send_progress_notification(token, next(steps), message=note)

        return progress


async def _immediately(event: Any) -> Any:
    return event


def _initialize(version: str) -> dict[str, str]:
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": NAME, "version": __version__}}
    message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
    return {"type": "websocket.receive", "text": json.dumps(message)}
