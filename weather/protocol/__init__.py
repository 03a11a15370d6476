"""What is said, whatever it travels on: JSON-RPC, both eras of MCP, resources and subscriptions."""

from weather.protocol.legacy import build_server

__all__ = ["build_server"]
