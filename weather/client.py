"""The example MCP client: `weather-client` on the command line, `connect()` from Python.

Unlike the SDK's `websocket_client` it sends headers, hence a bearer token, and says why it failed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import ssl
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, McpError, types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHeader, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol
from websockets.uri import parse_uri

from weather import __version__

CLOSE_TIMEOUT_S = 2.0
LOOPBACK = ("127.0.0.1", "::1", "localhost")
TOOL_ERROR, USAGE, NO_CONNECTION, REFUSED, INTERRUPTED = 1, 2, 3, 4, 130


@dataclass(eq=False)
class SessionError(Exception):
    """The server cannot be reached or hung up; `url` is told without its secrets."""

    url: str
    why: str

    def __str__(self) -> str:
        place = re.sub(r"//[^/]*@", "//", re.split(r"[?#]", self.url)[0])
        return f"No MCP session with {place}: {self.why}."


class Refused(SessionError):
    """The handshake was answered with an HTTP status other than 101."""


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    insecure: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
) -> AsyncIterator[ClientSession]:
    """An initialized session over WebSocket; `timeout_s` bounds the wait for each answer.

    `insecure` accepts any TLS certificate. Raises SessionError (Refused, when the server answered and said no);
    also when an error that leaves the body came from a closed connection.
    """
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    socket = await _open(url, {**(headers or {}), **bearer}, insecure)
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    client = types.Implementation(name="weather-client", version=__version__)
    try:
        session = ClientSession(incoming, outgoing, timedelta(seconds=timeout_s), client_info=client)
        async with anyio.create_task_group() as tasks, session:
            tasks.start_soon(_receive, socket, received)
            tasks.start_soon(_send, to_send, socket)
            await session.initialize()
            yield session
            tasks.cancel_scope.cancel()
        return
    except BaseExceptionGroup as group:
        failure = _reason(url, socket, group)
    finally:
        with anyio.CancelScope(shield=True):
            await socket.close()
    raise failure


async def _open(url: str, headers: Mapping[str, str], insecure: bool) -> ClientConnection:
    try:
        tls = ssl.create_default_context() if url.lower().startswith("wss:") else None
        if tls and insecure:
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        return await open_websocket(
            url,
            subprotocols=[Subprotocol("mcp")],
            additional_headers=headers,
            ssl=tls,
            proxy=None if parse_uri(url).host in LOOPBACK else True,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except (OSError, WebSocketException, ValueError) as exc:
        raise (Refused if isinstance(exc, InvalidStatus) else SessionError)(url, _why(exc)) from exc


def _why(exc: Exception) -> str:
    match exc:
        case InvalidStatus():
            return f"the handshake was refused with HTTP {exc.response.status_code}{_said(exc.response.body or b'')}"
        case InvalidHeader():  # its text holds the header's value, maybe the token
            return f"the {exc.name} header is not valid"
        case InvalidURI():
            return f"not a WebSocket URL, {exc.msg}"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify, {exc.verify_message} (--insecure skips the check)"
        case OSError() if "Connect call failed" in str(exc):
            return "connection refused, so probably no server is running there"
    return str(exc).rstrip(".") or type(exc).__name__


def _said(body: bytes | bytearray) -> str:
    """The `error` and `message` of a JSON object, after a comma; or nothing."""
    fields: list[object] = []
    with suppress(ValueError, AttributeError):
        fields = [from_json(body).get(name) for name in ("error", "message")]
    said = ": ".join(" ".join(text.split()).rstrip(".") for text in fields if isinstance(text, str))
    return said and f", {said}"


async def _receive(socket: ClientConnection, received: MemoryObjectSendStream[SessionMessage | Exception]) -> None:
    """Until the connection ends, and the session with it. What does not parse is passed over."""
    with received, suppress(ConnectionClosed, anyio.BrokenResourceError):
        async for text in socket:
            with suppress(ValidationError):
                await received.send(SessionMessage(types.JSONRPCMessage.model_validate_json(text)))


async def _send(to_send: MemoryObjectReceiveStream[SessionMessage], socket: ClientConnection) -> None:
    with to_send, suppress(ConnectionClosed):
        async for item in to_send:
            await socket.send(item.message.model_dump_json(by_alias=True, exclude_none=True))


def _reason(url: str, socket: ClientConnection, failure: BaseException) -> BaseException:
    """What the body raised, without its task groups; SessionError where the SDK met a closed connection."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    closed = isinstance(failure, anyio.ClosedResourceError | anyio.BrokenResourceError) or (
        isinstance(failure, McpError) and failure.error.code == types.CONNECTION_CLOSED
    )
    if not closed or socket.close_code is None:
        return failure
    code = f"{socket.close_code} {socket.close_reason or ''}".strip()
    return SessionError(url, f"the connection was closed ({code})")


def _outline(tool: types.Tool) -> str:
    required = tool.inputSchema.get("required", [])
    names = [f"{n}=…" if n in required else f"[{n}=…]" for n in tool.inputSchema.get("properties", {})]
    first_line = (tool.description or "").strip().partition("\n")[0]
    return f"{' '.join([tool.name, *names])}\n    {first_line}"


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    print(message or f"{progress:g}" + (f"/{total:g}" if total else ""), file=sys.stderr)


async def _run(usage: argparse.Namespace) -> int:
    result: types.ListToolsResult | types.CallToolResult
    async with connect(usage.url, token=usage.token, insecure=usage.insecure) as session:
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
        parse_uri(text)
    except (InvalidURI, ValueError) as exc:
        why = getattr(exc, "msg", exc)
        raise argparse.ArgumentTypeError(f"not a WebSocket URL such as wss://example.com/ws: {why}") from None
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
    """url, tool (None to list them), arguments (pairs), token, insecure, json."""
    parser = argparse.ArgumentParser(
        prog="weather-client",
        allow_abbrev=False,
        description="Lists the tools of an MCP server over WebSocket, or calls one and prints its text.",
        epilog=f"Exit codes: 0; {TOOL_ERROR} the tool answered with an error; {USAGE} wrong usage;"
        f" {NO_CONNECTION} no connection, or one that broke; {REFUSED} the server refused the handshake.",
    )
    parser.add_argument("url", metavar="URL", type=_url, help="ws://… or wss://…")
    parser.add_argument("tool", metavar="TOOL", nargs="?", help="left out, the tools are listed")
    parser.add_argument("arguments", metavar="NAME=VALUE", nargs="*", default=[], type=_argument, help="as state=CA")
    parser.add_argument("--token-file", metavar="FILE", help="a file with a bearer token; default: $MCP_TOKEN")
    parser.add_argument("--insecure", action="store_true", help="accept any TLS certificate")
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


if __name__ == "__main__":
    sys.exit(main())
