"""The command line `weather-client`."""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, get_args

from mcp import McpError, types
from pydantic_core import from_json
from websockets.exceptions import InvalidURI

from weather.client.session import Era, connect
from weather.client.transports import NO_URL, Refused, SessionError, parsed

TOOL_ERROR, USAGE, NO_CONNECTION, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


def _outline(tool: types.Tool) -> str:
    required = tool.inputSchema.get("required", [])
    names = [f"{n}=…" if n in required else f"[{n}=…]" for n in tool.inputSchema.get("properties", {})]
    first_line = (tool.description or "").strip().partition("\n")[0]
    return f"{' '.join([tool.name, *names])}\n    {first_line}"


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    print(message or f"{progress:g}" + (f"/{total:g}" if total else ""), file=sys.stderr)


async def _run(usage: argparse.Namespace) -> int:
    result: types.ListToolsResult | types.CallToolResult
    async with connect(usage.url, token=usage.token, insecure=usage.insecure, era=usage.era) as session:
        if usage.tool is None:
            result = await session.list_tools()
            lines = [_outline(tool) for tool in result.tools]
        else:
            result = await session.call_tool(usage.tool, dict(usage.arguments), progress_callback=_progress)
            lines = [b.text if isinstance(b, types.TextContent) else b.model_dump_json() for b in result.content]
    is_error = isinstance(result, types.CallToolResult) and result.isError
    if usage.json:
        lines = [result.model_dump_json(by_alias=True, exclude_none=True, indent=2)]
    print(*lines, sep="\n", file=sys.stderr if is_error and not usage.json else sys.stdout)
    return TOOL_ERROR if is_error else 0


def _url(text: str) -> str:
    try:
        parsed(text)
    except (InvalidURI, ValueError) as exc:
        raise argparse.ArgumentTypeError(f"{NO_URL}: {getattr(exc, 'msg', exc)}") from None
    return text


def _argument(text: str) -> tuple[str, Any]:
    """`state=CA`, `latitude=38.9`: the value is JSON, or else a string as it stands."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"{text!r} should be name=value, such as state=CA")
    with suppress(ValueError):
        return name, from_json(value, allow_inf_nan=False)
    return name, value


def _token(path: str | None) -> str | None:
    """Never from the command line: other users of the machine can read that. Raises ValueError."""
    token = (Path(path).read_text() if path else os.environ.get("MCP_TOKEN", "")).strip()
    if path and not token:
        raise ValueError("it holds no token")
    if not token.isascii() or any(character.isspace() for character in token):
        raise ValueError("a token is one word in ASCII")
    return token or None


def _usage(argv: Sequence[str] | None) -> argparse.Namespace:
    """url, tool (None to list them), arguments (pairs), token, insecure, era, json."""
    parser = argparse.ArgumentParser(
        prog="weather-client",
        allow_abbrev=False,
        description="Lists the tools of an MCP server, over WebSocket or HTTP, or calls one and prints its text.",
        epilog=f"Exit codes: 0; {TOOL_ERROR} the tool answered with an error; {USAGE} wrong usage;"
        f" {NO_CONNECTION} no connection, or one that broke; {REFUSED} the server refused.",
    )
    parser.add_argument("url", metavar="URL", type=_url, help="ws://…, wss://…, http://… or https://…")
    parser.add_argument("tool", metavar="TOOL", nargs="?", help="left out, the tools are listed")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", default=[], type=_argument, help="as state=CA")
    parser.add_argument("--token-file", metavar="FILE", help="a file with a bearer token; default: $MCP_TOKEN")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")
    parser.add_argument("--era", choices=get_args(Era), help="of the protocol; default: the server's, modern first")
    parser.add_argument("--json", action="store_true", help="print the whole result")
    usage = parser.parse_intermixed_args(argv)
    try:
        usage.token = _token(usage.token_file)
    except (OSError, ValueError) as exc:
        why = "it is not text" if isinstance(exc, UnicodeDecodeError) else getattr(exc, "strerror", None) or exc
        parser.error(f"{usage.token_file or 'MCP_TOKEN'} cannot be used as a token: {why}")
    return usage


def main(argv: Sequence[str] | None = None) -> int:
    usage = _usage(argv)
    if usage.insecure:
        print("Warning: the server's TLS certificate is not checked.", file=sys.stderr)
    try:
        return asyncio.run(_run(usage))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (SessionError, McpError, RuntimeError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return REFUSED if isinstance(exc, Refused) else NO_CONNECTION if isinstance(exc, SessionError) else TOOL_ERROR
