"""What the tools take: names and arguments → questions, or a sentence that says what would be right.

What plainly means something is taken: null and "" for what is left out, numbers and booleans as strings, any case.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from difflib import get_close_matches
from functools import lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from weather.areas import AREAS, area_code
from weather.errors import BadArgument, BadArguments, shortened
from weather.nws import SEVERITIES, Alert, Severity, Units, is_civil, severity_rank
from weather.places import Place, Places

MOST_ALERTS = 200
MOST_FAULTS = 10
MOST_CHARACTERS = 100
NOTHING: Any = None  # what is not given
WAYS = (("state",), ("place",), ("latitude", "longitude"))  # of saying where
NEAR_KM = 50.0
EARTH_KM = 6371.0
CALLED = {"lat": "latitude", "lng": "longitude", "lon": "longitude", "long": "longitude", "area": "state"}
CALLED |= dict.fromkeys(("address", "city", "location", "town", "zip", "zip_code", "zipcode"), "place")
HINTS = {"state": "part of place, such as Boston, MA", "zone": "left out: of a place, all its zones are asked"}
WORDS = {"true": True, "yes": True, "on": True, "1": True, "false": False, "no": False, "off": False, "0": False}
SYSTEMS = {"metric": "si", "celsius": "si", "c": "si", "imperial": "us", "fahrenheit": "us", "f": "us"}


def _rounded(degrees: float) -> float:
    return round(degrees, 4) + 0.0  # never -0.0


def _number(value: object) -> object:
    """JSON Schema's "integer" holds 5.0 too (JSON Schema 2020-12, validation, 6.1.1)."""
    if isinstance(value, str) and re.fullmatch(r"\s*[+-]?\d{1,9}(\.\d{0,20})?\s*°?\s*", value, re.ASCII):
        value = float(value.replace("°", ""))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _boolean(value: object) -> object:
    return WORDS.get(str(value).strip().lower(), value)


def _system(value: object) -> object:
    word = value.strip().lower() if isinstance(value, str) else value
    return SYSTEMS.get(word, word) if isinstance(word, str) else word


def _capitalized(value: object) -> object:
    return value.strip().capitalize() if isinstance(value, str) else value


def _zip_code(value: object) -> object:
    """Sent as a number, it has lost its zeros."""
    number = _number(value) if isinstance(value, float) else value
    if type(number) is int or (isinstance(number, str) and re.fullmatch(r"\s*\d{3,4}\s*", number, re.ASCII)):
        return f"{int(number):05}"
    return " ".join(value.split()) if isinstance(value, str) else value


def _event(text: str) -> str:
    if not _words(text):
        raise ValueError
    return text


Degrees = Annotated[float, BeforeValidator(_number), AfterValidator(_rounded)]
Words = Annotated[str, AfterValidator(lambda text: " ".join(text.lower().split())), AfterValidator(_event)]
CODES = f"{', '.join(sorted(AREAS))}"


class ToolInput(BaseModel):
    """Where: `place`, or both coordinates. Once it is `located` both are known of a place, which has its full name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    place: Annotated[str, BeforeValidator(_zip_code)] = Field(
        NOTHING,
        max_length=MOST_CHARACTERS,
        description="a US city with its state, such as Boston, MA, or a five-digit ZIP code",
    )
    latitude: Degrees = Field(NOTHING, ge=-90, le=90, description="degrees north, a number from -90 to 90")
    longitude: Degrees = Field(
        NOTHING, ge=-180, le=180, description="degrees east, a number from -180 to 180 (negative in the United States)"
    )


class WeatherArgs(ToolInput):
    units: Annotated[Units, BeforeValidator(_system)] = Field(
        "us", description="us for °F, mph, miles and inHg, or si for °C, km/h, km and hPa"
    )


class ForecastArgs(WeatherArgs):
    hourly: Annotated[bool, BeforeValidator(_boolean)] = Field(
        False, description="true for the next 48 hours one by one, false for half days"
    )


class AlertsArgs(ToolInput):
    state: Annotated[str, AfterValidator(area_code)] = Field(
        NOTHING,
        description="a two-letter code of a US state, territory or marine area, such as CA, or its full name",
        json_schema_extra={"description": f"a US state, territory or marine area, by its name or its code: {CODES}"},
    )
    severity: Annotated[Severity, BeforeValidator(_capitalized)] = Field(
        NOTHING, description="the least severity that counts: Extreme, Severe, Moderate, Minor or Unknown"
    )
    event: Words = Field(
        NOTHING,
        min_length=1,
        max_length=MOST_CHARACTERS,
        description="words of the event's name, such as flood or tornado warning",
    )
    limit: Annotated[int, Field(ge=1, le=MOST_ALERTS), BeforeValidator(_number)] = Field(
        25, description="how many alerts at most, from 1 to 200"
    )

    @property
    def kind(self) -> str:
        severity = f" of severity {self.severity} or worse" if self.severity else ""
        today = [new for old, new in NEW_NAMES if self.event and _words(old) <= _words(self.event)]
        named = f' with "{self.event}" in the name' + (f" (today: {' or '.join(today)})" if today else "")
        return severity + (named if self.event else "")

    def means(self, alert: Alert) -> bool:
        """Whether its severity counts, and its name has the words of one part of `event`."""
        least = len(SEVERITIES) if self.severity in (None, "Unknown") else SEVERITIES.index(self.severity)
        if not is_civil(alert) and severity_rank(alert) > least:
            return False
        name = _words(alert.event)
        return not self.event or any(wanted <= name for wanted in _wanted(self.event))


@lru_cache(4096)
def _words(text: str) -> frozenset[str]:
    """Each without its ending: "Advisories" is "Advisory", "tornadoes" "tornado", "flooding" "flood"."""
    words = (re.sub(r"(?<=[^s]{3})s$", "", word) for word in re.findall(r"[^\W_]+", text.lower()))
    return frozenset(re.sub(r"y$", "i", re.sub(r"(?<=.{3})e$|(?<=.{4})ing$", "", word)) for word in words)


@lru_cache(1024)
def _wanted(event: str) -> tuple[frozenset[str], ...]:
    """For each part of a list, the words to look for: those that are said, and those of NWS's names of today. In
    "tornado watch or warning" the last part is a tornado warning.
    """
    found: list[frozenset[str]] = []
    for part in re.split(r"[,;/|]", event):
        hazard: frozenset[str] = frozenset()
        for said in filter(None, map(_words, re.split(r"\b(?:or|and)\b", part))):
            wanted = said - IDLE_WORDS
            wanted = wanted | hazard if wanted <= KINDS else wanted
            hazard = wanted - KINDS
            found += [wanted, *(wanted - _words(old) | _words(new) for old, new in NEW_NAMES if _words(old) <= wanted)]
    return tuple(found)


IDLE_WORDS = _words("a active alert all any every for of the weather")
KINDS = _words("watch warning advisory statement")
# Old and new: names that NWS gave up (Service Change Notices 23-44 of October 2024 and 24-88 of March 2025).
NEW_NAMES = (
    ("excessive heat", "extreme heat"),
    ("wind chill", "extreme cold"),
    ("wind chill", "cold weather"),
    ("hard freeze", "freeze"),
    ("hurricane local", "tropical cyclone local"),
)

TAKES: Mapping[str, type[ToolInput]] = {
    "get-weather": WeatherArgs,
    "get-forecast": ForecastArgs,
    "get-alerts": AlertsArgs,
}


def understood(tool: str, arguments: Mapping[str, Any]) -> ToolInput:
    """Raises BadArgument, with all faults of the call."""
    takes = TAKES[tool]
    given = {name: value for name, value in arguments.items() if not _left_out(value)}
    faults = []
    try:
        asked = takes.model_validate(given)
    except ValidationError as invalid:
        kinds = {str(error["loc"][0]): error["type"] for error in invalid.errors()}
        faults = [_fault(takes, tool, name, given[name], kind) for name, kind in kinds.items()]
    faults += _faults_of_where(takes, {CALLED.get(name.lower(), name.lower()) for name in given})
    if faults:
        raise faults[0] if len(faults) == 1 else BadArguments(faults[:MOST_FAULTS])
    return asked


def _left_out(value: object) -> bool:
    """Some clients send null, or nothing in quotes, for every argument that is not given."""
    return value is None or (isinstance(value, str) and not value.strip())


def _fault(takes: type[ToolInput], tool: str, name: str, value: object, kind: str) -> BadArgument:
    fields = takes.model_fields
    if kind == "string_too_long":
        return BadArgument(name, shortened(json.dumps(value)), f"at most {MOST_CHARACTERS} characters long")
    if name in fields:
        expected = str(fields[name].description)
        if name == "state" and isinstance(value, str):
            near = get_close_matches(value.title(), AREAS.values(), 1)
            expected += f", such as {near[0]}" if near else "; or else, for a city, give place"
        return BadArgument(name, shortened(json.dumps(value)), expected)
    called = CALLED.get(name.lower(), name.lower())
    if called in fields:
        return BadArgument(shortened(name), "not known", f"called {called} here")
    expected = HINTS.get(called, f"left out: {tool} takes {', '.join(fields)}")
    return BadArgument(shortened(name), "not known", expected)


def _faults_of_where(takes: type[ToolInput], given: set[str]) -> Iterator[BadArgument]:
    """Of a place, the state or the coordinates may be told too: `located` checks that they agree."""
    fields = takes.model_fields
    ways = [way for way in WAYS if fields.keys() >= set(way)]
    first, *others = (" and ".join(way) for way in ways)
    taken = [way for way in ways if given.intersection(way)]
    if not taken:
        yield BadArgument(first, "missing", f"{fields[first].description}; or else give {' or '.join(others)}")
    elif "place" not in given and len(taken) > 1:
        yield BadArgument("state", "given beside coordinates", f"left out, or given without {' and '.join(taken[1])}")
    for name in sorted(set(WAYS[2]) - given) if given.intersection(WAYS[2]) and "place" not in given else ():
        yield BadArgument(name, "missing", str(fields[name].description))


def located(asked: ToolInput, places: Places) -> tuple[ToolInput, str]:
    """With the coordinates and the full name of its place, and what was taken for that; raises BadArgument.

    Alerts of a place that is a state are those of the state.
    """
    state = asked.state if isinstance(asked, AlertsArgs) else None
    area = _area(asked.place) if isinstance(asked, AlertsArgs) else None
    try:
        if area and area == state:
            return asked.model_copy(update={"place": None}), ""
        place = _in_state(asked.place, state, places) if state else places.find(asked.place)
    except BadArgument:
        if area is None or state or asked.latitude is not None:
            raise
        return asked.model_copy(update={"place": None, "state": area}), ""
    if asked.latitude is not None and asked.longitude is not None:
        apart_km = _apart_km(place, asked.latitude, asked.longitude)
        if apart_km > NEAR_KM:
            got = f"{place.name}, {apart_km:.0f} km from {asked.latitude}, {asked.longitude}"
            raise BadArgument("place", got, "near latitude and longitude, or given without them")
    where = {"place": place.name, "latitude": place.latitude, "longitude": place.longitude}
    return asked.model_copy(update=where | ({"state": None} if state else {})), place.note


def _area(said: str) -> str | None:
    with suppress(ValueError):
        return area_code(said)
    return None


def _in_state(said: str, state: str, places: Places) -> Place:
    """The place as it is said, or with the state added to it; raises BadArgument."""
    try:
        place = places.find(f"{said}, {state}")
    except BadArgument:
        place = places.find(said)
    if not re.search(rf", {state}\b", place.name):
        raise BadArgument("state", f"{state}, and place is {place.name}", "left out, or the state that place is in")
    return place


def _apart_km(place: Place, latitude: float, longitude: float) -> float:
    """The great circle (haversine)."""
    north, south = math.radians(place.latitude), math.radians(latitude)
    east = math.radians(longitude - place.longitude)
    half = math.sin((north - south) / 2) ** 2 + math.cos(north) * math.cos(south) * math.sin(east / 2) ** 2
    return 2 * EARTH_KM * math.asin(math.sqrt(half))
