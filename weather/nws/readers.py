"""The decoded body of a 200 answer of api.weather.gov, as `application/geo+json` → what is kept of it.

A reader raises `BadAnswer` for what it cannot read: a wrong shape must never pass for fewer periods or fewer alerts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

from pydantic import ValidationError

from weather.config import MINUTES
from weather.errors import BadAnswer, NoForecast
from weather.nws.lifecycle import Message, in_force, rank
from weather.nws.shapes import Alert, AlertsData, CamelModel, ForecastData, Observation, Period, Point

NOT_MEANT = ("exercise", "system", "test", "draft")
NEAREST_STATIONS = 3
MOST_PERIODS = 30  # 5 to 16 have been seen
MOST_HOURS = 60  # the next 48, for as long as a forecast is kept
ZONE = re.compile(r"[A-Z]{2}[CZ]\d{3}", re.ASCII)

_Part = TypeVar("_Part")
_Model = TypeVar("_Model", bound=CamelModel)


def read_point(latitude: float, longitude: float, body: object) -> Point:
    """The coordinates are those asked for: not every answer repeats them. Raises NoForecast where there is no link."""
    raw = _part(body, "properties", dict, "the point")
    near = raw.get("relativeLocation")
    place = {} if near is None else _part(near, "properties", dict, "the nearest place")
    location = {**place, "latitude": latitude, "longitude": longitude, "timeZone": raw.get("timeZone")}
    links = (str(raw.get(name)).rpartition("/")[2] for name in ("forecastZone", "county", "fireWeatherZone"))
    zones = tuple(dict.fromkeys(filter(ZONE.fullmatch, links)))
    if raw.get("forecast", 0) in (None, ""):
        raise NoForecast("NWS gives no forecast link for it", lasts_s=5 * MINUTES)
    return _read(Point, {**raw, "location": location, "zones": zones}, "the point")


def read_forecast(body: object) -> ForecastData:
    raw, periods = _periods(body)
    return _forecast(raw, tuple(map(_period, periods[:MOST_PERIODS])))


def read_hourly(now: datetime, body: object) -> ForecastData:
    """The hours that are not over, and the last one if all are. NWS has no names for them, and a temperature of an hour
    is no high and no low.
    """
    raw, hours = _periods(body)
    coming = [hour for hour in hours if not _over(hour, now)] or hours[-1:]
    read = (_period(hour) for hour in coming[:MOST_HOURS])
    return _forecast(raw, tuple(hour.model_copy(update={"is_daytime": None}) for hour in read))


def _periods(body: object) -> tuple[dict[str, Any], list[Any]]:
    raw = _part(body, "properties", dict, "the forecast")
    periods = _part(raw, "periods", list, "the forecast")
    if not periods:
        raise BadAnswer("the forecast has no periods")
    return raw, periods


def _forecast(raw: Mapping[str, Any], periods: tuple[Period, ...]) -> ForecastData:
    return ForecastData(issued=raw.get("updateTime") or raw.get("generatedAt"), periods=periods)


def _over(period: object, now: datetime) -> bool:
    """Whether it says so; what has no readable end is left to `_period`."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(_object(period, "a forecast period").get("endTime", "")) <= now
    return False


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


def read_alerts(body: object, asked: Callable[[str], bool] = lambda zone: True) -> AlertsData:
    """Without tests and exercises, copies, and what its own word or a later message ends in all zones that are `asked`.

    A status or type that nobody has heard of hides no alert.
    """
    what = "the list of alerts"
    features = _part(body, "features", list, what)
    match body:
        case {"pagination": {"next": link}} if link:
            raise BadAnswer(f"{what} has another page")
    properties = [_part(feature, "properties", dict, "an alert") for feature in features]
    meant = [raw for raw in properties if str(raw.get("status")).lower() not in NOT_MEANT]
    alerts = sorted(in_force((Message.of(_alert(raw), raw) for raw in meant), asked), key=rank)
    return AlertsData(issued=_object(body, what).get("updated"), alerts=tuple(alerts))


def _alert(raw: dict[str, Any]) -> Alert:
    """An `ends` that cannot be read does not end the alert at `expires`."""
    return _read(Alert, {**raw, "overAt": raw.get("ends") or raw.get("expires")}, "an alert")


def _period(value: object) -> Period:
    what = "a forecast period"
    raw = _object(value, what)
    temperature, unit = raw.get("temperature"), raw.get("temperatureUnit") or "F"
    if not isinstance(temperature, dict | None):
        temperature = {"unitCode": f"deg{unit}", "value": temperature}
    told = {"name": raw.get("name") or "this period", "temperature": temperature, "temperatureUnit": "F"}
    return _read(Period, raw | told, what)


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
