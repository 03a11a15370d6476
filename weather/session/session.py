"""One WebSocket is one MCP session.

The protocol is the SDK's: `websocket_server` and `Server.run`, behind the screen.
"""

from __future__ import annotations

import logging
import time
from itertools import count

import anyio
from mcp.server.websocket import websocket_server

from weather import sockets
from weather.config import SECONDS
from weather.service import SERVICE_RESTART, Service, current
from weather.session.screen import INTERNAL_ERROR, NORMAL, Receive, Scope, Screen, Send
from weather.watch import Watch

CLOSE_TIMEOUT_S = 1 * SECONDS
SEVER_TIMEOUT_S = 0.5 * SECONDS
QUIET_S = 0.02 * SECONDS
LOST = 1006  # RFC 6455, section 7.4.1: no close frame. hypercorn tells of every end so.

log = logging.getLogger("weather.session")
_numbers = count(1)


class Session:
    def __init__(
        self,
        service: Service,
        scope: Scope,
        receive: Receive,
        send: Send,
        subprotocol: str | None,
        expires_at: float | None,
    ) -> None:
        self.service, self.scope, self._receive, self._send = service, scope, receive, send
        settings = service.settings
        self.screen = Screen(service.answers, settings, receive, send, subprotocol, self.close)
        deflates = any(name == b"sec-websocket-extensions" for name, _ in scope["headers"])
        self.watch = Watch(self.screen, settings, self.close, expires_at=expires_at, deflates=deflates)
        self._life = anyio.CancelScope()
        self._ending: tuple[int, str, str] | None = None

    @property
    def peer(self) -> sockets.Address:
        host, port = self.scope.get("client") or ("", 0)
        return host, port

    async def run(self) -> None:
        self.service.find_listeners()
        self.service.sessions.add(self)
        current.set(self)
        try:
            with self._life:
                await self._serve()
            await self._hang_up()
        except anyio.get_cancelled_exc_class():
            self.close(SERVICE_RESTART, "the server is going down", "shutdown")
            await self._hang_up(heard=False)
            raise
        finally:
            self.service.left(self)
            self._log()

    async def _serve(self) -> None:
        server = self.service.server
        try:
            async with websocket_server(self.scope, self.screen.receive, self.screen.send) as (read, write):
                await server.run(read, write, server.create_initialization_options())
        except* (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # The peer went away while something was being written.
        except* Exception:
            log.exception("a session failed")
            self._ending = self._ending or (INTERNAL_ERROR, "internal error", "error")

    def close(self, code: int, reason: str, how: str) -> None:
        """Ends the session and all its work; the first reason counts."""
        if self._ending is None:
            self._ending = (code, reason, how)
            self._life.cancel()

    async def _hang_up(self, *, heard: bool = True) -> None:
        """The closing handshake; a peer that does not answer is cut off. Not `heard`, nothing is read any more."""
        code, reason, _ = self._ending or (NORMAL, "", "")
        with anyio.move_on_after(CLOSE_TIMEOUT_S, shield=True) as limit:
            if not self.screen.gone:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            await self._drain(until_told=heard)
        if limit.cancelled_caught:
            self.service.to_sever.add(self.peer)
            with anyio.move_on_after(SEVER_TIMEOUT_S, shield=True):
                await self._drain(until_told=heard)
            with anyio.move_on_after(SEVER_TIMEOUT_S, shield=True):
                await self._drain(until_told=False)

    async def _drain(self, *, until_told: bool) -> None:
        """Reads what still comes in: hypercorn would wait for ever with ten messages unread. It may tell of the end
        before it has handed over what came earlier."""
        while until_told and not self.screen.gone:
            self.screen.gone = (await self._receive())["type"] == "websocket.disconnect"
        quiet = False
        while not quiet:
            with anyio.move_on_after(QUIET_S) as limit:
                await self._receive()
            quiet = limit.cancelled_caught

    def _log(self) -> None:
        screen = self.screen
        code, _, how = self._ending or (LOST if screen.gone else NORMAL, "", "client")
        self.service.metrics.ended(how)
        fields = {
            "session": next(_numbers),
            "peer": "{}:{}".format(*self.peer),
            "client": screen.client,
            "seconds": round(time.monotonic() - self.watch.opened_at, 3),
            "calls": screen.calls,
            "errors": screen.errors,
            "ended": how,
            "code": code,
        }
        log.info("session ended", extra={"fields": fields})
