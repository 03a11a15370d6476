"""One WebSocket is one MCP session.

The protocol is the SDK's: `websocket_server` and `Server.run`. Around the `receive` and `send` that they are given
stands a screen. It parses each message once, answers itself what must not reach the SDK or needs no session (bad
messages, unknown methods, a call whose answer is ready), holds back the sender while too much is at work, and passes
on the rest unchanged.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from enum import Enum, auto
from itertools import count
from typing import Any

import anyio
from mcp import types
from mcp.server.websocket import websocket_server
from pydantic_core import from_json

from weather import jsonrpc, sockets
from weather.answers import Ready
from weather.config import SECONDS
from weather.jsonrpc import RequestId
from weather.questions import shortened
from weather.service import SERVICE_RESTART, Service, current
from weather.tools import LISTING, TITLE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CLOSE_TIMEOUT_S = 1 * SECONDS
SEVER_TIMEOUT_S = 0.5 * SECONDS
QUIET_S = 0.02 * SECONDS

# RFC 6455, section 7.4.1.
NORMAL, UNSUPPORTED_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1000, 1003, 1008, 1009, 1011

log = logging.getLogger(__name__)
_numbers = count(1)


class State(Enum):
    NEW = auto()
    INITIALIZING = auto()
    READY = auto()


@dataclass(slots=True)
class Request:
    """A request that the SDK has and has not answered yet."""

    method: str
    work: anyio.CancelScope = field(default_factory=anyio.CancelScope)


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
        self.service, self.settings = service, service.settings
        self.scope, self._receive, self._send = scope, receive, send
        self._answers, self._metrics = service.answers, service.metrics
        self._most_bytes, self._most_in_flight = self.settings.mcp_max_message_bytes, self.settings.mcp_max_in_flight
        self._subprotocol, self._expires_at = subprotocol, expires_at
        self.state = State.NEW
        self.in_flight: dict[RequestId, Request] = {}
        self._changed = anyio.Event()
        self._life = anyio.CancelScope()
        self._gone = False
        self._ending: tuple[int, str, str] | None = None
        self._received = self._sending = self._sent = 0
        self._seen_received = self._seen_sent = 0
        self._taken = self._taken_received = 0
        self._opened = self._received_at = self._sent_at = time.monotonic()
        self._client = ""
        self._calls = self._errors = 0

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
            async with websocket_server(self.scope, self.receive, self.send) as streams:
                read, write = streams
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
            if not self._gone:
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
            await self._drain(until_told=heard)
        if limit.cancelled_caught:
            self._sever()
            with anyio.move_on_after(SEVER_TIMEOUT_S, shield=True):
                await self._drain(until_told=heard)
            with anyio.move_on_after(SEVER_TIMEOUT_S, shield=True):
                await self._drain(until_told=False)

    async def _drain(self, *, until_told: bool) -> None:
        """Reads what still comes in: hypercorn would wait for ever with ten messages unread. It may tell of the end
        before it has handed over what came earlier."""
        while until_told and not self._gone:
            self._gone = (await self._receive())["type"] == "websocket.disconnect"
        quiet = False
        while not quiet:
            with anyio.move_on_after(QUIET_S) as limit:
                await self._receive()
            quiet = limit.cancelled_caught

    def _sever(self) -> None:
        if peer := self.scope.get("client"):
            self.service.to_sever.add(tuple(peer))

    def check(self, now: float) -> None:
        """Called now and then: closes the session when one of its times is up."""
        if self._received != self._seen_received:
            self._seen_received, self._received_at = self._received, now
        if self._sent != self._seen_sent or self._sending == self._sent:
            self._seen_sent, self._sent_at = self._sent, now
        settings = self.settings
        if self.state is not State.READY and now - self._opened > settings.mcp_initialize_timeout_seconds:
            reason = f"not initialized within {settings.mcp_initialize_timeout_seconds:g} s"
            self.close(POLICY_VIOLATION, reason, "not_initialized")
        elif now - self._sent_at > settings.mcp_send_timeout_seconds:
            reason = f"read nothing for {settings.mcp_send_timeout_seconds:g} s"
            self.close(POLICY_VIOLATION, reason, "not_reading")
        elif not self.in_flight and now - self._received_at > settings.mcp_idle_timeout_seconds:
            self.close(NORMAL, f"idle for {settings.mcp_idle_timeout_seconds:g} s", "idle")
        elif self._expires_at is not None and time.time() >= self._expires_at:
            self.close(POLICY_VIOLATION, "the token has expired", "token_expired")

    def check_size(self, taken: dict[sockets.Address, int]) -> None:
        """Called when memory grows, with the bytes taken from each peer: cuts off one that sends and ends no message.

        Allowed is what hypercorn reads ahead of a session that is held back; where it may inflate a thousandfold, less.
        """
        limit = self.settings.mcp_max_message_bytes
        before, now = self._taken, taken.get(tuple(self.scope.get("client") or ()), 0)
        if self._taken_received == self._received and now - before > (limit // 8 if self._deflates else 5 * limit):
            self.close(TOO_BIG, f"a message has at most {limit} bytes", "too_big")
            self._sever()
            self.service.garbage.flooded()
        self._taken, self._taken_received = now, self._received

    @property
    def _deflates(self) -> bool:
        return any(name == b"sec-websocket-extensions" for name, _ in self.scope["headers"])

    async def receive(self) -> Message:
        """What the SDK may see: valid requests that it has to work on."""
        while True:
            while len(self.in_flight) >= self._most_in_flight or self.state is State.INITIALIZING:
                await self._changed.wait()
            message = await self._receive()
            if message["type"] == "websocket.receive":
                self._received += 1
                text = message.get("text")
                if text is None:
                    self.close(UNSUPPORTED_DATA, "MCP messages are text: send JSON in text frames", "binary")
                elif await self._screen(text):
                    return message
            else:
                self._gone = message["type"] == "websocket.disconnect"
                return message

    async def _screen(self, text: str) -> bool:
        """True for a message that the SDK shall see."""
        arrived = time.perf_counter()
        limit = self._most_bytes
        if 4 * len(text) > limit and len(text.encode()) > limit:
            self.close(TOO_BIG, f"a message has at most {limit} bytes", "too_big")
            return False
        try:
            message = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            return await self._refuse(None, types.PARSE_ERROR, f"This is not JSON: {error}.")
        if ready := self._ready(message):
            request_id = message["id"]
            shown = request_id if request_id.__class__ is int else json.dumps(request_id)
            await self._send_text(f'{{"jsonrpc":"2.0","id":{shown},"result":{ready.json}}}')
            self._calls += 1
            self._metrics.ready += 1
            ready.calls.add(time.perf_counter() - arrived)
            return False
        if problem := jsonrpc.problem(message):
            return await self._refuse(jsonrpc.usable_id(message), types.INVALID_REQUEST, problem)
        if "method" not in message:
            return False  # A response; this server asks nothing.
        if "id" not in message:
            self._notified(message)
            return False
        if not jsonrpc.finite(message):
            return await self._refuse(None, types.PARSE_ERROR, "This is not JSON: a number is out of range.")
        return await self._requested(message)

    def _ready(self, message: Any) -> Ready | None:
        """The hot path: the answer to a valid tools/call, when it is ready. What is rare is left to the rest."""
        if message.__class__ is not dict or len(message) != 4 or self.state is not State.READY:
            return None
        if message.get("method") != "tools/call" or message.get("jsonrpc") != "2.0":
            return None
        request_id, params = message.get("id"), message.get("params")
        if request_id.__class__ not in (int, str) or request_id in self.in_flight or params.__class__ is not dict:
            return None
        return self._answers.ready(params.get("name"), params.get("arguments"))

    async def _requested(self, message: dict[str, Any]) -> bool:
        request_id, method = message["id"], message["method"]
        if request_id in self.in_flight:
            problem = "A request with this id is still at work: ids must differ."
            return await self._refuse(request_id, types.INVALID_REQUEST, problem)
        if self.state is State.NEW and method not in ("initialize", "ping"):
            problem = "The session is not initialized: send 'initialize' first."
            return await self._refuse(request_id, types.INVALID_REQUEST, problem)
        if self.state is State.READY and method == "initialize":
            problem = "The session is initialized already: 'initialize' is sent once."
            return await self._refuse(request_id, types.INVALID_REQUEST, problem)
        if method not in jsonrpc.REQUESTS:
            problem = f"Unknown method '{shortened(method)}'; there are {', '.join(jsonrpc.REQUESTS)}."
            return await self._refuse(request_id, types.METHOD_NOT_FOUND, problem)
        if invalid := jsonrpc.wrong_params(message):
            return await self._refuse(request_id, types.INVALID_PARAMS, invalid)
        if method == "tools/list" and "cursor" not in (message.get("params") or {}):
            await self._send_text(f'{{"jsonrpc":"2.0","id":{json.dumps(request_id)},"result":{LISTING}}}')
            return False
        self.in_flight[request_id] = Request(method)
        if method == "initialize":
            self.state = State.INITIALIZING
            client = message["params"]["clientInfo"]
            self._client = shortened(f"{client['name']} {client['version']}")
        self._calls += method == "tools/call"
        return True

    def _notified(self, message: dict[str, Any]) -> None:
        """Unknown notifications are ignored, as JSON-RPC asks; of `initialized`, the SDK need not know."""
        params = message.get("params") or {}
        if message["method"] == "notifications/cancelled":
            request_id = params.get("requestId")
            request = self.in_flight.get(request_id) if jsonrpc.is_id(request_id) else None  # type: ignore[arg-type]
            if request and request.method != "initialize":
                request.work.cancel()

    async def send(self, message: Message) -> None:
        """What the SDK sends, but for what no client asked for and the answers to cancelled requests."""
        if message["type"] == "websocket.accept":
            message["subprotocol"] = self._subprotocol
            await self._send(message)
        elif message["type"] == "websocket.send":
            text = message["text"]
            reply = from_json(text)
            if "method" not in reply:
                request = self.in_flight.pop(reply["id"], None)
                self._wake()
                if request is None or request.work.cancel_called:
                    return
                if request.method == "initialize":
                    text = self._initialized(reply)
                self._errors += "error" in reply or bool(reply["result"].get("isError"))
            elif reply["method"] == "notifications/message":
                return
            await self._send_text(text)

    def _initialized(self, reply: dict[str, Any]) -> str:
        if "result" not in reply:
            self.state = State.NEW
            return json.dumps(reply)
        self.state = State.READY
        # The SDK's InitializationOptions have no title.
        reply["result"]["serverInfo"]["title"] = TITLE
        return json.dumps(reply)

    def _wake(self) -> None:
        self._changed.set()
        self._changed = anyio.Event()

    async def _refuse(self, request_id: RequestId | None, code: int, message: str) -> bool:
        """Answers with an error, without an id where the message had none that could be used; False, for `_screen`."""
        self._errors += 1
        known = {} if request_id is None else {"id": request_id}
        await self._send_text(json.dumps({"jsonrpc": "2.0", **known, "error": {"code": code, "message": message}}))
        return False

    async def _send_text(self, text: str) -> None:
        self._sending += 1
        await self._send({"type": "websocket.send", "text": text})
        self._sent += 1

    def _log(self) -> None:
        code, _, how = self._ending or (1006 if self._gone else NORMAL, "", "client")
        self.service.metrics.ended(how)
        peer = self.scope.get("client")
        fields = {
            "session": next(_numbers),
            "peer": f"{peer[0]}:{peer[1]}" if peer else "",
            "client": self._client,
            "seconds": round(time.monotonic() - self._opened, 3),
            "calls": self._calls,
            "errors": self._errors,
            "ended": how,
            "code": code,
        }
        log.info("session ended", extra={"fields": fields})
