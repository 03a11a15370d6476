"""What is kept of api.weather.gov's answers. The models read NWS's names and forms, and write those of the tools.

Only a field that is `Maybe` is left out when it cannot be read. Shapes: https://api.weather.gov/openapi.json
A quantity there, `{unitCode, value}`, is here a whole number in the units that Americans read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, AwareDatetime, BaseModel, BeforeValidator, Field, ValidationError, WrapValidator
from pydantic.alias_generators import to_camel

_Value = TypeVar("_Value")
Conversions = Mapping[str, Callable[[float], float]]

# From WMO's names of units and UCUM's; a prefix as in "wmoUnit:degC" is cut before.
TEMPERATURE: Conversions = {
    **dict.fromkeys(("degC", "Cel"), lambda celsius: celsius * 9 / 5 + 32),
    **dict.fromkeys(("degF", "[degF]"), float),
}
SPEED: Conversions = {
    **dict.fromkeys(("km_h-1", "km/h"), lambda kmh: kmh / 1.609344),
    **dict.fromkeys(("m_s-1", "m/s"), lambda ms: ms * 3.6 / 1.609344),
    **dict.fromkeys(("mi_h-1", "[mi_i]/h", "mph"), float),
}
PERCENT: Conversions = dict.fromkeys(("percent", "%"), float)
ANGLE: Conversions = dict.fromkeys(("degree_(angle)", "deg"), float)
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def _time(value: object) -> object:
    """From ISO 8601. Years 1 and 9999 are refused: another time zone takes them off the calendar."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and not 1 < time.year < 9999:
        raise ValueError("out of range")
    return time


def _or_none(value: object, read: Callable[[object], object]) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


def _or_unknown(value: object, read: Callable[[object], object]) -> object:
    """A term that nobody has heard of hides no alert."""
    return (_or_none(value, read) or "Unknown") if value else None


def _number(value: Any) -> float:
    """The bounds also refuse NaN, infinity, and integers that no float can hold."""
    if type(value) not in (int, float) or not -1e9 < value < 1e9:
        raise ValueError("not a number")
    return float(value)


def _whole(number: float) -> int:
    """The nearest integer; halves go up, where `round()` takes them to the even neighbour."""
    return math.floor(number + 0.5)


def _measured(units: Conversions, quantity: Any, *, key: str = "value") -> int | None:
    """None for null, and for what quality control rejects: flags X and B."""
    if quantity is None:
        return None
    if not isinstance(quantity, dict):
        raise ValueError("not a quantity")
    value = quantity.get(key)
    if value is None or quantity.get("qualityControl") in ("X", "B"):
        return None
    convert = units.get(str(quantity.get("unitCode")).rpartition(":")[2])
    if convert is None:
        raise ValueError("an unknown unit")
    return _whole(convert(_number(value)))


def _bare_or_measured(temperature: Any) -> int | None:
    bare = isinstance(temperature, int | float)
    return _whole(_number(temperature)) if bare else _measured(TEMPERATURE, temperature)


def _compass(direction: Any) -> str | None:
    degrees = _measured(ANGLE, direction)
    return None if degrees is None else _WINDS[_whole(degrees / 22.5) % 16]


def _words(wind: Any) -> Any:
    """`{value}` or `{minValue, maxValue}` in the words of the older answers, "5 to 10 mph"; words as they are."""
    if not isinstance(wind, dict):
        return None if wind == "" else wind
    found = [_measured(SPEED, wind, key=key) for key in ("minValue", "value", "maxValue")]
    speeds = sorted({speed for speed in found if speed is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} mph" if len(speeds) > 1 else f"{speeds[0]} mph"


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Text = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
Ending = Annotated[str, AfterValidator(lambda link: link.rpartition("/")[2])]
Maybe = Annotated[_Value | None, WrapValidator(_or_none)]
Fahrenheit = Annotated[int | None, BeforeValidator(partial(_measured, TEMPERATURE))]
Temperature = Annotated[int | None, BeforeValidator(_bare_or_measured)]
Mph = Annotated[int | None, BeforeValidator(partial(_measured, SPEED))]
Percent = Annotated[int | None, BeforeValidator(partial(_measured, PERCENT))]
Compass = Annotated[str | None, BeforeValidator(_compass)]
WindWords = Annotated[str | None, BeforeValidator(_words)]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]


class Wire(BaseModel):
    # Strict: lax pydantic reads "yes" as true and 5 as a time.
    model_config = {"frozen": True, "strict": True, "validate_by_name": True, "alias_generator": to_camel}
    model_config["serialize_by_alias"] = True


class Location(Wire):
    """`city` and `state` name the nearest place; `timeZone` is an IANA name."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    city: Text = None
    state: Text = None
    time_zone: Text = None


class Point(Wire):
    """`forecast` and `stations` are links to follow as they are; None: NWS offers none here."""

    location: Location
    forecast: str
    stations: Text = Field(default=None, validation_alias="observationStations")


class Period(Wire):
    """`temperature` is the high of a day or the low of a night; `temperatureTrend` "rising" or "falling", where that is
    unusual; `probabilityOfPrecipitation` and `relativeHumidity` in percent; `icon` a link.
    """

    name: str
    number: Maybe[int] = None
    start_time: Maybe[Time] = None
    end_time: Maybe[Time] = None
    is_daytime: Maybe[bool] = None
    temperature: Temperature = None
    temperature_unit: Literal["F", "C"] = "F"
    temperature_trend: Maybe[Text] = None
    probability_of_precipitation: Percent = None
    dewpoint_f: Maybe[Fahrenheit] = Field(default=None, validation_alias="dewpoint")
    relative_humidity: Maybe[Percent] = None
    wind_speed: WindWords = None
    wind_gust: Maybe[WindWords] = None
    wind_direction: Text = None
    icon: Maybe[Text] = None
    short_forecast: Text = None
    detailed_forecast: Maybe[Text] = None


class ForecastDigest(Wire):
    issued: Maybe[Time] = None
    periods: tuple[Period, ...]


class Observation(Wire):
    """What a station measured at `time`; a value that is not there was not measured."""

    station: Ending
    name: Text = Field(default=None, validation_alias="stationName")
    time: Time = Field(validation_alias="timestamp")
    temperature_f: Fahrenheit = Field(default=None, validation_alias="temperature")
    text: Text = Field(default=None, validation_alias="textDescription")
    wind_direction: Compass = None
    wind_speed_mph: Mph = Field(default=None, validation_alias="windSpeed")
    wind_gust_mph: Mph = Field(default=None, validation_alias="windGust")
    humidity_percent: Percent = Field(default=None, validation_alias="relativeHumidity")


class Alert(Wire):
    """In the terms of the Common Alerting Protocol. The event ends at `ends`, the message at `expires`.

    `affectedZones` are ids, the ends of NWS's links. Its geometry, geocode, parameters and references are left out, for
    their size.
    """

    id: str = Field(min_length=1)
    event: str = Field(min_length=1)
    area: Maybe[Text] = Field(default=None, validation_alias="areaDesc")
    severity: Annotated[Severity | None, WrapValidator(_or_unknown)] = None
    urgency: Annotated[Urgency | None, WrapValidator(_or_unknown)] = None
    certainty: Maybe[Text] = None
    headline: Maybe[Text] = None
    description: Maybe[Text] = None
    instructions: Maybe[Text] = Field(default=None, validation_alias="instruction")
    response: Maybe[Text] = None
    sent: Maybe[Time] = None
    effective: Maybe[Time] = None
    onset: Maybe[Time] = None
    ends: Maybe[Time] = None
    expires: Maybe[Time] = None
    status: Maybe[Text] = None
    message_type: Maybe[Text] = None
    category: Maybe[Text] = None
    sender: Maybe[Text] = Field(default=None, validation_alias="senderName")
    affected_zones: Maybe[list[Ending]] = None


class AlertDigest(Wire):
    """The worst first; `counts` is by severity, where a missing one counts as Unknown."""

    issued: Maybe[Time] = None
    alerts: tuple[Alert, ...]
    counts: dict[Severity, int]
