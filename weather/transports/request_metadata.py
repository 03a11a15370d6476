"""The headers of a POST to /mcp: media types, the protocol version, and what they repeat of the body.

Requests of 2026-07-28 must repeat it (request metadata); earlier ones may name their version.
"""

from __future__ import annotations

import re
from base64 import b64decode
from contextlib import suppress

from weather.asgi import Scope, header
from weather.errors import InvalidMessage, Refusal, shortened
from weather.protocol import messages
from weather.protocol.messages import SESSION_VERSIONS, Call, Request
from weather.responses import JSON
from weather.transports import event_stream

HEADER_MISMATCH = -32020


def protocol_version(scope: Scope) -> str:
    """The revision in the headers, "" where there is none; raises Refusal."""
    content, accepts = _one(scope, "content-type"), _one(scope, "accept")
    if content.partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "content_type", f"Send the message as {JSON}.")
    if not re.search(r"application/(json|\*)|\*/\*|^$", accepts, re.IGNORECASE):
        raise Refusal(406, "accept", f"The answer is {JSON}: accept that, and {event_stream.CONTENT_TYPE}.")
    return _one(scope, "mcp-protocol-version")


def check(scope: Scope, version: str, request: Request) -> None:
    """Raises InvalidMessage unless the headers say what the body says (2026-07-28, request metadata)."""
    stated = request.meta.get(messages.META["version"], version)
    expected = {"MCP-Protocol-Version": stated, "Mcp-Method": request.method}
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


def agrees(scope: Scope, version: str, call: Call) -> bool:
    """False also where only `check` can say: a name in base64."""
    if not call.modern:
        return version in ("", *SESSION_VERSIONS)
    sent = version, _one(scope, "mcp-method"), _one(scope, "mcp-name")
    return sent == (messages.VERSION, call.method, call.params.name)
