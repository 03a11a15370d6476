"""MCP at /mcp: streamable HTTP without sessions, of both eras (basic/transports).

A message for a request, answered with JSON, or with server-sent events where there is more to tell.
"""

from __future__ import annotations

import logging
import re
from base64 import b64decode
from collections.abc import Awaitable, Callable
from contextlib import suppress
from functools import partial
from time import perf_counter
from typing import Any, TypeVar

import anyio

from weather.access import Access
from weather.asgi import Receive, Scope, Send, header
from weather.config import SECONDS
from weather.errors import InvalidMessage, Refusal, shortened
from weather.nws import silent
from weather.protocol import eras, messages, modern
from weather.protocol.eras import Era
from weather.protocol.messages import (
    INVALID_REQUEST,
    METHOD_NOT_FOUND,
    PARSE_ERROR,
    SESSION_VERSIONS,
    Call,
    Notify,
    PendingRequest,
    Request,
    Work,
)
from weather.responses import JSON, Response, peer, respond
from weather.transports.sessions import RETRY, Sessions

EVENTS = "text/event-stream"
BODY_TIMEOUT_S, BEAT_S, END_TIMEOUT_S = 5 * SECONDS, 15 * SECONDS, 1 * SECONDS
HEADER_MISMATCH = -32020
ALLOW = {"allow": "POST, OPTIONS"}
PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "accept, authorization, content-type, mcp-method, mcp-name, mcp-protocol-version",
    "access-control-max-age": "600",
}

T = TypeVar("T")

log = logging.getLogger("weather")


async def handle(scope: Scope, receive: Receive, send: Send, sessions: Sessions, access: Access) -> Response | None:
    """Returns None if it has sent the response, or if the client has disconnected. Raises Refusal."""
    if scope["method"] == "OPTIONS":
        return Response(b"", headers=PREFLIGHT | ALLOW)
    if scope["method"] != "POST":
        raise Refusal(405, "method", "Send each message with POST; there is no stream to GET.", ALLOW)
    await access.authorize(scope)
    version, settings = _version(scope), sessions.settings
    body, answer = None, None
    with sessions.request(BODY_TIMEOUT_S) as timeout, suppress(TimeoutError):
        async with timeout:
            body = await _body(receive, settings.mcp_max_message_bytes)
            if sessions.status != "draining":
                timeout.reschedule(None)
            answer = await _posted(scope, receive, sessions, version, body) if body is not None else None
            if answer and answer.events:
                await _stream(
                    receive, send, answer.events, access.cors_headers(scope), settings.mcp_send_timeout_seconds
                )
            elif answer:
                await respond(scope, send, answer, access.cors_headers(scope))
            return None
    if answer:
        return None
    if body or sessions.status == "draining":
        raise Refusal(503, "capacity", "This server is going down.", RETRY)
    raise Refusal(408, "slow", f"The message did not come within {BODY_TIMEOUT_S:g} s.")


async def _posted(scope: Scope, receive: Receive, sessions: Sessions, version: str, body: bytes) -> Response | None:
    """Returns None if the client has disconnected. Raises Refusal."""
    started, answers, key, era = perf_counter(), sessions.answers, None, eras.LEGACY
    try:
        message = messages.parse(body)
        if isinstance(message, Call):
            agreed = _headers_agree(scope, version, message)
            if agreed and (reply := eras.cached_reply(answers, message, "http", started)):
                return Response(reply.encode())
            key, request = message.key, message.request()
        elif isinstance(message, Request):
            request = message
        else:
            return Response(b"", 202)
        if modern.speaks(request) or version == messages.VERSION:
            era = eras.MODERN
            _check_request_metadata(scope, version, request)
        elif version not in ("", *SESSION_VERSIONS):
            spoken = ", ".join((*SESSION_VERSIONS, messages.VERSION))
            raise Refusal(400, "version", f"MCP-Protocol-Version {version[:20]!a} is not spoken here: {spoken} are.")
        found = era.answered(answers, sessions.subscriptions, request, key, "http", started)
        if era is eras.LEGACY and request.method == "initialize":
            _log_client(scope, request)
        if isinstance(found, str):
            return Response(found.encode())
        if era is eras.LEGACY:
            sdk = await sessions.sdk()
            work = partial(sdk.over_http, {request.id: PendingRequest(found)}, version, body)
        elif "progressToken" in request.meta or isinstance(found, modern.Listen):
            return Response(b"", events=partial(_events, request, found))
        else:
            work = partial(_result, request, found, silent)
        text = await _unless_gone(receive, work)
    except InvalidMessage as invalid:
        return Response(messages.error(invalid).encode(), _status(invalid, era))
    return None if text is None else Response(text.encode())


def _headers_agree(scope: Scope, version: str, call: Call) -> bool:
    """False also where only `_check_request_metadata` can say: a name in base64."""
    if not call.modern:
        return version in ("", *SESSION_VERSIONS)
    sent = version, _one(scope, "mcp-method"), _one(scope, "mcp-name")
    return sent == (messages.VERSION, call.method, call.params.name)


async def _result(request: Request, work: Work, notify: Notify) -> str:
    return messages.result(request.id, (await work(notify)).json)


def _log_client(scope: Scope, request: Request) -> None:
    fields = {"peer": peer(scope), "client": messages.named(request.params["clientInfo"])}
    log.info("client initialized over HTTP", extra={"fields": fields})


async def _events(request: Request, work: Work, notify: Notify) -> None:
    try:
        reply = await _result(request, work, notify)
    except InvalidMessage as invalid:
        reply = messages.error(invalid)
    await notify(reply)


def _status(invalid: InvalidMessage, era: Era) -> int:
    if era is eras.MODERN:
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


def _check_request_metadata(scope: Scope, version: str, request: Request) -> None:
    """Raises InvalidMessage unless the headers say what the body says (2026-07-28, request metadata)."""
    expected = {
        "MCP-Protocol-Version": request.meta.get(messages.META["version"], version),
        "Mcp-Method": request.method,
    }
    if request.method in ("tools/call", "resources/read", "prompts/get"):
        expected["Mcp-Name"] = request.params.get("name", request.params.get("uri"))
    for name, value in expected.items():
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
    """Returns None if the client has disconnected. Raises Refusal."""
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


async def _stream(
    receive: Receive, send: Send, events: Callable[[Notify], Awaitable[None]], more: dict[str, str], patience_s: float
) -> None:
    """Server-sent events; closing the stream ends their source, and so does not reading it for so long."""
    lines = {"content-type": EVENTS, "cache-control": "no-store", "x-accel-buffering": "no", **more}
    headers = [(name.encode(), value.encode()) for name, value in lines.items()]

    async def write(text: str) -> None:
        with anyio.fail_after(patience_s):
            await send({"type": "http.response.body", "body": text.encode(), "more_body": True})

    async def beat() -> None:
        while True:  # So that nobody between takes a quiet stream for dead.
            await anyio.sleep(BEAT_S)
            await write(":\n\n")

    try:
        with anyio.fail_after(patience_s):
            await send({"type": "http.response.start", "status": 200, "headers": headers})
        source = partial(events, lambda text: write(f"event: message\ndata: {text}\n\n"))
        await _unless_gone(receive, source, beat)
    except* TimeoutError:
        pass
    finally:
        with anyio.move_on_after(END_TIMEOUT_S, shield=True):
            await send({"type": "http.response.body", "body": b""})


async def _unless_gone(receive: Receive, work: Callable[[], Awaitable[T]], *beside: Any) -> T | None:
    """Ends the work when the client goes away; the others who wait for the same go on."""
    done = None

    async def watch() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for other in (watch, *beside):
            tasks.start_soon(other)
        done = await work()
        tasks.cancel_scope.cancel()
    return done
