"""The world of the simulated National Weather Service: the documents it answers with, all weather invented.

Every document is a function of the question.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .map import (
    AREAS,
    ORIGINS,
    PLACES,
    WATERS,
    Cell,
    Place,
    Station,
    bearing,
    cell_of,
    centre,
    covered,
    distance_m,
    marine,
    nearest,
    station_named,
    stations_of,
)

Json = dict[str, Any]

HOUR = 3600  # seconds
NEVER_ALERTED, ALWAYS_ALERTED = "VT", "CA"
ROWS = 1000  # rows of one numbering of the grid
POINT = r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)"
STATUSES = ("actual", "exercise", "system", "test", "draft")
CONTEXT = [
    "https://geojson.org/geojson-ld/geojson-context.jsonld",
    {
        "@version": "1.1",
        "wx": "https://api.weather.gov/ontology#",
        "@vocab": "https://api.weather.gov/ontology#",
    },
]

# By day, by night, icon, probability of precipitation in percent.
SKIES = (
    ("Sunny", "Clear", "skc", 0),
    ("Mostly Sunny", "Mostly Clear", "few", 2),
    ("Partly Sunny", "Partly Cloudy", "sct", 10),
    ("Mostly Cloudy", "Mostly Cloudy", "bkn", 15),
    ("Patchy Fog", "Patchy Fog", "fog", 5),
    ("Chance Rain Showers", "Chance Rain Showers", "rain_showers", 40),
    ("Rain", "Rain", "rain", 80),
)
COMPASS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")

# Event, severity, urgency, certainty, response, on water.
EVENTS = (
    ("Small Craft Advisory", "Minor", "Expected", "Likely", "Avoid", True),
    ("Gale Warning", "Moderate", "Expected", "Likely", "Prepare", True),
    ("Special Marine Warning", "Severe", "Immediate", "Observed", "Avoid", True),
    ("Dense Fog Advisory", "Moderate", "Expected", "Likely", "Execute", True),
    ("Wind Advisory", "Moderate", "Expected", "Likely", "Execute", False),
    ("Dense Fog Advisory", "Moderate", "Expected", "Likely", "Execute", False),
    ("Flood Watch", "Severe", "Future", "Possible", "Prepare", False),
    ("Flood Warning", "Severe", "Immediate", "Observed", "Avoid", False),
    ("High Wind Warning", "Severe", "Expected", "Likely", "Shelter", False),
    ("Tornado Warning", "Extreme", "Immediate", "Observed", "Shelter", False),
    ("Special Weather Statement", "Moderate", "Expected", "Observed", "Execute", False),
    ("Hydrologic Outlook", "Unknown", "Unknown", "Unknown", "Monitor", False),
)
PARTS = ("Northern", "Southern", "Eastern", "Western", "Central", "Upper", "Lower", "Inner", "Outer")


class Problem(Exception):
    """An answer in problem+json, with NWS's `correlationId`; `kind` is the last part of its `type`."""

    def __init__(self, status: int, kind: str, title: str, detail: str, headers: dict[str, str] | None = None) -> None:
        super().__init__(status, kind)
        self.status, self.kind, self.title, self.detail = status, kind, title, detail
        self.headers = headers or {}
        self.parameter_errors: list[Json] = []

    def body(self, base: str, correlation: str) -> Json:
        return {
            "correlationId": correlation,
            **({"parameterErrors": self.parameter_errors} if self.parameter_errors else {}),
            "title": self.title,
            "type": f"https://api.weather.gov/problems/{self.kind}",
            "status": self.status,
            "detail": self.detail,
            "instance": f"{base}/requests/{correlation}",
        }


def missing(what: str) -> Problem:
    return Problem(404, "NotFound", "Not Found", f"{what} does not exist")


def bad_parameter(parameter: str, message: str) -> Problem:
    problem = Problem(400, "BadRequest", "Bad Request", "Bad Request")
    problem.parameter_errors = [{"parameter": parameter, "message": message}]
    return problem


@dataclass(frozen=True)
class Question:
    """One request to one endpoint: `args` from the path, `base` (scheme and host) to build links with, `now` in
    Unix time, and the settings that change the world, as in simulator.Faults."""

    base: str
    args: tuple[str, ...]
    query: dict[str, str]
    now: float
    seed: int = 1
    renumber: int = 0
    expired_grid: bool = False
    alerts_features: int = 0

    @property
    def hour(self) -> datetime:
        return datetime.fromtimestamp(self.now // HOUR * HOUR, UTC)

    def dice(self, *key: object) -> random.Random:
        """The same numbers for the same seed and key."""
        return random.Random(f"{self.seed}/{key}")  # noqa: S311 (weather, not secrets)


def quantity(unit: str, value: float | None) -> Json:
    return {"unitCode": f"wmoUnit:{unit}", "value": value}


def way(from_lat: float, from_lon: float, lat: float, lon: float) -> Json:
    """`distance` and `bearing` of the second point, seen from the first."""
    metres = round(distance_m(from_lat, from_lon, lat, lon), 4)
    degrees = bearing(from_lat, from_lon, lat, lon)
    return {"distance": quantity("m", metres), "bearing": quantity("degree_(angle)", degrees)}


def feature(lat: float, lon: float, **members: object) -> Json:
    return {"type": "Feature", "geometry": {"type": "Point", "coordinates": [lon, lat]}, **members}


def decimal(text: str) -> str:
    """A coordinate as the service wants it: at most 4 decimals, no trailing zeros."""
    short = f"{float(text):.4f}".rstrip("0").rstrip(".")
    return "0" if short == "-0" else short


def point(question: Question) -> Json:
    given = question.args[0]
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise bad_parameter("path.point", f"Does not match the regex pattern ^{POINT}$")
    wanted = f"{decimal(match[1])},{decimal(match[2])}"
    if wanted != given:
        detail = "Points have at most 4 decimal digits; the location attribute has the nearest such point."
        title = "Adjusting Precision Of Point Coordinate"
        raise Problem(301, "AdjustPointPrecision", title, detail, {"location": f"/points/{wanted}"})
    lat, lon = float(match[1]), float(match[2])
    if not covered(lat, lon):
        detail = f"Unable to provide data for requested point {given}"
        raise Problem(404, "InvalidPoint", "Data Unavailable For Requested Point", detail)
    url = f"{question.base}/points/{given}"
    properties = {"@id": url, "@type": "wx:Point", **point_properties(question, lat, lon)}
    return {"@context": CONTEXT, "id": url, **feature(lat, lon, properties=properties)}


def point_properties(question: Question, lat: float, lon: float) -> Json:
    place, cell, base = nearest(lat, lon)[0], cell_of(lat, lon), question.base
    y = cell.y + ROWS * question.renumber
    grid = f"{base}/gridpoints/{cell.office}/{cell.x},{y}"
    city = {"city": place.city, "state": place.state, **way(place.lat, place.lon, lat, lon)}
    return {
        "cwa": place.cwa,
        "type": "marine" if marine(*centre(cell)) else "land",
        "forecastOffice": f"{base}/offices/{place.cwa}",
        "gridId": cell.office,
        "gridX": cell.x,
        "gridY": y,
        "forecast": f"{grid}/forecast",
        "forecastHourly": f"{grid}/forecast/hourly",
        "forecastGridData": grid,
        "observationStations": f"{grid}/stations",
        "relativeLocation": feature(place.lat, place.lon, properties=city),
        **zones(base, place),
        "timeZone": place.zone,
        "radarStation": f"K{place.office}",
    }


def zones(base: str, place: Place) -> dict[str, str]:
    number = PLACES.index(place) + 1
    return {
        "forecastZone": f"{base}/zones/forecast/{place.state}Z{number:03}",
        "county": f"{base}/zones/county/{place.state}C{number:03}",
        "fireWeatherZone": f"{base}/zones/fire/{place.state}Z{number:03}",
    }


def named_cell(question: Question) -> Cell:
    """The cell that a grid link names, if the link is of the current numbering."""
    office, xy = question.args
    match = re.fullmatch(r"(\d{1,7}),(\d{1,7})", xy, re.ASCII)
    if not match:
        raise bad_parameter("path.point", "Does not match the pattern of two whole numbers")
    numbering, y = divmod(int(match[2]), ROWS)
    named = Cell(office, int(match[1]), y)
    known = office in ORIGINS and numbering == question.renumber
    if not known or not covered(*centre(named), margin=0.05):
        raise missing(f"Grid point {office}/{xy}")
    return named


def base_fahrenheit(lat: float, day: date) -> float:
    """Mean temperature of a day: colder and more seasonal towards the poles, warmest in July or January."""
    season = math.cos((day.timetuple().tm_yday - 201) / 365 * 2 * math.pi)
    return 80 - 0.013 * lat**2 + lat / 2 * season


def expired(question: Question) -> Problem:
    issued = (question.hour - timedelta(days=1)).isoformat()
    detail = f"The requested forecast grid was issued {issued} and has expired."
    return Problem(503, "ForecastGridExpired", "Forecast Grid Expired", detail)


def forecast(question: Question) -> Json:
    here = named_cell(question)
    lat, lon = centre(here)
    if marine(lat, lon):
        detail = "Forecasts for marine areas are not yet supported by this API."
        raise Problem(404, "MarineForecastNotSupported", "Marine Forecast Not Supported", detail)
    if question.expired_grid:
        raise expired(question)
    corners = ((-1, -1), (1, -1), (1, 1), (-1, 1), (-1, -1))
    ring = [[round(lon + 0.0112 * east, 4), round(lat + 0.0112 * north, 4)] for east, north in corners]
    properties = {
        "units": "us",
        "forecastGenerator": "SimulatedForecastGenerator",
        "generatedAt": question.hour.isoformat(),
        "updateTime": question.hour.isoformat(),
        "validTimes": f"{question.hour.isoformat()}/P7D",
        "elevation": quantity("m", question.dice(here).randint(0, 400)),
        "periods": list(periods(question, here, nearest(lat, lon)[0].zone)),
    }
    geometry = {"type": "Polygon", "coordinates": [ring]}
    return {"@context": CONTEXT, "type": "Feature", "geometry": geometry, "properties": properties}


def halves(now: datetime) -> Iterator[tuple[str, datetime, datetime, bool]]:
    """Name, start, end and whether it is day, of the 13 or 14 half days from `now` (local time) on.

    Days end at 6 pm and nights at 6 am. The first half day begins at `now`.
    """
    names = [("Overnight",), ("Today", "Tonight"), ("This Afternoon", "Tonight"), ("Tonight",)][now.hour // 6]
    midnight, start = now.replace(hour=0), now
    for n in range(14 if now.hour // 6 in (1, 3) else 13):
        end = midnight + timedelta(hours=6 + 12 * ((now.hour + 6) // 12 + n))
        is_day = end.hour == 18
        weekday = f"{start:%A}" if is_day else f"{start:%A} Night"
        yield names[n] if n < len(names) else weekday, start, end, is_day
        start = end


def periods(question: Question, here: Cell, zone: str) -> Iterator[Json]:
    lat = centre(here)[0]
    now = question.hour.astimezone(ZoneInfo(zone))
    for number, (name, start, end, is_day) in enumerate(halves(now), 1):
        dice = question.dice(here, end.date(), is_day)
        mean = base_fahrenheit(lat, start.date()) + (9 if is_day else -9) + dice.uniform(-6, 6)
        yield {
            "number": number,
            "name": name,
            "startTime": start.isoformat(),
            "endTime": end.isoformat(),
            "isDaytime": is_day,
            "temperature": round(mean),
            "temperatureUnit": "F",
            "temperatureTrend": None,
            **sky(question.base, dice, round(mean), is_day),
        }


def sky(base: str, dice: random.Random, temperature: int, is_day: bool) -> Json:
    """The part of a period that is not its time or temperature."""
    by_day, by_night, icon, chance = dice.choice(SKIES)
    short, low = by_day if is_day else by_night, dice.choice((0, 2, 5, 5, 10, 15))
    if temperature <= 32:
        short = short.replace("Rain", "Snow")
        icon = "snow" if icon.startswith("rain") else icon
    wind = f"{low} to {low + 5} mph" if low and dice.random() < 0.7 else f"{low} mph"
    direction = dice.choice(COMPASS) if low else ""
    value = None if chance < 20 and dice.random() < 0.4 else chance
    detail = f"Simulated. {short}, with a {'high' if is_day else 'low'} near {temperature}."
    detail += f" {direction} wind {wind}." if low else " Calm wind."
    return {
        "probabilityOfPrecipitation": quantity("percent", value),
        "windSpeed": wind,
        "windDirection": direction,
        "icon": f"{base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "shortForecast": short,
        "detailedForecast": detail + (f" Chance of precipitation is {chance}%." if chance >= 20 else ""),
    }


def stations(question: Question) -> Json:
    lat, lon = centre(named_cell(question))
    near = [station for place in nearest(lat, lon, 2) for station in stations_of(place)]
    near.sort(key=lambda station: distance_m(lat, lon, station.lat, station.lon))
    urls = [f"{question.base}/stations/{station.id}" for station in near]
    return {
        "@context": CONTEXT,
        "type": "FeatureCollection",
        "features": [station_feature(question.base, station, lat, lon) for station in near],
        "observationStations": urls,
        "pagination": {"next": f"{question.base}/stations?cursor=eyJzIjo1MDB9"},
    }


def station_feature(base: str, station: Station, lat: float, lon: float) -> Json:
    url, zone = f"{base}/stations/{station.id}", zones(base, station.place)
    properties = {
        "@id": url,
        "@type": "wx:ObservationStation",
        "elevation": quantity("m", 10.0),
        "stationIdentifier": station.id,
        "name": station.name,
        "timeZone": station.place.zone,
        **way(lat, lon, station.lat, station.lon),
        "forecast": zone["forecastZone"],
        "county": zone["county"],
        "fireWeatherZone": zone["fireWeatherZone"],
    }
    return {"id": url, **feature(station.lat, station.lon, properties=properties)}


def observation(question: Question) -> Json:
    """On the hour, except at one station in 20 some hours late; at one in 20 the thermometer is broken."""
    station = station_named(question.args[0])
    if station is None:
        raise missing(f"Station {question.args[0]}")
    habits = question.dice(station.id)
    late, broken = habits.random() < 0.05, habits.random() < 0.05
    taken = question.hour - timedelta(hours=habits.randint(3, 6) if late else 0)
    url = f"{question.base}/stations/{station.id}/observations/{taken.isoformat()}"
    properties = {
        "@id": url,
        "@type": "wx:ObservationStation",
        "elevation": quantity("m", 10.0),
        "station": f"{question.base}/stations/{station.id}",
        "stationId": station.id,
        "stationName": station.name,
        "timestamp": taken.isoformat(),
        "rawMessage": "",
        **measured(question.base, question.dice(station.id, taken), station, taken, broken),
    }
    return {"@context": CONTEXT, "id": url, **feature(station.lat, station.lon, properties=properties)}


def measured(base: str, dice: random.Random, station: Station, taken: datetime, broken: bool) -> Json:
    local = taken.astimezone(ZoneInfo(station.place.zone))
    by_day, by_night, icon, _ = dice.choice(SKIES[:5])
    is_day = 6 <= local.hour < 18
    noon = 9 * math.cos((local.hour - 15) / 24 * 2 * math.pi)
    warmth = (base_fahrenheit(station.lat, local.date()) + noon + dice.uniform(-6, 6) - 32) / 1.8
    degrees = None if broken else round(warmth, 1)
    spread, wind = dice.uniform(1, 12), dice.choice((0, 5.5, 11.2, 18.4, 27.7))
    pressure = dice.randint(990, 1040) * 100
    values = {
        "temperature": ("degC", degrees),
        "dewpoint": ("degC", None if degrees is None else round(degrees - spread, 1)),
        "windDirection": ("degree_(angle)", dice.choice((None, *range(0, 360, 10)))),
        "windSpeed": ("km_h-1", wind),
        "windGust": ("km_h-1", wind + 20 if wind > 20 else None),
        "barometricPressure": ("Pa", pressure),
        "seaLevelPressure": ("Pa", dice.choice((None, pressure + 150))),
        "visibility": ("m", dice.choice((None, 16093.44, 16093.44, 4828.03))),
        "maxTemperatureLast24Hours": ("degC", None),
        "minTemperatureLast24Hours": ("degC", None),
        "precipitationLast3Hours": ("mm", None),
        "relativeHumidity": ("percent", None if degrees is None else round(100 - 5 * spread, 1)),
        "windChill": ("degC", None if degrees is None or degrees > 10 else round(degrees - wind / 5, 1)),
        "heatIndex": ("degC", None if degrees is None or degrees < 27 else round(degrees + 2, 1)),
    }
    return {
        "textDescription": by_day if is_day else by_night,
        "icon": f"{base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "presentWeather": [],
        **{
            name: {**quantity(unit, value), "qualityControl": "Z" if value is None else "V"}
            for name, (unit, value) in values.items()
        },
        "cloudLayers": [{"base": quantity("m", None), "amount": "CLR"}],
    }


def chosen(question: Question, parameter: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    """The comma-separated values of a parameter, each once; all that are allowed if it is not given."""
    if parameter not in question.query:
        return allowed
    values = tuple(dict.fromkeys(question.query[parameter].split(",")))
    for index, value in enumerate(values):
        if value not in allowed:
            message = f"Does not have a value in the enumeration {json.dumps(allowed)}"
            raise bad_parameter(f"query.{parameter}[{index}]", message)
    return values


def alerts(question: Question) -> Json:
    areas = chosen(question, "area", tuple(AREAS))
    statuses = chosen(question, "status", STATUSES)
    alerted = [area for area in areas if has_alerts(question, area)]
    size = question.alerts_features
    share = math.ceil(size / len(alerted)) if alerted else 0
    features = [alert for area in alerted for alert in alerts_of(question, area, share)][: size or None]
    names = "" if "area" not in question.query else " for " + ", ".join(AREAS[area] for area in areas)
    return {
        "@context": CONTEXT,
        "type": "FeatureCollection",
        "features": [alert for alert in features if alert["properties"]["status"].lower() in statuses],
        "title": f"Current watches, warnings, and advisories{names}",
        "updated": question.hour.isoformat(),
    }


def has_alerts(question: Question, area: str) -> bool:
    drawn = question.dice("alerted", area, question.hour).random() < 1 / 3
    return area == ALWAYS_ALERTED or (drawn and area != NEVER_ALERTED)


def alerts_of(question: Question, area: str, size: int) -> list[Json]:
    """`size` alerts, or 1 to 5 if it is 0; one in about 15 is a Test, never the first."""
    dice = question.dice("alerts", area, question.hour)
    count = dice.randint(1, 5)
    return [alert(question, area, number, dice) for number in range(size or count)]


def alert(question: Question, area: str, number: int, dice: random.Random) -> Json:
    identifier = f"urn:oid:2.49.0.1.840.0.{dice.getrandbits(160):040x}.001.1"
    url = f"{question.base}/alerts/{identifier}"
    status = "Test" if number and dice.random() < 1 / 15 else "Actual"
    properties = {"@id": url, "@type": "wx:Alert", "id": identifier, "status": status}
    properties |= alert_area(question.base, area, dice) | alert_event(question, area, dice)
    text = describe(properties, dice)
    fixed: Json = {
        "references": [],
        "messageType": dice.choice(("Alert", "Alert", "Update")),
        "category": "Met",
        "sender": "simulator@example.invalid",
        "senderName": "NWS Simulator",
        "note": None,
        "scope": "Public",
        "code": "IPAWSv1.0",
        "language": "en-US",
        "web": "http://www.weather.gov",
        "eventCode": {"SAME": ["NWS"], "NationalWeatherService": ["SIM"]},
    }
    return {"id": url, "type": "Feature", "geometry": None, "properties": properties | text | fixed}


def alert_area(base: str, area: str, dice: random.Random) -> Json:
    numbers = sorted(dice.sample(range(1, 100), dice.randint(3, len(PARTS))))
    codes = [f"{area}Z{number:03}" for number in numbers]
    kind = "Waters" if area in WATERS else "Counties"
    return {
        "areaDesc": "; ".join(f"{part} {AREAS[area]} {kind}" for part in dice.sample(PARTS, len(numbers))),
        "geocode": {"SAME": [f"{number:06}" for number in numbers], "UGC": codes},
        "affectedZones": [f"{base}/zones/forecast/{code}" for code in codes],
    }


def alert_event(question: Question, area: str, dice: random.Random) -> Json:
    """What and when. An alert is sent up to 12 hours before the hour and holds for at least 2 after it."""
    possible = [event for event in EVENTS if event[-1] == (area in WATERS)]
    event, severity, urgency, certainty, response, _ = dice.choice(possible)
    zone = next((place.zone for place in PLACES if place.state == area), "UTC")
    local = question.hour.astimezone(ZoneInfo(zone))
    sent = local - timedelta(minutes=dice.randint(10, 720))
    ends = local + timedelta(hours=dice.randint(2, 48))
    open_ended = dice.random() < 0.3
    return {
        "sent": sent.isoformat(),
        "effective": sent.isoformat(),
        "onset": (sent + timedelta(hours=dice.randint(0, 2))).isoformat(),
        "expires": min(ends, local + timedelta(hours=12)).isoformat(),
        "ends": None if open_ended else ends.isoformat(),
        "severity": severity,
        "certainty": certainty,
        "urgency": urgency,
        "event": event,
        "response": response,
        "headline": f"{event} issued {spoken(sent)} until {spoken(ends)} by NWS Simulator",
        "parameters": {
            "NWSheadline": [f"{event.upper()} UNTIL {spoken(ends).upper()}"],
            "BLOCKCHANNEL": ["EAS", "NWEM"],
        },
    }


def spoken(moment: datetime) -> str:
    return f"{moment:%B} {moment.day} at {moment.hour % 12 or 12}:{moment:%M%p %Z}"


def describe(properties: Json, dice: random.Random) -> Json:
    hours = (f"Hour {n}: wind {dice.randint(5, 60)} mph, rain {dice.randint(0, 9)} mm" for n in range(1, 31))
    paragraphs = (
        f"Simulated: * WHAT...Conditions for a {properties['event']} are expected or occurring.",
        f"* WHERE...{properties['areaDesc']}.",
        f"* WHEN...Until {properties['expires']}.",
        "* IMPACTS...This message was invented by a simulator. Nothing in it describes real weather.",
        "* ADDITIONAL DETAILS...\n" + "\n".join(hours),
    )
    instruction = "Simulated: no action is needed. In a real event, follow the advice of local officials."
    return {"description": "\n\n".join(paragraphs), "instruction": dice.choice((None, instruction))}
