"""The screen around the `receive` and `send` that the SDK is given.

It parses each message once, into a type; answers itself what must not reach the SDK or needs no session (bad messages,
unknown methods, a call whose answer is ready); holds back the sender while too much is at work; and passes on the rest
unchanged.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum, auto
from time import perf_counter
from typing import Any

import anyio
from msgspec import UNSET

from weather.answers import Answers, Ready
from weather.config import Settings
from weather.errors import InvalidMessage
from weather.questions import shortened
from weather.session import legacy, messages
from weather.session.messages import (
    INVALID_REQUEST,
    Notification,
    Request,
    RequestId,
)

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Close = Callable[[int, str, str], None]

# RFC 6455, section 7.4.1.
NORMAL, UNSUPPORTED_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1000, 1003, 1008, 1009, 1011


class State(Enum):
    NEW = auto()
    INITIALIZING = auto()
    READY = auto()


class Screen:
    """`close` ends the session: with code, reason, and a name for it. Times are of `perf_counter`."""

    def __init__(self, answers: Answers, settings: Settings, receive: Receive, send: Send, close: Close) -> None:
        self._answers, self._receive, self._send, self._close = answers, receive, send, close
        self._most_bytes, self._most_in_flight = settings.mcp_max_message_bytes, settings.mcp_max_in_flight
        self._changed: anyio.Event | None = None
        self.state = State.NEW
        self.in_flight: dict[RequestId, legacy.Work] = {}
        self.client = ""
        self.calls = self.errors = self.sending = 0
        self.gone = False
        self.received_at = self.sent_at = perf_counter()

    async def receive(self) -> Message:
        """What the SDK may see: valid requests that it has to work on, and the end."""
        while True:
            while len(self.in_flight) >= self._most_in_flight or self.state is State.INITIALIZING:
                self._changed = anyio.Event()
                await self._changed.wait()
            event = await self._receive()
            if event["type"] != "websocket.receive":
                self.gone = True
                self._close(event.get("code", NORMAL), event.get("reason", ""), event.get("ended", "client"))
                return event
            self.received_at = perf_counter()
            text = event.get("text")
            if text is None:
                self._close(UNSUPPORTED_DATA, "MCP messages are text: send JSON in text frames", "binary")
            elif (call := messages.plain_call(text)) and (ready := self._ready(call)):
                await self.write(legacy.reply(self._answers, call.id, ready, "websocket", self.received_at))
                self.calls += 1
            elif await self._passes(text, call):
                return event

    def _ready(self, call: messages.Call) -> Ready | None:
        """The hot path: a call is known by the name of its tool and the bytes of its arguments."""
        if self.state is not State.READY or call.id in self.in_flight:
            return None
        return self._answers.known(call.key)

    async def _passes(self, text: str, call: messages.Call | None) -> bool:
        """True for a message that the SDK shall see."""
        if 4 * len(text) > self._most_bytes and len(text.encode()) > self._most_bytes:
            self._close(TOO_BIG, f"a message has at most {self._most_bytes} bytes", "too_big")
            return False
        try:
            match messages.message(text):
                case Request() as request:
                    return await self._requested(request, call)
                case Notification() as notification:
                    self._notified(notification)
            return False
        except InvalidMessage as invalid:
            self.errors += 1
            await self.write(messages.error(invalid))
            return False

    async def _requested(self, request: Request, call: messages.Call | None) -> bool:
        request_id, method = request.id, request.method
        if problem := self._problem(request_id, method):
            raise InvalidMessage(INVALID_REQUEST, problem, request_id)
        key = call.key if call else None
        self.calls += method == "tools/call"
        if reply := legacy.answered(self._answers, request, key, "websocket", self.received_at):
            await self.write(reply)
            return False
        if method == "initialize":
            self.state = State.INITIALIZING
            info = (request.params or {})["clientInfo"]
            self.client = shortened(f"{info['name']} {info['version']}")
        self.in_flight[request_id] = legacy.Work(method)
        return True

    def _problem(self, request_id: RequestId, method: str) -> str | None:
        if request_id in self.in_flight:
            return "A request with this id is still at work: ids must differ."
        if self.state is State.NEW and method not in ("initialize", "ping"):
            return "The session is not initialized: send 'initialize' first."
        if self.state is State.READY and method == "initialize":
            return "The session is initialized already: 'initialize' is sent once."
        return None

    def _notified(self, notification: Notification) -> None:
        """Unknown notifications are ignored, as JSON-RPC asks; of `initialized`, the SDK need not know."""
        if notification.method == "notifications/cancelled":
            request_id = messages.usable((notification.params or {}).get("requestId"))
            work = None if request_id is None else self.in_flight.get(request_id)
            if work and work.method != "initialize":
                work.scope.cancel()

    async def send(self, event: Message) -> None:
        """What the SDK sends, but for what no client asked for and the answers to cancelled requests."""
        if event["type"] != "websocket.send":
            return  # The session accepts and closes.
        text = event["text"]
        reply = messages.reply(text)
        if reply.method == "notifications/message":
            return
        if reply.method is UNSET:
            work = self.in_flight.pop(reply.id, None) if reply.id is not UNSET else None
            if self._changed:
                self._changed.set()
            if work is None or work.scope.cancel_called:
                return
            failed = reply.result is UNSET
            self.errors += reply.result is UNSET or reply.result.is_error
            if work.method == "initialize":
                self.state = State.NEW if failed else State.READY
                text = legacy.titled(text)
        await self.write(text)

    async def write(self, text: str) -> None:
        if not self.sending:
            self.sent_at = perf_counter()
        self.sending += 1
        try:
            await self._send({"type": "websocket.send", "text": text})
        finally:
            self.sending -= 1
            self.sent_at = perf_counter()
