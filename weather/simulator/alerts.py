"""The alerts of the simulated National Weather Service."""

from __future__ import annotations

import random
import re
from datetime import timedelta
from zoneinfo import ZoneInfo

from .faults import Problem
from .map import WATERS, ZONES, covered, nearest
from .world import POINT, Json, Question

NEVER_ALERTED, ALWAYS_ALERTED = "VT", "CA"

# Event: severity.
ASHORE = {
    "Wind Advisory": "Moderate",
    "Flood Watch": "Severe",
    "Tornado Warning": "Extreme",
    "Hydrologic Outlook": "Unknown",
}
AFLOAT = {"Small Craft Advisory": "Minor", "Gale Warning": "Moderate", "Special Marine Warning": "Severe"}
PARTS = ("Northern", "Southern", "Eastern", "Western", "Central")


def alerts(question: Question) -> Json:
    points = question.query["point"]
    if points:
        features = alerts_at(question, points[0])
    else:
        features = [alert for area in question.query["area"] for alert in alerts_of(question, area)]
    statuses = question.query["status"]
    return {
        "type": "FeatureCollection",
        "features": [alert for alert in features if alert["properties"]["status"].lower() in statuses],
        "title": "Current watches, warnings, and advisories",
        "updated": question.hour.isoformat(),
    }


def alerts_at(question: Question, given: str) -> list[Json]:
    """The first of the nearest city's state, and some of the others: an alert holds in parts of a state only."""
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise Problem("BadRequest", f"Does not match the regex pattern ^{POINT}$", parameter="query.point")
    lat, lon = map(float, match.groups())
    if not covered(lat, lon):
        raise Problem("InvalidParameter", "point")
    dice = question.dice("alerts at", given)
    alerts = alerts_of(question, nearest(lat, lon)[0].state)
    return [alert for number, alert in enumerate(alerts) if number == 0 or dice.random() < 0.5]


def alerts_of(question: Question, area: str) -> list[Json]:
    """1 to 5, or as many as are set, in one area of three; one in about 15 is a Test, never the first.

    The last of them comes and goes; where it is the only one, or their number is set, another comes in its place.
    """
    dice = question.dice("alerts", area, question.hour)
    quiet, few = dice.random() < 2 / 3, dice.randint(1, 5)
    if area == NEVER_ALERTED or (quiet and area != ALWAYS_ALERTED):
        return []
    tests = (bool(number) and dice.random() < 1 / 15 for number in range(question.faults.alerts_features or few))
    issued = [alert(question, area, "Test" if test else "Actual", dice) for test in tests]
    if every := question.faults.alerts_every_s:
        times = int(question.now // every)
        passing = alert(question, area, "Actual", question.dice("passing alert", area, times))
        gone = times % 2 and len(issued) > 1 and not question.faults.alerts_features
        issued[-1:] = [] if gone else [passing]
    return issued


def alert(question: Question, area: str, status: str, dice: random.Random) -> Json:
    """Sent up to 12 hours before the hour; holds for at least 2 after it."""
    event, severity = dice.choice([*(AFLOAT if area in WATERS else ASHORE).items()])
    local = question.hour.astimezone(ZoneInfo(ZONES.get(area, "UTC")))
    sent, ends = local - timedelta(minutes=dice.randint(10, 720)), local + timedelta(hours=dice.randint(2, 48))
    codes = [f"{area}Z{number:03}" for number in dice.sample(range(1, 100), 3)]
    where = "; ".join(f"{part} {area}" for part in dice.sample(PARTS, len(codes)))
    hours = (f"Hour {n}: wind {dice.randint(5, 60)} mph, rain {dice.randint(0, 9)} mm" for n in range(1, 4))
    identifier = f"urn:oid:2.49.0.1.840.0.{dice.getrandbits(160):040x}.001.1"
    url = f"{question.base}/alerts/{identifier}"
    properties = {
        "@id": url,
        "id": identifier,
        "areaDesc": where,
        "affectedZones": [f"{question.base}/zones/forecast/{code}" for code in codes],
        "references": [],
        "sent": sent.isoformat(),
        "effective": sent.isoformat(),
        "onset": (sent + timedelta(hours=dice.randint(0, 2))).isoformat(),
        "expires": min(ends, local + timedelta(hours=12)).isoformat(),
        "ends": dice.choice((None, ends.isoformat(), ends.isoformat())),
        "status": status,
        "messageType": dice.choice(("Alert", "Alert", "Update")),
        "category": "Met",
        "severity": severity,
        "certainty": "Likely",
        "urgency": "Expected",
        "event": event,
        "sender": "simulator@example.invalid",
        "senderName": "NWS Simulator",
        "headline": f"{event} issued {sent:%B %d at %I:%M%p %Z} until {ends:%B %d at %I:%M%p %Z} by NWS Simulator",
        "description": f"Simulated: nothing in it describes real weather.\n\n* WHERE...{where}.\n\n" + "\n".join(hours),
        "instruction": dice.choice((None, "Simulated: no action is needed.")),
        "response": "Monitor",
    }
    return {"id": url, "type": "Feature", "geometry": None, "properties": properties}
