"""The headers of a POST to /mcp: media types, the protocol version, and what they repeat of the body.

Requests of 2026-07-28 must repeat it (request metadata); earlier ones may name their version.
"""

import re
from base64 import b64decode
from contextlib import suppress
from typing import NamedTuple

from weather.asgi import Scope, header
from weather.errors import Refusal, shortened
from weather.protocol import messages
from weather.protocol.messages import Call, Request
from weather.responses import JSON
from weather.transports import event_stream

HEADER_MISMATCH = -32020
HEADERS = ("MCP-Protocol-Version", "Mcp-Method", "Mcp-Name")
NAMED = ("tools/call", "resources/read", "prompts/get")


class Stated(NamedTuple):
    """What the headers say of the body, each "" where it is missing."""

    version: str
    method: str
    name: str

    def agrees(self, call: Call) -> bool:
        if not call.modern:
            return self.version in ("", *messages.SESSION_VERSIONS)
        return self == (messages.VERSION, call.method, call.params.name)

    def check(self, request: Request) -> None:
        """Raises InvalidMessage unless the headers say what the body says (2026-07-28, request metadata)."""
        version, params = request.meta.get(messages.META["version"], self.version), request.params
        name = params.get("name", params.get("uri")) if request.method in NAMED else self.name
        for index, value in enumerate((version, request.method, name)):
            if self[index] != value:
                sent, value = shortened(self[index]), shortened(str(value))
                why = f"Header mismatch: {HEADERS[index]} is {sent!r}, and the body says {value!r}."
                raise request.invalid(why, HEADER_MISMATCH)


def stated(scope: Scope) -> Stated:
    """Raises Refusal for media types that a message does not have."""
    content, accepts = header(scope, b"content-type"), header(scope, b"accept")
    if content.partition(";")[0].strip().lower() != JSON:
        raise Refusal(415, "content_type", f"Send the message as {JSON}.")
    if not re.search(r"application/(json|\*)|\*/\*|^$", accepts, re.IGNORECASE):
        raise Refusal(406, "accept", f"The answer is {JSON}: accept that, and {event_stream.CONTENT_TYPE}.")
    version, method, name = (header(scope, each.lower().encode()) for each in HEADERS)
    if encoded := re.fullmatch(r"=\?base64\?(.*)\?=", name):
        with suppress(ValueError):
            name = b64decode(encoded[1], validate=True).decode()
    return Stated(version, method, name)
