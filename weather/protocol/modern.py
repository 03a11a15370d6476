"""The era of 2026-07-28, without sessions: every request says what it needs in its `_meta` and is answered on its own.

Nothing here knows how messages travel. Shapes: schema.json of that revision.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec
from msgspec import UNSET

from weather import __version__
from weather.answers import Answers, CachedResult, Query
from weather.config import MINUTES
from weather.errors import InvalidMessage, shortened
from weather.inputs import TAKES
from weather.protocol import messages, resources
from weather.protocol.messages import PREFIX, VERSION, Handler, Notify, Request, RequestId
from weather.protocol.subscriptions import MOST, MOST_SUBSCRIPTIONS, Subscription, Subscriptions
from weather.tools import KNOWN, LISTING, NAME, TITLE, Result, instructions, prepare

UNSUPPORTED_VERSION = -32022
METHODS = ("server/discover", "tools/list", "tools/call", *resources.METHODS, "subscriptions/listen")
LISTING_LIFE_S = 60 * MINUTES
_IDENTITY = {f"{PREFIX}serverInfo": {"name": NAME, "title": TITLE, "version": __version__}}
_META = json.dumps(_IDENTITY)


def speaks(request: Request) -> bool:
    """Whether the request is of this era: its metadata say so, or its method is of no other.

    Not by their prefix alone: 2025-11-25 has `related-task`.
    """
    own = request.method in ("server/discover", "subscriptions/listen")
    return own or not messages.MODERN.isdisjoint(request.meta)


def answered(
    answers: Answers, subscriptions: Subscriptions, request: Request, transport: str, started: float
) -> str | Handler:
    """Returns the response if it needs no waiting, else the work that builds its result; raises InvalidMessage.

    `started` is a time of `perf_counter`. The work sends its notifications first.
    """
    _check_meta(request)
    match request.method:
        case "server/discover":
            server = {
                "supportedVersions": [VERSION],
                "capabilities": {"tools": {}, "resources": {"subscribe": True}, "completions": {}},
                "instructions": instructions(answers.settings),
            }
            return messages.result(request.id, complete(json.dumps(server), _cached(LISTING_LIFE_S)))
        case "tools/list":
            if request.params.get("cursor") is not None:
                raise request.invalid("There is one page of tools: send no cursor.")
            return messages.result(request.id, complete(LISTING, _cached(LISTING_LIFE_S)))
        case "tools/call":
            name, arguments = str(request.params.get("name")), _arguments(request)
            if name not in TAKES:
                raise request.invalid(f"Unknown tool '{shortened(name)}'; the tools are {KNOWN}.")
            if not isinstance(arguments, dict):
                raise request.invalid("arguments: should be an object")
            found = prepare(answers, name, arguments, request.key, transport, started)
            if isinstance(found, CachedResult):
                return messages.result(request.id, complete(found.json))
            return partial(_call, found, request)
        case "resources/list" | "resources/templates/list":
            return messages.result(request.id, complete(resources.listed(request), _cached(LISTING_LIFE_S)))
        case "completion/complete":
            return messages.result(request.id, complete(resources.completed(request, answers.places)))
        case "resources/read":
            query = resources.parse(answers, request, messages.INVALID_PARAMS)
            if ready := answers.lookup(query):
                return messages.result(request.id, _contents(answers, request, ready))
            return partial(_read, answers, request, query)
        case "subscriptions/listen":
            return Listen(subscriptions, request.id, _wanted(request))
    known = f"in {VERSION} there are {', '.join(METHODS)}"
    raise request.invalid(f"Unknown method '{shortened(request.method)}'; {known}.", messages.METHOD_NOT_FOUND)


def _arguments(request: Request) -> Any:
    """Null is as none."""
    found = request.params.get("arguments")
    return {} if found is None else found


async def _call(build: Handler, request: Request, notify: Notify) -> Result:
    result = await messages.with_progress(build, request, notify)
    return Result(complete(result.json), result.failed)


async def _read(answers: Answers, request: Request, query: Query, _: Notify) -> Result:
    return Result(_contents(answers, request, await resources.read(answers, request, query, messages.INVALID_PARAMS)))


@dataclass(slots=True)
class Listen:
    """The work of a `subscriptions/listen`: acknowledges, notifies of changes, and returns at shutdown (subscriptions).

    `areas` maps each honoured URI to its area. Raises InvalidMessage where the process has MCP_MAX_STREAMS open.
    """

    subscriptions: Subscriptions
    id: RequestId
    areas: dict[str, str]

    async def __call__(self, notify: Notify) -> Result:
        if self.subscriptions.full:
            why = "This server has no room for another 'subscriptions/listen'."
            raise InvalidMessage(messages.INTERNAL_ERROR, why, self.id)
        meta = {f"{PREFIX}subscriptionId": self.id}
        honoured = {"resourceSubscriptions": list(self.areas)} if self.areas else {}
        acknowledged = {"_meta": meta, "notifications": honoured}
        added = [
            Subscription(area, messages.notification("resources/updated", {"_meta": meta, "uri": uri}), notify)
            for uri, area in self.areas.items()
        ]
        self.subscriptions.streams += 1
        try:
            await notify(messages.notification("subscriptions/acknowledged", acknowledged))
            for subscription in added:
                self.subscriptions.add(subscription)
            await self.subscriptions.shutting_down.wait()
        finally:
            self.subscriptions.streams -= 1
            for subscription in added:
                self.subscriptions.remove(subscription)
        return Result(json.dumps({"resultType": "complete", "_meta": {**meta, **_IDENTITY}}))


def _wanted(request: Request) -> dict[str, str]:
    """The area of each URI that is honoured; raises InvalidMessage."""
    match request.params.get("notifications"):
        case {"resourceSubscriptions": list(uris)}:
            if len(uris) > MOST_SUBSCRIPTIONS:
                raise request.invalid(MOST)
            return {uri: area for uri in uris if (area := resources.area(uri))}
        case dict() as others if "resourceSubscriptions" not in others:
            return {}
    raise request.invalid("notifications: an object, in it resourceSubscriptions: a list of URIs.")


def _contents(answers: Answers, request: Request, ready: CachedResult) -> str:
    life_s = max(0.0, ready.expires_at - answers.clock())
    return complete(resources.contents(request, ready), _cached(life_s))


def _cached(life_s: float) -> str:
    return f'"ttlMs":{life_s * 1000:.0f},"cacheScope":"public",'


def complete(result: str, cached: str = "") -> str:
    """The result in the envelope of this era: a few bytes around the same JSON."""
    return f'{{"resultType":"complete",{cached}"_meta":{_META},{result[1:]}'


def _check_meta(request: Request) -> None:
    """Raises InvalidMessage (versioning, protocol version negotiation; basic, per-request protocol fields)."""
    try:
        meta = msgspec.convert(request.params.get("_meta", {}), messages.Meta)
    except msgspec.ValidationError as error:
        raise request.invalid(f"_meta: {shortened(str(error), 120)}.") from None
    if meta.version is not UNSET and meta.version != VERSION:
        data = {"supported": [VERSION], "requested": meta.version}
        raise request.invalid("Unsupported protocol version", UNSUPPORTED_VERSION, data)
    for name in ("version", "capabilities"):
        if getattr(meta, name) is UNSET:
            raise request.invalid(f"params._meta must have '{messages.META[name]}'.")
