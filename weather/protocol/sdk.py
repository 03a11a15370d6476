"""The SDK's `Server.run` behind its `websocket_server`.

No other file of the server imports `mcp`. That takes half a second and 50 MB, so `load_sdk` imports this one late.
"""

import logging
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from copy import copy
from functools import partial
from typing import Any

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.websocket import websocket_server

from weather import __version__
from weather.errors import InvalidMessage
from weather.protocol.messages import PendingRequest, RequestId
from weather.tools import NAME

log = logging.getLogger("weather.session")


async def over_websocket(
    pending: Mapping[RequestId, PendingRequest], scope: Any, receive: Any, send: Any, first: Any
) -> bool:
    """Runs an accepted and initialized session from its message `first` on. Returns False if it failed."""
    to_come, failed = [first, {"type": "websocket.connect"}], False

    async def received() -> Any:
        return to_come.pop() if to_come else await receive()

    server = copy(_server)
    server.lifespan = lambda _: nullcontext(pending)
    with warnings.catch_warnings():  # It goes with mcp 2; the README says why it is used here.
        warnings.filterwarnings("ignore", "The WebSocket server transport is deprecated", DeprecationWarning)
        transport = websocket_server(scope, received, send)
    try:
        async with transport as (read, write):
            await server.run(read, write, _options, stateless=True)  # It has no part in `initialize`.
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # The peer went away while something was being written.
    except* Exception:
        log.exception("a session failed")
        failed = True
    return not failed


async def _handle(kind: type[types.CallToolResult | types.ReadResourceResult], _: Any) -> types.ServerResult:
    """Does the work of a pending request. The dispatcher drops the empty result of a cancelled one.

    Raises McpError. The SDK's decorators for such functions would validate every call again.
    """
    context = _server.request_context
    pending: PendingRequest = context.lifespan_context[context.request_id]
    with pending.scope:
        try:
            result = await pending.run()
        except InvalidMessage as invalid:
            raise McpError(types.ErrorData(code=invalid.code, message=str(invalid), data=invalid.data)) from None
        return types.ServerResult(kind.model_validate_json(result))
    return types.ServerResult(types.EmptyResult())


_server: Server[Any, Any] = Server(NAME, __version__)
_server.request_handlers[types.CallToolRequest] = partial(_handle, types.CallToolResult)
_server.request_handlers[types.ReadResourceRequest] = partial(_handle, types.ReadResourceResult)
_options = _server.create_initialization_options()
