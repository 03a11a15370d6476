"""The screen around the `receive` and `send` that the SDK is given.

It parses each message once, answers itself what must not reach the SDK or needs no session (bad messages, unknown
methods, a call whose answer is ready), holds back the sender while too much is at work, and passes on the rest
unchanged.
"""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field
from enum import Enum, auto
from time import perf_counter
from typing import Any

import anyio
from mcp import types
from pydantic_core import from_json

from weather.answers import Answers, Ready
from weather.config import Settings
from weather.metrics import Calls
from weather.questions import shortened
from weather.session import messages as jsonrpc
from weather.session.messages import RequestId
from weather.tools import LISTING, TITLE

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Close = Callable[[int, str, str], None]

# RFC 6455, section 7.4.1.
NORMAL, UNSUPPORTED_DATA, POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR = 1000, 1003, 1008, 1009, 1011
# A JSON-RPC id as most clients write it.
ID = re.compile(r'"id": ?(0|[1-9][0-9]{0,14}|"[A-Za-z0-9_-]{1,64}")(?=[,}])').search
LONGEST_WORDS = 512


class State(Enum):
    NEW = auto()
    INITIALIZING = auto()
    READY = auto()


READY = State.READY


@dataclass(slots=True)
class Request:
    """A request that the SDK has and has not answered yet."""

    method: str
    work: anyio.CancelScope = field(default_factory=anyio.CancelScope)


class Screen:
    """`close` ends the session: with code, reason, and a name for it. Counted are messages that have come, that are to
    go out, and that have gone.
    """

    def __init__(
        self,
        answers: Answers,
        settings: Settings,
        receive: Receive,
        send: Send,
        subprotocol: str | None,
        close: Close,
    ) -> None:
        self._answers, self._receive, self._send = answers, receive, send
        self._most_bytes, self._most_in_flight = settings.mcp_max_message_bytes, settings.mcp_max_in_flight
        self._subprotocol, self._close = subprotocol, close
        self._changed = anyio.Event()
        self.state = State.NEW
        self.in_flight: dict[RequestId, Request] = {}
        self.held = self.gone = False
        self.client = ""
        self.calls = self.errors = 0
        self.received = self.sending = self.sent = 0

    async def receive(self) -> Message:
        """What the SDK may see: valid requests that it has to work on.

        The hot path ends at once: a call in words that were parsed before, and whose answer is ready.
        """
        while True:
            while len(self.in_flight) >= self._most_in_flight or self.state is State.INITIALIZING:
                self.held = True
                await self._changed.wait()
                self.held = False
            message = await self._receive()
            if message["type"] != "websocket.receive":
                self.gone = message["type"] == "websocket.disconnect"
                return message
            self.received += 1
            arrived, text = perf_counter(), message.get("text")
            if text is None:
                self._close(UNSUPPORTED_DATA, "MCP messages are text: send JSON in text frames", "binary")
            elif known := self._known(text):
                self.sending += 1
                await self._send({"type": "websocket.send", "text": known[0]})
                self.sent += 1
                self.calls += 1
                known[1].add(perf_counter() - arrived)
            elif await self._screen(text, arrived):
                return message

    def _known(self, text: str) -> tuple[str, Calls] | None:
        """The reply to a call in known words, if it is ready, and where the call is recorded."""
        found = ID(text)
        if found is None or self.state is not READY or (self.in_flight and json.loads(found[1]) in self.in_flight):
            return None
        start, end = found.span(1)
        ready = self._answers.known(text[:start] + text[end:])
        return (_reply(text[start:end], ready), ready.calls) if ready else None

    async def _screen(self, text: str, arrived: float) -> bool:
        """True for a message that the SDK shall see."""
        limit = self._most_bytes
        if 4 * len(text) > limit and len(text.encode()) > limit:
            self._close(TOO_BIG, f"a message has at most {limit} bytes", "too_big")
            return False
        try:
            message = from_json(text, allow_inf_nan=False)
        except ValueError as error:
            return await self._refuse(None, types.PARSE_ERROR, f"This is not JSON: {error}.")
        if ready := self._ready(message, text):
            self.calls += 1
            await self._send_text(_reply(json.dumps(message["id"]), ready))
            ready.calls.add(perf_counter() - arrived)
            return False
        if not jsonrpc.finite(message):
            return await self._refuse(None, types.PARSE_ERROR, "This is not JSON: a number is out of range.")
        if problem := jsonrpc.problem(message):
            return await self._refuse(jsonrpc.usable_id(message), types.INVALID_REQUEST, problem)
        if "method" not in message:
            return False  # A response; this server asks nothing.
        if "id" not in message:
            self._notified(message)
            return False
        return await self._requested(message)

    def _ready(self, message: Any, text: str) -> Ready | None:
        """The answer to a valid tools/call, when it is ready. What is rare is left to the rest."""
        try:
            if message["method"] != "tools/call" or message["jsonrpc"] != "2.0" or len(message) != 4:
                return None
            request_id, params = message["id"], message["params"]
            if request_id.__class__ not in (int, str) or request_id in self.in_flight or self.state is not READY:
                return None
            if len(params) == 2:
                return self._answers.ready(params["name"], params["arguments"], _words(text))
            # A progress token differs from call to call, and so do the words.
            return self._answers.ready(params["name"], params["arguments"]) if _only_asks_for_progress(params) else None
        except (KeyError, TypeError):
            return None

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
            self.client = shortened(f"{client['name']} {client['version']}")
        self.calls += method == "tools/call"
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
                self.errors += "error" in reply or bool(reply["result"].get("isError"))
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
        self.errors += 1
        known = {} if request_id is None else {"id": request_id}
        await self._send_text(json.dumps({"jsonrpc": "2.0", **known, "error": {"code": code, "message": message}}))
        return False

    async def _send_text(self, text: str) -> None:
        self.sending += 1
        await self._send({"type": "websocket.send", "text": text})
        self.sent += 1


def _only_asks_for_progress(params: dict[str, Any]) -> bool:
    match params:
        case {"_meta": {"progressToken": token} as meta}:
            return len(params) == 3 and len(meta) == 1 and token.__class__ in (int, str)
    return False


def _reply(request_id: str, ready: Ready) -> str:
    """`request_id` is in JSON."""
    return f'{{"jsonrpc":"2.0","id":{request_id},"result":{ready.json}}}'


def _words(text: str) -> str:
    """What makes a request with another id the same but for the id. Empty, where that may not be.

    It is so where `"id"` stands once and nothing is escaped: what ID has found is then the request's own.
    """
    found = ID(text)
    plain = len(text) <= LONGEST_WORDS and "\\" not in text and text.count('"id"') == 1
    return text[: found.start(1)] + text[found.end(1) :] if found and plain else ""
