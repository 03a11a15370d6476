"""api.weather.gov's JSON → the part of it that is kept.

A reader takes the decoded body of a 200 answer as `application/geo+json`, and raises `BadAnswer` for what it cannot
read: a wrong shape must never pass for fewer periods or fewer alerts. Only a field that is `Maybe` is left out when it
cannot be read. Shapes: https://api.weather.gov/openapi.json
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

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

from weather.errors import BadAnswer
from weather.nws.units import ANGLE, PERCENT, SPEED, TEMPERATURE, compass, measured, number, whole, wind_text

NOT_MEANT = ("exercise", "system", "test", "draft")

_Value = TypeVar("_Value")


def _time(value: object) -> object:
    """From ISO 8601. Years 1 and 9999 are refused: another time zone takes them off the calendar."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and not 1 < time.year < 9999:
        raise ValueError("out of range")
    return time


def _sendable(text: str) -> str:
    # JSON can escape half a surrogate pair. Python reads that; UTF-8 cannot write it.
    return text.encode(errors="replace").decode()


def _or_none(value: object, read: ValidatorFunctionWrapHandler) -> object:
    try:
        return read(value)
    except ValidationError:
        return None


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Str = Annotated[str, AfterValidator(_sendable)]
Text = Annotated[Str | None, BeforeValidator(lambda value: None if value == "" else value)]
Zone = Annotated[Str, AfterValidator(lambda link: link.rpartition("/")[2])]
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
        validate_by_alias=True,
        serialize_by_alias=True,
        allow_inf_nan=False,
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
    forecast: Text = None
    stations: Text = None
    marine: bool = False


class Period(Wire):
    """`temperature` is the high of a day or the low of a night; `temperatureTrend` "rising" or "falling", where that is
    unusual; `probabilityOfPrecipitation` and `relativeHumidity` in percent; `icon` a link.
    """

    name: Str
    number: Maybe[int] = None
    start_time: Maybe[Time] = None
    end_time: Maybe[Time] = None
    is_daytime: Maybe[bool] = None
    temperature: int | None = None
    temperature_unit: Literal["F", "C"] = "F"
    temperature_trend: Maybe[Text] = None
    probability_of_precipitation: int | None = None
    dewpoint_f: int | None = None
    relative_humidity: int | None = None
    wind_speed: Text = None
    wind_gust: Maybe[Text] = None
    wind_direction: Text = None
    icon: Maybe[Text] = None
    short_forecast: Text = None
    detailed_forecast: Maybe[Text] = None


class ForecastDigest(Wire):
    issued: Maybe[Time] = None
    periods: tuple[Period, ...] = Field(min_length=1)


class Station(Wire):
    id: Str
    name: Str
    url: Str


class Observation(Wire):
    """What a station measured at `time`; a value that is not there was not measured."""

    station: Str
    name: Text = None
    time: Time
    temperature_f: int | None = None
    text: Text = None
    wind_direction: Text = None
    wind_speed_mph: int | None = None
    wind_gust_mph: int | None = None
    humidity_percent: int | None = None


class Alert(Wire):
    """In the terms of the Common Alerting Protocol. The event ends at `ends`, the message at `expires`.

    `affectedZones` are ids, the ends of NWS's links. Its geometry, geocode, parameters and references are left out, for
    their size.
    """

    id: Str = Field(min_length=1)
    event: Str = Field(min_length=1)
    area: Maybe[Text] = None
    severity: Severity | None = None
    urgency: Urgency | None = None
    certainty: Maybe[Text] = None
    headline: Maybe[Text] = None
    description: Maybe[Text] = None
    instructions: Maybe[Text] = None
    response: Maybe[Text] = None
    sent: Maybe[Time] = None
    effective: Maybe[Time] = None
    onset: Maybe[Time] = None
    ends: Maybe[Time] = None
    expires: Maybe[Time] = None
    status: Maybe[Text] = None
    message_type: Maybe[Text] = None
    category: Maybe[Text] = None
    sender: Maybe[Text] = None
    affected_zones: Maybe[list[Zone]] = None


class AlertDigest(Wire):
    """The worst first; `counts` is by severity, where a missing one counts as Unknown."""

    issued: Maybe[Time] = None
    alerts: tuple[Alert, ...]
    counts: dict[Severity, int]


def read_point(body: object) -> Point:
    raw = _properties(body, "the point")
    place = raw.get("relativeLocation")
    near = {} if place is None else _properties(place, "the nearest place")
    match body:
        case {"geometry": {"coordinates": [longitude, latitude, *_]}}:
            fields = {**near, "latitude": latitude, "longitude": longitude, "timeZone": raw.get("timeZone")}
        case _:
            raise BadAnswer("the point has no coordinates")
    found = {
        "location": _checked(Location, fields, "the point"),
        "forecast": raw.get("forecast"),
        "stations": raw.get("observationStations"),
        "marine": raw.get("type") == "marine",
    }
    return _checked(Point, found, "the point")


def read_forecast(body: object) -> ForecastDigest:
    raw = _properties(body, "the forecast")
    periods = tuple(map(_period, _list(raw, "periods", "the forecast")))
    if not periods:
        raise BadAnswer("the forecast has no periods")
    issued = raw.get("updateTime") or raw.get("generatedAt")
    return _checked(ForecastDigest, {"issued": issued, "periods": periods}, "the forecast")


def read_stations(body: object) -> tuple[Station, ...]:
    """The five nearest at most, nearest first: NWS sorts them by distance."""
    what = "the list of stations"
    return tuple(map(_station, _list(_object(body, what), "features", what)[:5]))


def read_observation(body: object) -> Observation:
    """Whole °F, mph and percent. Calm air has no direction, though NWS then sends 0 degrees."""
    what = "the observation"
    raw = _properties(body, what)
    link = raw.get("station")
    speed = measured(raw, "windSpeed", SPEED, what)
    degrees = measured(raw, "windDirection", ANGLE, what) if speed != 0 else None
    fields = {
        "station": link.rpartition("/")[2] if isinstance(link, str) else None,
        "name": raw.get("stationName"),
        "time": raw.get("timestamp"),
        "temperature_f": measured(raw, "temperature", TEMPERATURE, what),
        "text": raw.get("textDescription"),
        "wind_direction": None if degrees is None else compass(degrees),
        "wind_speed_mph": speed,
        "wind_gust_mph": measured(raw, "windGust", SPEED, what),
        "humidity_percent": measured(raw, "relativeHumidity", PERCENT, what),
    }
    return _checked(Observation, fields, what)


def read_alerts(body: object) -> AlertDigest:
    """Without tests and exercises, cancellations, copies, and what a later message cancels or replaces.

    A status, type or severity that nobody has heard of hides no alert.
    """
    what = "the list of alerts"
    collection = _object(body, what)
    match collection:
        case {"pagination": {"next": link}} if link:
            raise BadAnswer(f"{what} has another page")
    features = [_properties(feature, "an alert") for feature in _list(collection, "features", what)]
    meant = [(_alert(raw), raw) for raw in features if str(raw.get("status")).lower() not in NOT_MEANT]
    gone = {old for alert, raw in meant for old in _replaced(raw) if old != alert.id}
    current = {alert.id: alert for alert, _ in meant if not _cancels(alert) and alert.id not in gone}
    alerts = tuple(sorted(current.values(), key=_rank))
    counts = Counter(alert.severity or "Unknown" for alert in alerts)
    fields = {"issued": collection.get("updated"), "alerts": alerts, "counts": dict(counts)}
    return _checked(AlertDigest, fields, what)


def _period(value: object) -> Period:
    what = "a forecast period"
    raw = _object(value, what)
    temperature, unit = raw.get("temperature"), raw.get("temperatureUnit") or "F"
    if isinstance(temperature, dict):
        temperature, unit = measured(raw, "temperature", TEMPERATURE, what), "F"
    elif temperature is not None:
        temperature = whole(number(temperature, what, "temperature"))
    fields = {
        **raw,
        "name": raw.get("name") or "this period",
        "temperature": temperature,
        "temperatureUnit": unit,
        "probabilityOfPrecipitation": measured(raw, "probabilityOfPrecipitation", PERCENT, what),
        "dewpointF": _if_readable(lambda: measured(raw, "dewpoint", TEMPERATURE, what)),
        "relativeHumidity": _if_readable(lambda: measured(raw, "relativeHumidity", PERCENT, what)),
        "windSpeed": wind_text(raw.get("windSpeed"), "a period's wind"),
        "windGust": _if_readable(lambda: wind_text(raw.get("windGust"), "a period's gusts")),
    }
    return _checked(Period, fields, what)


def _if_readable(read: Callable[[], _Value]) -> _Value | None:
    with suppress(BadAnswer):
        return read()
    return None


def _station(value: object) -> Station:
    raw = _properties(value, "a station")
    code = raw.get("stationIdentifier")
    fields = {"id": code, "name": raw.get("name") or code, "url": raw.get("@id")}
    return _checked(Station, fields, "a station")


def _alert(raw: Mapping[str, Any]) -> Alert:
    fields = {
        **raw,
        "area": raw.get("areaDesc"),
        "severity": _one_of(get_args(Severity), raw.get("severity")),
        "urgency": _one_of(get_args(Urgency), raw.get("urgency")),
        "instructions": raw.get("instruction"),
        "sender": raw.get("senderName"),
    }
    return _checked(Alert, fields, "an alert")


def _one_of(known: tuple[str, ...], value: object) -> str | None:
    return (value if value in known else "Unknown") if value else None


def _cancels(alert: Alert) -> bool:
    return (alert.message_type or "").lower() == "cancel"


def _replaced(raw: Mapping[str, Any]) -> list[str]:
    """The identifiers of earlier messages. What is no reference replaces nothing."""
    references = raw.get("references")
    identifiers = [
        reference.get("identifier")
        for reference in (references if isinstance(references, list) else ())
        if isinstance(reference, dict)
    ]
    return [identifier for identifier in identifiers if isinstance(identifier, str)]


def _rank(alert: Alert) -> tuple[int, int, float]:
    end = alert.ends or alert.expires
    return (
        get_args(Severity).index(alert.severity or "Unknown"),
        get_args(Urgency).index(alert.urgency or "Unknown"),
        end.timestamp() if end else math.inf,
    )


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer(f"{what} is not a JSON object")
    return value


def _properties(value: object, what: str) -> dict[str, Any]:
    properties = _object(value, what).get("properties")
    if not isinstance(properties, dict):
        raise BadAnswer(f"{what} has no properties")
    return properties


def _list(raw: Mapping[str, Any], key: str, what: str) -> list[Any]:
    value = raw.get(key)
    if not isinstance(value, list):
        raise BadAnswer(f"{what} has no {key} list")
    return value


_Model = TypeVar("_Model", bound=Wire)


def _checked(model: type[_Model], fields: Mapping[str, Any], what: str) -> _Model:
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        raise BadAnswer(f"{what} has no readable {error.errors()[0]['loc'][0]}") from error
