"""The data of api.weather.gov as pydantic models, which validate NWS's field names and serialize those of the tools.

An unreadable field is None if it is `Maybe`, else an error. Shapes: https://api.weather.gov/openapi.json
Quantities are stored in both systems of units, so that one document serves both: `said_in` selects one.
"""

import sys
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import AwareDatetime, BaseModel, BeforeValidator, Field, GetCoreSchemaHandler
from pydantic.alias_generators import to_camel
from pydantic_core import CoreSchema, core_schema

from weather.nws import quantities as q

# Limits in characters, so that one result can hold a text. A real description has some 6,000.
MOST_TEXT = 15_000
MOST_HEADLINE, MOST_SENTENCES, MOST_LABEL, MOST_LINK = 2_000, 1_000, 200, 2_000
MOST_ZONES = 1_000
_Value = TypeVar("_Value")


class _OrNone:
    """An unreadable value becomes None."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.with_default_schema(handler(source), default=None, on_error="default")


def _text(most: int) -> BeforeValidator:
    """Cuts a text after `most` characters; "" becomes None."""

    def cut(value: object) -> object:
        if isinstance(value, str) and len(value) > most:
            return f"{value[:most]}... (longer: see weather.gov)"
        return None if value == "" else value

    return BeforeValidator(cut)


def _known(terms: tuple[str, ...], value: object) -> object:
    """An unknown term becomes "Unknown", so that it hides no alert."""
    return (value if value in terms else "Unknown") if value else None


def _time(value: object) -> object:
    """Parses ISO 8601. Rejects years 1 and 9999: conversion to another time zone could overflow."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and not 1 < time.year < 9999:
        raise ValueError("out of range")
    return time


def _ending(link: object) -> str:
    if not isinstance(link, str) or not 0 < len(link) <= MOST_LINK:
        raise ValueError("no link")
    return sys.intern(link.rpartition("/")[2])


def _endings(links: object) -> object:
    return [_ending(link) for link in links] if isinstance(links, list) else links


def _also(name: str, *, hidden: bool | None = None) -> Any:
    """A field read from NWS's field `name`. A `hidden` one has the SI value for `said_in`."""
    return Field(default=None, validation_alias=name, exclude=hidden)


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Text = Annotated[str | None, _text(MOST_TEXT)]
Label = Annotated[str | None, _text(MOST_LABEL)]
Name = Annotated[str, _text(MOST_LABEL)]
Link = Annotated[str | None, Field(max_length=MOST_LINK), BeforeValidator(lambda link: link or None)]
Ending = Annotated[str, BeforeValidator(_ending)]
Endings = Annotated[list[str], BeforeValidator(_endings), Field(max_length=MOST_ZONES)]
Maybe = Annotated[_Value | None, _OrNone()]
Severity = Literal["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
Urgency = Literal["Immediate", "Expected", "Future", "Past", "Unknown"]


class CamelModel(BaseModel):
    # Strict: lax pydantic reads "yes" as true and 5 as a time.
    model_config = {"frozen": True, "strict": True, "validate_by_name": True, "alias_generator": to_camel}
    model_config["serialize_by_alias"] = True


class Location(CamelModel):
    """`city` and `state` name the nearest place; `timeZone` is an IANA name."""

    latitude: float = Field(ge=-90, le=90)
    longitude: float = Field(ge=-180, le=180)
    city: Label = None
    state: Label = None
    time_zone: Label = None


class Point(CamelModel):
    """`forecast`, `hourly` and `stations` are links, None if NWS gives none.

    `zones` has the codes of the forecast zone, county and fire weather zone of the point.
    """

    location: Location
    zones: tuple[str, ...] = ()
    forecast: str = Field(max_length=MOST_LINK)
    hourly: Maybe[Link] = Field(default=None, validation_alias="forecastHourly")
    stations: Link = Field(default=None, validation_alias="observationStations")


class Period(CamelModel):
    """`temperature` is the high of a day, the low of a night, or that of an hour, which has no `isDaytime`;
    `temperatureTrend` "rising" or "falling", where that is unusual; `probabilityOfPrecipitation` and `relativeHumidity`
    in percent.
    """

    name: Name
    start_time: Maybe[Time] = None
    end_time: Maybe[Time] = None
    is_daytime: Maybe[bool] = None
    temperature: q.Fahrenheit = None
    temperature_si: q.Celsius = _also("temperature", hidden=True)
    temperature_unit: Literal["F", "C"] = Field(default_factory=lambda: "F")  # no default to a reader of the schema
    temperature_trend: Maybe[Label] = None
    probability_of_precipitation: q.Percent = None
    dewpoint_f: Maybe[q.Fahrenheit] = _also("dewpoint")
    dewpoint_c: Maybe[q.Celsius] = _also("dewpoint")
    relative_humidity: Maybe[q.Percent] = None
    wind_speed: q.WindWords = None
    wind_speed_si: q.WindWordsKmh = _also("windSpeed", hidden=True)
    wind_gust: Maybe[q.WindWords] = None
    wind_gust_si: Maybe[q.WindWordsKmh] = _also("windGust", hidden=True)
    wind_direction: Label = None
    short_forecast: Label = None
    detailed_forecast: Maybe[Annotated[str | None, _text(MOST_SENTENCES)]] = None

    def said_in(self, units: q.Units, **changes: object) -> Self:
        """A copy with the values of one system of units, and with these changes."""
        if units == "us":
            return self.model_copy(update={"dewpoint_c": None, **changes})
        values = {name: getattr(self, f"{name}_si") for name in ("temperature", "wind_speed", "wind_gust")}
        return self.model_copy(update=values | {"temperature_unit": "C", "dewpoint_f": None, **changes})


class ForecastData(CamelModel):
    issued: Maybe[Time] = None
    periods: tuple[Period, ...]


class Observation(CamelModel):
    """What a station measured at `time`, in American units or in those of others; a value that is not there was not
    measured.
    """

    station: Ending
    name: Label = _also("stationName")
    time: Time = Field(validation_alias="timestamp")
    text: Label = _also("textDescription")
    temperature_f: q.Fahrenheit = _also("temperature")
    temperature_c: q.Celsius = _also("temperature")
    wind_chill_f: Maybe[q.Fahrenheit] = _also("windChill")
    wind_chill_c: Maybe[q.Celsius] = _also("windChill")
    heat_index_f: Maybe[q.Fahrenheit] = _also("heatIndex")
    heat_index_c: Maybe[q.Celsius] = _also("heatIndex")
    dewpoint_f: Maybe[q.Fahrenheit] = _also("dewpoint")
    dewpoint_c: Maybe[q.Celsius] = _also("dewpoint")
    humidity_percent: q.Percent = _also("relativeHumidity")
    wind_direction: q.Compass = None
    wind_speed_mph: q.Mph = _also("windSpeed")
    wind_speed_kmh: q.Kmh = _also("windSpeed")
    wind_gust_mph: q.Mph = _also("windGust")
    wind_gust_kmh: q.Kmh = _also("windGust")
    pressure_in_hg: Maybe[q.InHg] = _also("barometricPressure")
    pressure_hpa: Maybe[q.HPa] = _also("barometricPressure")
    visibility_miles: Maybe[q.Miles] = _also("visibility")
    visibility_km: Maybe[q.Km] = _also("visibility")

    def said_in(self, units: q.Units) -> Self:
        others = ("_c", "_kmh", "_hpa", "_km") if units == "us" else ("_f", "_mph", "_in_hg", "_miles")
        return self.model_copy(update={name: None for name in type(self).model_fields if name.endswith(others)})


class Alert(CamelModel):
    """In the terms of the Common Alerting Protocol. The event begins at `onset` and ends at `ends`, the message expires
    at `expires`. `over_at` is when the clock ends the alert: at `ends`, or at `expires` where there is no `ends`; None:
    not known.

    `affectedZones` are ids, the ends of NWS's links. What is the same in all is left out, and for their size geometry,
    geocode, parameters and references.
    """

    id: str = Field(min_length=1, max_length=MOST_LINK)
    event: Name
    area: Maybe[Text] = Field(default=None, validation_alias="areaDesc")
    severity: Annotated[Severity | None, BeforeValidator(partial(_known, get_args(Severity)))] = None
    urgency: Annotated[Urgency | None, BeforeValidator(partial(_known, get_args(Urgency)))] = None
    certainty: Maybe[Label] = None
    onset: Maybe[Time] = None
    ends: Maybe[Time] = None
    headline: Maybe[Annotated[str | None, _text(MOST_HEADLINE)]] = None
    sender: Maybe[Label] = Field(default=None, validation_alias="senderName")
    description: Maybe[Text] = None
    instructions: Maybe[Text] = Field(default=None, validation_alias="instruction")
    response: Maybe[Label] = None
    sent: Maybe[Time] = None
    expires: Maybe[Time] = None
    message_type: Maybe[Label] = None
    affected_zones: Maybe[Endings] = None
    over_at: Maybe[Time] = Field(default=None, validation_alias="overAt", exclude=True)

    def in_force_at(self, now: datetime) -> bool:
        return self.over_at is None or now < self.over_at


class AlertsData(CamelModel):
    """The alerts that no message has ended, the worst first; `in_force_at` leaves out those ended by the clock."""

    issued: Maybe[Time] = None
    alerts: tuple[Alert, ...]

    def in_force_at(self, now: datetime) -> tuple[Alert, ...]:
        return tuple(alert for alert in self.alerts if alert.in_force_at(now))
