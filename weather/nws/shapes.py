"""What is kept of api.weather.gov's answers. The models read NWS's names and forms, and write those of the tools.

Only a field that is `Maybe` is left out when it cannot be read. Shapes: https://api.weather.gov/openapi.json
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal, TypeVar

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)
from pydantic.alias_generators import to_camel

from weather.nws.units import Compass, Fahrenheit, Mph, Percent, Temperature, WindWords

_Value = TypeVar("_Value")


def _time(value: object) -> object:
    """From ISO 8601. Years 1 and 9999 are refused: another time zone takes them off the calendar."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and not 1 < time.year < 9999:
        raise ValueError("out of range")
    return time


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


def _or_unknown(value: object, read: ValidatorFunctionWrapHandler) -> object:
    """A term that nobody has heard of hides no alert."""
    return (_or_none(value, read) or "Unknown") if value else None


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Text = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
Ending = Annotated[str, AfterValidator(lambda link: link.rpartition("/")[2])]
Maybe = Annotated[_Value | None, WrapValidator(_or_none)]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]


class Wire(BaseModel):
    # Strict: lax pydantic reads "yes" as true and 5 as a time.
    model_config = ConfigDict(
        frozen=True,
        strict=True,
        alias_generator=to_camel,
        validate_by_name=True,
        serialize_by_alias=True,
    )


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
    forecast: Text
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
