"""A session of either era (MCP 2026-07-28, versioning): the legacy one shakes hands, the modern one asks at once."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from itertools import count
from typing import Any, Literal, TypeVar

import anyio
import httpx
from httpx_sse import EventSource
from mcp import ClientSession, McpError, types
from mcp.shared.message import MessageMetadata
from mcp.shared.session import ProgressFnT
from pydantic import BaseModel, ValidationError

from weather import __version__
from weather.client.transports import Http, Link, Refused, SessionError, over_http, over_websocket, why

Era = Literal["modern", "legacy"]
R = TypeVar("R", bound=BaseModel)

CLIENT = types.Implementation(name="weather-client", version=__version__)
MODERN = "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientInfo": CLIENT.model_dump(exclude_none=True),
    "io.modelcontextprotocol/clientCapabilities": {},
}
# Of the modern era: headers that mismatch, a missing capability, an unsupported version. And what tells of none.
NOT_LEGACY = (-32020, -32021, -32022, types.CONNECTION_CLOSED, httpx.codes.REQUEST_TIMEOUT)


@asynccontextmanager
async def connect(
    url: str,
    *,
    token: str | None = None,
    insecure: bool = False,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = 60.0,
    era: Era | None = None,
) -> AsyncIterator[ClientSession]:
    """A session over WebSocket or streamable HTTP, ready to be asked; `timeout_s` bounds the wait for each answer.

    `insecure` accepts any TLS certificate. The first answer tells the server's era, unless `era` forces one. Raises
    SessionError (Refused, when the server answered and said no): over HTTP, for any request; also when an error that
    leaves the body came from a closed connection.
    """
    transport = over_http if url.lower().startswith("http") else over_websocket
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        transport(url, {**(headers or {}), **bearer}, insecure) as link,
        _Session(link, timeout_s, era) as session,
    ):
        if era == "legacy":
            await session.initialize()
        yield session


class _Session(ClientSession):
    """The SDK knows the legacy era; requests of the modern one share its WebSocket, and go their own way over HTTP."""

    def __init__(self, link: Link, timeout_s: float, era: Era | None) -> None:
        incoming, outgoing, self._http = link
        self._wait, self._era, self._ids, self._deciding = timedelta(seconds=timeout_s), era, count(), anyio.Lock()
        super().__init__(incoming, outgoing, self._wait, client_info=CLIENT)

    def get_server_capabilities(self) -> types.ServerCapabilities:
        """Tools, while no handshake has told more."""
        return super().get_server_capabilities() or types.ServerCapabilities(tools=types.ToolsCapability())

    async def send_request(
        self,
        request: types.ClientRequest,
        result_type: type[R],
        request_read_timeout_seconds: timedelta | None = None,
        metadata: MessageMetadata = None,
        progress_callback: ProgressFnT | None = None,
    ) -> R:
        wait, ask = request_read_timeout_seconds or self._wait, super().send_request
        if self._era == "legacy" or isinstance(request.root, types.InitializeRequest):
            return await ask(request, result_type, wait, metadata, progress_callback)
        asked = request.model_dump(by_alias=True, mode="json", exclude_none=True)
        asked.setdefault("params", {}).setdefault("_meta", {}).update(META)
        try:
            if self._http is None:
                modern = types.ClientRequest.model_validate(asked)
                answer = await ask(modern, result_type, wait, metadata, progress_callback)
            else:
                with anyio.fail_after(wait.total_seconds()):
                    result = await _post(self._http, next(self._ids), asked, progress_callback)
                answer = result_type.model_validate(result)
            self._era = self._era or "modern"
            return answer
        except TimeoutError:
            late = types.ErrorData(
                code=httpx.codes.REQUEST_TIMEOUT, message=f"Timed out after {wait.total_seconds():g} s"
            )
            raise McpError(late) from None
        except (McpError, Refused) as error:
            await self._fall_back(error)
        return await ask(request, result_type, wait, metadata, progress_callback)

    async def _fall_back(self, error: McpError | Refused) -> None:
        """To the legacy era, if the error is not of the modern one and the server shakes hands; else raises it."""
        async with self._deciding:
            if self._era is None and not (isinstance(error, McpError) and _modern(error.error)):
                with suppress(McpError):
                    await self.initialize()
                    self._era = "legacy"
        if self._era != "legacy":
            raise error


def _modern(error: types.ErrorData) -> bool:
    return error.code in NOT_LEGACY or (error.code == types.INVALID_PARAMS and "_meta" in error.message)


async def _post(http: Http, number: int, asked: dict[str, Any], progress: ProgressFnT | None) -> dict[str, Any]:
    """The result; raises McpError, SessionError. To cancel this is to cancel the request."""
    params = asked["params"]
    if progress:
        params["_meta"]["progressToken"] = number
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": MODERN}
    headers["Mcp-Method"] = asked["method"]
    if name := params.get("name", params.get("uri")):
        headers["Mcp-Name"] = _header(name)
    message = {"jsonrpc": "2.0", "id": number, **asked}
    try:
        async with http.stream("POST", http.url, json=message, headers=headers) as response:
            async for text in _texts(response):
                with suppress(ValidationError):
                    match types.JSONRPCMessage.model_validate_json(text).root:
                        case types.JSONRPCResponse(result=result):
                            return result
                        case types.JSONRPCError(error=error):
                            raise McpError(error)
                        case types.JSONRPCNotification(params=dict(told)) if progress and "progress" in told:
                            await progress(told["progress"], told.get("total"), told.get("message"))
    except httpx.HTTPError as exc:
        raise SessionError(http.url, why(exc)) from exc
    raise SessionError(http.url, "what it sent holds no answer")


async def _texts(response: httpx.Response) -> AsyncIterator[str | bytes]:
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        async for event in EventSource(response).aiter_sse():
            yield event.data
    else:
        yield await response.aread()


def _header(value: str) -> str:
    """As Base64 where it would be no plain header (streamable HTTP, value encoding)."""
    plain = re.fullmatch(r"[!-~]([ -~]*[!-~])?", value) and not re.fullmatch(r"=\?base64\?.*\?=", value)
    return value if plain else f"=?base64?{b64encode(value.encode()).decode()}?="
