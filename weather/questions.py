"""What the tools take: names and arguments → questions, or a sentence that says what would be right."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema

from weather.areas import AREAS, area_code
from weather.errors import BadArgument
from weather.report import MOST_ALERTS

SHOWN = 60


def _rounded(degrees: float) -> float:
    return round(degrees, 4) + 0.0  # never -0.0


def _integral(value: object) -> object:
    """JSON Schema's "integer" holds 5.0 too (JSON Schema 2020-12, validation, 6.1.1)."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


Degrees = Annotated[float, AfterValidator(_rounded)]
STATE = [
    {"type": "string", "enum": sorted(AREAS)},
    {"type": "string", "pattern": "^[A-Za-z]{2}$"},
    {"type": "string", "minLength": 3},
]


class Question(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Place(Question):
    latitude: Degrees = Field(ge=-90, le=90, description="degrees north, a number from -90 to 90")
    longitude: Degrees = Field(
        ge=-180, le=180, description="degrees east, a number from -180 to 180 (negative in the United States)"
    )


class Area(Question):
    state: Annotated[str, AfterValidator(area_code), WithJsonSchema({"anyOf": STATE})] = Field(
        description="a two-letter code of a US state, territory or marine area, such as CA, or its full name"
    )
    limit: Annotated[int, Field(ge=1, le=MOST_ALERTS), BeforeValidator(_integral)] = Field(
        25, description="how many alerts at most, from 1 to 200"
    )


TAKES: Mapping[str, type[Question]] = {"get-weather": Place, "get-forecast": Place, "get-alerts": Area}


def understood(tool: str, arguments: Mapping[str, Any]) -> Question:
    """Raises BadArgument for the first argument that is wrong."""
    try:
        return TAKES[tool].model_validate(arguments)
    except ValidationError as invalid:
        error = invalid.errors()[0]
    name, takes = str(error["loc"][0]), TAKES[tool].model_fields
    if error["type"] == "extra_forbidden":
        raise BadArgument(shortened(name), "not known", f"left out: {tool} takes {', '.join(takes)}")
    got = "missing" if error["type"] == "missing" else shortened(json.dumps(arguments[name]))
    raise BadArgument(name, got, str(takes[name].description))


def shortened(text: str, most: int = SHOWN) -> str:
    """At most so many printable characters of what a client sent."""
    plain = text.encode("ascii", "backslashreplace").decode()
    plain = "".join(character if character.isprintable() else "?" for character in plain)
    return plain if len(plain) <= most else plain[: most - 3] + "..."
