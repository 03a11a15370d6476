"""The transports of a session, WebSocket and streamable HTTP, and their errors as one sentence each.

Unlike the SDK's `websocket_client`, this one sends headers, so also a bearer token.
"""

import re
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import httpx
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp import types
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.message import SessionMessage
from pydantic import ValidationError
from pydantic_core import from_json, to_json
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed, InvalidHeader, InvalidStatus, InvalidURI, WebSocketException
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

CONNECT_TIMEOUT_S, CLOSE_TIMEOUT_S = 10.0, 2.0
NO_URL = "not a URL such as wss://example.com/ws or https://example.com/mcp"
NO_TLS = ("WRONG_VERSION_NUMBER", "RECORD_LAYER_FAILURE")
LOOPBACK = ("127.0.0.1", "::1", "localhost")
VERSION = "io.modelcontextprotocol/protocolVersion"
LOST, REFUSED = types.CONNECTION_CLOSED, -1  # codes of errors that stand for a SessionError

Link = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


@dataclass(eq=False)
class SessionError(Exception):
    """The server cannot be reached, or closed the connection.

    The text shows `url` without user, password, query and fragment. `status` is the HTTP status, 0 if none came.
    """

    url: str
    why: str
    status: int = 0

    def __str__(self) -> str:
        place = re.sub(r"//[^/]*@", "//", re.split(r"[?#]", self.url)[0])
        return f"No MCP session with {place}: {self.why}."


class Refused(SessionError):
    """The server answered a handshake with a status other than 101, or a request with an error status."""


def parsed(url: str) -> WebSocketURI:
    """Parses a ws, wss, http or https URL; raises SessionError."""
    try:
        if not re.match("(?i)(ws|http)s?:", url):
            raise InvalidURI(url, "scheme isn't ws, wss, http or https")
        return parse_uri(re.sub("(?i)^http", "ws", url))
    except (InvalidURI, ValueError) as exc:
        raise SessionError(url, f"{NO_URL}: {getattr(exc, 'msg', exc)}") from None


class Http(httpx.AsyncClient):
    """Adds the headers of 2026-07-28 to each POST, and answers each failed one with a JSON-RPC error.

    The SDK's transport would leave the caller of a failed request waiting. `notifications/cancelled` closes the POST of
    the request as well: without a session, that is what cancels it (2026-07-28, basic/transports).
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._pending: dict[object, anyio.CancelScope] = {}
        self._streams: dict[object, httpx.Response] = {}

    async def send(self, request: httpx.Request, **options: Any) -> httpx.Response:
        if request.method != "POST":
            return await super().send(request, **options)
        asked = from_json(request.content)
        request.headers.update(_headers(asked))
        if asked.get("method") == "notifications/cancelled":
            await self._close(asked["params"]["requestId"])
        if "id" not in asked:
            return await self._post(request, asked, options)
        with anyio.CancelScope() as self._pending[asked["id"]]:
            try:
                return await self._post(request, asked, options)
            finally:
                del self._pending[asked["id"]]
        return httpx.Response(httpx.codes.ACCEPTED, request=request)

    async def _close(self, request_id: object) -> None:
        if pending := self._pending.get(request_id):
            pending.cancel()
        if stream := self._streams.pop(request_id, None):
            await stream.aclose()

    async def _post(self, request: httpx.Request, asked: Any, options: dict[str, Any]) -> httpx.Response:
        error = types.ErrorData(code=LOST, message="what it sent holds no answer")
        try:
            response = await super().send(request, **options)
            kind = response.headers.get("content-type", "")
            if response.is_success and kind.startswith("text/event-stream"):
                headers = {name: value for name, value in response.headers.items() if name != "content-encoding"}
                self._streams[asked.get("id")] = response
                events = self._ended(response, asked, _error(asked, error))
                return httpx.Response(200, headers=headers, content=events, request=request)
            body = await response.aread()
            if response.status_code == httpx.codes.ACCEPTED or (response.is_success and "json" in kind):
                return response
            if not response.is_success:
                why_not = _refusal("request", response.status_code, body)
                error = types.ErrorData(code=REFUSED, message=why_not, data=response.status_code)
                with suppress(ValidationError):
                    error = types.JSONRPCError.model_validate_json(body).error
        except httpx.HTTPError as exc:
            error = types.ErrorData(code=LOST, message=why(exc))
        return httpx.Response(200, json=_error(asked, error), request=request)

    async def _ended(
        self, response: httpx.Response, asked: dict[str, Any], error: dict[str, Any]
    ) -> AsyncIterator[bytes]:
        """The event stream, with `error` as its last event: the SDK reads that only if no response came before it."""
        try:
            with suppress(httpx.HTTPError, httpx.StreamError):
                async for chunk in response.aiter_bytes():
                    yield chunk
            yield b"\n\ndata: " + to_json(error) + b"\n\n"
        finally:
            self._streams.pop(asked.get("id"), None)
            await response.aclose()


def _error(asked: dict[str, Any], error: types.ErrorData) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": asked.get("id", 0), "error": error.model_dump(exclude_none=True)}


def _headers(asked: dict[str, Any]) -> dict[str, str]:
    """The headers of 2026-07-28; names beyond plain ASCII go as Base64 (MCP streamable HTTP, value encoding)."""
    params = asked.get("params") or {}
    version = params.get("_meta", {}).get(VERSION)
    if version is None:
        return {}
    name = params.get("name", params.get("uri", "-"))
    plain = re.fullmatch(r"[\w:/.,-]+", name, re.ASCII)
    coded = name if plain else f"=?base64?{b64encode(name.encode()).decode()}?="
    return {"MCP-Protocol-Version": version, "Mcp-Method": asked["method"], "Mcp-Name": coded}


@asynccontextmanager
async def over_http(url: str, headers: Mapping[str, str], insecure: bool) -> AsyncIterator[Link]:
    direct, timeout = parsed(url).host in LOOPBACK, httpx.Timeout(None, connect=CONNECT_TIMEOUT_S)
    try:
        http = Http(headers=headers, verify=_tls(insecure), trust_env=not direct, timeout=timeout)
    except ValueError as exc:
        raise SessionError(url, why(exc)) from exc
    async with http, streamable_http_client(url, http_client=http) as (incoming, outgoing, _):
        yield incoming, outgoing


@asynccontextmanager
async def over_websocket(url: str, headers: Mapping[str, str], insecure: bool) -> AsyncIterator[Link]:
    uri = parsed(url)
    try:
        socket = await open_websocket(
            url,
            subprotocols=[Subprotocol("mcp")],
            additional_headers=headers,
            ssl=_tls(insecure) if uri.secure else None,
            proxy=None if uri.host in LOOPBACK else True,
            open_timeout=CONNECT_TIMEOUT_S,
            close_timeout=CLOSE_TIMEOUT_S,
        )
    except InvalidStatus as exc:
        raise Refused(url, why(exc), exc.response.status_code) from exc
    except (OSError, WebSocketException, ValueError) as exc:
        raise SessionError(url, why(exc)) from exc
    received, incoming = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    outgoing, to_send = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_receive, url, socket, received)
            tasks.start_soon(_send, to_send, socket)
            yield incoming, outgoing
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await socket.close()


async def _receive(url: str, socket: ClientConnection, received: MemoryObjectSendStream[Any]) -> None:
    """Passes messages on, drops those that do not parse, and ends with a SessionError when the connection closes."""
    with received, suppress(anyio.BrokenResourceError):
        with suppress(ConnectionClosed):
            async for text in socket:
                with suppress(ValidationError):
                    await received.send(SessionMessage(types.JSONRPCMessage.model_validate_json(text)))
        code = f"{socket.close_code} {socket.close_reason or ''}".strip()
        await received.send(SessionError(url, f"the connection was closed ({code})"))


async def _send(to_send: MemoryObjectReceiveStream[SessionMessage], socket: ClientConnection) -> None:
    with to_send, suppress(ConnectionClosed):
        async for item in to_send:
            await socket.send(item.message.model_dump_json(by_alias=True, exclude_none=True))


def _tls(insecure: bool) -> ssl.SSLContext:
    tls = ssl.create_default_context()
    if insecure:
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    return tls


def why(exc: BaseException) -> str:
    """The cause as part of a sentence, without a full stop."""
    if isinstance(exc, httpx.ConnectError) and exc.__cause__:  # httpcore's, with anyio's or ssl's in its args
        exc = next((held.__cause__ or held for held in exc.__cause__.args if isinstance(held, OSError)), exc)
    match exc:
        case InvalidStatus():
            return _refusal("handshake", exc.response.status_code, exc.response.body or b"")
        case InvalidHeader() | httpx.LocalProtocolError():  # Its text may hold the header's value, so the token.
            return "a header is not valid"
        case ssl.SSLCertVerificationError():
            return f"its certificate does not verify, {exc.verify_message} (--insecure skips the check)"
        case ssl.SSLError(reason=reason) if reason in NO_TLS:
            return "no TLS is spoken there, so the URL should begin with ws:// or http://"
        case OSError() | ExceptionGroup() if "Connect call failed" in repr(exc):
            return "connection refused, so probably no server is running there"
    return str(exc).rstrip(".") or type(exc).__name__


def _refusal(what: str, status: int, body: bytes | bytearray) -> str:
    """Adds the `error` and `message` of a JSON object to the status, or those in the `data` of a JSON-RPC error."""
    fields: list[object] = []
    with suppress(ValueError, AttributeError):
        refusal = from_json(body)
        if isinstance(refusal.get("error"), dict):
            refusal = refusal["error"].get("data")
        fields = [refusal.get(name) for name in ("error", "message")]
    parts = ["", *(" ".join(text.split()).rstrip(".") for text in fields if isinstance(text, str))]
    hint = " (a token comes from --token-file or MCP_TOKEN)" if status == httpx.codes.UNAUTHORIZED else ""
    detail = ", ".join(parts[:2]) + "".join(f": {text}" for text in parts[2:])
    return f"the {what} was refused with HTTP {status}{detail}{hint}"
