"""api.weather.gov's JSON → the part of it that is kept.

A reader takes the decoded body of a 200 answer as `application/geo+json`, and raises `BadAnswer` for whatever
it cannot read in full: a wrong shape must never pass for fewer periods or fewer alerts. Shapes:
https://api.weather.gov/openapi.json
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar, get_args

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)
from pydantic.alias_generators import to_camel

from weather.errors import BadAnswer, NoForecast


def _time(value: object) -> object:
    """From ISO 8601. Years 1 and 9999 are refused: another time zone takes them off the calendar."""
    time = datetime.fromisoformat(value) if isinstance(value, str) else value
    if isinstance(time, datetime) and not 1 < time.year < 9999:
        raise ValueError("out of range")
    return time


Time = Annotated[AwareDatetime, BeforeValidator(_time)]
Text = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
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

    @field_validator("*")
    @classmethod
    def _sendable(cls, value: object) -> object:
        # JSON can escape half a surrogate pair. Python reads that; UTF-8 cannot write it.
        if isinstance(value, str):
            value.encode()
        return value


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
    """`temperature` is the high of a day or the low of a night, `probabilityOfPrecipitation` in percent."""

    name: str
    start_time: Time | None = None
    end_time: Time | None = None
    is_daytime: bool | None = None
    temperature: int | None = None
    temperature_unit: Literal["F", "C"] = "F"
    probability_of_precipitation: int | None = None
    wind_speed: Text = None
    wind_direction: Text = None
    short_forecast: str
    detailed_forecast: Text = None


class ForecastDigest(Wire):
    issued: Time | None = None
    periods: tuple[Period, ...] = Field(min_length=1)


class Station(Wire):
    id: str
    name: str
    url: str


class Observation(Wire):
    """What a station measured at `time`; a value that is not there was not measured."""

    station: str
    name: Text = None
    time: Time
    temperature_f: int | None = None
    text: Text = None
    wind_direction: Text = None
    wind_speed_mph: int | None = None
    wind_gust_mph: int | None = None
    humidity_percent: int | None = None


class Alert(Wire):
    """In the terms of the Common Alerting Protocol. The event ends at `ends`, the message at `expires`."""

    id: str
    event: str
    area: str
    severity: Severity
    urgency: Urgency
    certainty: Text = None
    headline: Text = None
    description: Text = None
    instructions: Text = None
    onset: Time | None = None
    ends: Time | None = None
    expires: Time | None = None
    sender: Text = None


class AlertDigest(Wire):
    """The worst first; `counts` is by severity."""

    issued: Time | None = None
    alerts: tuple[Alert, ...]
    counts: dict[Severity, int]


class _Reference(Wire):
    identifier: str


class _Message(Wire):
    """What decides whether an alert counts."""

    id: str
    status: str
    message_type: str
    references: list[_Reference] | None = None


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
    """Raises `NoForecast` when NWS sends a forecast without a single period."""
    raw = _properties(body, "the forecast")
    periods = tuple(map(_period, _list(raw, "periods", "the forecast")))
    if not periods:
        raise NoForecast("the forecast it sent is empty")
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
    speed = _measured(raw, "windSpeed", _SPEED, what)
    degrees = _measured(raw, "windDirection", _ANGLE, what) if speed != 0 else None
    fields = {
        "station": link.rpartition("/")[2] if isinstance(link, str) else None,
        "name": raw.get("stationName"),
        "time": raw.get("timestamp"),
        "temperature_f": _measured(raw, "temperature", _TEMPERATURE, what),
        "text": raw.get("textDescription"),
        "wind_direction": None if degrees is None else _WINDS[_whole(degrees / 22.5) % 16],
        "wind_speed_mph": speed,
        "wind_gust_mph": _measured(raw, "windGust", _SPEED, what),
        "humidity_percent": _measured(raw, "relativeHumidity", _PERCENT, what),
    }
    return _checked(Observation, fields, what)


def read_alerts(body: object) -> AlertDigest:
    """Without tests and exercises, cancellations, copies, and what a later message cancels or replaces."""
    what = "the list of alerts"
    collection = _object(body, what)
    features = [_properties(feature, "an alert") for feature in _list(collection, "features", what)]
    messages = [(_checked(_Message, raw, "an alert"), raw) for raw in features]
    actual = [(message, raw) for message, raw in messages if message.status == "Actual"]
    gone = {old.identifier for new, _ in actual for old in new.references or () if old.identifier != new.id}
    current = {new.id: raw for new, raw in actual if new.message_type != "Cancel" and new.id not in gone}
    alerts = tuple(sorted(map(_alert, current.values()), key=_rank))
    counts = Counter(alert.severity for alert in alerts)
    fields = {"issued": collection.get("updated"), "alerts": alerts, "counts": dict(counts)}
    return _checked(AlertDigest, fields, what)


def _period(value: object) -> Period:
    what = "a forecast period"
    raw = _object(value, what)
    temperature, unit = raw.get("temperature"), raw.get("temperatureUnit") or "F"
    if isinstance(temperature, dict):
        temperature, unit = _measured(raw, "temperature", _TEMPERATURE, what), "F"
    elif temperature is not None:
        temperature = _whole(_number(temperature, what, "temperature"))
    wind = raw.get("windSpeed")
    fields = {
        **raw,
        "temperature": temperature,
        "temperatureUnit": unit,
        "probabilityOfPrecipitation": _measured(raw, "probabilityOfPrecipitation", _PERCENT, what),
        "windSpeed": _wind_text(wind) if isinstance(wind, dict) else wind,
    }
    return _checked(Period, fields, what)


def _wind_text(wind: Mapping[str, Any]) -> str | None:
    """`{value}` or `{minValue, maxValue}` in the words of the older answers: "5 to 10 mph"."""
    values = [_quantity(wind, key, _SPEED, "a period's wind") for key in ("minValue", "value", "maxValue")]
    speeds = sorted({_whole(value) for value in values if value is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} mph" if len(speeds) > 1 else f"{speeds[0]} mph"


def _station(value: object) -> Station:
    raw = _properties(value, "a station")
    code = raw.get("stationIdentifier")
    fields = {"id": code, "name": raw.get("name") or code, "url": raw.get("@id")}
    return _checked(Station, fields, "a station")


def _alert(raw: Mapping[str, Any]) -> Alert:
    severity, urgency = raw.get("severity"), raw.get("urgency")
    fields = {
        **raw,
        "area": raw.get("areaDesc"),
        "severity": severity if severity in get_args(Severity) else "Unknown",
        "urgency": urgency if urgency in get_args(Urgency) else "Unknown",
        "instructions": raw.get("instruction"),
        "sender": raw.get("senderName"),
    }
    return _checked(Alert, fields, "an alert")


def _rank(alert: Alert) -> tuple[int, int, float]:
    end = alert.ends or alert.expires
    return (
        get_args(Severity).index(alert.severity),
        get_args(Urgency).index(alert.urgency),
        end.timestamp() if end else math.inf,
    )


_Conversions = Mapping[str, Callable[[float], float]]

# To what Americans read, from WMO's names of units and UCUM's; a prefix as in "wmoUnit:degC" is cut before.
_TEMPERATURE: _Conversions = {
    **dict.fromkeys(("degC", "Cel"), lambda celsius: celsius * 9 / 5 + 32),
    **dict.fromkeys(("degF", "[degF]"), float),
}
_SPEED: _Conversions = {
    **dict.fromkeys(("km_h-1", "km/h"), lambda kmh: kmh / 1.609344),
    **dict.fromkeys(("m_s-1", "m/s"), lambda ms: ms * 3.6 / 1.609344),
    **dict.fromkeys(("mi_h-1", "[mi_i]/h", "mph"), float),
}
_PERCENT: _Conversions = dict.fromkeys(("percent", "%"), float)
_ANGLE: _Conversions = dict.fromkeys(("degree_(angle)", "deg"), float)
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def _measured(raw: Mapping[str, Any], key: str, units: _Conversions, what: str) -> int | None:
    """`{unitCode, value}`, whole. None for a null, and for what quality control rejects: flags X and B."""
    if raw.get(key) is None:
        return None
    quantity = _object(raw[key], f"{key} of {what}")
    value = _quantity(quantity, "value", units, f"{key} of {what}")
    return None if value is None or quantity.get("qualityControl") in ("X", "B") else _whole(value)


def _quantity(quantity: Mapping[str, Any], key: str, units: _Conversions, what: str) -> float | None:
    if quantity.get(key) is None:
        return None
    convert = units.get(str(quantity.get("unitCode")).rpartition(":")[2])
    if convert is None:
        raise BadAnswer(f"{what} has no known unit")
    return convert(_number(quantity[key], what, key))


def _number(value: object, what: str, key: str) -> float:
    # The bound also refuses NaN, infinity, and integers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise BadAnswer(f"{what} has no readable {key}")
    return value


def _whole(value: float) -> int:
    """The nearest integer; halves go up, where `round()` takes them to the even neighbour."""
    return math.floor(value + 0.5)


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
