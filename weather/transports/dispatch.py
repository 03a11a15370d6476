"""The dispatcher around the `receive` and `send` that the SDK is given.

It parses each message once, into a type; answers itself what must not reach the SDK or needs no session (bad messages,
unknown methods, a call whose answer is ready); holds back the sender while too much is at work; and passes on the rest
unchanged.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from enum import Enum, auto
from time import perf_counter

import anyio
from msgspec import UNSET
from websockets.frames import CloseCode

from weather.answers import Key
from weather.asgi import Message, Receive, Send
from weather.errors import InvalidMessage
from weather.protocol import eras, legacy, messages, modern
from weather.protocol.eras import Era
from weather.protocol.messages import (
    INVALID_PARAMS,
    INVALID_REQUEST,
    Call,
    Notification,
    PendingRequest,
    Request,
    RequestId,
    Work,
)
from weather.protocol.subscriptions import MOST, MOST_OPEN, MOST_STREAMS, MOST_SUBSCRIPTIONS, Subscription
from weather.transports.sessions import Sessions

Close = Callable[[int, str, str], None]


class State(Enum):
    NEW = auto()
    INITIALIZING = auto()
    READY = auto()


class Dispatcher:
    """`close` ends the session: with code, reason, and a name for it. Times are of `perf_counter`; `stateless` says
    that the new era was spoken.
    """

    def __init__(self, sessions: Sessions, receive: Receive, send: Send, close: Close) -> None:
        self._answers, self._hub, settings = sessions.answers, sessions.subscriptions, sessions.settings
        self._start = sessions.start
        self._receive, self._send, self._close = receive, send, close
        self._most_bytes, self._most_in_flight = settings.mcp_max_message_bytes, settings.mcp_max_in_flight
        self._changed: anyio.Event | None = None
        self.state = State.NEW
        self.in_flight: dict[RequestId, PendingRequest] = {}
        self.streams: dict[RequestId, PendingRequest] = {}
        self.subscriptions: dict[str, Subscription] = {}
        self.client = ""
        self.calls = self.errors = self.sending = 0
        self.gone = self.stateless = False
        self.received_at = self.sent_at = perf_counter()

    async def receive(self) -> Message:
        """Returns the next valid request that the SDK has to handle, or `websocket.disconnect`."""
        while True:
            while len(self.in_flight) >= self._most_in_flight or self.state is State.INITIALIZING:
                self._changed = anyio.Event()
                await self._changed.wait()
            event = await self._receive()
            if event["type"] != "websocket.receive":
                self.gone = True
                self._close(
                    event.get("code", CloseCode.NORMAL_CLOSURE), event.get("reason", ""), event.get("ended", "client")
                )
                return event
            self.received_at = perf_counter()
            text = event.get("text")
            if text is None:
                self._close(CloseCode.UNSUPPORTED_DATA, "MCP messages are text: send JSON in text frames", "binary")
            elif (call := messages.plain_call(text)) and (reply := self._cached_reply(call)):
                self.calls += 1
                await self.write(reply)
            elif await self._passes(text, call):
                return event

    def _cached_reply(self, call: Call) -> str | None:
        """None before the first request of a client, which the log names, and for a session that is not ready."""
        ready = self.state is State.READY
        if call.id in self.in_flight or not (ready or (self.stateless and call.modern)):
            return None
        return eras.cached_reply(self._answers, call, "websocket", self.received_at)

    async def _passes(self, text: str, call: Call | None) -> bool:
        """Handles a message; returns True if the SDK has to handle it."""
        if 4 * len(text) > self._most_bytes and len(text.encode()) > self._most_bytes:
            self._close(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {self._most_bytes} bytes", "too_big")
            return False
        try:
            match messages.message(text):
                case Request() as request:
                    return await self._requested(request, call.key if call else None)
                case Notification() as notification:
                    self._notified(notification)
            return False
        except InvalidMessage as invalid:
            self.errors += 1
            await self.write(messages.error(invalid))
            return False

    async def _requested(self, request: Request, key: Key | None) -> bool:
        """Drops requests during shutdown, since a session ends once none is pending."""
        if self._hub.shutting_down.is_set():
            return False
        era = eras.MODERN if modern.speaks(request) else eras.LEGACY
        if problem := self._problem(request, era):
            raise InvalidMessage(INVALID_REQUEST, problem, request.id)
        self.calls += request.method == "tools/call"
        found = era.answered(self._answers, self._hub, request, key, "websocket", self.received_at)
        if request.method in legacy.SUBSCRIBING:
            found = legacy.subscribed(self._hub, self.subscriptions, request, self.write)
        if era is eras.MODERN and not self.stateless:
            self.stateless, info = True, request.meta.get(messages.META["client"])
            self.client = self.client or (messages.named(info) if info else "")
        if isinstance(found, str):
            await self.write(found)
            return False
        pending = PendingRequest(request.method, found)
        if isinstance(found, modern.Listen):
            self._check_streams(request.id, found)
            self.streams[request.id] = pending
        else:
            self.in_flight[request.id] = pending
        if found and era is eras.MODERN:
            self._start(self._work, request.id, pending, found)
        elif request.method == "initialize":
            self.state = State.INITIALIZING
            self.client = messages.named(request.params["clientInfo"])
        return era is eras.LEGACY

    def _check_streams(self, request_id: RequestId, listen: modern.Listen) -> None:
        """Raises InvalidMessage where the connection would listen for too much."""
        others = (stream.work for stream in self.streams.values())
        uris = sum(len(other.areas) for other in (listen, *others) if isinstance(other, modern.Listen))
        if uris > MOST_SUBSCRIPTIONS:
            raise InvalidMessage(INVALID_PARAMS, MOST, request_id)
        if len(self.streams) >= MOST_STREAMS:
            raise InvalidMessage(INVALID_PARAMS, MOST_OPEN, request_id)

    async def _work(self, request_id: RequestId, pending: PendingRequest, work: Work) -> None:
        """Stays pending until its response is written, so that a client that does not read is held back."""
        with suppress(OSError):  # An ASGI server may raise it where the client is gone; hypercorn does not.
            with pending.scope as scope:
                try:
                    result = await work(self.write)
                    failed, reply = result.failed, messages.result(request_id, result.json)
                except InvalidMessage as invalid:
                    failed, reply = True, messages.error(invalid)
            if not scope.cancel_called:
                self.errors += failed
                await self.write(reply)
        self._done(request_id)

    def _done(self, request_id: RequestId) -> PendingRequest | None:
        if self._changed:
            self._changed.set()
        return self.in_flight.pop(request_id, None) or self.streams.pop(request_id, None)

    @property
    def busy(self) -> bool:
        return bool(self.in_flight or self.streams or self.subscriptions)

    def end(self) -> None:
        """Cancels pending requests and removes subscriptions."""
        for work in (*self.in_flight.values(), *self.streams.values()):
            work.scope.cancel()
        for subscription in self.subscriptions.values():
            self._hub.remove(subscription)

    def _problem(self, request: Request, era: Era) -> str | None:
        method = request.method
        if request.id in self.in_flight or request.id in self.streams:
            return "A request with this id is still at work: ids must differ."
        if era is eras.MODERN:
            return None
        if self.state is State.NEW and method not in ("initialize", "ping"):
            return "The session is not initialized: send 'initialize' first."
        if self.state is State.READY and method == "initialize":
            return "The session is initialized already: 'initialize' is sent once."
        return None

    def _notified(self, notification: Notification) -> None:
        """Unknown notifications are ignored, as JSON-RPC asks; of `initialized`, the SDK need not know."""
        if notification.method == "notifications/cancelled":
            request_id = messages.usable(notification.params.get("requestId"))
            work = None if request_id is None else self.in_flight.get(request_id) or self.streams.get(request_id)
            if work and work.method != "initialize":
                work.scope.cancel()

    async def send(self, event: Message) -> None:
        """Forwards messages of the SDK, except log notifications and responses to cancelled requests."""
        if event["type"] != "websocket.send":
            return  # The session accepts and closes.
        text = event["text"]
        reply = messages.reply(text)
        if reply.method == "notifications/message":
            return
        if reply.method is UNSET:
            work = None if reply.id is UNSET else self._done(reply.id)
            if work is None or work.scope.cancel_called:
                return
            self.errors += reply.failed
            if work.method == "initialize":
                self.state = State.NEW if reply.failed else State.READY
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
            if self.sending:
                self.sent_at = perf_counter()
