"""US weather from the National Weather Service as MCP tools."""

__version__ = "1.0.0"
