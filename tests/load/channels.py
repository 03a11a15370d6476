"""What carries an agent's messages to the server: a WebSocket, or an HTTP connection that is kept alive."""

from __future__ import annotations

import json
import socket
import time
from contextlib import suppress
from typing import Any, Protocol
from urllib.parse import urlsplit

from geventhttpclient import HTTPClient
from geventhttpclient.response import HTTPParseError

# Locust has patched sockets and threads: this client works on greenlets. Without compression and pings of its own, one
# core makes some ten thousand calls a second with it, ten times what websocket-client makes.
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, InvalidURI
from websockets.sync.client import connect

ANSWER_TIMEOUT_S = 30.0
NO_ANSWER = f"no answer within {ANSWER_TIMEOUT_S:g} s"

Message = dict[str, Any]


class FailedError(Exception):
    """What Locust groups failures by: its text has no numbers of the single call."""


class LostError(FailedError):
    """The session cannot go on."""


class Channel(Protocol):
    """Its constructor connects to a URL, with headers of the caller's. All raise LostError."""

    kind: str  # as Locust's report has it

    def ask(self, request: Message) -> tuple[Message, int]:
        """The answer, and its size in bytes."""

    def tell(self, notification: Message) -> None: ...

    def hear(self) -> Message | None:
        """The next message that nobody asked for; None where there can be none."""

    def vanish(self) -> None:
        """Without a word, as a laptop lid is shut."""

    def close(self) -> None: ...


class WebSocketChannel:
    kind = "WS"

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        try:
            self._connection = connect(
                url,
                subprotocols=["mcp"],
                additional_headers=headers,
                compression=None,
                ping_interval=None,
                open_timeout=ANSWER_TIMEOUT_S,
                close_timeout=1,
            )
        except InvalidStatus as refused:
            raise LostError(f"refused with HTTP {refused.response.status_code}") from None
        except (InvalidURI, InvalidHandshake, OSError, EOFError) as error:
            raise LostError(f"no connection: {type(error).__name__}") from None

    def ask(self, request: Message) -> tuple[Message, int]:
        self.tell(request)
        deadline = time.perf_counter() + ANSWER_TIMEOUT_S
        while True:
            try:
                text = self._connection.recv(max(0.0, deadline - time.perf_counter()), decode=False)
            except TimeoutError:
                raise LostError(NO_ANSWER) from None
            except ConnectionClosed as closed:
                raise LostError(_closed(closed)) from None
            message = json.loads(text)
            if message.get("id") == request["id"]:
                return message, len(text)

    def tell(self, notification: Message) -> None:
        try:
            self._connection.send(json.dumps(notification))
        except ConnectionClosed as closed:
            raise LostError(_closed(closed)) from None

    def hear(self) -> Message | None:
        try:
            message: Message = json.loads(self._connection.recv(decode=False))
        except ConnectionClosed as closed:
            raise LostError(_closed(closed)) from None
        return message

    def vanish(self) -> None:
        self._connection.socket.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._connection.close()


def _closed(closed: ConnectionClosed) -> str:
    return f"closed by the server with {closed.rcvd.code}" if closed.rcvd else "closed without a close frame"


class _KeptAlive(HTTPClient):
    """Reconnects by itself when the server has closed the connection after an answer."""

    def connect(self) -> None:
        self._connection_pool.return_socket(self._connection_pool.get_socket())


class HTTPChannel:
    kind = "HTTP"

    def __init__(self, url: str, headers: dict[str, str]) -> None:
        self._client = _KeptAlive.from_url(
            url, connection_timeout=ANSWER_TIMEOUT_S, network_timeout=ANSWER_TIMEOUT_S, headers=headers
        )
        self._path = urlsplit(url).path or "/"
        self._headers = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        try:
            self._client.connect()
        except OSError as error:
            raise LostError(f"no connection: {type(error).__name__}") from None

    def ask(self, request: Message) -> tuple[Message, int]:
        answer = self._post(request)
        try:
            message = json.loads(answer)
        except ValueError:
            raise LostError("the answer is not JSON") from None
        if request["method"] == "initialize" and "result" in message:
            self._headers["mcp-protocol-version"] = message["result"].get("protocolVersion", "")
        return message, len(answer)

    def tell(self, notification: Message) -> None:
        self._post(notification)

    def hear(self) -> Message | None:
        return None

    def _post(self, message: Message) -> bytes:
        try:
            response = self._client.post(self._path, json.dumps(message), self._headers)
            body = bytes(response.read())
        except TimeoutError:
            raise LostError(NO_ANSWER) from None
        except (OSError, HTTPParseError) as error:
            raise LostError(f"no answer: {type(error).__name__}") from None
        if response.status_code not in (200, 202):
            raise LostError(f"refused with HTTP {response.status_code}")
        return body

    def vanish(self) -> None:
        """An end like any other, without a session."""

    def close(self) -> None:
        with suppress(OSError):
            self._client.close()


def channel_for(url: str) -> type[HTTPChannel | WebSocketChannel]:
    return HTTPChannel if url.startswith(("http:", "https:")) else WebSocketChannel
