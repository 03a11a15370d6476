"""The list of active alerts of the simulated National Weather Service, and the life of one from issue to end."""

import random
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from .faults import Problem
from .map import AREAS, covered, within, zones_at
from .messages import Hazard, former, message, reference
from .world import POINT, Json, SimulatedRequest

NEVER_ALERTED, ALWAYS_ALERTED = "VT", "CA"
ZONE = f"({'|'.join(AREAS)})[CZ]\\d{{3}}"

# The message before an update: no longer listed; listed, and referred to; listed, and joined by the event number only.
UPDATES = ("gone", "listed", "again")
# How an event ends: by a message of its own, by another alert, or by the clock alone.
ENDS = ("CAN", "UPG", "lapses", "Cancel", "replaced", "EXP", "replacedBy", "expires")


def alerts(request: SimulatedRequest) -> Json:
    """The feature collection for `area`, `zone` or `point`, or for all areas; raises Problem."""
    point, zones, areas = (request.query[name] for name in ("point", "zone", "area"))
    asked = [name for name, given in (("area", areas is not AREAS), ("point", point), ("zone", zones)) if given]
    if len(asked) > 1:
        message = f'Query parameter "{asked[0]}" is incompatible with "{asked[1]}"'
        raise Problem("BadRequest", message, parameter=f"query.{asked[0]}")
    if point:
        features = alerts_at(request, point[0])
    elif zones:
        features = alerts_in(request, checked(zones[0]))
    else:
        features = [alert for area in areas for alert in alerts_of(request, area)]
    statuses, every = request.query["status"], request.faults.alerts_every_s
    changed = datetime.fromtimestamp(request.now // every * every, UTC) if every else request.hour
    return {
        "type": "FeatureCollection",
        "features": [alert for alert in features if alert["properties"]["status"].lower() in statuses],
        "title": "Current watches, warnings, and advisories",
        "updated": max(changed, request.hour).isoformat(),
    }


def checked(given: str) -> list[str]:
    """The zone codes of a comma-separated list; raises Problem."""
    codes = given.split(",")
    for index, code in enumerate(codes):
        if not re.fullmatch(ZONE, code, re.ASCII):
            raise Problem("BadRequest", f"Does not match the regex pattern ^{ZONE}$", parameter=f"query.zone[{index}]")
    return codes


def alerts_in(request: SimulatedRequest, codes: list[str]) -> list[Json]:
    """Alerts that name one of the codes. As at NWS, an alert for a forecast zone does not name its county."""
    areas = dict.fromkeys(code[:2] for code in codes)
    found = (alert for area in areas for alert in alerts_of(request, area))
    return [alert for alert in found if not set(codes).isdisjoint(alert["properties"]["geocode"]["UGC"])]


def alerts_at(request: SimulatedRequest, given: str) -> list[Json]:
    """Alerts of the point's zones, without those whose polygon leaves it out; raises Problem."""
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise Problem("BadRequest", f"Does not match the regex pattern ^{POINT}$", parameter="query.point")
    lat, lon = map(float, match.groups())
    if not covered(lat, lon):
        raise Problem("InvalidParameter", "point")
    found = alerts_in(request, [*zones_at(lat, lon).values()])
    return [alert for alert in found if holds_at(alert["geometry"], lat, lon)]


def holds_at(polygon: Json | None, lat: float, lon: float) -> bool:
    """Whether the alert covers the point. A simulated polygon is a box that begins in the south-west."""
    if polygon is None:
        return True
    (west, south), _, (east, north), *_ = polygon["coordinates"][0]
    return within(((south, north, west, east),), lat, lon)


def alerts_of(request: SimulatedRequest, area: str) -> list[Json]:
    """1 to 5 alerts in force, or as many as are set, in one area of three, and those listed after their end.

    The first covers all forecast zones of the area. One in about 15 is a Test, never the first. `passing` come last.
    """
    dice = request.dice("alerts", area, request.hour)
    quiet, few = dice.random() < 2 / 3, dice.randint(1, 5)
    if area == NEVER_ALERTED or (quiet and area != ALWAYS_ALERTED):
        return []
    count = request.faults.alerts_features or few
    lasting = count - bool(request.faults.alerts_every_s)
    issued = [lasting_alert(request, area, number, dice) for number in range(lasting)]
    return issued + (passing(request, area, alone=not issued) if lasting < count else [])


def lasting_alert(request: SimulatedRequest, area: str, number: int, dice: random.Random) -> Json:
    """An alert sent up to 12 hours before the hour, in force for at least 2 hours after it."""
    sent = request.hour - timedelta(minutes=dice.randint(10, 720))
    ends = request.hour + timedelta(hours=dice.randint(2, 48))
    hazard = Hazard.drawn(dice, area, number + 1, (sent, ends), whole=number == 0)
    chance, status = dice.random(), "Test" if number and dice.random() < 1 / 15 else "Actual"
    if chance < 1 / 3:
        hazard = replace(hazard, ends=None)
    elif hazard.event.name == "Small Craft Advisory" and chance < 2 / 3:  # Still in force: it has not ended.
        hazard = replace(hazard, expires=sent + timedelta(minutes=5))
    action = dice.choice(("NEW", "NEW", "CON", "EXT", "EXA"))
    references = [] if action == "NEW" else [former(request, dice, sent)]
    return message(request, hazard, dice, sent, action, references, status=status)


def passing(request: SimulatedRequest, area: str, *, alone: bool) -> list[Json]:
    """The messages listed about an event that is issued, updated and over in three windows of `alerts_every_s`.

    Each window has a different alert in force, or none. An event `alone` in its area covers all of it and always has a
    successor, as every event does where the number of alerts is set.
    """
    every = request.faults.alerts_every_s
    window = int(request.now // every)
    chain, step = divmod(window + AREAS.index(area), 3)
    dice, number = request.dice("passing", area, chain), 5000 + chain % 2000 * 2
    end, left = ENDS[chain % len(ENDS)], UPDATES[chain % len(UPDATES)]
    start = datetime.fromtimestamp((window - step) * every, UTC)
    issued, updated, over = (start + timedelta(seconds=n * every) for n in range(3))
    later = over + timedelta(seconds=every, hours=dice.randint(2, 48))
    span = issued, over if end == "lapses" else later
    hazard = Hazard.drawn(dice, area, number, span, whole=alone, rare=dice.random() < 0.05)
    if end == "expires":
        hazard = replace(hazard, ends=None, expires=over)
    if not hazard.event.vtec:  # Without an event number, messages join by reference only.
        end, left = {"UPG": "replaced"}.get(end, end), {"again": "listed"}.get(left, left)
    first = message(request, hazard, dice, issued)
    second = message(request, hazard, dice, updated, "CON", [] if left == "again" else [reference(first)])
    if step == 0:
        return [first]
    if step == 1:
        return [second] if left == "gone" else [first, second]
    other = Hazard.drawn(dice, area, number + 1, (over, later), whole=alone)
    successor = message(request, other, dice, over, "NEW", [reference(second)] if end == "replaced" else [])
    if end == "replacedBy":
        second["properties"] |= {"replacedBy": successor["id"], "replacedAt": over.isoformat()}
    past: Json = {"urgency": "Past", "expires": over.isoformat()}
    clear: Json = {**past, "response": "AllClear"}
    listed = [second]
    if end in ("CAN", "EXP"):
        listed = [message(request, hazard, dice, over, end, [reference(second)] if end == "EXP" else [], **clear)]
    elif end == "UPG":
        listed = [second, message(request, hazard, dice, over, end, expired=[reference(second)], **past)]
    elif end == "Cancel":
        listed += [message(request, hazard, dice, over, "CAN", [reference(second)], messageType="Cancel", **clear)]
    replaces = end in ("UPG", "replaced", "replacedBy")
    return listed + ([successor] if replaces or alone or request.faults.alerts_features else [])
