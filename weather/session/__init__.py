"""Who may come in, and what is said: one WebSocket is one MCP session."""

from weather.session.access import ENDPOINT, SUBPROTOCOL, Access, Admission
from weather.session.screen import Receive, Scope, Send
from weather.session.session import Session, build_server
from weather.session.sessions import Sessions

__all__ = [
    "ENDPOINT",
    "SUBPROTOCOL",
    "Access",
    "Admission",
    "Receive",
    "Scope",
    "Send",
    "Session",
    "Sessions",
    "build_server",
]
