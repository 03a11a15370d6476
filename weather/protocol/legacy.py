"""The revisions with sessions, 2024-11-05 to 2025-11-25. The module `sdk` runs what this one does not answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from time import perf_counter
from typing import Any, get_args

from mcp import types
from pydantic import ValidationError

from weather.answers import Answers, CachedResult, Key, Query
from weather.errors import InvalidMessage, shortened
from weather.inputs import TAKES
from weather.protocol import messages, resources
from weather.protocol.messages import INVALID_PARAMS, METHOD_NOT_FOUND, Notify, Request, RequestId, Work
from weather.protocol.subscriptions import MOST, MOST_SUBSCRIPTIONS, Subscription, Subscriptions
from weather.tools import KNOWN, LISTING, NAME, TITLE, Result, prepare

SUBSCRIBING = ("resources/subscribe", "resources/unsubscribe")
METHODS = ("initialize", "ping", "tools/list", "tools/call", *resources.METHODS, *SUBSCRIBING)
REQUESTS = {kind.model_fields["method"].default: kind for kind in get_args(types.ClientRequestType)}
NOT_FOUND = -32002


def params(request: Request) -> Any:
    """As the SDK reads them; raises InvalidMessage for what it would answer wrongly, or not at all."""
    if request.method not in METHODS:
        problem = f"Unknown method '{shortened(request.method)}'; there are {', '.join(METHODS)}."
        raise InvalidMessage(METHOD_NOT_FOUND, problem, request.id)
    try:
        read: Any = REQUESTS[request.method].model_validate({"method": request.method, "params": request.params})
    except ValidationError as invalid:
        error = invalid.errors()[0]
        place = ".".join(map(str, error["loc"]))
        wrong = "should be an object" if error["type"] in ("dict_type", "model_type") else error["msg"]
        raise InvalidMessage(INVALID_PARAMS, f"{shortened(place)}: {shortened(wrong)}", request.id) from None
    return read.params


def answered(
    answers: Answers, hub: Subscriptions, request: Request, key: Key | None, transport: str, started: float
) -> str | Work | None:
    """Returns the response if it needs no waiting, else the work that the SDK's handler does; None for the SDK's own.

    `key` is that of a plain call; `started` is a time of `perf_counter`. The work sends notes of progress first.
    Raises InvalidMessage.
    """
    method = request.method
    if method in SUBSCRIBING and transport == "http":
        raise InvalidMessage(METHOD_NOT_FOUND, "Subscribing needs a WebSocket, or a newer revision.", request.id)
    query = None
    if method == "resources/read" and isinstance(request.params.get("uri"), str):
        query = resources.parse(answers, request, NOT_FOUND)
        if ready := answers.lookup(query):
            return messages.result(request.id, resources.contents(request, ready))
    read = params(request)
    match method:
        case "resources/read" if query:
            return partial(_read, answers, request, query)
        case "resources/list" | "resources/templates/list":
            return messages.result(request.id, resources.listed(request))
        case "completion/complete":
            return messages.result(request.id, resources.completed(request))
        case "tools/list":
            if request.params.get("cursor") is not None:
                raise InvalidMessage(INVALID_PARAMS, "There is one page of tools: send no cursor.", request.id)
            return messages.result(request.id, LISTING)
        case "tools/call":
            if read.name not in TAKES:
                why = f"Unknown tool '{shortened(read.name)}'; the tools are {KNOWN}."
                raise InvalidMessage(INVALID_PARAMS, why, request.id)
            found = prepare(answers, read.name, read.arguments or {}, key, transport)
            return reply(answers, request.id, found, transport, started) if isinstance(found, CachedResult) else found
    return None


async def _read(answers: Answers, request: Request, query: Query, _: Notify) -> Result:
    return Result(resources.contents(request, await resources.read(answers, request, query, NOT_FOUND)))


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
