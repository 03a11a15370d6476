"""What both eras of MCP answer: sessions up to 2025-11-25 (`legacy`), and none from 2026-07-28 on (`modern`)."""

import json
from functools import partial
from itertools import count
from time import perf_counter

from msgspec import UNSET

from weather import __version__
from weather.answers import Answers, CachedResult, Query
from weather.config import MINUTES
from weather.errors import shortened
from weather.inputs import TAKES
from weather.nws import silent
from weather.protocol import messages, resources
from weather.protocol.messages import Call, Handler, Notify, Request
from weather.tools import KNOWN, LISTING, NAME, TITLE, Result, prepare

LISTING_LIFE_S = 60 * MINUTES
LISTS = {"tools/list": LISTING, **resources.LISTS}
METHODS = (*LISTS, "tools/call", "resources/read", "completion/complete")
IDENTITY = {f"{messages.PREFIX}serverInfo": {"name": NAME, "title": TITLE, "version": __version__}}
_META = json.dumps(IDENTITY)


def complete(result: str, life_s: float | None = None) -> str:
    """The result in the envelope of 2026-07-28: a few bytes around the same JSON. It may be cached for `life_s`."""
    cached = "" if life_s is None else f'"ttlMs":{life_s * 1000:.0f},"cacheScope":"public",'
    return f'{{"resultType":"complete",{cached}"_meta":{_META},{result[1:]}'


def cached_reply(answers: Answers, call: Call, transport: str, started: float, *, in_task: bool = True) -> str | None:
    """The response to a plain call whose tool and bytes of arguments came before; `started` by `perf_counter`."""
    ready = answers.lookup_key(call.key, in_task=in_task)
    if ready is None:
        return None
    result, meta = ready.json, call.params.meta
    if meta is not UNSET and meta.modern:
        if meta.version != messages.VERSION or meta.capabilities is UNSET:
            return None
        result = complete(result)
    answers.metrics.called(ready.tool, ready.outcome, transport, perf_counter() - started)
    return messages.result(call.id, result)


def answered(answers: Answers, request: Request, transport: str, started: float) -> str | Handler:
    """Returns the response to one of METHODS if it needs no waiting, else the work that builds its result.

    `started` is a time of `perf_counter`. The work sends notes of progress first. Raises InvalidMessage.
    """
    life_s = None
    match request.method:
        case "tools/call":
            name, arguments = str(request.params.get("name")), request.params.get("arguments")
            if name not in TAKES:
                raise request.invalid(f"Unknown tool '{shortened(name)}'; the tools are {KNOWN}.")
            if not isinstance(arguments, dict | None):
                raise request.invalid("arguments: should be an object")
            found = prepare(answers, name, arguments or {}, request.key, transport, started)
            if not isinstance(found, CachedResult):
                return partial(_call, found, request)
            result = found.json
        case "resources/read":
            query = resources.parse(answers, request)
            ready = answers.lookup(query)
            if ready is None:
                return partial(_read, answers, request, query)
            result, life_s = resources.contents(request, ready), _life_s(answers, ready)
        case "completion/complete":
            result = resources.completed(request, answers.places)
        case method:
            if request.params.get("cursor") is not None:
                raise request.invalid("There is one page: send no cursor.")
            result, life_s = LISTS[method], LISTING_LIFE_S
    return messages.result(request.id, _enveloped(request, result, life_s))


async def _call(build: Handler, request: Request, notify: Notify) -> Result:
    """Sends `notifications/progress` if the request has a token (basic/utilities/progress)."""
    token, steps = request.meta.get("progressToken"), count(1)

    async def progress(note: str) -> None:
        params = {"progressToken": token, "progress": next(steps), "message": note}
        await notify(messages.notification("progress", params))

    result = await build(silent if token is None else progress)
    return Result(_enveloped(request, result.json), result.failed)


async def _read(answers: Answers, request: Request, query: Query, _: Notify) -> Result:
    ready = await resources.read(answers, request, query)
    return Result(_enveloped(request, resources.contents(request, ready), _life_s(answers, ready)))


def _enveloped(request: Request, result: str, life_s: float | None = None) -> str:
    return complete(result, life_s) if request.stateless else result


def _life_s(answers: Answers, ready: CachedResult) -> float:
    return max(0.0, ready.expires_at - answers.clock())
