"""The example MCP client: `weather-client` on the command line, `connect()` from Python.

Unlike the SDK's `websocket_client` it sends headers, hence a bearer token, and says why it failed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import ClientSession, McpError, types
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHeader, InvalidStatus, InvalidURI
from websockets.exceptions import WebSocketException as WebSocketError
from websockets.typing import Subprotocol

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]
DEFAULT_URL = "ws://127.0.0.1:8080/ws"
CLOSE_TIMEOUT_S = 2.0
TOOL_ARGUMENTS = {"latitude", "longitude", "state", "limit"}


class SessionError(Exception):
    """The server cannot be reached, refused the handshake or hung up; `url` is told without its secrets."""

    def __init__(self, url: str, why: str) -> None:
        super().__init__(url, why)
        self.url, self.why = url, why

    def __str__(self) -> str:
        place = re.sub(r"//[^/]*@", "//", re.split(r"[?#]", self.url)[0])
        return f"No MCP session with {place}: {self.why}."


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

    `insecure` accepts any TLS certificate. Raises SessionError; also when an error that
    leaves the body came from a closed connection.
    """
    socket = await _open(url, token, insecure, headers)
    try:
        timeout = timedelta(seconds=timeout_s)
        async with _streams(socket) as streams, ClientSession(*streams, timeout) as session:
            await session.initialize()
            yield session
        return
    except BaseExceptionGroup as group:
        failure = _reason(url, socket, group)
    finally:
        with anyio.CancelScope(shield=True):
            await socket.close()
    raise failure


async def _open(url: str, token: str | None, insecure: bool, headers: Mapping[str, str] | None) -> ClientConnection:
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        return await open_websocket(
            url,
            subprotocols=[Subprotocol("mcp")],
            additional_headers={**(headers or {}), **bearer},
            ssl=_tls(insecure) if url.lower().startswith("wss:") else None,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except (OSError, WebSocketError, ValueError) as exc:
        raise SessionError(url, _why(exc)) from exc


def _tls(insecure: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _why(exc: Exception) -> str:
    match exc:
        case InvalidStatus():
            return _refusal(exc.response.status_code, exc.response.body or b"")
        case InvalidHeader():  # its text holds the header's value, maybe the token
            return f"the {exc.name} header is not valid"
        case InvalidURI():
            return f"not a WebSocket URL, {exc.msg}"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify, {exc.verify_message} (--insecure skips the check)"
        case OSError() if "Connect call failed" in str(exc):
            return "connection refused, so probably no server is running there"
    return str(exc).rstrip(".") or type(exc).__name__


def _refusal(status: int, body: bytes | bytearray) -> str:
    answer: Any = None
    with suppress(ValueError):
        answer = json.loads(body)
    fields = [answer.get("error"), answer.get("message")] if isinstance(answer, dict) else []
    said = ": ".join(" ".join(text.split()).rstrip(".") for text in fields if isinstance(text, str))
    return f"the handshake was refused with HTTP {status}" + (f", {said}" if said else "")


@asynccontextmanager
async def _streams(socket: ClientConnection) -> AsyncIterator[Streams]:
    """What ClientSession reads from and writes to; the first ends when the connection does."""
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)

    async def receive() -> None:
        with received, suppress(ConnectionClosed, anyio.BrokenResourceError):
            async for text in socket:
                await received.send(_parse(text))

    async def send() -> None:
        with to_send, suppress(ConnectionClosed):
            async for item in to_send:
                await socket.send(item.message.model_dump_json(by_alias=True, exclude_none=True))

    with received, incoming, outgoing, to_send:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(receive)
            tasks.start_soon(send)
            yield incoming, outgoing
            tasks.cancel_scope.cancel()


def _parse(text: str | bytes) -> SessionMessage | Exception:
    try:
        return SessionMessage(types.JSONRPCMessage.model_validate_json(text))
    except ValidationError as exc:
        return exc


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


def _text(result: types.CallToolResult) -> str:
    blocks = result.content
    return "\n".join(b.text if isinstance(b, types.TextContent) else b.model_dump_json() for b in blocks)


def _outline(tool: types.Tool) -> str:
    required = tool.inputSchema.get("required", [])
    names = [n if n in required else f"[{n}]" for n in tool.inputSchema.get("properties", {})]
    first_line = (tool.description or "").strip().partition("\n")[0]
    return f"{tool.name}({', '.join(names)})  {tool.title or ''}".rstrip() + f"\n    {first_line}"


async def _progress(progress: float, total: float | None, message: str | None) -> None:
    share = f"{progress:g}" + (f"/{total:g}" if total else "")
    print(f"{share} {message or ''}".rstrip(), file=sys.stderr)


async def _ask(session: ClientSession, args: argparse.Namespace) -> tuple[str, Any, bool]:
    """Text, the same as JSON, and whether it is an error."""
    if args.command == "tools":
        tools = (await session.list_tools()).tools
        data = [tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools]
        return "\n".join(map(_outline, tools)), data, False
    if args.command == "ping":
        start = time.perf_counter()
        await session.send_ping()
        ms = (time.perf_counter() - start) * 1000
        return f"{ms:.1f} ms", {"ms": round(ms, 3)}, False
    arguments = {name: value for name, value in vars(args).items() if name in TOOL_ARGUMENTS}
    result = await session.call_tool(args.tool, getattr(args, "arguments", arguments), progress_callback=_progress)
    return _text(result), result.structuredContent, result.isError


async def _run(args: argparse.Namespace) -> int:
    async with connect(args.url, token=args.token, insecure=args.insecure) as session:
        text, data, is_error = await _ask(session, args)
    if is_error:
        print(text, file=sys.stderr)
    else:
        print(json.dumps(data, indent=2, ensure_ascii=False) if args.json else text)
    return int(is_error)


def _json_object(text: str) -> dict[str, Any]:
    with suppress(ValueError):
        if isinstance(value := json.loads(text), dict):
            return value
    raise argparse.ArgumentTypeError("must be a JSON object")


def _options() -> argparse.ArgumentParser:
    """Valid before and after the command; without defaults, lest the second place undo the first."""
    options = argparse.ArgumentParser(add_help=False, argument_default=argparse.SUPPRESS)
    options.add_argument("--url", help=f"default: $MCP_URL, else {DEFAULT_URL}")
    options.add_argument("--token", help="bearer token; default: $MCP_TOKEN")
    options.add_argument("--insecure", action="store_true", help="accept any TLS certificate")
    options.add_argument("--json", action="store_true", help="print the structured content")
    return options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="weather-client", parents=[_options()])
    commands = parser.add_subparsers(dest="command", required=True)

    def command(name: str, summary: str, **defaults: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, parents=[_options()], argument_default=argparse.SUPPRESS)
        added.set_defaults(**defaults)
        return added

    command("tools", "what the server offers")
    command("ping", "the round trip in milliseconds")
    for name, summary in [("weather", "the weather now"), ("forecast", "the coming days")]:
        place = command(name, summary, tool=f"get-{name}")
        place.add_argument("latitude", type=float)
        place.add_argument("longitude", type=float)
    alerts = command("alerts", "warnings in force", tool="get-alerts")
    alerts.add_argument("state")
    alerts.add_argument("--limit", type=int)
    call = command("call", "any tool")
    call.add_argument("tool")
    call.add_argument("arguments", type=_json_object, help="a JSON object")
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Exit codes: 0, 1 for an answer that is an error, 2 for no session, 130 for Ctrl-C."""
    env = os.environ
    given = argparse.Namespace(url=env.get("MCP_URL") or DEFAULT_URL, token=env.get("MCP_TOKEN"))
    given.insecure = given.json = False
    try:
        return asyncio.run(_run(_parser().parse_args(argv, given)))
    except KeyboardInterrupt:
        return 130
    except SessionError as exc:
        print(exc, file=sys.stderr)
        return 2
    except (McpError, RuntimeError, ValueError) as exc:
        print(exc, file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
