"""The dispatcher around the `receive` and `send` that the SDK is given.

It parses each message once, into a type. It answers bad messages and whatever needs no waiting itself, holds back the
sender while too many requests are pending, and returns the calls that have to wait, for the SDK to handle.
"""

from collections.abc import Callable
from contextlib import suppress
from time import perf_counter

import anyio
from websockets.frames import CloseCode

from weather.asgi import Message, Receive
from weather.errors import InvalidMessage
from weather.protocol import eras, legacy, messages, modern
from weather.protocol.messages import Call, Cancelled, Notify, PendingRequest, Request, RequestId
from weather.protocol.subscriptions import MOST, MOST_OPEN, MOST_STREAMS, MOST_SUBSCRIPTIONS, Subscription
from weather.transports.sessions import Sessions

Close = Callable[[int, str, str], None]


class Dispatcher:
    """What the client of a session is, what it waits for, and what it is answered.

    `version` is the negotiated one, "" before `initialize`; `stateless` is True after a request of 2026-07-28.
    """

    def __init__(self, sessions: Sessions, receive: Receive, write: Notify, close: Close) -> None:
        """`write` sends a message; `close` ends the session with code, reason, and its name in log and metrics."""
        self._answers, self._subscriptions, settings = sessions.answers, sessions.subscriptions, sessions.settings
        self._start = sessions.start
        self._receive, self._write, self._close = receive, write, close
        self._most_bytes, self._most_in_flight = settings.mcp_max_message_bytes, settings.mcp_max_in_flight
        self._changed: anyio.Event | None = None
        self.version, self.stateless, self.client = "", False, ""
        self.calls = self.errors = 0
        self.in_flight: dict[RequestId, PendingRequest] = {}
        self.streams: dict[RequestId, PendingRequest] = {}
        self.subscribed: dict[str, Subscription] = {}

    @property
    def initialized(self) -> bool:
        return self.stateless or bool(self.version)

    @property
    def busy(self) -> bool:
        return bool(self.in_flight or self.streams or self.subscribed)

    async def receive(self) -> Message:
        """Returns the next valid request that the SDK has to handle, or `websocket.disconnect`."""
        while True:
            while len(self.in_flight) >= self._most_in_flight:
                self._changed = anyio.Event()
                await self._changed.wait()
            event = await self._receive()
            if event["type"] != "websocket.receive" or await self._passes(event.get("text"), perf_counter()):
                return event

    async def _passes(self, text: str | None, started: float) -> bool:
        """Handles a message; returns True if the SDK has to handle it."""
        if text is None:
            self._close(CloseCode.UNSUPPORTED_DATA, "MCP messages are text: send JSON in text frames", "binary")
            return False
        if 4 * len(text) > self._most_bytes and len(text.encode()) > self._most_bytes:
            self._close(CloseCode.MESSAGE_TOO_BIG, f"a message has at most {self._most_bytes} bytes", "too_big")
            return False
        try:
            match messages.parse(text):
                case Call() as call:
                    if reply := self._cached_reply(call, started):
                        self.calls += 1
                        await self._write(reply)
                        return False
                    return await self._requested(call.request(), started)
                case Request() as request:
                    return await self._requested(request, started)
                case Cancelled(request_id):
                    if pending := self.in_flight.get(request_id) or self.streams.get(request_id):
                        pending.scope.cancel()
        except InvalidMessage as invalid:
            self.errors += 1
            await self._write(messages.error(invalid))
        return False

    def cached_reply(self, message: bytes, started: float) -> str | None:
        """The response to a call whose result is cached, if it may be sent now. Is called outside a task."""
        full = len(self.in_flight) >= self._most_in_flight or len(message) > self._most_bytes
        call = None if full or self._subscriptions.shutting_down.is_set() else messages.plain_call(message)
        reply = self._cached_reply(call, started, in_task=False) if call else None
        self.calls += reply is not None
        return reply

    def _cached_reply(self, call: Call, started: float, *, in_task: bool = True) -> str | None:
        """None before the first request of a client, which the log names, and for a session that is not ready."""
        if call.id in self.in_flight or not (self.version or (self.stateless and call.modern)):
            return None
        return eras.cached_reply(self._answers, call, "websocket", started, in_task=in_task)

    async def _requested(self, request: Request, started: float) -> bool:
        """Drops requests during shutdown, since a session ends once none is pending."""
        if self._subscriptions.shutting_down.is_set():
            return False
        request.stateless = modern.speaks(request)
        if problem := self._problem(request):
            raise request.invalid(problem, messages.INVALID_REQUEST)
        self.calls += request.method == "tools/call"
        if request.stateless:
            found = modern.answered(self._answers, self._subscriptions, request, "websocket", started)
        elif request.method in legacy.SUBSCRIBING:
            found = legacy.subscribed(self._subscriptions, self.subscribed, request, self._write)
        else:
            found = legacy.answered(self._answers, request, "websocket", started)
        if request.stateless and not self.stateless:
            self.stateless, info = True, request.meta.get(messages.META["client"])
            self.client = self.client or (messages.named(info) if info else "")
        elif request.method == "initialize":
            self.version = legacy.negotiated(request)
            self.client = messages.named(request.params["clientInfo"])
        if isinstance(found, str):
            await self._write(found)
            return False
        pending = PendingRequest(request.id, found, self._write)
        if isinstance(found, modern.Listen):
            self._check_streams(request, found)
            self.streams[request.id] = pending
        else:
            self.in_flight[request.id] = pending
        if request.stateless:
            self._start(self._work, pending)
        return not request.stateless

    def _check_streams(self, request: Request, listen: modern.Listen) -> None:
        """Raises InvalidMessage where the connection would listen for too much."""
        others = (stream.handler for stream in self.streams.values())
        uris = sum(len(other.areas) for other in (listen, *others) if isinstance(other, modern.Listen))
        if uris > MOST_SUBSCRIPTIONS:
            raise request.invalid(MOST)
        if len(self.streams) >= MOST_STREAMS:
            raise request.invalid(MOST_OPEN)

    async def _work(self, pending: PendingRequest) -> None:
        """Stays pending until its response is written, so that a client that does not read is held back."""
        with suppress(OSError):  # An ASGI server may raise it where the client is gone; hypercorn does not.
            await pending.work()
            if not pending.scope.cancel_called:
                self.errors += pending.failed
                await self._write(pending.reply)
        self._done(pending.id)

    def _done(self, request_id: RequestId) -> PendingRequest | None:
        if self._changed:
            self._changed.set()
        return self.in_flight.pop(request_id, None) or self.streams.pop(request_id, None)

    def end(self) -> None:
        """Cancels pending requests and removes subscriptions."""
        for pending in (*self.in_flight.values(), *self.streams.values()):
            pending.scope.cancel()
        for subscription in self.subscribed.values():
            self._subscriptions.remove(subscription)

    def _problem(self, request: Request) -> str | None:
        if request.id in self.in_flight or request.id in self.streams:
            return "A request with this id is still at work: ids must differ."
        if request.stateless:
            return None
        if not self.version and request.method not in ("initialize", "ping"):
            return "The session is not initialized: send 'initialize' first."
        if self.version and request.method == "initialize":
            return "The session is initialized already: 'initialize' is sent once."
        return None

    async def send(self, event: Message) -> None:
        """Sends the reply of each request that the SDK answers, unless it was cancelled; or that of the SDK."""
        if event["type"] == "websocket.send":  # The session accepts and closes.
            request_id = messages.reply(event["text"]).id
            pending = None if request_id is None else self._done(request_id)
            if pending and not pending.scope.cancel_called:
                self.errors += pending.failed
                await self._write(pending.reply or event["text"])
