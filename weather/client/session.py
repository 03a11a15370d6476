"""A session of either era (MCP 2026-07-28, versioning): the legacy one shakes hands, the modern one asks at once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any, Literal, TypeVar

import anyio
import httpx
from mcp import ClientSession, McpError, types
from mcp.shared.message import MessageMetadata
from mcp.shared.session import ProgressFnT
from pydantic import AnyUrl, BaseModel, RootModel

from weather import __version__
from weather.client.transports import LOST, REFUSED, VERSION, Link, Refused, SessionError, over_http, over_websocket

Era = Literal["modern", "legacy"]
R = TypeVar("R", bound=BaseModel)
Acknowledged = types.Notification[dict[str, Any], Literal["notifications/subscriptions/acknowledged"]]
Notified = RootModel[types.ServerNotificationType | Acknowledged]

CLIENT = types.Implementation(name="weather-client", version=__version__)
META = {
    VERSION: "2026-07-28",
    "io.modelcontextprotocol/clientInfo": CLIENT.model_dump(exclude_none=True),
    "io.modelcontextprotocol/clientCapabilities": {},
}
# What tells of no era: no answer. And of the modern one: headers that mismatch, no capability, no such version.
NOT_LEGACY = (LOST, httpx.codes.REQUEST_TIMEOUT, -32020, -32021, -32022)
FOREVER = timedelta(days=365)
UNANSWERED = (McpError, anyio.ClosedResourceError, anyio.BrokenResourceError)


@asynccontextmanager
async def connect(
    url: str, *, token: str | None = None, insecure: bool = False, timeout_s: float = 60.0, era: Era | None = None
) -> AsyncIterator[Session]:
    """A session over WebSocket or streamable HTTP, ready to be asked; `timeout_s` bounds the wait for each answer.

    `insecure` accepts any TLS certificate. The first answer tells the server's era, unless `era` forces one. Raises
    SessionError (Refused, when the server answered and said no), also when an error that leaves the body came from a
    connection that failed; of several errors at once, the first.
    """
    transport = over_http if url.lower().startswith("http") else over_websocket
    bearer = {"Authorization": f"Bearer {token}"} if token else {}
    session = None
    try:
        async with transport(url, bearer, insecure) as link, Session(link, url, timeout_s, era) as session:
            if era == "legacy":
                await session.initialize()
            yield session
        return
    except BaseExceptionGroup as group:
        failure: BaseException = group
    while isinstance(failure, BaseExceptionGroup):
        failure = failure.exceptions[0]
    raise session.reason(failure) if session else failure


class Session(ClientSession):
    """The SDK's, which knows the legacy era; `heard` is set when something has come that nobody asked for."""

    def __init__(self, link: Link, url: str, timeout_s: float, era: Era | None) -> None:
        self._url, self._era, self._deciding = url, era, anyio.Lock()
        self._lost: SessionError | None = None
        self._acknowledged: list[Any] | None = None
        self.heard = asyncio.Event()
        super().__init__(*link, timedelta(seconds=timeout_s), message_handler=self._hear, client_info=CLIENT)
        self._receive_notification_type: Any = Notified

    async def _hear(self, message: object) -> None:
        match message:
            case SessionError():
                self._lost = message
            case RootModel(root=types.Notification(params={"notifications": {"resourceSubscriptions": list(uris)}})):
                self._acknowledged = uris
            case RootModel(root=types.Notification(method="notifications/subscriptions/acknowledged")):
                self._acknowledged = []
        self.heard.set()

    def reason(self, failure: BaseException) -> BaseException:
        """SessionError where the SDK met a connection that failed."""
        error = failure.error if isinstance(failure, McpError) else None
        if error and error.code == REFUSED:
            return Refused(self._url, error.message, error.data or 0)
        if (error and error.code == LOST) or isinstance(failure, anyio.ClosedResourceError | anyio.BrokenResourceError):
            return self._lost or SessionError(self._url, str(failure) or "the connection was closed")
        return failure

    async def subscribe(self, uri: AnyUrl) -> None:
        """`heard` is set when that is done, and when the resource has changed. In the modern era it raises SessionError
        at the end, or ValueError as `check_subscribed` does.
        """
        if self._era == "legacy":
            await self.subscribe_resource(uri)
            self.heard.set()
            return
        wanted = {"notifications": {"resourceSubscriptions": [str(uri)]}}
        listen: Any = RootModel[dict[str, Any]]({"method": "subscriptions/listen", "params": wanted})
        await self.send_request(listen, types.EmptyResult, FOREVER)
        self._acknowledged = self._acknowledged or []
        self.check_subscribed(uri)
        raise SessionError(self._url, "the server has ended the subscription")

    def check_subscribed(self, uri: AnyUrl) -> None:
        """Raises ValueError once the server has acknowledged a subscription, and to this resource none."""
        if self._acknowledged is not None and str(uri) not in self._acknowledged:
            raise ValueError(f"The server tells of no changes of {uri}.")

    async def _validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """The SDK lists the tools to validate an answer: one that has come counts, although that fails."""
        with suppress(*UNANSWERED):
            await super()._validate_tool_result(name, result)

    async def send_request(
        self,
        request: types.ClientRequest,
        result_type: type[R],
        request_read_timeout_seconds: timedelta | None = None,
        metadata: MessageMetadata = None,
        progress_callback: ProgressFnT | None = None,
    ) -> R:
        ask, rest = super().send_request, (request_read_timeout_seconds, metadata, progress_callback)
        if self._era != "legacy" and not isinstance(request.root, types.InitializeRequest):
            asked = request.model_dump(by_alias=True, mode="json", exclude_none=True)
            asked.setdefault("params", {}).setdefault("_meta", {}).update(META)
            modern: Any = RootModel[dict[str, Any]](asked)
            try:
                answer = await ask(modern, result_type, *rest)
                self._era = self._era or "modern"
                return answer
            except McpError as error:
                await self._fall_back(error)
        return await ask(request, result_type, *rest)

    async def _fall_back(self, error: McpError) -> None:
        """To the legacy era, if the error is not of the modern one and the server shakes hands; else raises it."""
        async with self._deciding:
            if self._era is None and error.error.code not in NOT_LEGACY:
                with suppress(McpError):
                    await self.initialize()
                    self._era = "legacy"
        if self._era != "legacy":
            raise error
