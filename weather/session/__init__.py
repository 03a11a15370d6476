"""Who may come in, and what is said, over a WebSocket and over HTTP."""

from weather.session.access import (
    ENDPOINT,
    MCP,
    PROTECTED_RESOURCES,
    SUBPROTOCOL,
    Access,
    Admission,
    Scope,
    check_host_and_origin,
)
from weather.session.http import Answer, refused, respond
from weather.session.legacy import build_server
from weather.session.screen import Receive, Send
from weather.session.session import Session
from weather.session.sessions import Sessions
from weather.session.streamable import mcp

__all__ = ["ENDPOINT", "MCP", "PROTECTED_RESOURCES", "SUBPROTOCOL", "Access", "Admission", "Answer"]
__all__ += ["Receive", "Scope", "Send", "Session", "Sessions", "build_server", "check_host_and_origin"]
__all__ += ["mcp", "refused", "respond"]
