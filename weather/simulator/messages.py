"""The alert messages of the simulated National Weather Service, in CAP 1.2 as NWS writes it, and their events."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, Self
from zoneinfo import ZoneInfo

from .map import AREAS, MOST_ZONES, PLACES, WATERS, ZONES, zone_code, zones_at
from .world import Json, SimulatedRequest

SENDER = "simulator@example.invalid"
DESCRIPTION = """Simulated: nothing in it describes real weather.

* WHAT...{event}, wind {wind} mph, rain {rain} mm.

* WHERE...{where}.

* WHEN...{when}.

* IMPACTS...None. The lines that tell of roads, roofs, trees and boats in a real alert are not in this one."""
PARTS = ("Northern", "Southern", "Eastern", "Western", "Central")
IPAWS = {"scope": "Public", "code": "IPAWSv1.0", "language": "en-US", "web": "http://www.weather.gov"}
CITIES = {place.state: place for place in reversed(PLACES)}

Span = tuple[datetime, datetime]


class Event(NamedTuple):
    """`product` is its AWIPS product, `vtec` its phenomenon and significance ("": no event number), `kind` that of its
    zones. One with a `polygon` covers the surroundings of a city only.
    """

    name: str
    product: str
    vtec: str
    severity: str
    kind: str = "forecast"
    urgency: str = "Expected"
    response: str = "Monitor"
    polygon: bool = False


ASHORE = (
    Event("Wind Advisory", "NPW", "WI.Y", "Moderate"),
    Event("Flood Watch", "FFA", "FA.A", "Severe"),
    Event("Red Flag Warning", "RFW", "FW.W", "Severe", "fire"),
    Event("Tornado Warning", "TOR", "TO.W", "Extreme", "county", "Immediate", "Shelter", polygon=True),
    Event("Hydrologic Outlook", "ESF", "", "Unknown", "county", "Future"),
)
AFLOAT = (
    Event("Small Craft Advisory", "MWW", "SC.Y", "Minor"),
    Event("Gale Warning", "MWW", "GL.W", "Moderate"),
    Event("Special Marine Warning", "SMW", "MA.W", "Severe"),
)
EMERGENCIES = (
    Event("Evacuation - Immediate", "EVI", "", "Unknown", "county", "Immediate", "Evacuate"),
    Event("Shelter In Place Warning", "SPW", "", "Unknown", "county", "Immediate", "Shelter"),
)


@dataclass(frozen=True)
class Hazard:
    """One event, the subject of all messages with its `number`.

    `numbers` are those of its zones. Times are in UTC; `ends` is None where no end is known. `box` is the south, north,
    west and east of its polygon.
    """

    event: Event
    area: str
    number: int
    numbers: Sequence[int]
    onset: datetime
    ends: datetime | None
    expires: datetime
    box: tuple[float, float, float, float] | None = None

    @classmethod
    def drawn(cls, dice: random.Random, area: str, number: int, span: Span, whole: bool, rare: bool = False) -> Self:
        """Covers all forecast zones of the area if `whole`; is a civil emergency if `rare` and not `whole`."""
        onset, ends = span
        events = AFLOAT if area in WATERS else EMERGENCIES if rare and not whole else ASHORE
        event = dice.choice([event for event in events if event.kind == "forecast"] if whole else events)
        numbers: Sequence[int] = range(1, MOST_ZONES + 1)
        box = None
        if event.polygon:  # around the first city
            city = CITIES[area]
            box = (city.lat - 0.1, city.lat + 0.1, city.lon - 0.1, city.lon + 0.1)
            codes = {zones_at(lat, lon).get("forecast") for lat in box[:2] for lon in box[2:]}
            numbers = [n for n in numbers if zone_code(area, "forecast", n) in codes]
        elif not whole:
            numbers = sorted(dice.sample(numbers, dice.randint(1, 8)))
        return cls(event, area, number, numbers, onset, ends, min(ends, onset + timedelta(hours=24)), box)

    @property
    def polygon(self) -> Json | None:
        if self.box is None:
            return None
        south, north, west, east = self.box
        ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
        return {"type": "Polygon", "coordinates": [ring]}

    def vtec(self, action: str, office: str) -> str:
        """The P-VTEC string. Zeros stand for the start of an event under way, and for an unknown end (NWSI 10-1703)."""
        span = (self.onset if action == "NEW" else None, self.ends)
        times = (f"{time:%y%m%dT%H%MZ}" if time else "000000T0000Z" for time in span)
        return f"/O.{action}.{office}.{self.event.vtec}.{self.number % 10_000:04}.{'-'.join(times)}/"


def reference(alert: Json) -> Json:
    """Refers to a listed message."""
    properties = alert["properties"]
    return {"@id": properties["@id"], "identifier": properties["id"], "sender": SENDER, "sent": properties["sent"]}


def former(request: SimulatedRequest, dice: random.Random, sent: datetime) -> Json:
    """Refers to a message that is no longer listed."""
    identifier = drawn_id(dice)
    url = f"{request.base}/alerts/{identifier}"
    return {"@id": url, "identifier": identifier, "sender": SENDER, "sent": sent.isoformat()}


def drawn_id(dice: random.Random) -> str:
    return f"urn:oid:2.49.0.1.840.0.{dice.getrandbits(160):040x}.001.1"


def message(
    request: SimulatedRequest,
    hazard: Hazard,
    dice: random.Random,
    sent: datetime,
    action: str = "NEW",
    references: Sequence[Json] = (),
    expired: Sequence[Json] = (),
    **changes: Any,
) -> Json:
    """A GeoJSON feature. `action` is that of its VTEC string, `references` and `expired` fill the property `references`
    and the parameter `expiredReferences`, and `changes` replaces properties.
    """
    event, area, zone = hazard.event, hazard.area, ZoneInfo(ZONES.get(hazard.area, "UTC"))
    local, ends = sent.astimezone(zone), hazard.ends and hazard.ends.astimezone(zone)
    place = CITIES.get(area)
    office = place.station[0] + place.cwa if place else "KWNM"  # The Ocean Prediction Center, for all waters.
    identifier = drawn_id(dice)
    url = f"{request.base}/alerts/{identifier}"
    codes = list(dict.fromkeys(zone_code(area, event.kind, number) for number in hazard.numbers))
    where = "; ".join(f"{PARTS[int(code[3:]) % len(PARTS)]} {area} {code[2:]}" for code in codes)
    gone = [f"{each['sender']},{each['identifier']},{each['sent']}" for each in expired]
    until = f"until {ends:%B %d at %I:%M%p %Z}" if ends else "until further notice"
    hour = f"{ends:%I%M %p %Z %A}".lstrip("0").replace("00 ", " ", 1) if ends else "further notice"
    headline = f"{event.name} issued {local:%B %d at %I:%M%p %Z} {until} by NWS Simulator"
    number = f"{AREAS.index(area):02}"
    wind, rain = dice.randint(5, 60), dice.randint(0, 9)
    properties = {
        "@id": url,
        "@type": "wx:Alert",
        "id": identifier,
        "areaDesc": where,
        "geocode": {"SAME": [f"0{number}{code[3:]}" for code in codes], "UGC": codes},
        "affectedZones": [f"{request.base}/zones/{event.kind}/{code}" for code in codes],
        "references": [*references],
        "sent": local.isoformat(),
        "effective": local.isoformat(),
        "onset": hazard.onset.astimezone(zone).isoformat(),
        "expires": hazard.expires.astimezone(zone).isoformat(),
        "ends": ends and ends.isoformat(),
        "status": "Actual",
        "messageType": "Update" if references else "Alert",
        "category": "Met",
        "severity": event.severity,
        "certainty": "Likely",
        "urgency": event.urgency,
        "event": event.name,
        "sender": SENDER,
        "senderName": "NWS Simulator",
        "headline": headline,
        "description": DESCRIPTION.format(event=event.name, wind=wind, rain=rain, where=where, when=f"Until {hour}"),
        "instruction": dice.choice((None, "Simulated: no action is needed.")),
        "response": event.response,
        "note": None,
        "parameters": {
            "AWIPSidentifier": [event.product + office[1:]],
            "WMOidentifier": [f"WWUS71 {office} {sent:%d%H%M}"],
            "NWSheadline": [f"{event.name} {until}".upper()],
            "BLOCKCHANNEL": ["EAS", "NWEM", "CMAS"],
            **({"VTEC": [hazard.vtec(action, office)]} if event.vtec else {}),
            **({"eventEndingTime": [ends.isoformat()]} if ends else {}),
            **({"expiredReferences": [" ".join(gone)]} if gone else {}),
        },
        "eventCode": {"SAME": [event.product], "NationalWeatherService": [event.product]},
        **IPAWS,
        **changes,
    }
    return {"id": url, "type": "Feature", "geometry": hazard.polygon, "properties": properties}
