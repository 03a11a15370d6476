"""The methods that both eras have: tools, resources and completion."""

from collections.abc import Callable
from functools import partial
from itertools import count
from typing import NamedTuple

from weather.answers import Answers, CachedResult, Query
from weather.config import MINUTES
from weather.errors import shortened
from weather.inputs import TAKES
from weather.nws import silent
from weather.protocol import messages, resources
from weather.protocol.messages import Handler, Notify, Request
from weather.tools import KNOWN, LISTING, Result, prepare

LISTING_LIFE_S = 60 * MINUTES
LISTS = {"tools/list": LISTING, **resources.LISTS}
METHODS = (*LISTS, "tools/call", "resources/read", "completion/complete")


class Era(NamedTuple):
    """What differs: `envelope` adds to a result, and to the seconds that it may be cached, what the era has besides.

    `not_found` is the code of the error for an unknown resource.
    """

    envelope: Callable[[str, float | None], str]
    not_found: int


def answered(era: Era, answers: Answers, request: Request, transport: str, started: float) -> str | Handler:
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
                return partial(_call, era, found, request)
            result = found.json
        case "resources/read":
            query = resources.parse(answers, request, era.not_found)
            ready = answers.lookup(query)
            if ready is None:
                return partial(_read, era, answers, request, query)
            result, life_s = resources.contents(request, ready), _life_s(answers, ready)
        case "completion/complete":
            result = resources.completed(request, answers.places)
        case method:
            if request.params.get("cursor") is not None:
                raise request.invalid("There is one page: send no cursor.")
            result, life_s = LISTS[method], LISTING_LIFE_S
    return messages.result(request.id, era.envelope(result, life_s))


async def _call(era: Era, build: Handler, request: Request, notify: Notify) -> Result:
    """Sends `notifications/progress` if the request has a token (basic/utilities/progress)."""
    token, steps = request.meta.get("progressToken"), count(1)

    async def progress(note: str) -> None:
        params = {"progressToken": token, "progress": next(steps), "message": note}
        await notify(messages.notification("progress", params))

    result = await build(silent if token is None else progress)
    return Result(era.envelope(result.json, None), result.failed)


async def _read(era: Era, answers: Answers, request: Request, query: Query, _: Notify) -> Result:
    ready = await resources.read(answers, request, query, era.not_found)
    return Result(era.envelope(resources.contents(request, ready), _life_s(answers, ready)))


def _life_s(answers: Answers, ready: CachedResult) -> float:
    return max(0.0, ready.expires_at - answers.clock())
