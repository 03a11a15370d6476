"""The decoded body of a 200 answer of api.weather.gov, as `application/geo+json` → what is kept of it.

A reader raises `BadAnswer` for what it cannot read: a wrong shape must never pass for fewer periods or fewer alerts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, TypeVar, get_args

from pydantic import ValidationError

from weather.config import MINUTES
from weather.errors import BadAnswer, NoForecast
from weather.nws.shapes import Alert, AlertDigest, ForecastDigest, Observation, Period, Point, Severity, Urgency, Wire

NOT_MEANT = ("exercise", "system", "test", "draft")
NEAREST_STATIONS = 3
MOST_HOURS = 60  # the next 48, of a forecast some hours old too

_Part = TypeVar("_Part")
_Model = TypeVar("_Model", bound=Wire)


def read_point(latitude: float, longitude: float, body: object) -> Point:
    """The coordinates are those asked for: not every answer repeats them. Raises NoForecast where there is no link."""
    raw = _part(body, "properties", dict, "the point")
    near = raw.get("relativeLocation")
    place = {} if near is None else _part(near, "properties", dict, "the nearest place")
    location = {**place, "latitude": latitude, "longitude": longitude, "timeZone": raw.get("timeZone")}
    if raw.get("forecast", 0) in (None, ""):
        raise NoForecast("NWS gives no forecast link for it", lasts_s=5 * MINUTES)
    return _read(Point, {**raw, "location": location}, "the point")


def read_forecast(body: object) -> ForecastDigest:
    raw = _part(body, "properties", dict, "the forecast")
    periods = tuple(map(_period, _part(raw, "periods", list, "the forecast")))
    if not periods:
        raise BadAnswer("the forecast has no periods")
    return ForecastDigest(issued=raw.get("updateTime") or raw.get("generatedAt"), periods=periods)


def read_hourly(body: object) -> ForecastDigest:
    """NWS has no names for hours, and a temperature of an hour is no high and no low."""
    digest = read_forecast(body)
    names = [f"{hour.start_time:%a %b %d %H:%M}" if hour.start_time else hour.name for hour in digest.periods]
    hours = zip(digest.periods[:MOST_HOURS], names, strict=False)
    named = tuple(hour.model_copy(update={"name": name, "is_daytime": None}) for hour, name in hours)
    return digest.model_copy(update={"periods": named})


def read_stations(body: object) -> tuple[str, ...]:
    """The links of the nearest, nearest first: NWS sorts them by distance."""
    features = _part(body, "features", list, "the list of stations")[:NEAREST_STATIONS]
    stations = (_part(feature, "properties", dict, "a station") for feature in features)
    return tuple(_part(station, "@id", str, "a station") for station in stations)


def read_observation(body: object) -> Observation:
    """Calm air has no direction, though NWS then sends 0 degrees."""
    what = "the observation"
    seen = _read(Observation, _part(body, "properties", dict, what), what)
    return seen.model_copy(update={"wind_direction": None}) if seen.wind_speed_mph == 0 else seen


def read_alerts(body: object) -> AlertDigest:
    """Without tests and exercises, cancellations, copies, and what a later message cancels or replaces.

    A status or type that nobody has heard of hides no alert.
    """
    what = "the list of alerts"
    features = _part(body, "features", list, what)
    match body:
        case {"pagination": {"next": link}} if link:
            raise BadAnswer(f"{what} has another page")
    properties = [_part(feature, "properties", dict, "an alert") for feature in features]
    meant = [raw for raw in properties if str(raw.get("status")).lower() not in NOT_MEANT]
    messages = [_read(Alert, raw, "an alert") for raw in meant]
    gone = {old for alert, raw in zip(messages, meant, strict=True) for old in _replaced(raw) if old != alert.id}
    said = [alert for alert in messages if (alert.message_type or "").lower() != "cancel"]
    alerts = tuple(sorted({alert.id: alert for alert in said if alert.id not in gone}.values(), key=_rank))
    return AlertDigest(issued=_object(body, what).get("updated"), alerts=alerts)


def _period(value: object) -> Period:
    what = "a forecast period"
    raw = _object(value, what)
    temperature, unit = raw.get("temperature"), raw.get("temperatureUnit") or "F"
    if not isinstance(temperature, dict | None):
        temperature = {"unitCode": f"deg{unit}", "value": temperature}
    told = {"name": raw.get("name") or "this period", "temperature": temperature, "temperatureUnit": "F"}
    return _read(Period, raw | told, what)


def _replaced(raw: Mapping[str, Any]) -> list[str]:
    """The identifiers of earlier messages. What is no reference replaces nothing."""
    references = raw.get("references")
    dicts = [one for one in references if isinstance(one, dict)] if isinstance(references, list) else []
    return [one["identifier"] for one in dicts if isinstance(one.get("identifier"), str)]


def _rank(alert: Alert) -> tuple[int, int, float]:
    severity, urgency, end = alert.severity or "Unknown", alert.urgency or "Unknown", alert.ends or alert.expires
    return get_args(Severity).index(severity), get_args(Urgency).index(urgency), end.timestamp() if end else math.inf


def _object(value: object, what: str) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadAnswer(f"{what} is not a JSON object")
    return value


def _part(value: object, key: str, kind: type[_Part], what: str) -> _Part:
    part = _object(value, what).get(key)
    if not isinstance(part, kind):
        raise BadAnswer(f"{what} has no {key}{' list' if kind is list else ''}")
    return part


def _read(model: type[_Model], raw: Mapping[str, Any], what: str) -> _Model:
    try:
        return model.model_validate(raw, by_name=False)
    except ValidationError as error:
        raise BadAnswer(f"{what} has no readable {error.errors()[0]['loc'][-1]}") from error
