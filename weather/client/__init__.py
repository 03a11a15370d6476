"""The example MCP client: `weather-client` on the command line, `connect()` from Python."""

from weather.client.command import main
from weather.client.session import connect
from weather.client.transports import Refused, SessionError

__all__ = ["Refused", "SessionError", "connect", "main"]
