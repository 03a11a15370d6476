"""The era of sessions, 2024-11-05 to 2025-11-25, through the SDK: `Server.run` behind `websocket_server`, and behind
`StreamableHTTPServerTransport` once for each HTTP request.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Awaitable, Callable, Mapping
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import cache, partial
from itertools import count
from time import perf_counter
from typing import Any, get_args

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.models import InitializationOptions
from mcp.server.streamable_http import StreamableHTTPServerTransport
from mcp.server.websocket import websocket_server
from pydantic import ValidationError

from weather import __version__
from weather.answers import Answers, CachedResult
from weather.config import Settings
from weather.errors import InvalidMessage, shortened
from weather.inputs import TAKES
from weather.nws import Progress, silent
from weather.protocol import messages, resources
from weather.protocol.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Request, RequestId
from weather.protocol.subscriptions import MOST, MOST_SUBSCRIPTIONS, Subscription, Subscriptions
from weather.tools import DEFINITIONS, KNOWN, LISTING, NAME, TITLE, call, instructions

SUBSCRIBING = ("resources/subscribe", "resources/unsubscribe")
METHODS = ("initialize", "ping", "tools/list", "tools/call", *resources.METHODS, *SUBSCRIBING)
REQUESTS = {kind.model_fields["method"].default: kind for kind in get_args(types.ClientRequestType)}
NOT_FOUND = -32002

log = logging.getLogger("weather.session")

in_flight: ContextVar[Mapping[RequestId, messages.PendingRequest]] = ContextVar("in_flight")
"""The requests of the session that a task works for; not set over HTTP, where a request is a session."""


def params(request: Request) -> Any:
    """As the SDK reads them; raises InvalidMessage for what it would answer wrongly, or not at all."""
    if request.method not in METHODS:
        problem = f"Unknown method '{shortened(request.method)}'; there are {', '.join(METHODS)}."
        raise InvalidMessage(METHOD_NOT_FOUND, problem, request.id)
    try:
        asked: Any = REQUESTS[request.method].model_validate({"method": request.method, "params": request.params})
    except ValidationError as invalid:
        error = invalid.errors()[0]
        place = ".".join(map(str, error["loc"]))
        wrong = "should be an object" if error["type"] in ("dict_type", "model_type") else error["msg"]
        raise InvalidMessage(INVALID_PARAMS, f"{shortened(place)}: {shortened(wrong)}", request.id) from None
    return asked.params


def answered(answers: Answers, request: Request, key: Any, transport: str, started: float) -> str | None:
    """What needs no work; raises InvalidMessage. `key` is the call's, if it is plain; `started` by `perf_counter`."""
    method = request.method
    if method == "tools/call" and (ready := answers.lookup_key(key)):
        return reply(answers, request.id, ready, transport, started)
    if method in SUBSCRIBING and transport == "http":
        raise InvalidMessage(METHOD_NOT_FOUND, "Subscribing needs a WebSocket, or a newer revision.", request.id)
    if method == "resources/read" and isinstance(request.params.get("uri"), str):
        ready = resources.lookup(answers, request, NOT_FOUND)
        return messages.result(request.id, resources.contents(request, ready)) if ready else None
    asked = params(request)
    if method == "tools/list" and request.params.get("cursor") is None:
        return messages.result(request.id, LISTING)
    if method in resources.LISTS:
        return messages.result(request.id, resources.listed(request))
    if method == "completion/complete":
        return messages.result(request.id, resources.completed(request))
    if method == "tools/call" and (ready := answers.lookup(asked.name, asked.arguments or {}, key)):
        return reply(answers, request.id, ready, transport, started)
    return None


def subscribed(
    hub: Subscriptions, subscriptions: dict[str, Subscription], request: Request, send: Callable[[str], Awaitable[None]]
) -> str:
    """The answer to one of SUBSCRIBING; `subscriptions` are those of the session, by URI. Raises InvalidMessage."""
    uri = request.params["uri"]
    area = resources.area(uri)
    if area is None:
        known = f"those of {resources.ALERTS} can be subscribed to"
        raise InvalidMessage(NOT_FOUND, f"No such resource: {known}.", request.id, {"uri": shortened(uri, 200)})
    if request.method == "resources/unsubscribe":
        if subscription := subscriptions.pop(uri, None):
            hub.remove(subscription)
    elif uri not in subscriptions:
        if len(subscriptions) >= MOST_SUBSCRIPTIONS:
            raise InvalidMessage(INVALID_PARAMS, MOST, request.id)
        message = messages.notification("resources/updated", {"uri": uri})
        subscriptions[uri] = Subscription(area, message, send)
        hub.add(subscriptions[uri])
    return messages.result(request.id, "{}")


def reply(answers: Answers, request_id: RequestId, ready: CachedResult, transport: str, started: float) -> str:
    answers.metrics.called(ready.tool, ready.outcome, transport, perf_counter() - started)
    return messages.result(request_id, ready.json)


def titled(text: str) -> str:
    """With the server's title, in the answer to `initialize`: the SDK's InitializationOptions have none."""
    name = f'"serverInfo":{{"name":"{NAME}"'
    return text.replace(name, f'{name},"title":"{TITLE}"', 1)


async def over_websocket(server: Server[None, Any], scope: Any, receive: Any, send: Any, first: Any) -> bool:
    """The session, once its first message has come and the handshake is over; False for one that failed here."""
    to_come, failed = [first, {"type": "websocket.connect"}], False

    def received() -> Awaitable[Any]:
        return _immediately(to_come.pop()) if to_come else receive()

    with warnings.catch_warnings():  # It goes with mcp 2; the README says why it is used here.
        warnings.filterwarnings("ignore", "The WebSocket server transport is deprecated", DeprecationWarning)
        transport = websocket_server(scope, received, send)
    try:
        async with transport as (read, write):
            await server.run(read, write, _options(server, subscribe=True))
    except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
        pass  # The peer went away while something was being written.
    except* Exception:
        log.exception("a session failed")
        failed = True
    return not failed


async def over_http(server: Server[None, Any], version: str, body: bytes) -> str:
    """The answer to the one request in `body`."""
    sent: list[Any] = []
    headers = [(b"accept", b"application/json"), (b"content-type", b"application/json")]
    headers += [(b"mcp-protocol-version", version.encode())] if version else []
    scope = {"type": "http", "method": "POST", "path": "/mcp", "query_string": b"", "headers": headers}
    request = {"type": "http.request", "body": body, "more_body": False}

    async def send(event: Any) -> None:
        sent.append(event)

    transport = StreamableHTTPServerTransport(None, is_json_response_enabled=True)
    run = partial(server.run, initialization_options=_options(server, subscribe=False), stateless=True)
    async with transport.connect() as (read, write), anyio.create_task_group() as tasks:
        tasks.start_soon(run, read, write)
        await transport.handle_request(scope, lambda: _immediately(request), send)
        tasks.cancel_scope.cancel()
    return titled(b"".join(event.get("body", b"") for event in sent).decode())


async def _immediately(event: Any) -> Any:
    return event


def build_server(answers: Answers, settings: Settings) -> Server[None, Any]:
    """The SDK's server with the handlers put in as they are: the decorators would validate every call anew."""
    server: Server[None, Any] = Server(NAME, __version__, instructions(settings))

    async def list_tools(request: types.ListToolsRequest) -> types.ServerResult:
        if request.params and request.params.cursor is not None:
            raise _invalid_params("There is one page of tools: send no cursor.")
        return types.ServerResult(types.ListToolsResult(tools=DEFINITIONS))

    async def call_tool(request: types.CallToolRequest) -> types.ServerResult:
        """Cancelled, it ends with a result that the dispatcher drops: a cancelled request is not answered."""
        name, result, session = request.params.name, '{"content":[]}', in_flight.get(None)
        if name not in TAKES:
            raise _invalid_params(f"Unknown tool '{shortened(name)}'; the tools are {KNOWN}.")
        with session[server.request_context.request_id].scope if session else nullcontext():
            transport = "http" if session is None else "websocket"
            result = await call(answers, name, request.params.arguments or {}, _progress(server), transport)
        return types.ServerResult(types.CallToolResult.model_validate_json(result))

    async def read_resource(request: types.ReadResourceRequest) -> types.ServerResult:
        asked = Request(0, "resources/read", {"uri": str(request.params.uri)})
        try:
            ready = await resources.read(answers, asked, NOT_FOUND)
        except InvalidMessage as invalid:
            raise McpError(types.ErrorData(code=invalid.code, message=str(invalid), data=invalid.data)) from None
        return types.ServerResult(types.ReadResourceResult.model_validate_json(resources.contents(asked, ready)))

    server.request_handlers[types.ReadResourceRequest] = read_resource
    server.request_handlers[types.ListToolsRequest] = list_tools
    server.request_handlers[types.CallToolRequest] = call_tool
    return server


@cache
def _options(server: Server[None, Any], *, subscribe: bool) -> InitializationOptions:
    """The same for all sessions. The SDK says that no resource can be subscribed to."""
    options = server.create_initialization_options()
    options.capabilities.resources = types.ResourcesCapability(subscribe=subscribe, listChanged=False)
    options.capabilities.completions = types.CompletionsCapability()
    return options


def _invalid_params(message: str) -> McpError:
    return McpError(types.ErrorData(code=types.INVALID_PARAMS, message=message))


def _progress(server: Server[None, Any]) -> Progress:
    """Sends `notifications/progress` when the request asked for it (MCP 2025-11-25, basic/utilities/progress)."""
    context, steps = server.request_context, count(1)
    token = context.meta.progressToken if context.meta else None
    if token is None:
        return silent

    async def progress(note: str) -> None:
        with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # The client has left.
            await context.session.send_progress_notification(token, next(steps), message=note)

    return progress
