"""One WebSocket is one MCP session.

The dispatcher answers what needs no session. The SDK's `websocket_server` and `Server.run` begin with the first message
that needs one.
"""

from __future__ import annotations

import logging
import time
from itertools import count

import anyio
from websockets.frames import CloseCode

from weather import serving
from weather.access import Admission
from weather.asgi import Receive, Scope, Send
from weather.config import SECONDS
from weather.protocol import sdk
from weather.responses import peer
from weather.transports.dispatch import Dispatcher, State
from weather.transports.sessions import Sessions

CLOSE_TIMEOUT_S = 1 * SECONDS

log = logging.getLogger("weather.session")
_numbers = count(1)


class Session:
    """Raises Refusal if `sessions` is full or draining."""

    def __init__(self, sessions: Sessions, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        self._sessions, self._admission, self._settings = sessions, admission, sessions.settings
        self._scope, self._receive, self._send = scope, receive, send
        self._dispatcher = Dispatcher(sessions, receive, send, self.close)
        self._opened_at = time.perf_counter()
        self._life = anyio.CancelScope()
        self._ending: tuple[int, str, str] | None = None
        sessions.add(self)

    @property
    def in_flight(self) -> int:
        return len(self._dispatcher.in_flight)

    async def run(self) -> None:
        if (served := serving.connection.get()) and served.stream:
            most, compression = self._settings.mcp_max_message_bytes, self._settings.mcp_compression
            served.stream.configure(most, compression=compression, end=self.close)
        try:
            with self._life:
                self._dispatcher.gone = (await self._receive())["type"] != "websocket.connect"
                if not self._dispatcher.gone:
                    await self._send({"type": "websocket.accept", "subprotocol": self._admission.subprotocol})
                    await self._serve()
        except anyio.get_cancelled_exc_class():
            self.close(CloseCode.SERVICE_RESTART, "the server is going down", "shutdown")
            raise
        finally:
            self._dispatcher.end()
            code, reason, ended = self._ending or (CloseCode.NORMAL_CLOSURE, "", "client")
            if not self._dispatcher.gone:
                with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
            self._sessions.discard(self, ended)
            self._log(code, ended)

    async def _serve(self) -> None:
        dispatcher = self._dispatcher
        first = await dispatcher.receive()
        if dispatcher.gone:
            return
        if not await sdk.over_websocket(
            self._sessions.server, dispatcher.in_flight, self._scope, dispatcher.receive, dispatcher.send, first
        ):
            self.close(CloseCode.INTERNAL_ERROR, "internal error", "error")

    def close(self, code: int, reason: str, ended: str) -> None:
        """Cancels the session and its work. Later calls change nothing."""
        if self._ending is None:
            self._ending = (code, reason, ended)
            self._life.cancel()

    def check(self, now: float) -> None:
        dispatcher, settings = self._dispatcher, self._settings
        initialized = dispatcher.stateless or dispatcher.state is State.READY
        if not initialized and now - self._opened_at > settings.mcp_initialize_timeout_seconds:
            reason = f"not initialized within {settings.mcp_initialize_timeout_seconds:g} s"
            self.close(CloseCode.POLICY_VIOLATION, reason, "not_initialized")
        elif dispatcher.sending and now - dispatcher.sent_at > settings.mcp_send_timeout_seconds:
            self.close(
                CloseCode.POLICY_VIOLATION, f"read nothing for {settings.mcp_send_timeout_seconds:g} s", "not_reading"
            )
        elif not dispatcher.busy and now - dispatcher.received_at > settings.mcp_idle_timeout_seconds:
            self.close(CloseCode.NORMAL_CLOSURE, f"idle for {settings.mcp_idle_timeout_seconds:g} s", "idle")
        elif self._admission.expires_at is not None and time.time() >= self._admission.expires_at:
            self.close(CloseCode.POLICY_VIOLATION, "the token has expired", "token_expired")

    def _log(self, code: int, ended: str) -> None:
        fields = {
            "session": next(_numbers),
            "peer": peer(self._scope),
            "client": self._dispatcher.client,
            "seconds": round(time.perf_counter() - self._opened_at, 3),
            "calls": self._dispatcher.calls,
            "errors": self._dispatcher.errors,
            "ended": ended,
            "code": code,
        }
        log.info("session ended", extra={"fields": fields})
