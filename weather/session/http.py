"""HTTP beside the WebSocket: plain answers, refusals, which a handshake gets in the same form, and MCP at /mcp.

Streamable HTTP without sessions (MCP 2025-11-25, basic/transports): a request for a request, answered with JSON.
"""

from __future__ import annotations

import json
import logging
import math
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import anyio
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS

from weather.config import SECONDS
from weather.errors import InvalidMessage, Refusal
from weather.questions import shortened
from weather.session import legacy, messages, modern
from weather.session.access import Access, header
from weather.session.messages import INVALID_REQUEST, METHOD_NOT_FOUND, PARSE_ERROR, Request
from weather.session.screen import Receive, Scope, Send
from weather.session.sessions import RETRY, Sessions

JSON, EVENTS = "application/json", "text/event-stream"
BODY_TIMEOUT_S, BEAT_S, END_TIMEOUT_S = 5 * SECONDS, 15 * SECONDS, 1 * SECONDS
ASTRAY = ("path", "method", "upgrade")  # no line for each request of a scanner
ALLOW = {"allow": "POST, OPTIONS"}
PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "accept, authorization, content-type, mcp-method, mcp-name, mcp-protocol-version",
    "access-control-max-age": "600",
}

HEADER_MISMATCH = -32020

T = TypeVar("T")
Stream = Callable[[Callable[[modern.Notify], Awaitable[None]]], Awaitable[None]]

log = logging.getLogger("weather")


@dataclass(slots=True)
class Answer:
    """`read`: nothing of the request is still to come."""

    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)
    read: bool = False

    @classmethod
    def of(cls, content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
        """`content` as JSON."""
        return cls(json.dumps(content).encode(), status, headers=headers or {})


def refused(scope: Scope, refusal: Refusal, sessions: Sessions) -> Answer:
    """Counted, and logged as far as it tells more than that somebody lost the way."""
    transport, what = ("websocket", "handshake") if scope["type"] == "websocket" else ("http", "request")
    sessions.metrics.refused(refusal.reason, transport)
    level = logging.DEBUG if what == "request" and refusal.reason in ASTRAY else logging.WARNING
    log.log(level, "%s refused", what, extra={"fields": {"reason": refusal.reason, "peer": peer(scope)}})
    return Answer.of({"error": refusal.reason, "message": str(refusal)}, refusal.status, refusal.headers)


def peer(scope: Scope) -> str:
    host, port = scope.get("client") or ("", 0)
    return f"{host}:{port}"


async def respond(
    scope: Scope, receive: Receive, send: Send, answer: Answer, more: Mapping[str, str] | None = None
) -> None:
    """In place of a handshake, by the ASGI extension websocket.http.response."""
    kind = "http" if scope["type"] == "http" else "websocket.http"
    lines = {
        "content-type": answer.content_type,
        "content-length": str(len(answer.body)),
        **answer.headers,
        **(more or {}),
    }
    raw = [(name.lower().encode(), value.encode()) for name, value in lines.items()]
    await send({"type": f"{kind}.response.start", "status": answer.status, "headers": raw})
    await send({"type": f"{kind}.response.body", "body": answer.body})
    if kind == "http" and not answer.read:
        with anyio.move_on_after(BODY_TIMEOUT_S):
            while (await receive()).get("more_body"):
                pass  # An upload that nobody reads would block hypercorn.


async def mcp(scope: Scope, receive: Receive, send: Send, sessions: Sessions, access: Access) -> Answer | None:
    """What the MCP endpoint answers; None when it has answered already, or the client is gone. Raises Refusal."""
    begun, settings = False, sessions.settings

    async def stream(work: Callable[[modern.Notify], Awaitable[None]]) -> None:
        nonlocal begun
        begun = True
        await _stream(receive, send, work, access.shared(scope), settings.mcp_send_timeout_seconds)

    if scope["method"] == "OPTIONS":
        return Answer(b"", headers=PREFLIGHT | ALLOW)
    if scope["method"] != "POST":
        raise Refusal(405, "method", "Send each message with POST; there is no stream to GET.", ALLOW)
    await access.authorize(scope)
    version = _version(scope)
    body: bytes | None = None
    with sessions.request() as room:
        room.deadline = anyio.current_time() + BODY_TIMEOUT_S
        body = await _body(receive, sessions.settings.mcp_max_message_bytes)
        if body is None:
            return None
        room.deadline = math.inf
        answer = await _posted(scope, receive, sessions, version, body, stream)
        if answer:
            answer.read = True
        return answer
    if begun:
        return None
    if body or sessions.status == "draining":
        raise Refusal(503, "capacity", "This server is going down.", RETRY)
    raise Refusal(408, "slow", f"The message did not come within {BODY_TIMEOUT_S:g} s.")


async def _posted(
    scope: Scope, receive: Receive, sessions: Sessions, version: str, body: bytes, stream: Stream
) -> Answer | None:
    """None when it has answered already, or the client is gone. Raises Refusal."""
    started, answers = perf_counter(), sessions.answers
    call = messages.plain_call(body)
    era: Any = legacy
    try:
        request = messages.message(body)
        if not isinstance(request, Request):
            return Answer(b"", 202)
        if modern.speaks(request) or version == messages.VERSION:
            era = modern
            _check_mirrors(scope, version, request)
        elif version not in ("", *SUPPORTED_PROTOCOL_VERSIONS):
            spoken = ", ".join((*SUPPORTED_PROTOCOL_VERSIONS, messages.VERSION))
            raise Refusal(400, "version", f"MCP-Protocol-Version {version[:20]!a} is not spoken here: {spoken} are.")
        if reply := era.answered(answers, request, call.key if call else None, "http", started):
            return Answer(reply.encode())
        if era is legacy:
            text = await _unless_gone(receive, partial(_initialized, scope, sessions, request, version, body))
        elif "progressToken" in request.meta or request.method == "subscriptions/listen":
            await stream(partial(_streamed, sessions, request))
            return None
        else:
            work = partial(modern.work, answers, sessions.subscriptions, request, _silent, "http")
            text = await _unless_gone(receive, work)
    except InvalidMessage as invalid:
        return Answer(messages.error(invalid).encode(), _status(invalid, era))
    return None if text is None else Answer(text.encode())


async def _streamed(sessions: Sessions, request: Request, notify: modern.Notify) -> None:
    try:
        reply = await modern.work(sessions.answers, sessions.subscriptions, request, notify, "http")
    except InvalidMessage as invalid:
        reply = messages.error(invalid)
    await notify(reply)


async def _initialized(scope: Scope, sessions: Sessions, request: Request, version: str, body: bytes) -> str:
    if request.method == "initialize":
        info = request.params["clientInfo"]
        fields = {"peer": peer(scope), "client": shortened(f"{info['name']} {info['version']}")}
        log.info("client initialized over HTTP", extra={"fields": fields})
    return await legacy.over_http(sessions.server, version, body)


def _status(invalid: InvalidMessage, era: Any) -> int:
    if era is modern:
        return 404 if invalid.code == METHOD_NOT_FOUND else 400
    return 400 if invalid.code in (PARSE_ERROR, INVALID_REQUEST) else 200


def _version(scope: Scope) -> str:
    """The revision in the headers, "" where there is none; raises Refusal."""
    content, accepts = _one(scope, "content-type"), _one(scope, "accept")
    if content.partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "content_type", f"Send the message as {JSON}.")
    if not re.search(r"application/(json|\*)|\*/\*|^$", accepts):
        raise Refusal(406, "accept", f"The answer is {JSON}: accept that, and {EVENTS}.")
    return _one(scope, "mcp-protocol-version")


def _check_mirrors(scope: Scope, version: str, request: Request) -> None:
    """Raises InvalidMessage unless the headers say what the body says (2026-07-28, request metadata)."""
    said = {"MCP-Protocol-Version": request.meta.get(messages.META["version"], version), "Mcp-Method": request.method}
    if request.method in ("tools/call", "resources/read", "prompts/get"):
        said["Mcp-Name"] = request.params.get("name", request.params.get("uri"))
    for name, value in said.items():
        sent = _one(scope, name.lower())
        if name == "Mcp-Name" and (encoded := re.fullmatch(r"=\?base64\?(.*)\?=", sent)):
            with suppress(ValueError):
                sent = b64decode(encoded[1], validate=True).decode()
        if sent != value:
            why = f"Header mismatch: {name} is {shortened(sent)!r}, and the body says {shortened(str(value))!r}."
            raise InvalidMessage(HEADER_MISMATCH, why, request.id)


def _one(scope: Scope, name: str) -> str:
    return b", ".join(header(scope, name.encode())).decode("latin-1")


async def _body(receive: Receive, most: int) -> bytes | None:
    """None when the client has gone away; raises Refusal."""
    body, more = b"", True
    while more:  # To the end though it is too big: who is still writing may never see an answer.
        event = await receive()
        if event["type"] == "http.disconnect":
            return None
        more = event.get("more_body", False)
        if len(body) <= most:
            body += event.get("body", b"")
    if len(body) > most:
        raise Refusal(413, "too_big", f"A message has at most {most} bytes.")
    return body


async def _silent(_: str) -> None:
    """Nobody asked for progress."""


async def _stream(
    receive: Receive, send: Send, work: Callable[[modern.Notify], Awaitable[None]], more: Any, patience_s: float
) -> None:
    """What `work` sends, as server-sent events; closing the stream ends it, and not reading it for so long."""
    lines = {"content-type": EVENTS, "cache-control": "no-store", "x-accel-buffering": "no", **more}
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]

    async def bounded(event: dict[str, Any]) -> None:
        with anyio.move_on_after(patience_s) as patience:
            await send(event)
        if patience.cancelled_caught:
            tasks.cancel_scope.cancel()

    async def write(text: str) -> None:
        await bounded({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    try:
        async with anyio.create_task_group() as tasks:
            await bounded({"type": "http.response.start", "status": 200, "headers": headers})
            tasks.start_soon(watch)
            tasks.start_soon(_beat, write)
            await work(lambda text: write(f"event: message\ndata: {text}\n\n"))
            tasks.cancel_scope.cancel()
    finally:
        with anyio.move_on_after(END_TIMEOUT_S, shield=True):
            await send({"type": "http.response.body", "body": b""})


async def _beat(write: Callable[[str], Awaitable[None]]) -> None:
    """A comment now and then, so that nobody between takes a quiet stream for dead."""
    while True:
        await anyio.sleep(BEAT_S)
        await write(":\n\n")


async def _unless_gone(receive: Receive, work: Callable[[], Awaitable[T]]) -> T | None:
    """Ends the work when the client goes away; the others who wait for the same go on."""
    done = None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch)
        done = await work()
        tasks.cancel_scope.cancel()
    return done
