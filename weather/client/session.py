"""A session of either era (MCP 2026-07-28, versioning): legacy begins with `initialize`, modern without a handshake."""

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
# Errors after which `initialize` is not tried: no answer; and the modern era's own, for mismatched headers, a missing
# capability, an unsupported version.
NOT_LEGACY = (LOST, httpx.codes.REQUEST_TIMEOUT, -32020, -32021, -32022)
FOREVER = timedelta(days=365)
CANCEL_TIMEOUT_S = 1.0
UNANSWERED = (McpError, anyio.ClosedResourceError, anyio.BrokenResourceError)


@asynccontextmanager
async def connect(
    url: str, *, token: str | None = None, insecure: bool = False, timeout_s: float = 60.0, era: Era | None = None
) -> AsyncIterator[Session]:
    """Opens a session over WebSocket or streamable HTTP; `timeout_s` bounds the wait for each response.

    `insecure` accepts any TLS certificate. Without `era`, the first response decides on the server's era. Raises
    SessionError, or its subclass Refused where the server answered with an error status; also in place of an error
    from the body that a failed connection caused. Of several errors at once, raises the first.
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
    """Adds the modern era to the SDK's session. A notification sets `notified`, and so does a lost connection."""

    def __init__(self, link: Link, url: str, timeout_s: float, era: Era | None) -> None:
        self._url, self._era, self._deciding = url, era, anyio.Lock()
        self._lost: SessionError | None = None
        self._acknowledged: list[Any] | None = None
        self.notified = asyncio.Event()
        super().__init__(*link, timedelta(seconds=timeout_s), message_handler=self._on_message, client_info=CLIENT)
        self._receive_notification_type: Any = Notified

    async def _on_message(self, message: object) -> None:
        match message:
            case SessionError():
                self._lost = message
            case RootModel(root=types.Notification(params={"notifications": {"resourceSubscriptions": list(uris)}})):
                self._acknowledged = uris
            case RootModel(root=types.Notification(method="notifications/subscriptions/acknowledged")):
                self._acknowledged = []
        self.notified.set()

    def reason(self, failure: BaseException) -> BaseException:
        """Translates the SDK's errors of a failed connection to SessionError; returns any other as it is."""
        error = failure.error if isinstance(failure, McpError) else None
        if error and error.code == REFUSED:
            return Refused(self._url, error.message, error.data or 0)
        if (error and error.code == LOST) or isinstance(failure, anyio.ClosedResourceError | anyio.BrokenResourceError):
            return self._lost or SessionError(self._url, str(failure) or "the connection was closed")
        return failure

    async def subscribe(self, uri: AnyUrl) -> None:
        """Sets `notified` once subscribed, and on each change of the resource.

        Returns once subscribed in the legacy era. In the modern one it lasts as long as the subscription, and raises
        SessionError at its end, or ValueError as `check_subscribed` does.
        """
        if self._era == "legacy":
            await self.subscribe_resource(uri)
            self.notified.set()
            return
        wanted = {"notifications": {"resourceSubscriptions": [str(uri)]}}
        listen: Any = RootModel[dict[str, Any]]({"method": "subscriptions/listen", "params": wanted})
        await self.send_request(listen, types.EmptyResult, FOREVER)
        self._acknowledged = self._acknowledged or []
        self.check_subscribed(uri)
        raise SessionError(self._url, "the server has ended the subscription")

    def check_subscribed(self, uri: AnyUrl) -> None:
        """Raises ValueError if the server has acknowledged a subscription without this resource."""
        if self._acknowledged is not None and str(uri) not in self._acknowledged:
            raise ValueError(f"The server tells of no changes of {uri}.")

    async def _validate_tool_result(self, name: str, result: types.CallToolResult) -> None:
        """Accepts the result even if listing the tools fails, which the SDK does to validate it."""
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
        """Cancels the request on the server if its caller is cancelled, which the SDK does not."""
        request_id = self._request_id
        try:
            return await self._ask(request, result_type, request_read_timeout_seconds, metadata, progress_callback)
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(CANCEL_TIMEOUT_S, shield=True), suppress(*UNANSWERED):
                params = types.CancelledNotificationParams(requestId=request_id)
                await self.send_notification(types.ClientNotification(types.CancelledNotification(params=params)))
            raise

    async def _ask(self, request: types.ClientRequest, result_type: type[R], *rest: Any) -> R:
        ask = super().send_request
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
        """Switches to the legacy era if the error allows it and `initialize` succeeds; else raises the error."""
        async with self._deciding:
            if self._era is None and error.error.code not in NOT_LEGACY:
                with suppress(McpError):
                    await self.initialize()
                    self._era = "legacy"
        if self._era != "legacy":
            raise error
