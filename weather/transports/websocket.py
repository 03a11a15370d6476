"""One WebSocket is one MCP session.

The SDK's `websocket_server` and `Server.run` begin with the first message that they have to handle.
"""

import asyncio
import logging
import time
from itertools import count

import anyio
from websockets.frames import CloseCode

from weather import serving
from weather.access import Admission
from weather.asgi import Message, Receive, Scope, Send
from weather.config import SECONDS
from weather.responses import peer
from weather.transports.dispatch import Dispatcher
from weather.transports.sessions import Sessions

CLOSE_TIMEOUT_S = 1 * SECONDS

log = logging.getLogger("weather.session")
_numbers = count(1)


class Session:
    """The life of a session: accept, time limits, close, log. Raises Refusal if `sessions` is full or draining."""

    def __init__(self, sessions: Sessions, admission: Admission, scope: Scope, receive: Receive, send: Send) -> None:
        self._sessions, self._admission, self._settings = sessions, admission, sessions.settings
        self._scope, self._receive, self._send = scope, receive, send
        self._opened_at = self._received_at = self._sent_at = time.perf_counter()
        self._sending = 0
        self._gone = False
        self._life = anyio.CancelScope()
        self._ending: tuple[int, str, str] | None = None
        self._dispatcher = Dispatcher(sessions, self._received, self._write, self.close)
        sessions.add(self)

    @property
    def in_flight(self) -> int:
        return len(self._dispatcher.in_flight)

    async def run(self) -> None:
        if (served := serving.get_connection(self._scope)) and served.stream:
            most, compression = self._settings.mcp_max_message_bytes, self._settings.mcp_compression
            served.stream.configure(
                most, compression=compression, end=self.disconnected, cached_reply=self._cached_reply
            )
        try:
            with self._life:
                self._gone = (await self._receive())["type"] != "websocket.connect"
                if not self._gone:
                    await self._send({"type": "websocket.accept", "subprotocol": self._admission.subprotocol})
                    await self._serve()
        except anyio.get_cancelled_exc_class():
            self.close(CloseCode.SERVICE_RESTART, "the server is going down", "shutdown")
            raise
        finally:
            self._dispatcher.end()
            code, reason, ended = self._ending or (CloseCode.NORMAL_CLOSURE, "", "client")
            if not self._gone:
                with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True):
                    await self._send({"type": "websocket.close", "code": code, "reason": reason})
            self._sessions.discard(self, ended)
            self._log(code, ended)
            del self._dispatcher  # which refers back

    async def _serve(self) -> None:
        dispatcher = self._dispatcher
        first = await dispatcher.receive()
        if first["type"] != "websocket.receive":
            return
        await asyncio.shield(self._sessions.preload())
        from weather.protocol import sdk

        pending = dispatcher.in_flight
        if not await sdk.over_websocket(pending, self._scope, dispatcher.receive, dispatcher.send, first):
            self.close(CloseCode.INTERNAL_ERROR, "internal error", "error")

    async def _received(self) -> Message:
        event = await self._receive()
        if event["type"] == "websocket.receive":
            self._received_at = time.perf_counter()
        else:
            self._gone = True
            code, reason = event.get("code", CloseCode.NORMAL_CLOSURE), event.get("reason", "")
            self.disconnected(code, reason, event.get("ended", "client"))
        return event

    def _cached_reply(self, message: bytes) -> str | None:
        """For the server's short way, which calls it only while every message before is with this session."""
        if self._sending or self._ending:
            return None
        now = time.perf_counter()
        reply = self._dispatcher.cached_reply(message, now)
        if reply is not None:
            self._received_at = now
            self._sessions.metrics.short_way += 1
        return reply

    async def _write(self, text: str) -> None:
        if not self._sending:
            self._sent_at = time.perf_counter()
        self._sending += 1
        try:
            await self._send({"type": "websocket.send", "text": text})
        finally:
            self._sending -= 1
            if self._sending:
                self._sent_at = time.perf_counter()

    def close(self, code: int, reason: str, ended: str) -> None:
        """Cancels the session and its work. Later calls change nothing."""
        if self._ending is None:
            self._ending = (code, reason, ended)
            self._life.cancel()

    def disconnected(self, code: int, reason: str, ended: str) -> None:
        """Cancels pending requests and lets the session end by itself; after CLOSE_TIMEOUT_S, cancels it too.

        Each cancelled task leaves a reference cycle in anyio, which a session of the SDK has by the hundred objects.
        """
        if self._ending is None:
            self._ending = (code, reason, ended)
            self._dispatcher.end()
            self._life.deadline = asyncio.get_running_loop().time() + CLOSE_TIMEOUT_S

    def check(self, now: float) -> None:
        """Closes a session whose time is up."""
        settings = self._settings
        to_initialize_s, to_read_s = settings.mcp_initialize_timeout_seconds, settings.mcp_send_timeout_seconds
        idle_s = settings.mcp_idle_timeout_seconds
        if not self._dispatcher.initialized and now - self._opened_at > to_initialize_s:
            self.close(CloseCode.POLICY_VIOLATION, f"not initialized within {to_initialize_s:g} s", "not_initialized")
        elif self._sending and now - self._sent_at > to_read_s:
            self.close(CloseCode.POLICY_VIOLATION, f"read nothing for {to_read_s:g} s", "not_reading")
        elif not self._dispatcher.busy and now - self._received_at > idle_s:
            self.close(CloseCode.NORMAL_CLOSURE, f"idle for {idle_s:g} s", "idle")
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
