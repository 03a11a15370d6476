"""The era of 2026-07-28, without sessions: every request says what it needs in its `_meta` and is answered on its own.

Nothing here knows how messages travel. Shapes: schema.json of that revision.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from time import perf_counter
from typing import Any

import msgspec
from msgspec import UNSET

from weather import __version__
from weather.answers import Answers, Ready
from weather.config import MINUTES
from weather.errors import InvalidMessage
from weather.nws import silent
from weather.questions import TAKES, shortened
from weather.session import messages
from weather.session.messages import INVALID_PARAMS, METHOD_NOT_FOUND, PREFIX, VERSION, Meta, Request, RequestId
from weather.tools import KNOWN, LISTING, NAME, TITLE, call, instructions

UNSUPPORTED_VERSION = -32022
METHODS = ("server/discover", "tools/list", "tools/call")
LISTING_LIFE_S = 60 * MINUTES
_IDENTITY = json.dumps({f"{PREFIX}serverInfo": {"name": NAME, "title": TITLE, "version": __version__}})
_CACHED = f'"ttlMs":{LISTING_LIFE_S * 1000:.0f},"cacheScope":"public",'

Notify = Callable[[str], Awaitable[None]]


def speaks(request: Request) -> bool:
    """Whether the request is of this era: its metadata say so, or its method is of no other.

    Not by their prefix alone: 2025-11-25 has `related-task`.
    """
    return request.method == "server/discover" or not messages.MODERN.isdisjoint(request.meta)


def answered(answers: Answers, request: Request, key: Any, transport: str, started: float) -> str | None:
    """What needs no work; raises InvalidMessage. `key` is the call's, if it is plain; `started` by `perf_counter`."""
    _meta(request)
    match request.method:
        case "server/discover":
            found = {
                "supportedVersions": [VERSION],
                "capabilities": {"tools": {}},
                "instructions": instructions(answers.settings),
            }
            return messages.result(request.id, _complete(json.dumps(found), _CACHED))
        case "tools/list":
            if "cursor" in request.params:
                raise _invalid(request, "There is one page of tools: send no cursor.")
            return messages.result(request.id, _complete(LISTING, _CACHED))
        case "tools/call":
            name, arguments = str(request.params.get("name")), request.params.get("arguments", {})
            if name not in TAKES:
                raise _invalid(request, f"Unknown tool '{shortened(name)}'; the tools are {KNOWN}.")
            if not isinstance(arguments, dict):
                raise _invalid(request, "arguments: should be an object")
            ready = answers.known(key) or answers.ready(name, arguments, key)
            return reply(answers, request.id, ready, transport, started) if ready else None
    known = f"in {VERSION} there are {', '.join(METHODS)}"
    raise InvalidMessage(METHOD_NOT_FOUND, f"Unknown method '{shortened(request.method)}'; {known}.", request.id)


def reply(answers: Answers, request_id: RequestId, ready: Ready, transport: str, started: float) -> str:
    answers.metrics.called(ready.tool, ready.outcome, transport, perf_counter() - started)
    return messages.result(request_id, _complete(ready.json))


async def work(answers: Answers, request: Request, notify: Notify, transport: str) -> str:
    """The answer to a `tools/call` that `answered` has let pass; `notify` sends what goes before it."""
    token, steps = request.meta.get("progressToken"), 0

    async def progress(note: str) -> None:
        nonlocal steps
        steps += 1
        params = {"progressToken": token, "progress": steps, "message": note}
        await notify(json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": params}))

    name, arguments = request.params["name"], request.params.get("arguments", {})
    result = await call(answers, name, arguments, silent if token is None else progress, transport)
    return messages.result(request.id, _complete(result))


def _complete(result: str, cached: str = "") -> str:
    """The result in the envelope of this era: a few bytes around the same JSON."""
    return f'{{"resultType":"complete",{cached}"_meta":{_IDENTITY},{result[1:]}'


def _meta(request: Request) -> Meta:
    """Raises InvalidMessage (versioning, protocol version negotiation; basic, per-request protocol fields)."""
    try:
        meta = msgspec.convert(request.params.get("_meta", {}), Meta)
    except msgspec.ValidationError as error:
        raise _invalid(request, f"_meta: {shortened(str(error), 120)}.") from None
    if meta.version is not UNSET and meta.version != VERSION:
        data = {"supported": [VERSION], "requested": meta.version}
        raise InvalidMessage(UNSUPPORTED_VERSION, "Unsupported protocol version", request.id, data)
    for name in ("version", "capabilities"):
        if getattr(meta, name) is UNSET:
            raise _invalid(request, f"params._meta must have '{messages.META[name]}'.")
    return meta


def _invalid(request: Request, why: str) -> InvalidMessage:
    return InvalidMessage(INVALID_PARAMS, why, request.id)
