"""Selects the messages of an alert feed that no message has ended, and ranks alerts.

Terms of the Common Alerting Protocol (CAP 1.2) and of VTEC (NWS Instruction 10-1703). `Alert.over_at` handles the
alerts that end by the clock.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import compress
from typing import Any, get_args

from weather.nws.shapes import Alert, Urgency

Newest = dict[str, dict[str, datetime]]

VTEC = re.compile(r"/[OTEX]\.([A-Z]{3})\.([A-Z]{4}\.[A-Z]{2}\.[A-Z]\.\d{4})\.")  # action; office, phenomenon, ...
ENDING = {"CAN", "EXP", "UPG"}
SAME_EVENT = timedelta(days=180)  # An office numbers its events from 1 again each year.
URGENCIES = get_args(Urgency)
SEVERITIES = ("Extreme", "Severe", "Moderate", "Unknown", "Minor")
"""The worst first. Unknown ranks above Minor, since it may be anything."""

# Events that come with severity Unknown although people have to act (weather-gov/api #118), and the rank they get.
CIVIL_EXTREME = (
    *("evacuation", "shelter in place", "civil danger", "civil emergency", "law enforcement", "fire warning"),
    *("nuclear power plant", "radiological hazard", "hazardous materials"),
    *("earthquake", "tsunami warning", "volcano warning"),
)
CIVIL_SEVERE = (
    *("child abduction", "911 telephone", "local area emergency", "blue alert"),
    *("missing endangered", "avalanche warning"),
)


@dataclass(frozen=True, slots=True)
class Message:
    """One feature of the feed. `over`: it ends its alert or is replaced.

    `replaces` has the identifiers of other messages, `events` the VTEC events in it, `ending` those that it ends.
    """

    alert: Alert
    over: bool
    replaces: frozenset[str]
    events: frozenset[str]
    ending: frozenset[str]
    zones: tuple[str, ...]

    @classmethod
    def of(cls, alert: Alert, raw: Mapping[str, Any]) -> Message:
        codes = [code for text in _texts(raw, "VTEC") for code in VTEC.findall(text)]
        events = frozenset(event for _, event in codes)
        ending = events - {event for action, event in codes if action not in ENDING}
        over = (
            (alert.message_type or "").lower() == "cancel"
            or (bool(events) and events == ending)
            or (alert.urgency == "Past" and alert.response == "AllClear")
            or bool(raw.get("replacedBy"))
        )
        return cls(alert, over, frozenset(_replaced(raw)), events, ending, tuple(alert.affected_zones or ()))

    def follows(self, other: Message) -> bool:
        """True unless it was sent before the other, so that it can replace it."""
        mine, others = self.alert.sent, other.alert.sent
        return self is not other and not (mine and others and mine < others)


def in_force(messages: Iterable[Message], requested: Callable[[str], bool]) -> list[Alert]:
    """The alerts that neither their own nor a later message ends, each identifier once.

    `requested` returns True for the code of a zone whose alerts are requested.
    """
    known = {message.alert.id: message for message in messages}
    messages = known.values()
    gone = {old for message in messages for old in message.replaces if old in known and message.follows(known[old])}
    counts = Counter(event for message in messages for event in message.events)
    # The time of the newest message, by event and zone, for the events that are in several messages.
    newest: Newest = {event: {} for event, count in counts.items() if count > 1}
    for message in messages:
        if sent := message.alert.sent:
            for times in (newest[event] for event in message.events & newest.keys()):
                times.update((zone, max(sent, times.get(zone, sent))) for zone in message.zones)
    live = (message for message in messages if not message.over and message.alert.id not in gone)
    return [alert for message in live if (alert := _left(message, newest, requested))]


def _left(message: Message, newest: Newest, requested: Callable[[str], bool]) -> Alert | None:
    """The alert, limited to the zones for which no newer message has the same VTEC event.

    None if no requested zone is left.
    """
    alert, events, sent = message.alert, message.events - message.ending, message.alert.sent
    if not (events and events <= newest.keys() and message.zones and sent):
        return alert
    stays = [
        any(not timedelta() < newest[event][zone] - sent < SAME_EVENT for event in events) for zone in message.zones
    ]
    if all(stays):
        return alert
    if not any(map(requested, compress(message.zones, stays))):
        return None
    named = (alert.area or "").split("; ")  # in the order of the zones, where NWS names each
    if len(named) == len(stays):
        alert = alert.model_copy(update={"area": "; ".join(compress(named, stays))})
    return alert.model_copy(update={"affected_zones": list(compress(message.zones, stays))})


def _texts(raw: Mapping[str, Any], name: str) -> list[str]:
    """The texts of one parameter; [] for another type, so that bad data ends no alert."""
    parameters = raw.get("parameters")
    values = parameters.get(name) if isinstance(parameters, dict) else None
    return [text for text in (values if isinstance(values, list) else [values]) if isinstance(text, str)]


def _replaced(raw: Mapping[str, Any]) -> Iterable[str]:
    """The identifiers of earlier messages. Skips invalid references."""
    references = raw.get("references")
    for item in references if isinstance(references, list) else []:
        if isinstance(item, dict) and isinstance(item.get("identifier"), str):
            yield item["identifier"]
    for text in _texts(raw, "expiredReferences"):  # CAP: "sender,identifier,sent", separated by blanks
        yield from (parts[1] for item in text.split() if len(parts := item.split(",")) == 3)


def is_civil(alert: Alert) -> bool:
    """True for a civil emergency that comes without a severity. No filter by severity hides it."""
    return _civil(alert) is not None


def severity_rank(alert: Alert) -> int:
    """0 for the worst."""
    return SEVERITIES.index(_civil(alert) or alert.severity or "Unknown")


def rank(alert: Alert) -> tuple[int, int, float]:
    """A sort key: severity, then urgency, then the earlier end."""
    urgency, end = alert.urgency or "Unknown", alert.over_at
    return severity_rank(alert), URGENCIES.index(urgency), end.timestamp() if end else math.inf


def _civil(alert: Alert) -> str | None:
    if alert.severity not in ("Unknown", None):
        return None
    event = " ".join(re.findall(r"[a-z0-9]+", alert.event.lower()))
    return "Extreme" if event.startswith(CIVIL_EXTREME) else "Severe" if event.startswith(CIVIL_SEVERE) else None
