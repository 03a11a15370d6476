"""What the seam and the application tell each other; imports nothing of hypercorn."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from weather.config import SECONDS

if TYPE_CHECKING:
    from weather.serving.tcp import Connection

connection: ContextVar[Connection | None] = ContextVar("connection", default=None)
"""The hypercorn connection that the current task belongs to; None under any other server."""

configuration: ContextVar[Any] = ContextVar("configuration", default=None)
"""hypercorn's, while the lifespan runs; None under any other server."""


@dataclass
class Limits:
    """They hold before the application knows of a request; it sets them at its start."""

    connections: int = 3000
    send_timeout_s: float = 20 * SECONDS


limits = Limits()
