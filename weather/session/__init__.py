"""Who may come in, and what is said: one WebSocket is one MCP session."""

from weather.session.access import ENDPOINT, SUBPROTOCOL, Access, Admission, check_host_and_origin
from weather.session.http import Answer, refused, respond
from weather.session.screen import Receive, Scope, Send
from weather.session.session import Session, build_server
from weather.session.sessions import Sessions

__all__ = [
    "ENDPOINT",
    "SUBPROTOCOL",
    "Access",
    "Admission",
    "Answer",
    "Receive",
    "Scope",
    "Send",
    "Session",
    "Sessions",
    "build_server",
    "check_host_and_origin",
    "refused",
    "respond",
]
