"""HTTP beside the WebSocket: plain answers, refusals, which a handshake gets in the same form, and MCP at /mcp.

Streamable HTTP without sessions (MCP 2025-11-25, basic/transports): a request for a request, answered with JSON.
"""

from __future__ import annotations

import json
import logging
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
BODY_TIMEOUT_S, END_TIMEOUT_S = 5 * SECONDS, 1 * SECONDS
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


@dataclass(frozen=True, slots=True)
class Answer:
    body: bytes
    status: int = 200
    content_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

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
    with anyio.move_on_after(BODY_TIMEOUT_S):
        while kind == "http" and (await receive()).get("more_body"):
            pass  # An upload that nobody reads would block hypercorn.


async def mcp(scope: Scope, receive: Receive, send: Send, sessions: Sessions, access: Access) -> Answer | None:
    """What the MCP endpoint answers; None when it has answered already, or the client is gone. Raises Refusal."""
    begun, settings = False, sessions.settings

    async def stream(work: Callable[[modern.Notify], Awaitable[None]]) -> None:
        nonlocal begun
        begun = True
        with anyio.move_on_after(settings.nws_deadline_seconds + settings.mcp_send_timeout_seconds):
            await _stream(receive, send, work, access.shared(scope))  # Who does not read it takes no room for good.

    if scope["method"] == "OPTIONS":
        return Answer(b"", 204, headers=PREFLIGHT | ALLOW)
    if scope["method"] != "POST":
        raise Refusal(405, "method", "Send each message with POST; there is no stream to GET.", ALLOW)
    await access.authorize(scope)
    with sessions.request():
        return await _posted(scope, receive, sessions, stream)
    if begun:
        return None
    raise Refusal(503, "capacity", "This server is going down.", RETRY)


async def _posted(scope: Scope, receive: Receive, sessions: Sessions, stream: Stream) -> Answer | None:
    """Raises Refusal."""
    version = _version(scope)
    body = await _body(scope, receive, sessions.settings.mcp_max_message_bytes)
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
    except InvalidMessage as invalid:
        return Answer(messages.error(invalid).encode(), _status(invalid, era))
    if era is modern:
        if "progressToken" in request.meta:

            async def work(notify: modern.Notify) -> None:
                await notify(await modern.work(answers, request, notify, "http"))

            await stream(work)
            return None
        text = await _unless_gone(receive, partial(modern.work, answers, request, _silent, "http"))
    else:
        if request.method == "initialize":
            info = request.params["clientInfo"]
            fields = {"peer": peer(scope), "client": shortened(f"{info['name']} {info['version']}")}
            log.info("client initialized over HTTP", extra={"fields": fields})
        text = await _unless_gone(receive, partial(legacy.over_http, sessions.server, version, body))
    return None if text is None else Answer(text.encode())


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


async def _body(scope: Scope, receive: Receive, most: int) -> bytes:
    """Raises Refusal."""
    body, event = b"", {"more_body": True}
    with anyio.move_on_after(BODY_TIMEOUT_S) as limit:
        while event.get("more_body") and len(body) <= most:
            event = await receive()  # type: ignore[assignment]
            body += event.get("body", b"")  # type: ignore[operator]
    if limit.cancelled_caught:
        raise Refusal(408, "slow", f"The message did not come within {BODY_TIMEOUT_S:g} s.")
    if len(body) > most:
        raise Refusal(413, "too_big", f"A message has at most {most} bytes.")
    return body


async def _silent(_: str) -> None:
    """Nobody asked for progress."""


async def _stream(receive: Receive, send: Send, work: Callable[[modern.Notify], Awaitable[None]], more: Any) -> None:
    """What `work` sends, as server-sent events; closing the stream ends it."""
    lines = {"content-type": EVENTS, "cache-control": "no-store", "x-accel-buffering": "no", **more}
    await send(
        {"type": "http.response.start", "status": 200, "headers": [(k.encode(), v.encode()) for k, v in lines.items()]}
    )

    async def event(text: str) -> None:
        await send(
            {"type": "http.response.body", "body": f"event: message\ndata: {text}\n\n".encode(), "more_body": True}
        )

    try:
        await _unless_gone(receive, partial(work, event))
    finally:
        with anyio.move_on_after(END_TIMEOUT_S, shield=True):
            await send({"type": "http.response.body", "body": b""})


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
