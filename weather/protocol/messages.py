"""The JSON-RPC 2.0 messages of MCP (2025-11-25, basic)."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Literal

import anyio
import msgspec
from msgspec import UNSET, DecodeError, Raw, Struct, UnsetType, ValidationError
from pydantic_core import from_json

from weather.answers import Key
from weather.errors import InvalidMessage, shortened
from weather.tools import Result

RequestId = int | str
Notify = Callable[[str], Awaitable[None]]
Handler = Callable[[Notify], Awaitable[Result]]

SESSION_VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
VERSION = "2026-07-28"  # the first without sessions
PREFIX = "io.modelcontextprotocol/"
META = {
    "version": f"{PREFIX}protocolVersion",
    "capabilities": f"{PREFIX}clientCapabilities",
    "client": f"{PREFIX}clientInfo",
    "log_level": f"{PREFIX}logLevel",
    "progress_token": "progressToken",
}
MODERN = {name for name in META.values() if name.startswith(PREFIX)}
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND, INVALID_PARAMS, INTERNAL_ERROR = -32700, -32600, -32601, -32602, -32603


class Request(Struct):
    """`key` is that of the `Call` that it was. `stateless` is set for one of 2026-07-28."""

    id: RequestId
    method: str
    params: dict[str, Any]
    key: Key | None = None
    stateless: bool = False

    @property
    def meta(self) -> dict[str, Any]:
        found = self.params.get("_meta")
        return found if isinstance(found, dict) else {}

    def invalid(self, why: str, code: int = INVALID_PARAMS, data: dict[str, Any] | None = None) -> InvalidMessage:
        return InvalidMessage(code, why, self.id, data)


class Cancelled(Struct):
    """A `notifications/cancelled`."""

    request_id: RequestId


@dataclass(slots=True)
class PendingRequest:
    """A request without a response yet, whose `scope` cancels it.

    `reply` is the response that `work` makes, empty if that was cancelled; `failed` counts as an error of the session.
    """

    id: RequestId
    handler: Handler
    notify: Notify
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    reply: str = ""
    failed: bool = True

    async def work(self) -> None:
        with self.scope:
            try:
                done = await self.handler(self.notify)
                self.reply, self.failed = result(self.id, done.json), done.failed
            except InvalidMessage as invalid:
                self.reply = error(invalid)


class _Message(Struct):
    jsonrpc: Literal["2.0"]
    id: RequestId | UnsetType | None = UNSET
    method: str | UnsetType = UNSET
    params: dict[str, Any] | None = None
    result: Any = UNSET
    error: Any = UNSET


class Implementation(Struct):
    name: str
    version: str


class Capabilities(Struct):
    """An object. The server uses none of a client's capabilities."""


class Meta(Struct, rename=META.get):
    """Of a request of either era; one of 2026-07-28 has the first two (basic, per-request protocol fields)."""

    version: str | UnsetType = UNSET
    capabilities: Capabilities | UnsetType = UNSET
    client: Implementation | UnsetType = UNSET
    log_level: str | UnsetType = UNSET
    progress_token: RequestId | UnsetType = UNSET

    @property
    def modern(self) -> bool:
        """Whether it has a field of the stateless era."""
        return not (self.version is self.capabilities is self.client is self.log_level is UNSET)


class Arguments(Struct, forbid_unknown_fields=True, rename={"meta": "_meta"}):
    """`arguments` stays raw bytes: it is only a cache key as long as the result is cached."""

    name: str
    arguments: Raw = Raw(b"{}")
    meta: Meta | UnsetType = UNSET


class Call(Struct, forbid_unknown_fields=True):
    """A `tools/call` that holds nothing but what it needs, and maybe a progress token."""

    jsonrpc: Literal["2.0"]
    id: RequestId
    method: Literal["tools/call"]
    params: Arguments

    @property
    def modern(self) -> bool:
        """Whether `modern.speaks` the call."""
        return self.params.meta is not UNSET and self.params.meta.modern

    @property
    def key(self) -> Key:
        """Equal for calls of one tool with the same bytes of arguments."""
        return self.params.name, bytes(self.params.arguments)

    def request(self) -> Request:
        """The same request, its arguments parsed. Raises InvalidMessage where they are beyond the bounds of `parse`."""
        params = {"name": self.params.name, "arguments": _json(bytes(self.params.arguments))}
        if self.params.meta is not UNSET:
            params["_meta"] = msgspec.to_builtins(self.params.meta)
        return Request(self.id, self.method, params, self.key)


class Reply(Struct):
    """What the SDK sends: a response or an error."""

    id: RequestId | None = None


reply = msgspec.json.Decoder(Reply).decode
_call = msgspec.json.Decoder(Call).decode


def plain_call(data: str | bytes) -> Call | None:
    try:
        return _call(data)
    except (DecodeError, UnicodeDecodeError, RecursionError):
        return None


def parse(data: str | bytes) -> Call | Request | Cancelled | None:
    """None for any other notification, as JSON-RPC asks, and for a response: the server sends no requests.

    Raises InvalidMessage, also for NaN, a lone surrogate and more than 200 brackets in brackets.
    """
    if call := plain_call(data):
        return call
    whole = _json(data)
    try:
        read = msgspec.convert(whole, _Message)
    except ValidationError as error:
        why = f"This is no JSON-RPC 2.0 message: {shortened(str(error))}."
        request_id = usable(whole.get("id")) if isinstance(whole, dict) else None
        raise InvalidMessage(INVALID_REQUEST, why, request_id) from None
    if (read.method, read.result, read.error).count(UNSET) != 2:
        why = "A message has a method, or a result, or an error: one of them."
        raise InvalidMessage(INVALID_REQUEST, why, None if read.id is UNSET else read.id)
    if read.method is UNSET:
        return None
    if read.id is UNSET:
        cancelled = usable(read.params.get("requestId")) if read.params else None
        return None if read.method != "notifications/cancelled" or cancelled is None else Cancelled(cancelled)
    if read.id is None:
        raise InvalidMessage(INVALID_REQUEST, "An id is a string or an integer.")
    return Request(read.id, read.method, read.params or {})


def _json(data: str | bytes) -> Any:
    """Raises InvalidMessage. msgspec takes up to 18 µs to read a number, which makes seconds of a long message."""
    try:
        return from_json(data, allow_inf_nan=False)
    except ValueError as error:
        raise InvalidMessage(PARSE_ERROR, f"This is not JSON: {shortened(str(error))}.") from None


def usable(request_id: object) -> RequestId | None:
    """A string or an integer (MCP 2025-11-25, basic: requests)."""
    return request_id if isinstance(request_id, str | int) and not isinstance(request_id, bool) else None


def result(request_id: RequestId, json: str) -> str:
    """The answer; `json` is the result."""
    written = msgspec.json.encode(request_id).decode() if isinstance(request_id, str) else str(request_id)
    return f'{{"jsonrpc":"2.0","id":{written},"result":{json}}}'


def notification(name: str, params: dict[str, Any]) -> str:
    return json.dumps({"jsonrpc": "2.0", "method": f"notifications/{name}", "params": params})


def named(info: dict[str, Any]) -> str:
    """A client by its `clientInfo`, for the log."""
    return shortened(f"{info['name']} {info['version']}")


def error(invalid: InvalidMessage) -> str:
    """The answer, without an id where the message had none that can be used."""
    known = {} if invalid.request_id is None else {"id": invalid.request_id}
    body = {"code": invalid.code, "message": str(invalid), **({"data": invalid.data} if invalid.data else {})}
    return json.dumps({"jsonrpc": "2.0", **known, "error": body})
