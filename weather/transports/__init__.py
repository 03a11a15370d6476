"""The transports of MCP: WebSocket sessions and streamable HTTP."""

from weather.transports.sessions import Sessions
from weather.transports.streamable_http import StreamableHTTP
from weather.transports.websocket import Session

__all__ = ["Session", "Sessions", "StreamableHTTP"]
