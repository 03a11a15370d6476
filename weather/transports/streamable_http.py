"""MCP at /mcp: streamable HTTP without sessions, of both eras (basic/transports).

The response to a message is JSON, or a stream of server-sent events for a request that has notifications.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial

import anyio

from weather.access import Access, check_host_and_origin
from weather.asgi import HTTP_PATH, Receive, Scope, Send, header_lines, sent_path
from weather.config import SECONDS
from weather.errors import InvalidMessage, Refusal
from weather.nws import silent
from weather.protocol import eras, legacy, messages, modern
from weather.protocol.messages import Call, Handler, Notify, Request, RequestId
from weather.responses import Response, peer, respond
from weather.transports import event_stream, request_metadata
from weather.transports.request_metadata import Stated
from weather.transports.sessions import RETRY, Sessions

BODY_TIMEOUT_S = 5 * SECONDS
ALLOW = {"allow": "POST, OPTIONS"}
PREFLIGHT = {
    "access-control-allow-methods": "POST",
    "access-control-allow-headers": "accept, authorization, content-type, last-event-id, mcp-method, mcp-name,"
    " mcp-protocol-version, mcp-session-id",
    "access-control-max-age": "600",
}

log = logging.getLogger("weather")


class StreamableHTTP:
    def __init__(self, sessions: Sessions, access: Access) -> None:
        self._sessions, self.access, self._settings = sessions, access, sessions.settings
        self._pending: dict[tuple[object, RequestId], list[anyio.CancelScope]] = {}

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> Response | None:
        """Returns None if it has sent the response, or if the client has disconnected. Raises Refusal."""
        if scope["method"] == "OPTIONS":
            return Response(b"", headers=PREFLIGHT | ALLOW)
        expires_at = await self.access.authorize(scope)  # Some clients show the user what a GET gets, after a POST.
        if scope["method"] != "POST":
            raise Refusal(405, "method", "Send each message with POST; there is no stream to GET.", ALLOW)
        stated, shared = request_metadata.stated(scope), self.access.cors_headers(scope)
        body, response = None, None
        with self._sessions.request(BODY_TIMEOUT_S) as timeout, suppress(TimeoutError):
            async with timeout:
                body = await _body(receive, self._settings.mcp_max_message_bytes)
                if self._sessions.status != "draining":
                    timeout.reschedule(None)
                response = await self._posted(scope, receive, stated, body) if body is not None else None
                if response and response.events:
                    if response.lasting:
                        self._sessions.listen(timeout)
                        if expires_at is not None:
                            timeout.reschedule(asyncio.get_running_loop().time() + expires_at - time.time())
                    to_read_s = self._settings.mcp_send_timeout_seconds
                    await event_stream.send_events(receive, send, response.events, shared, to_read_s)
                elif response:
                    await respond(scope, send, response, shared)
                return None
        if response:
            return None
        if body or self._sessions.status == "draining":
            raise Refusal(503, "capacity", "This server is going down.", RETRY)
        raise Refusal(408, "slow", f"The message did not come within {BODY_TIMEOUT_S:g} s.")

    def prepare(self, scope: Scope) -> Callable[[bytes], str | None] | None:
        """Returns what answers bodies that come with these headers from the cache, for the server's short way.

        None if the headers do not pass every check, or if a later request with the same ones might not.
        """
        if scope["method"] != "POST" or sent_path(scope) != HTTP_PATH or scope["query_string"]:
            return None
        if self._settings.checks_tokens or header_lines(scope, b"origin"):
            return None
        try:
            check_host_and_origin(scope, self._settings)
            return partial(self._cached_reply, request_metadata.stated(scope))
        except Refusal:
            return None

    def _cached_reply(self, stated: Stated, body: bytes) -> str | None:
        if self._sessions.busy or len(body) > self._settings.mcp_max_message_bytes:
            return None
        call = messages.plain_call(body)
        if call is None or not stated.agrees(call):
            return None
        reply = eras.cached_reply(self._sessions.answers, call, "http", time.perf_counter(), in_task=False)
        self._sessions.metrics.short_way += reply is not None
        return reply

    async def _posted(self, scope: Scope, receive: Receive, stated: Stated, body: bytes) -> Response | None:
        """Returns None if the client has disconnected. Raises Refusal."""
        started = time.perf_counter()
        try:
            match messages.parse(body):
                case Call() as call:
                    if stated.agrees(call) and (
                        reply := eras.cached_reply(self._sessions.answers, call, "http", started)
                    ):
                        return Response(reply.encode())
                    request = call.request()
                case Request() as request:
                    pass
                case cancelled:
                    if cancelled:
                        self._cancel(scope, cancelled.request_id)
                    return Response(b"", 202)
        except InvalidMessage as invalid:
            return _invalid(invalid, stateless=False)
        request.stateless = modern.speaks(request) or stated.version == messages.VERSION
        if not request.stateless and stated.version not in ("", *messages.SESSION_VERSIONS):
            sent, spoken = stated.version[:20], ", ".join((*messages.SESSION_VERSIONS, messages.VERSION))
            raise Refusal(400, "version", f"MCP-Protocol-Version {sent!a} is not spoken here: {spoken} are.")
        try:
            answers, subscriptions = self._sessions.answers, self._sessions.subscriptions
            if request.stateless:
                stated.check(request)
                found = modern.answered(answers, subscriptions, request, "http", started)
            else:
                found = legacy.answered(answers, request, "http", started)
            if request.method == "initialize":
                fields = {"peer": peer(scope), "client": messages.named(request.params["clientInfo"])}
                log.info("client initialized over HTTP", extra={"fields": fields})
            if isinstance(found, str):
                return Response(found.encode())
            return await self._worked(scope, receive, request, found)
        except InvalidMessage as invalid:
            return _invalid(invalid, stateless=request.stateless)

    async def _worked(self, scope: Scope, receive: Receive, request: Request, found: Handler) -> Response | None:
        """Returns None if the client has disconnected."""
        listens = isinstance(found, modern.Listen)
        if listens or (request.stateless and "progressToken" in request.meta):
            return Response(b"", events=partial(self._events, scope, request, found), lasting=listens)
        with self._cancellable(scope, request.id) as cancelled:
            response = await event_stream.unless_gone(receive, partial(_result, request, found, silent))
        return Response(b"", 202) if cancelled.cancelled_caught else response

    async def _events(self, scope: Scope, request: Request, work: Handler, notify: Notify) -> None:
        with self._cancellable(scope, request.id):
            response = await _result(request, work, notify)
            await notify(response.body.decode())

    def _client(self, scope: Scope) -> object:
        """What tells a client from another without a session: its address and its token. None without tokens."""
        authorization = header_lines(scope, b"authorization") if self._settings.checks_tokens else []
        return (scope["client"][0], *authorization) if authorization and scope.get("client") else None

    @contextmanager
    def _cancellable(self, scope: Scope, request_id: RequestId) -> Iterator[anyio.CancelScope]:
        """Its scope is cancelled by the same client's `notifications/cancelled`."""
        key, cancelled = (self._client(scope), request_id), anyio.CancelScope()
        self._pending.setdefault(key, []).append(cancelled)
        try:
            with cancelled:
                yield cancelled
        finally:
            self._pending[key].remove(cancelled)
            if not self._pending[key]:
                del self._pending[key]

    def _cancel(self, scope: Scope, request_id: RequestId) -> None:
        if client := self._client(scope):
            for cancelled in self._pending.get((client, request_id), ()):
                cancelled.cancel()


async def _result(request: Request, work: Handler, notify: Notify) -> Response:
    """Raises no InvalidMessage: out of a task group it would come in an exception group."""
    try:
        return Response(messages.result(request.id, (await work(notify)).json).encode())
    except InvalidMessage as invalid:
        return _invalid(invalid, stateless=request.stateless)


def _invalid(invalid: InvalidMessage, *, stateless: bool) -> Response:
    if stateless:
        status = 404 if invalid.code == messages.METHOD_NOT_FOUND else 400
    else:
        status = 400 if invalid.code in (messages.PARSE_ERROR, messages.INVALID_REQUEST) else 200
    return Response(messages.error(invalid).encode(), status)


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
