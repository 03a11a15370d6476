"""The SDK's `Server.run` behind its `websocket_server`.

No other file of the server imports `mcp`. That takes half a second and 50 MB, so `load_sdk` imports this one late.
"""

import logging
import warnings
from collections.abc import Mapping
from contextlib import nullcontext
from copy import copy
from typing import Any

import anyio
from mcp import types
from mcp.server.lowlevel import Server
from mcp.server.websocket import websocket_server

from weather import __version__
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


async def _handle(_: Any) -> types.ServerResult:
    """Does the work of a pending request. The dispatcher sends its reply in place of the empty result.

    The SDK's decorators for such functions would validate every call again, and its models every result.
    """
    context = _server.request_context
    pending: PendingRequest = context.lifespan_context[context.request_id]
    await pending.work()
    return types.ServerResult(types.EmptyResult())


_server: Server[Any, Any] = Server(NAME, __version__)
_server.request_handlers |= dict.fromkeys((types.CallToolRequest, types.ReadResourceRequest), _handle)
_options = _server.create_initialization_options()
