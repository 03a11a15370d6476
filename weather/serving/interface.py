"""What the seam and the application exchange. Imports nothing of hypercorn, which may be an unknown version."""

from __future__ import annotations

from collections.abc import Callable, MutableMapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weather.asgi import Scope
from weather.config import SECONDS

if TYPE_CHECKING:
    from weather.serving.connection import Connection

CONNECTION, HOSTS = "weather.connection", "weather.hosts"


def get_connection(scope: Scope) -> Connection | None:
    """The connection of a request or handshake: an ASGI extension. None under any other server."""
    found: Connection | None = scope.get("extensions", {}).get(CONNECTION)
    return found


def get_hosts(state: MutableMapping[str, Any]) -> list[str] | None:
    """Host names of the bound addresses, from the state of the lifespan; inherited sockets have none.

    None under any other server.
    """
    return state.get(HOSTS)


CachedReply = Callable[[bytes], str | None]
"""Returns the response to a message if it is cached and the client may have it now, else None."""


@dataclass
class Limits:
    """The application sets them at its start. They apply to connections, also before their first request.

    `prepare` returns what answers the bodies that come with the headers of a scope; None if nothing does.
    """

    connections: int = 3000
    send_timeout_s: float = 20 * SECONDS
    prepare: Callable[[Scope], CachedReply | None] | None = None


limits = Limits()
