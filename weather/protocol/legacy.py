"""The revisions with sessions, 2024-11-05 to 2025-11-25. Over WebSocket, the module `sdk` runs what has to wait."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from msgspec import Struct

from weather import __version__
from weather.answers import Answers
from weather.errors import shortened
from weather.protocol import eras, messages, resources
from weather.protocol.messages import Handler, Implementation, Request
from weather.protocol.subscriptions import MOST, MOST_SUBSCRIPTIONS, Subscription, Subscriptions
from weather.tools import NAME, TITLE, instructions

SUBSCRIBING = ("resources/subscribe", "resources/unsubscribe")


class Task(Struct):
    ttl: int | None = None


class Params(Struct):
    """The SDK accepts whatever these accept."""

    meta: messages.Meta | None = msgspec.field(default=None, name="_meta")
    task: Task | None = None


class InitializeParams(Params, rename="camel", kw_only=True):
    protocol_version: str | int
    capabilities: dict[str, Any]
    client_info: Implementation


class CallParams(Params, kw_only=True):
    name: str
    arguments: dict[str, Any] | None = None


class ResourceParams(Params, kw_only=True):
    uri: str


PARAMS: dict[str, type[Params]] = {
    "initialize": InitializeParams,
    "ping": Params,
    "tools/list": Params,
    "tools/call": CallParams,
    "resources/list": Params,
    "resources/templates/list": Params,
    "resources/read": ResourceParams,
    "completion/complete": Params,
    "resources/subscribe": ResourceParams,
    "resources/unsubscribe": ResourceParams,
}


def answered(answers: Answers, request: Request, transport: str, started: float) -> str | Handler:
    """As `eras.answered`. `subscribed` answers SUBSCRIBING, which over HTTP there is none of."""
    params(request)
    match request.method:
        case "initialize":
            result = _initialized(answers, request, subscribe=transport == "websocket")
            return messages.result(request.id, result)
        case "ping":
            return messages.result(request.id, "{}")
        case method if method in SUBSCRIBING:
            raise request.invalid("Subscribing needs a WebSocket, or a newer revision.", messages.METHOD_NOT_FOUND)
    return eras.answered(answers, request, transport, started)


def params(request: Request) -> Any:
    """Raises InvalidMessage."""
    if request.method not in PARAMS:
        problem = f"Unknown method '{shortened(request.method)}'; there are {', '.join(PARAMS)}."
        raise request.invalid(problem, messages.METHOD_NOT_FOUND)
    try:
        return msgspec.convert(request.params, PARAMS[request.method])
    except msgspec.ValidationError as error:
        raise request.invalid(f"params: {shortened(str(error))}.") from None


def negotiated(request: Request) -> str:
    """The version of a session, from its valid `initialize` (basic/lifecycle, version negotiation)."""
    version: str = request.params["protocolVersion"]
    return version if version in messages.SESSION_VERSIONS else messages.SESSION_VERSIONS[-1]


def _initialized(answers: Answers, request: Request, *, subscribe: bool) -> str:
    """The InitializeResult, byte for byte as the SDK writes it, but for the title."""
    result = {
        "protocolVersion": negotiated(request),
        "capabilities": {
            "experimental": {},
            "resources": {"subscribe": subscribe, "listChanged": False},
            "tools": {"listChanged": False},
            "completions": {},
        },
        "serverInfo": {"name": NAME, "title": TITLE, "version": __version__},
        "instructions": instructions(answers.settings),
    }
    return json.dumps(result, separators=(",", ":"))


def subscribed(
    subscriptions: Subscriptions, own: dict[str, Subscription], request: Request, send: Callable[[str], Awaitable[None]]
) -> str:
    """The response to one of SUBSCRIBING; `own` are the subscriptions of the session, by URI. Raises InvalidMessage."""
    uri = params(request).uri
    area = resources.area(uri)
    if area is None:
        raise resources.unknown(request, f"No such resource: those of {resources.ALERTS} can be subscribed to.")
    if request.method == "resources/unsubscribe":
        if subscription := own.pop(uri, None):
            subscriptions.remove(subscription)
    elif uri not in own:
        if len(own) >= MOST_SUBSCRIPTIONS:
            raise request.invalid(MOST)
        message = messages.notification("resources/updated", {"uri": uri})
        own[uri] = Subscription(area, message, send)
        subscriptions.add(own[uri])
    return messages.result(request.id, "{}")
