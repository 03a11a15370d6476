"""The command line `weather-client`."""

import argparse
import asyncio
import logging
import os
import re
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any, NoReturn, get_args

from mcp import McpError, types
from pydantic import AnyUrl
from pydantic_core import from_json

from weather import __version__
from weather.client.session import UNANSWERED, Era, Session, connect
from weather.client.transports import Refused, SessionError, parsed
from weather.client.watch import watch

TOOL_ERROR, USAGE, NO_CONNECTION, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130
WATCH, ALERTS, OPTIONS = "watch", "weather://alerts/", re.compile("--[a-z-]+")
AREA = re.compile(f"(?i){ALERTS}([A-Z]{{2}})/?")


class _Misused(ValueError):
    """The server has no such tool, or the tool no such argument."""


CODES = {Refused: REFUSED, SessionError: NO_CONNECTION, _Misused: USAGE}


def _outline(tool: types.Tool) -> str:
    required = tool.inputSchema.get("required", [])
    names = [f"{n}=…" if n in required else f"[{n}=…]" for n in tool.inputSchema.get("properties", {})]
    first_line = (tool.description or "").strip().partition("\n")[0]
    return f"{' '.join([tool.name, *names])}\n    {first_line}"


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    print(message or f"{progress:g}" + (f"/{total:g}" if total else ""), file=sys.stderr)


async def _run(usage: argparse.Namespace) -> int:
    result: types.ListToolsResult | types.CallToolResult
    connected = partial(connect, usage.url, token=usage.token, insecure=usage.insecure, era=usage.era)
    if usage.tool == WATCH:
        await watch(AnyUrl(usage.arguments[0]), connected)
    async with connected() as session:
        if usage.tool is None:
            result = await session.list_tools()
            lines = [_outline(tool) for tool in result.tools]
        else:
            result = await _call(session, usage)
            lines = [b.text if isinstance(b, types.TextContent) else b.model_dump_json() for b in result.content]
    is_error = isinstance(result, types.CallToolResult) and result.isError
    if usage.json:
        lines = [result.model_dump_json(by_alias=True, exclude_none=True, indent=2)]
    print(*lines, sep="\n", file=sys.stderr if is_error and not usage.json else sys.stdout, flush=True)
    return TOOL_ERROR if is_error else 0


async def _call(session: Session, usage: argparse.Namespace) -> types.CallToolResult:
    """Raises McpError and _Misused."""
    try:
        result = await session.call_tool(usage.tool, usage.arguments, progress_callback=_progress)
    except McpError as error:
        if error.error.code == types.INVALID_PARAMS:
            await _check_usage(session, usage)
        raise
    if result.isError:
        await _check_usage(session, usage)
    return result


async def _check_usage(session: Session, usage: argparse.Namespace) -> None:
    """Raises _Misused for an unknown tool or argument; returns where the tools cannot be listed."""
    listed = types.ListToolsResult(tools=[], nextCursor="unknown")
    with suppress(*UNANSWERED):
        listed = await session.list_tools()
    tools = {tool.name: tool.inputSchema.get("properties", {}) for tool in listed.tools}
    if usage.tool not in tools and listed.nextCursor is None:
        raise _Misused(f"The server has no tool {usage.tool}{_nearest(usage.tool, tools)}.")
    known = tools.get(usage.tool, {})
    for name in usage.arguments if known else ():
        if name not in known:
            raise _Misused(
                f"{usage.tool} takes no argument {name}{_nearest(name, known)}: it takes {', '.join(known)}."
            )


def _nearest(word: str, known: Iterable[str]) -> str:
    return "".join(f", but {near}" for near in get_close_matches(word, known, 1))


def _arguments(words: Sequence[str]) -> dict[str, Any]:
    """From words such as `state=CA` and `latitude=38.9`; a value that is no JSON is a string. Raises ValueError."""
    arguments: dict[str, Any] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not name or not equals:
            raise ValueError(f"{word!r} should be name=value, such as state=CA")
        if name in arguments:
            raise ValueError(f"the argument {name} should be given once")
        arguments[name] = value
        with suppress(ValueError):
            arguments[name] = from_json(value, allow_inf_nan=False)
    return arguments


def _token(path: str | None) -> str | None:
    """From the file or MCP_TOKEN, never from the command line, which other users can read. Raises ValueError."""
    try:
        token = (Path(path).read_text() if path else os.environ.get("MCP_TOKEN", "")).strip()
        if (path and not token) or not token.isascii() or any(character.isspace() for character in token):
            raise ValueError("a token is one word in ASCII")
    except (OSError, ValueError) as exc:
        raise ValueError(
            f"{path or 'MCP_TOKEN'} cannot be used as a token: {getattr(exc, 'strerror', None) or exc}"
        ) from None
    return token or None


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"{self.prog}: {message} (--help tells more).\n")


def _usage(argv: Sequence[str] | None) -> argparse.Namespace:
    """Fields: url, tool (None lists the tools), arguments (of WATCH a list with the URI), token, insecure, era, json.

    Exits with USAGE on a wrong command line.
    """
    parser = _Parser(
        prog="weather-client",
        usage="%(prog)s [OPTION ...] URL [TOOL [NAME=VALUE ...]]",
        allow_abbrev=False,
        description="Lists the tools of an MCP server, over WebSocket or HTTP, or calls one and prints its text;"
        f" URL {WATCH} {ALERTS}CA prints the alerts of an area as they come.",
        epilog=f"Exit codes: 0; {TOOL_ERROR} the tool answered with an error; {USAGE} wrong usage;"
        f" {NO_CONNECTION} no connection, or one that broke; {REFUSED} the server refused; {INTERRUPTED} Ctrl-C.",
    )
    parser.add_argument("url", metavar="URL", nargs="?", default="", help="ws://…, wss://…, http://… or https://…")
    parser.add_argument("tool", metavar="TOOL", nargs="?", help="left out, the tools are listed")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", help="as state=CA")
    parser.add_argument("--token-file", metavar="FILE", help="a file with a bearer token; default: $MCP_TOKEN")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")
    parser.add_argument("--era", choices=get_args(Era), help="of the protocol; default: the server's, modern first")
    parser.add_argument("--json", action="store_true", help="print the whole result")
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    usage, unknown = parser.parse_known_intermixed_args(argv)
    try:
        if unknown:
            option = unknown[0].partition("=")[0]
            raise ValueError(f"there is no option {option}{_nearest(option, OPTIONS.findall(parser.format_help()))}")
        if not usage.url:
            raise ValueError("the URL of a server is missing")
        parsed(usage.url)
        usage.token = _token(usage.token_file)
        if usage.tool != WATCH:
            usage.arguments = _arguments(usage.arguments)
        elif usage.json or len(usage.arguments) != 1 or not (area := AREA.fullmatch(usage.arguments[0])):
            raise ValueError(f"watch takes one URI such as {ALERTS}CA, with a code of two letters, and no --json")
        elif usage.arguments != [right := ALERTS + area[1].upper()]:
            raise ValueError(f"{usage.arguments[0]} should be {right}")
    except (SessionError, ValueError) as exc:
        parser.error(getattr(exc, "why", str(exc)))
    return usage


def main(argv: Sequence[str] | None = None) -> int:
    """Returns the exit code."""
    usage = _usage(argv)
    logging.getLogger().addHandler(logging.NullHandler())  # Without one, logging prints the SDK's warnings to stderr.
    if usage.insecure:
        print("Warning: the server's TLS certificate is not checked.", file=sys.stderr)
    try:
        return asyncio.run(_run(usage))
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:  # The reader has left, as `head` does. Python's flush at exit would fail again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except (SessionError, McpError, RuntimeError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return next((code for kind, code in CODES.items() if isinstance(exc, kind)), TOOL_ERROR)
