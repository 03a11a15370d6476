"""The transports of MCP: WebSocket sessions and streamable HTTP."""

from weather.transports import streamable_http
from weather.transports.sessions import Sessions
from weather.transports.websocket import Session

__all__ = ["Session", "Sessions", "streamable_http"]
