"""MCP apart from its transports: JSON-RPC messages, both eras, resources and subscriptions."""

from weather.protocol.sdk import MCPServer, build_server

__all__ = ["MCPServer", "build_server"]
