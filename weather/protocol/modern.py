"""The era of 2026-07-28, without sessions: every request says what it needs in its `_meta` and is answered on its own.

Nothing here knows how messages travel. Shapes: schema.json of that revision.
"""

import json
from dataclasses import dataclass

import msgspec
from msgspec import UNSET

from weather.answers import Answers
from weather.errors import shortened
from weather.protocol import eras, messages, resources
from weather.protocol.messages import PREFIX, VERSION, Handler, Notify, Request
from weather.protocol.subscriptions import MOST, MOST_SUBSCRIPTIONS, Subscription, Subscriptions
from weather.tools import Result, instructions

UNSUPPORTED_VERSION = -32022
METHODS = ("server/discover", *eras.METHODS, "subscriptions/listen")


def speaks(request: Request) -> bool:
    """Whether the request is of this era: its metadata say so, or its method is of no other.

    Not by their prefix alone: 2025-11-25 has `related-task`.
    """
    own = request.method in ("server/discover", "subscriptions/listen")
    return own or not messages.MODERN.isdisjoint(request.meta)


def answered(
    answers: Answers, subscriptions: Subscriptions, request: Request, transport: str, started: float
) -> str | Handler:
    """As `eras.answered`, for every method of this era."""
    _check_meta(request)
    match request.method:
        case "server/discover":
            server = {
                "supportedVersions": [VERSION],
                "capabilities": {"tools": {}, "resources": {"subscribe": True}, "completions": {}},
                "instructions": instructions(answers.settings),
            }
            return messages.result(request.id, eras.complete(json.dumps(server), eras.LISTING_LIFE_S))
        case "subscriptions/listen":
            return Listen(subscriptions, request, _wanted(request))
        case method if method in eras.METHODS:
            return eras.answered(answers, request, transport, started)
    known = f"in {VERSION} there are {', '.join(METHODS)}"
    raise request.invalid(f"Unknown method '{shortened(request.method)}'; {known}.", messages.METHOD_NOT_FOUND)


@dataclass(slots=True)
class Listen:
    """The work of a `subscriptions/listen`: acknowledges, notifies of changes, and returns at shutdown (subscriptions).

    `areas` maps each honoured URI to its area. Raises InvalidMessage where the process has MCP_MAX_STREAMS open.
    """

    subscriptions: Subscriptions
    request: Request
    areas: dict[str, str]

    async def __call__(self, notify: Notify) -> Result:
        if self.subscriptions.full:
            why = "This server has no room for another 'subscriptions/listen'."
            raise self.request.invalid(why, messages.INTERNAL_ERROR)
        meta = {f"{PREFIX}subscriptionId": self.request.id}
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
        return Result(json.dumps({"resultType": "complete", "_meta": {**meta, **eras.IDENTITY}}))


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
