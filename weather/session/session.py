"""One WebSocket is one MCP session.

The protocol is the SDK's, behind the screen: `websocket_server` and `Server.run`, which begin with the first message
that they are needed for.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Iterator
from contextlib import nullcontext, suppress
from contextvars import ContextVar
from functools import partial
from itertools import count
from typing import Any

import anyio
from mcp import McpError, types
from mcp.server.lowlevel import Server
from mcp.server.session import ServerSession
from mcp.server.websocket import websocket_server

from weather import __version__
from weather.answers import Answers
from weather.config import SECONDS, Settings
from weather.nws import Progress, silent
from weather.questions import TAKES, shortened
from weather.session.access import Admission
from weather.session.screen import (
    INTERNAL_ERROR,
    NORMAL,
    POLICY_VIOLATION,
    Message,
    Receive,
    Scope,
    Screen,
    Send,
    State,
)
from weather.session.sessions import SERVICE_RESTART, Sessions
from weather.tools import DEFINITIONS, KNOWN, NAME, call, instructions

CLOSE_TIMEOUT_S = 1 * SECONDS

log = logging.getLogger("weather.session")
_numbers = count(1)
_screen: ContextVar[Screen] = ContextVar("screen")


class Session:
    def __init__(self, sessions: Sessions, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        self._sessions, self._admission, self._settings = sessions, admission, sessions.settings
        self._scope, self._receive, self._send = scope, receive, send
        self._screen = Screen(sessions.answers, sessions.settings, receive, send, self.close)
        self._opened_at = time.perf_counter()
        self._life = anyio.CancelScope()
        self._ending: tuple[int, str, str] | None = None

    @property
    def in_flight(self) -> int:
        return len(self._screen.in_flight)

    async def run(self) -> None:
        self._sessions.add(self)
        _screen.set(self._screen)
        try:
            with self._life:
                self._screen.gone = (await self._receive())["type"] != "websocket.connect"
                if not self._screen.gone:
                    await self._send({"type": "websocket.accept", "subprotocol": self._admission.subprotocol})
                    await self._serve(await self._screen.receive())
        except anyio.get_cancelled_exc_class():
            self.close(SERVICE_RESTART, "the server is going down", "shutdown")
            raise
        finally:
            code, reason, ended = self._ending or (NORMAL, "", "client")
            if not self._screen.gone:
                with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
            self._sessions.discard(self, ended)
            self._log(code, ended)

    async def _serve(self, first: Message) -> None:
        server, screen, to_come = self._sessions.server, self._screen, [first, {"type": "websocket.connect"}]

        def receive() -> Awaitable[Message]:
            return _at_once(to_come.pop()) if to_come else screen.receive()

        try:
            async with websocket_server(self._scope, receive, screen.send) as (read, write):
                await server.run(read, write, server.create_initialization_options())
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # The peer went away while something was being written.
        except* Exception:
            log.exception("a session failed")
            self._ending = self._ending or (INTERNAL_ERROR, "internal error", "error")

    def close(self, code: int, reason: str, ended: str) -> None:
        """Ends the session and all its work; the first reason counts."""
        if self._ending is None:
            self._ending = (code, reason, ended)
            self._life.cancel()

    def check(self, now: float) -> None:
        screen, settings = self._screen, self._settings
        if screen.state is not State.READY and now - self._opened_at > settings.mcp_initialize_timeout_seconds:
            reason = f"not initialized within {settings.mcp_initialize_timeout_seconds:g} s"
            self.close(POLICY_VIOLATION, reason, "not_initialized")
        elif screen.sending and now - screen.sent_at > settings.mcp_send_timeout_seconds:
            reason = f"read nothing for {settings.mcp_send_timeout_seconds:g} s"
            self.close(POLICY_VIOLATION, reason, "not_reading")
        elif not screen.in_flight and now - screen.received_at > settings.mcp_idle_timeout_seconds:
            self.close(NORMAL, f"idle for {settings.mcp_idle_timeout_seconds:g} s", "idle")
        elif self._admission.expires_at is not None and time.time() >= self._admission.expires_at:
            self.close(POLICY_VIOLATION, "the token has expired", "token_expired")

    def _log(self, code: int, ended: str) -> None:
        host, port = self._scope.get("client") or ("", 0)
        fields = {
            "session": next(_numbers),
            "peer": f"{host}:{port}",
            "client": self._screen.client,
            "seconds": round(time.perf_counter() - self._opened_at, 3),
            "calls": self._screen.calls,
            "errors": self._screen.errors,
            "ended": ended,
            "code": code,
        }
        log.info("session ended", extra={"fields": fields})


async def _at_once(event: Message) -> Message:
    return event


def build_server(answers: Answers, settings: Settings) -> Server[None, Any]:
    """The SDK's server with the handlers put in as they are: the decorators would validate every call anew."""
    server: Server[None, Any] = Server(NAME, __version__, instructions(settings))

    async def list_tools(request: types.ListToolsRequest) -> types.ServerResult:
        if request.params and request.params.cursor is not None:
            raise _invalid_params("There is one page of tools: send no cursor.")
        return types.ServerResult(types.ListToolsResult(tools=DEFINITIONS))

    async def call_tool(request: types.CallToolRequest) -> types.ServerResult:
        """Cancelled, it ends with a result that the screen drops: a cancelled request is not answered."""
        name, result, screen = request.params.name, types.CallToolResult(content=[]), _screen.get(None)
        if name not in TAKES:
            raise _invalid_params(f"Unknown tool '{shortened(name)}'; the tools are {KNOWN}.")
        with screen.in_flight[server.request_context.request_id].scope if screen else nullcontext():
            result = await call(answers, name, request.params.arguments or {}, _progress(server))
        return types.ServerResult(result)

    server.request_handlers[types.ListToolsRequest] = list_tools
    server.request_handlers[types.CallToolRequest] = call_tool
    return server


def _invalid_params(message: str) -> McpError:
    return McpError(types.ErrorData(code=types.INVALID_PARAMS, message=message))


def _progress(server: Server[None, Any]) -> Progress:
    """Sends `notifications/progress` when the request asked for it (MCP 2025-11-25, basic/utilities/progress)."""
    context = server.request_context
    token = context.meta.progressToken if context.meta else None
    if token is None:
        return silent
    return partial(_tell, context.session, token, count(1))


async def _tell(session: ServerSession, token: str | int, steps: Iterator[int], note: str) -> None:
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):  # The client has left.
        await session.send_progress_notification(token, next(steps), message=note)
