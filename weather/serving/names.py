"""The names of hypercorn on which the subclasses depend. None is documented, so each is checked at the start."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import hypercorn.asyncio.run
import hypercorn.protocol
import hypercorn.protocol.h11
import hypercorn.protocol.ws_stream
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol.h11 import H11Protocol
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.protocol.ws_stream import WSStream
from wsproto.extensions import PerMessageDeflate

from weather.serving.connection import Connection, Startup
from weather.serving.http1 import HTTP1, Exchange
from weather.serving.websocket import Deflate, Stream

# A module, the name by which it looks up a class for each connection, hypercorn's class, and ours.
REPLACED: tuple[tuple[Any, str, type, type], ...] = (
    (hypercorn.asyncio.run, "TCPServer", TCPServer, Connection),
    (hypercorn.asyncio.run, "Lifespan", Lifespan, Startup),
    (hypercorn.protocol, "H11Protocol", H11Protocol, HTTP1),
    (hypercorn.protocol.h11, "HTTPStream", HTTPStream, Exchange),
    (hypercorn.protocol.h11, "WSStream", WSStream, Stream),
    (hypercorn.protocol.ws_stream, "PerMessageDeflate", PerMessageDeflate, Deflate),
)


def replace() -> None:
    for module, name, _, ours in REPLACED:
        setattr(module, name, ours)


def first_change() -> str | None:
    """The first name that is not what the table says, or None."""
    for module, name, theirs, ours in REPLACED:
        if getattr(module, name, None) not in (theirs, ours):
            return f"another {module.__name__}.{name}"
        for method, function in vars(ours).items():
            overridden = getattr(theirs, method, None)
            if getattr(function, "__override__", False) and _parameters(overridden) != _parameters(function):
                return f"another {theirs.__module__}.{theirs.__name__}.{method}"
    return None


def _parameters(method: Callable[..., Any] | None) -> list[tuple[str, Any]] | None:
    return method and [(each.name, each.kind) for each in inspect.signature(method).parameters.values()]
