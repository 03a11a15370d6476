"""Who may come in, and what is said: one WebSocket is one MCP session."""
