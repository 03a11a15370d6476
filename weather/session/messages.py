"""Which messages are JSON-RPC 2.0 as MCP has it (2025-11-25, basic), and what is wrong with the others."""

from __future__ import annotations

import json
from typing import Any

from mcp import types
from pydantic import BaseModel, ValidationError

from weather.questions import shortened

RequestId = str | int

REQUESTS: dict[str, type[BaseModel]] = {
    "initialize": types.InitializeRequest,
    "ping": types.PingRequest,
    "tools/list": types.ListToolsRequest,
    "tools/call": types.CallToolRequest,
}


def finite(message: dict[str, Any]) -> bool:
    """False with numbers beyond a float, such as 1e999, which pydantic_core reads as infinite."""
    try:
        json.dumps(message, allow_nan=False)
    except ValueError:
        return False
    return True


def is_id(value: object) -> bool:
    """A string or an integer (MCP 2025-11-25, basic: requests)."""
    return isinstance(value, str) or (isinstance(value, int) and not isinstance(value, bool))


def usable_id(message: object) -> RequestId | None:
    request_id = message.get("id") if isinstance(message, dict) else None
    return request_id if is_id(request_id) else None


def problem(message: object) -> str | None:
    """Why it is no JSON-RPC 2.0 message, if it is none."""
    if not isinstance(message, dict):
        return "A message is one JSON object; MCP has no batches."
    if message.get("jsonrpc") != "2.0":
        return 'A message has the member "jsonrpc": "2.0".'
    return _shape_problem(message)


def _shape_problem(message: dict[str, Any]) -> str | None:
    if "id" in message and not is_id(message["id"]) and "method" in message:
        return "An id is a string or an integer."
    if "method" not in message:
        is_response = ("result" in message) != ("error" in message)
        return None if is_response else "A message has a method, or a result, or an error."
    if not isinstance(message["method"], str):
        return "A method is a string."
    if not isinstance(message.get("params"), dict | None):
        return "The params are an object, or left out."
    if "result" in message or "error" in message:
        return "A message has a method, or a result, or an error: one of them."
    return None


def wrong_params(message: dict[str, Any]) -> str | None:
    try:
        REQUESTS[message["method"]].model_validate({"method": message["method"], "params": message.get("params")})
    except ValidationError as invalid:
        error = invalid.errors()[0]
        place = ".".join(map(str, error["loc"]))
        wrong = "should be an object" if error["type"] in ("dict_type", "model_type") else error["msg"]
        return f"{shortened(place)}: {shortened(wrong)}"
    return None
