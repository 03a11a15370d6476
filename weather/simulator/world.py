"""The documents of the simulated National Weather Service, all weather invented. Each is a function of the question."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .faults import Faults, Problem
from .map import STATIONS, WATERS, ZONES, Cell, cell_of, centre, covered, marine, named_cell, nearest, usual_fahrenheit

Json = dict[str, Any]

HOUR = 3600  # seconds
NEVER_ALERTED, ALWAYS_ALERTED = "VT", "CA"
POINT = r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)"

# By day, by night, icon, probability of precipitation in percent.
SKIES = (
    ("Sunny", "Clear", "skc", 0),
    ("Partly Sunny", "Partly Cloudy", "sct", 10),
    ("Mostly Cloudy", "Mostly Cloudy", "bkn", 15),
    ("Patchy Fog", "Patchy Fog", "fog", 5),
    ("Chance Rain Showers", "Chance Rain Showers", "rain", 40),
    ("Rain", "Rain", "rain", 80),
)
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")

# Event: severity.
ASHORE = {
    "Wind Advisory": "Moderate",
    "Flood Watch": "Severe",
    "Tornado Warning": "Extreme",
    "Hydrologic Outlook": "Unknown",
}
AFLOAT = {"Small Craft Advisory": "Minor", "Gale Warning": "Moderate", "Special Marine Warning": "Severe"}
PARTS = ("Northern", "Southern", "Eastern", "Western", "Central")


@dataclass(frozen=True)
class Question:
    """One request to one endpoint: `base` (scheme and host) to build links with, `args` from the path, the values of
    each parameter in `query`, `now` in Unix time."""

    base: str
    args: tuple[str, ...]
    query: dict[str, tuple[str, ...]]
    now: float
    faults: Faults

    @property
    def hour(self) -> datetime:
        return datetime.fromtimestamp(self.now // HOUR * HOUR, UTC)

    def dice(self, *key: object) -> random.Random:
        """The same numbers for the same seed and key."""
        return random.Random(f"{self.faults.seed}/{key}")  # noqa: S311 (weather, not secrets)


def quantity(unit: str, value: float | None) -> Json:
    return {"unitCode": f"wmoUnit:{unit}", "value": value}


def feature(url: str, properties: Json, lat: float, lon: float) -> Json:
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"id": url, "type": "Feature", "geometry": geometry, "properties": {"@id": url, **properties}}


def point(question: Question) -> Json:
    given, base = question.args[0], question.base
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise Problem("BadRequest", f"Does not match the regex pattern ^{POINT}$", parameter="path.point")
    wanted = ",".join(f"{round(float(degrees), 4) + 0.0:.15g}" for degrees in match.groups())  # +0.0: no -0
    if wanted != given:
        raise Problem("AdjustPointPrecision", location=f"/points/{wanted}")
    lat, lon = map(float, match.groups())
    if not covered(lat, lon):
        raise Problem("InvalidPoint", given)
    place, cell = nearest(lat, lon)[0], cell_of(lat, lon, question.faults.renumber)
    grid = f"{base}/gridpoints/{cell.office}/{cell.x},{cell.y}"
    properties = {
        "cwa": place.cwa,
        "type": "marine" if marine(*centre(cell)) else "land",
        "gridId": cell.office,
        "gridX": cell.x,
        "gridY": cell.y,
        "forecast": f"{grid}/forecast",
        "forecastHourly": f"{grid}/forecast/hourly",
        "observationStations": f"{grid}/stations",
        "relativeLocation": {"type": "Feature", "properties": {"city": place.city, "state": place.state}},
        "timeZone": place.zone,
    }
    return feature(f"{base}/points/{given}", properties, lat, lon)


def asked_cell(question: Question) -> Cell:
    office, x, y = question.args
    cell = named_cell(office, x, y, question.faults.renumber)
    if cell is None:
        raise Problem("NotFound", f"Grid point {office}/{x},{y}")
    return cell


def forecast(question: Question) -> Json:
    here = asked_cell(question)
    lat, lon = centre(here)
    if marine(lat, lon):
        raise Problem("MarineForecastNotSupported")
    if question.faults.expired_grid:
        raise Problem("ForecastGridExpired")
    now, updated = question.hour.astimezone(ZoneInfo(nearest(lat, lon)[0].zone)), question.hour.isoformat()
    periods = [period(question, here, number, *half) for number, half in enumerate(halves(now), 1)]
    properties = {"units": "us", "generatedAt": updated, "updateTime": updated, "periods": periods}
    return {"type": "Feature", "geometry": None, "properties": properties}


def halves(now: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Name, start and end of 14 half days from `now` (local time) on. Days begin at 6 am, nights at 6 pm."""
    start, name = now, ("Overnight", "Today", "This Afternoon", "Tonight")[now.hour // 6]
    for n in range(14):
        end = start.replace(hour=0) + timedelta(hours=6 + 12 * ((start.hour + 6) // 12))
        yield name, start, end
        start = end
        name = f"{start:%A}" if start.hour == 6 else "Tonight" if n == 0 else f"{start:%A} Night"


def period(question: Question, here: Cell, number: int, name: str, start: datetime, end: datetime) -> Json:
    is_day = end.hour == 18
    dice = question.dice(here, end.date(), is_day)
    temperature = round(usual_fahrenheit(centre(here)[0], end - timedelta(hours=3)) + dice.uniform(-6, 6))
    by_day, by_night, icon, chance = dice.choice(SKIES)
    short, low = by_day if is_day else by_night, dice.choice((0, 2, 5, 5, 10, 15))
    if temperature <= 32:
        short, icon = short.replace("Rain", "Snow"), icon.replace("rain", "snow")
    wind = f"{low} to {low + 5} mph" if low and dice.random() < 0.7 else f"{low} mph"
    direction = dice.choice(COMPASS) if low else ""
    return {
        "number": number,
        "name": name,
        "startTime": start.isoformat(),
        "endTime": end.isoformat(),
        "isDaytime": is_day,
        "temperature": temperature,
        "temperatureUnit": "F",
        "probabilityOfPrecipitation": quantity("percent", None if chance < 20 and dice.random() < 0.4 else chance),
        "windSpeed": wind,
        "windDirection": direction,
        "icon": f"{question.base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "shortForecast": short,
        "detailedForecast": f"Simulated. {short}, with a {'high' if is_day else 'low'} near {temperature}."
        f" Wind {direction or 'calm,'} {wind}. Chance of precipitation is {chance}%.",
    }


def stations(question: Question) -> Json:
    """The airports of the nearest cities, the nearest first."""
    places = nearest(*centre(asked_cell(question)), count=5)
    urls = [f"{question.base}/stations/{place.station}" for place in places]
    features = [
        feature(url, {"stationIdentifier": place.station, "name": place.airport}, place.lat, place.lon)
        for url, place in zip(urls, places, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features, "observationStations": urls}


def observation(question: Question) -> Json:
    """On the hour, except at one station in 20 some hours late; at one in 20 the thermometer is broken."""
    place = STATIONS.get(question.args[0])
    if place is None:
        raise Problem("NotFound", f"Station {question.args[0]}")
    habits = question.dice("habits", place.station)
    late, broken = habits.random() < 0.05, habits.random() < 0.05
    taken = question.hour - timedelta(hours=habits.randint(3, 6) if late else 0)
    local = taken.astimezone(ZoneInfo(place.zone))
    dice = question.dice(place.station, taken)
    by_day, by_night, *_ = dice.choice(SKIES[:4])
    celsius = (usual_fahrenheit(place.lat, local) + dice.uniform(-6, 6) - 32) / 1.8
    wind = dice.choice((0, 5.5, 11.2, 18.4, 27.7))
    station = f"{question.base}/stations/{place.station}"
    properties = {
        "station": station,
        "stationId": place.station,
        "stationName": place.airport,
        "timestamp": taken.isoformat(),
        "textDescription": by_day if 6 <= local.hour < 18 else by_night,
        "temperature": quantity("degC", None if broken else round(celsius, 1)),
        "relativeHumidity": quantity("percent", None if broken else dice.randint(40, 95)),
        "windDirection": quantity("degree_(angle)", dice.choice((None, *range(0, 360, 10)))),
        "windSpeed": quantity("km_h-1", wind),
        "windGust": quantity("km_h-1", wind + 20 if wind > 20 else None),
    }
    return feature(f"{station}/observations/{taken.isoformat()}", properties, place.lat, place.lon)


def alerts(question: Question) -> Json:
    features = [alert for area in question.query["area"] for alert in alerts_of(question, area)]
    statuses = question.query["status"]
    return {
        "type": "FeatureCollection",
        "features": [alert for alert in features if alert["properties"]["status"].lower() in statuses],
        "title": "Current watches, warnings, and advisories",
        "updated": question.hour.isoformat(),
    }


def alerts_of(question: Question, area: str) -> list[Json]:
    """1 to 5, or as many as are set, in one area of three; one in about 15 is a Test, never the first."""
    dice = question.dice("alerts", area, question.hour)
    quiet, few = dice.random() < 2 / 3, dice.randint(1, 5)
    if area == NEVER_ALERTED or (quiet and area != ALWAYS_ALERTED):
        return []
    tests = (bool(number) and dice.random() < 1 / 15 for number in range(question.faults.alerts_features or few))
    return [alert(question, area, "Test" if test else "Actual", dice) for test in tests]


def alert(question: Question, area: str, status: str, dice: random.Random) -> Json:
    """Sent up to 12 hours before the hour; holds for at least 2 after it."""
    event, severity = dice.choice([*(AFLOAT if area in WATERS else ASHORE).items()])
    local = question.hour.astimezone(ZoneInfo(ZONES.get(area, "UTC")))
    sent, ends = local - timedelta(minutes=dice.randint(10, 720)), local + timedelta(hours=dice.randint(2, 48))
    codes = [f"{area}Z{number:03}" for number in dice.sample(range(1, 100), 3)]
    where = "; ".join(f"{part} {area}" for part in dice.sample(PARTS, len(codes)))
    hours = (f"Hour {n}: wind {dice.randint(5, 60)} mph, rain {dice.randint(0, 9)} mm" for n in range(1, 61))
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
