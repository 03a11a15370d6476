"""Over what a session goes, WebSocket or streamable HTTP.

Unlike the SDK's `websocket_client` it sends headers, hence a bearer token, and says why it failed.
"""

from __future__ import annotations

import re
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import McpError, types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHeader, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

CONNECT_TIMEOUT_S, CLOSE_TIMEOUT_S = 10.0, 2.0
NO_URL = "not a URL such as wss://example.com/ws or https://example.com/mcp"
LOOPBACK = ("127.0.0.1", "::1", "localhost")


@dataclass(eq=False)
class SessionError(Exception):
    """The server cannot be reached or hung up; `url` is told without its secrets."""

    url: str
    why: str

    def __str__(self) -> str:
        place = re.sub(r"//[^/]*@", "//", re.split(r"[?#]", self.url)[0])
        return f"No MCP session with {place}: {self.why}."


class Refused(SessionError):
    """The handshake was answered with an HTTP status other than 101, or a request with none of success."""


class Http(httpx.AsyncClient):
    """Where a message is not taken, it raises SessionError, Refused, or the McpError that the server tells."""

    def __init__(self, url: str, headers: Mapping[str, str], insecure: bool) -> None:
        self.url, direct = url, httpx.URL(url).host in LOOPBACK
        timeout = httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
        super().__init__(headers=headers, verify=_tls(insecure), trust_env=not direct, timeout=timeout)

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        try:
            response = await super().send(request, **options)
            if request.method != "POST" or response.is_success:
                return response
            body = await response.aread()
        except httpx.HTTPError as exc:
            raise SessionError(self.url, why(exc)) from exc
        if response.status_code in (400, 404):
            with suppress(ValidationError):
                raise McpError(types.JSONRPCError.model_validate_json(body).error)
        raise Refused(self.url, f"the request was refused with HTTP {response.status_code}{_said(body)}")


Link = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage], Http | None]


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str], insecure: bool) -> AsyncIterator[Link]:
    try:
        http = Http(url, headers, insecure)
    except (httpx.InvalidURL, ValueError) as exc:
        raise SessionError(url, why(exc)) from exc
    try:
        async with http, streamable_http_client(url, http_client=http) as (incoming, outgoing, _):
            yield incoming, outgoing, http
        return
    except BaseExceptionGroup as group:
        failure = _innermost(group)
    raise failure


@asynccontextmanager
async def over_websocket(url: str, headers: Mapping[str, str], insecure: bool) -> AsyncIterator[Link]:
    socket = await _open(url, headers, insecure)
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, socket, received)
            tasks.start_soon(_send, to_send, socket)
            yield incoming, outgoing, None
            tasks.cancel_scope.cancel()
        return
    except BaseExceptionGroup as group:
        failure = _reason(url, socket, _innermost(group))
    finally:
        with anyio.CancelScope(shield=True):
            await socket.close()
    raise failure


async def _open(url: str, headers: Mapping[str, str], insecure: bool) -> ClientConnection:
    try:
        uri = parsed(url)
        return await open_websocket(
            url,
            subprotocols=[Subprotocol("mcp")],
            additional_headers=headers,
            ssl=_tls(insecure) if uri.secure else None,
            proxy=None if uri.host in LOOPBACK else True,
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except (OSError, WebSocketException, ValueError) as exc:
        raise (Refused if isinstance(exc, InvalidStatus) else SessionError)(url, why(exc)) from exc


def parsed(url: str) -> WebSocketURI:
    """Of any of the four schemes; raises InvalidURI, ValueError."""
    if not re.match("(?i)(ws|http)s?:", url):
        raise InvalidURI(url, "scheme isn't ws, wss, http or https")
    return parse_uri(re.sub("(?i)^http", "ws", url))


def _tls(insecure: bool) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if insecure:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def why(exc: BaseException) -> str:
    if isinstance(exc, httpx.ConnectError) and exc.__cause__:  # that is httpcore's, and holds anyio's or ssl's
        exc = next((held.__cause__ or held for held in exc.__cause__.args if isinstance(held, OSError)), exc)
    match exc:
        case InvalidStatus():
            return f"the handshake was refused with HTTP {exc.response.status_code}{_said(exc.response.body or b'')}"
        case InvalidHeader():  # its text holds the header's value, maybe the token
            return f"the {exc.name} header is not valid"
        case httpx.LocalProtocolError():
            return "a header is not valid"
        case InvalidURI():
            return f"{NO_URL}: {exc.msg}"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify, {exc.verify_message} (--insecure skips the check)"
        case OSError() | ExceptionGroup() if "Connect call failed" in repr(exc):
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


def _innermost(failure: BaseException) -> BaseException:
    """What the body raised, without its task groups."""
    while isinstance(failure, BaseExceptionGroup) and len(failure.exceptions) == 1:
        failure = failure.exceptions[0]
    return failure


def _reason(url: str, socket: ClientConnection, failure: BaseException) -> BaseException:
    """SessionError where the SDK met a closed connection."""
    closed = isinstance(failure, anyio.ClosedResourceError | anyio.BrokenResourceError) or (
        isinstance(failure, McpError) and failure.error.code == types.CONNECTION_CLOSED
    )
    if not closed or socket.close_code is None:
        return failure
    code = f"{socket.close_code} {socket.close_reason or ''}".strip()
    return SessionError(url, f"the connection was closed ({code})")
