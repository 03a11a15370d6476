"""Validates the arguments of the tools. Each fault becomes a sentence that states the valid form.

Accepts unambiguous variants: null and "" for an omitted argument, numbers and booleans as strings, any case.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from difflib import get_close_matches
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from weather import events
from weather.areas import AREAS, find_area
from weather.errors import BadArgument, shortened
from weather.gazetteer import distance_km
from weather.nws import SEVERITIES, Alert, Severity, Units, is_civil, severity_rank
from weather.places import Place, Places

MOST_ALERTS = 200
MOST_FAULTS = 10
MOST_CHARACTERS = 100
NOTHING: Any = None  # the value of an omitted argument
WAYS = (("state",), ("place",), ("latitude", "longitude"))  # ways to give a location
NEAR_KM = 50.0
CALLED = {"lat": "latitude", "lng": "longitude", "lon": "longitude", "long": "longitude", "area": "state"}
CALLED |= dict.fromkeys(("address", "city", "location", "town", "zip", "zip_code", "zipcode"), "place")
HINTS = {"state": "part of place, such as Boston, MA", "zone": "left out: of a place, all its zones are asked"}
SYSTEMS = {"metric": "si", "celsius": "si", "c": "si", "imperial": "us", "fahrenheit": "us", "f": "us"}
Fault = tuple[str, str, str]
CODES = ", ".join(sorted(AREAS))


def _number(value: object) -> object:
    """Converts a string to a number, and 5.0 to 5, an integer in JSON Schema (2020-12, validation, 6.1.1)."""
    if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,9}(\.\d{0,20})? ?°?", value, re.ASCII):
        value = float(value.rstrip(" °"))
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _zip_code(value: object) -> object:
    """Restores the zeros that a ZIP code sent as a number has lost."""
    number = _number(value)
    return f"{number:05}" if type(number) is int else value


def _text(meaning: Callable[[str], object]) -> BeforeValidator:
    """Replaces a string by its meaning. None stands for no meaning, and is invalid."""
    return BeforeValidator(lambda value: meaning(value) if isinstance(value, str) else value)


Degrees = Annotated[float, BeforeValidator(_number), AfterValidator(lambda value: round(value, 4) + 0.0)]  # never -0.0


class ToolInput(BaseModel):
    """The location that all tools take: `place`, or both coordinates in degrees. `located` adds the others."""

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
    units: Annotated[Units, _text(lambda name: SYSTEMS.get(name.lower(), name.lower()))] = Field(
        "us", description="us for °F, mph, miles and inHg, or si for °C, km/h, km and hPa"
    )


class ForecastArgs(WeatherArgs):
    hourly: bool = Field(False, strict=False, description="true for the next 48 hours one by one, false for half days")


class AlertsArgs(ToolInput):
    state: Annotated[str, _text(find_area)] = Field(
        NOTHING,
        description="a two-letter code of a US state, territory or marine area, such as CA, or its full name",
        json_schema_extra={"description": f"a US state, territory or marine area, by its name or its code: {CODES}"},
    )
    severity: Annotated[Severity, _text(str.capitalize)] = Field(
        NOTHING, description="the least severity that counts: Extreme, Severe, Moderate, Minor or Unknown"
    )
    event: Annotated[str, _text(lambda text: text.lower() if events.words_in(text) else None)] = Field(
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
        """The filters, as the end of a sentence; "" without filters."""
        severity = f" of severity {self.severity} or worse" if self.severity else ""
        if not self.event:
            return severity
        current = events.current_names(self.event)
        return f'{severity} with "{self.event}" in the name' + (f" (today: {' or '.join(current)})" if current else "")

    def selects(self, alert: Alert) -> bool:
        """True if the alert has the severity, or a worse one, or `is_civil`, and its name matches `event`."""
        least = len(SEVERITIES) if self.severity in (None, "Unknown") else SEVERITIES.index(self.severity)
        severe = is_civil(alert) or severity_rank(alert) <= least
        return severe and (not self.event or events.matches(self.event, alert.event))


TAKES: Mapping[str, type[ToolInput]] = {
    "get-weather": WeatherArgs,
    "get-forecast": ForecastArgs,
    "get-alerts": AlertsArgs,
}


def understood(tool: str, arguments: Mapping[str, Any]) -> ToolInput:
    """Validates the arguments of a call. Raises BadArgument with all of its faults.

    Null and "" count as omitted: some clients send them for every argument that they omit.
    """
    takes, faults = TAKES[tool], []
    tidy = {name: " ".join(value.split()) if isinstance(value, str) else value for name, value in arguments.items()}
    given = {name: value for name, value in tidy.items() if value not in (None, "")}
    try:
        args = takes.model_validate(given)
    except ValidationError as invalid:
        kinds = {str(error["loc"][0]): error["type"] for error in invalid.errors()}
        faults = [_fault(takes, tool, name, arguments[name], kind) for name, kind in kinds.items()]
    faults += _faults_of_where(takes, {CALLED.get(name.lower(), name.lower()) for name in given})
    if faults:
        raise BadArgument(*faults[:MOST_FAULTS])
    return args


def _fault(takes: type[ToolInput], tool: str, name: str, value: object, kind: str) -> Fault:
    fields, called = takes.model_fields, CALLED.get(name.lower(), name.lower())
    if name not in fields:
        left_out = HINTS.get(called, f"left out: {tool} takes {', '.join(fields)}")
        return shortened(name), "not known", f"called {called} here" if called in fields else left_out
    expected = str(fields[name].description)
    if kind == "string_too_long":
        expected = f"at most {MOST_CHARACTERS} characters long"
    elif name == "state" and isinstance(value, str):
        near = get_close_matches(value.title(), AREAS.values(), 1)
        expected += f", such as {near[0]}" if near else "; or else, for a city, give place"
    return name, shortened(json.dumps(value)), expected


def _faults_of_where(takes: type[ToolInput], given: set[str]) -> Iterator[Fault]:
    """State or coordinates may come with a place: `located` checks that they agree."""
    fields = takes.model_fields
    ways = [way for way in WAYS if fields.keys() >= set(way)]
    first, *others = (" and ".join(way) for way in ways)
    taken = [way for way in ways if given.intersection(way)]
    if not taken:
        yield first, "missing", f"{fields[first].description}; or else give {' or '.join(others)}"
    elif "place" not in given and len(taken) > 1:
        yield "state", "given beside coordinates", f"left out, or given without {' and '.join(taken[1])}"
    for name in sorted(set(WAYS[2]) - given) if given.intersection(WAYS[2]) and "place" not in given else ():
        yield name, "missing", str(fields[name].description)


def located(args: ToolInput, places: Places) -> tuple[ToolInput, str]:
    """Looks up the place: returns the input with its full name and coordinates, and `Place.note`.

    For alerts, a place that names a state becomes `state`. Raises BadArgument.
    """
    state, area = (args.state, find_area(args.place)) if isinstance(args, AlertsArgs) else (None, None)
    try:
        place = _in_state(args.place, state, places) if state else places.find(args.place)
    except BadArgument:
        if area is None or state not in (None, area) or args.latitude is not None:
            raise
        return args.model_copy(update={"place": None, "state": area}), ""
    if args.latitude is not None and args.longitude is not None:
        apart_km = distance_km((place.latitude, place.longitude), (args.latitude, args.longitude))
        if apart_km > NEAR_KM:
            got = f"{place.name}, {apart_km:.0f} km from {args.latitude}, {args.longitude}"
            raise BadArgument(("place", got, "near latitude and longitude, or given without them"))
    where = {"place": place.name, "latitude": place.latitude, "longitude": place.longitude}
    return args.model_copy(update=where | ({"state": None} if state else {})), place.note


def _in_state(name: str, state: str, places: Places) -> Place:
    """Looks `name` up with the state added, then alone. Raises BadArgument for a place in another state."""
    try:
        place = places.find(f"{name}, {state}")
    except BadArgument:
        place = places.find(name)
    if not re.search(rf", {state}\b", place.name):
        raise BadArgument(("state", f"{state}, and place is {place.name}", "left out, or the state that place is in"))
    return place
