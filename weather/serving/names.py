"""The names of hypercorn on which the subclasses depend. None is documented, so each is checked at the start."""

import inspect
from collections.abc import Callable
from typing import Any

import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h11
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import Handshake, WSStream

from weather.serving.connection import Connection, Startup
from weather.serving.http1 import HTTP1, Exchange
from weather.serving.websocket import Stream

# A module, the name by which it looks up a class for each connection, hypercorn's class, and ours.
REPLACED: tuple[tuple[Any, str, type, type], ...] = (
    (hypercorn.asyncio.run, "TCPServer", TCPServer, Connection),
    (hypercorn.asyncio.run, "Lifespan", Lifespan, Startup),
    (hypercorn.protocol, "H11Protocol", H11Protocol, HTTP1),
    (hypercorn.protocol.h11, "HTTPStream", HTTPStream, Exchange),
    (hypercorn.protocol.h11, "WSStream", WSStream, Stream),
)
# What ours use of hypercorn's, besides the methods that they override.
USED: dict[type, str] = {
    TCPServer: "app config context idle_task loop protocol reader writer",
    H11Protocol: "app can_read config connection context keep_alive_requests send server stream"
    " _close_stream _send_error_response _send_h11_event",
    HTTPStream: "app_put send state stream_id",
    WSStream: "app app_put closed config handshake scope send start_time state stream_id task_group",
    Handshake: "accepted key",
}


def replace() -> None:
    for module, name, _, ours in REPLACED:
        setattr(module, name, ours)


def first_change() -> str | None:
    """The first name that is not what the tables say, or None."""
    for module, name, theirs, ours in REPLACED:
        if getattr(module, name, None) not in (theirs, ours):
            return f"another {module.__name__}.{name}"
        for method, function in vars(ours).items():
            overridden = getattr(theirs, method, None)
            if getattr(function, "__override__", False) and _parameters(overridden) != _parameters(function):
                return f"another {theirs.__module__}.{theirs.__name__}.{method}"
    for theirs, names in USED.items():
        for name in sorted(set(names.split()) - _names(theirs)):
            return f"no {theirs.__module__}.{theirs.__name__}.{name}"
    return None


def _parameters(method: Callable[..., Any] | None) -> list[tuple[str, Any]] | None:
    return method and [(each.name, each.kind) for each in inspect.signature(method).parameters.values()]


def _names(theirs: type) -> set[str]:
    """Methods of a class, and every attribute that they mention."""
    methods = [method for method in vars(theirs).values() if inspect.isfunction(method)]
    return {*vars(theirs), *(name for method in methods for name in method.__code__.co_names)}
