"""What the tools take: names and arguments → questions, or a sentence that says what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from weather.areas import AREAS, area_code
from weather.errors import BadArgument
from weather.nws import Alert, Severity, Units
from weather.places import Places

MOST_ALERTS = 200
MOST_NAMED = 10
SHOWN = 60
NOTHING: Any = None  # what is not given; null is refused
WAYS = (("state",), ("place",), ("latitude", "longitude"))  # of saying where: one is to be taken


def _rounded(degrees: float) -> float:
    return round(degrees, 4) + 0.0  # never -0.0


def _integral(value: object) -> object:
    """JSON Schema's "integer" holds 5.0 too (JSON Schema 2020-12, validation, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _zip_code(value: object) -> object:
    """Sent as a number, it has lost its zeros."""
    return f"{value:05}" if type(value) is int else value


Degrees = Annotated[float, AfterValidator(_rounded)]
Words = Annotated[str, AfterValidator(lambda text: " ".join(text.lower().split()))]
STATE = [{"enum": sorted(AREAS)}, {"pattern": "^[A-Za-z]{2}$"}, {"minLength": 3}]


class Question(BaseModel):
    """Where: `place`, or both coordinates. Once it is `located` both are known of a place, which has its full name."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)

    place: Annotated[str, BeforeValidator(_zip_code)] = Field(
        NOTHING, max_length=100, description="a US city with its state, such as Boston, MA, or a five-digit ZIP code"
    )
    latitude: Degrees = Field(NOTHING, ge=-90, le=90, description="degrees north, a number from -90 to 90")
    longitude: Degrees = Field(
        NOTHING, ge=-180, le=180, description="degrees east, a number from -180 to 180 (negative in the United States)"
    )


class Weather(Question):
    units: Units = Field("us", description="us for °F, mph, miles and inHg, or si for °C, km/h, km and hPa")


class Forecast(Weather):
    hourly: bool = Field(False, description="true for the next 48 hours one by one, false for half days")


class Alerts(Question):
    state: Annotated[str, AfterValidator(area_code), WithJsonSchema({"type": "string", "anyOf": STATE})] = Field(
        NOTHING, description="a two-letter code of a US state, territory or marine area, such as CA, or its full name"
    )
    severity: Severity = Field(
        NOTHING, description="the least severity that counts: Extreme, Severe, Moderate, Minor or Unknown"
    )
    event: Words = Field(
        NOTHING, min_length=1, max_length=100, description="words of the event's name, such as flood or tornado warning"
    )
    limit: Annotated[int, Field(ge=1, le=MOST_ALERTS), BeforeValidator(_integral)] = Field(
        25, description="how many alerts at most, from 1 to 200"
    )

    @property
    def where(self) -> str:
        return AREAS[self.state] if self.state else self.place or f"{self.latitude}, {self.longitude}"

    @property
    def kind(self) -> str:
        severity = f" of severity {self.severity} or worse" if self.severity else ""
        return severity + (f' with "{self.event}" in the name' if self.event else "")

    def means(self, alert: Alert) -> bool:
        worst_first = get_args(Severity).index
        severe = worst_first(alert.severity or "Unknown") <= worst_first(self.severity or "Unknown")
        return severe and set((self.event or "").split()) <= set(alert.event.lower().split())


TAKES: Mapping[str, type[Question]] = {"get-weather": Weather, "get-forecast": Forecast, "get-alerts": Alerts}


def understood(tool: str, arguments: Mapping[str, Any]) -> Question:
    """Raises BadArgument for the first argument that is wrong."""
    takes = TAKES[tool].model_fields
    try:
        return _checked(TAKES[tool].model_validate(arguments))
    except ValidationError as invalid:
        error = invalid.errors()[0]
    name = str(error["loc"][0])
    if error["type"] == "extra_forbidden":
        raise BadArgument(shortened(name), "not known", f"left out: {tool} takes {', '.join(takes)}")
    raise BadArgument(name, shortened(json.dumps(arguments[name])), str(takes[name].description))


def _checked(question: Question) -> Question:
    """Raises BadArgument unless one way is taken, and that whole."""
    takes, given = type(question).model_fields, question.model_fields_set
    ways = [way for way in WAYS if takes.keys() >= set(way)]
    first, *others = (" and ".join(way) for way in ways)
    taken = [way for way in ways if given.intersection(way)]
    if len(taken) > 1:
        one, another = (next(name for name in way if name in given) for way in taken[:2])
        expected = f"left out, or given alone: either {' or '.join((first, *others))}"
        raise BadArgument(another, f"given beside {one}", expected)
    if not taken:
        raise BadArgument(first, "missing", f"{takes[first].description}; or else give {' or '.join(others)}")
    for name in set(taken[0]) - given:
        raise BadArgument(name, "missing", str(takes[name].description))
    return question


def located(question: Question, places: Places) -> Question:
    """Raises BadArgument for a name that is none of a place, or of several."""
    got, found = shortened(json.dumps(question.place)), places.find(question.place)
    if not found:
        raise BadArgument("place", got, str(type(question).model_fields["place"].description))
    if len(found) > 1:
        names = "; ".join(place.name for place in found[:MOST_NAMED])
        raise BadArgument("place", f"{got}, the name of {len(found)}", f"told with its state, such as {names}")
    _, name, latitude, longitude = found[0]
    return question.model_copy(update={"place": name, "latitude": latitude, "longitude": longitude})


def shortened(text: str, most: int = SHOWN) -> str:
    """At most so many printable characters of what a client sent."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(character if character.isprintable() else "?" for character in plain)
    return plain if len(plain) <= most else plain[: most - 3] + "..."
