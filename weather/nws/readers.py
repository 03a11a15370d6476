"""Converts the decoded `application/geo+json` of api.weather.gov to the models in shapes.py.

Readers raise BadAnswer for an unexpected shape, which must never pass for fewer periods or fewer alerts.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from functools import partial
from itertools import dropwhile, islice
from typing import Any, TypeVar

import msgspec
from msgspec import Raw
from pydantic import ValidationError
from pydantic_core import from_json

from weather.config import KIB, MINUTES
from weather.errors import BadAnswer, NoForecast
from weather.nws.lifecycle import Message, in_force, rank
from weather.nws.shapes import Alert, AlertsData, CamelModel, ForecastData, Observation, Period, Point

NOT_MEANT = ("exercise", "system", "test", "draft")
NEAREST_STATIONS = 3
MOST_PERIODS = 30  # 5 to 16 have been seen
MOST_FEATURES, MOST_FEATURE_BYTES = 5_000, 256 * KIB  # 529 in the whole country have been seen, of 4 KB each
PARTS, ISSUED = {"updated", "pagination"}, {"updateTime", "generatedAt"}
MOST_HOURS = 60  # 48 are shown; the others replace those that end while the forecast is cached.
ZONE = re.compile(r"[A-Z]{2}[CZ]\d{3}", re.ASCII)

_SET: set[str] = set()
_Part = TypeVar("_Part")
_Model = TypeVar("_Model", bound=CamelModel)


def read_point(latitude: float, longitude: float, body: object) -> Point:
    """Takes the coordinates from the request: not every response repeats them. Raises NoForecast without a link."""
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
    return _forecast(body, lambda periods: map(_period, periods[:MOST_PERIODS]))


def read_hourly(now: datetime, body: object) -> ForecastData:
    """The hours that are not over, or the last one. `is_daytime` is None: an hour's temperature is no high or low."""

    def coming(hours: list[Any]) -> Iterable[Period]:
        left = list(islice(dropwhile(partial(_over, now), hours), MOST_HOURS))
        return (_period(hour, isDaytime=None) for hour in left or hours[-1:])

    return _forecast(body, coming)


def _forecast(body: object, read: Callable[[list[Any]], Iterable[Period]]) -> ForecastData:
    raw = _part(body, "properties", dict, "the forecast")
    periods = tuple(read(_part(raw, "periods", list, "the forecast")))
    if not periods:
        raise BadAnswer("the forecast has no periods")
    return ForecastData(issued=raw.get("updateTime") or raw.get("generatedAt"), periods=periods)


def _over(now: datetime, period: object) -> bool:
    """True if the period has ended. False for an unreadable end, which `_period` handles."""
    with suppress(TypeError, ValueError):
        return datetime.fromisoformat(_object(period, "a forecast period").get("endTime", "")) <= now
    return False


def read_stations(body: object) -> tuple[str, ...]:
    """The links of the nearest stations, in the order of NWS, which sorts by distance."""
    features = _part(body, "features", list, "the list of stations")[:NEAREST_STATIONS]
    stations = (_part(feature, "properties", dict, "a station") for feature in features)
    return tuple(_part(station, "@id", str, "a station") for station in stations)


def read_observation(body: object) -> Observation:
    """Removes the wind direction of calm air, for which NWS sends 0 degrees."""
    what = "the observation"
    observation = _read(Observation, _part(body, "properties", dict, what), what)
    calm = observation.wind_speed_mph == 0
    return observation.model_copy(update={"wind_direction": None}) if calm else observation


def decode_features(content: bytearray) -> object:
    """A collection whose features are still bytes, and what else is read of it.

    `_object` decodes one feature at a time: all at once would take much memory. Raises ValueError.
    """
    try:
        parts = msgspec.json.decode(content, type=dict[str, Raw])
        features = msgspec.json.decode(parts["features"], type=list[Raw])[: MOST_FEATURES + 1]
    except (KeyError, msgspec.MsgspecError, RecursionError):
        return from_json(content[: MOST_FEATURE_BYTES + 1])  # what is longer is no JSON then
    return {name: _decoded(parts[name]) for name in PARTS & parts.keys()} | {"features": features}


def decode_hours(content: bytearray) -> object:
    """A forecast whose periods are still bytes: of 156 hours, MOST_HOURS are read. Raises ValueError."""
    try:
        properties = msgspec.json.decode(content, type=dict[str, Raw])["properties"]
        parts = msgspec.json.decode(properties, type=dict[str, Raw])
        periods = msgspec.json.decode(parts["periods"], type=list[Raw])
    except (KeyError, msgspec.MsgspecError, RecursionError):
        return from_json(content)
    return {"properties": {name: _decoded(parts[name]) for name in ISSUED & parts.keys()} | {"periods": periods}}


def _decoded(part: Raw) -> object:
    content = bytes(part)
    if len(content) > MOST_FEATURE_BYTES:
        raise ValueError("too long")
    return from_json(content)


def read_alerts(body: object, requested: Callable[[str], bool] = lambda zone: True) -> AlertsData:
    """The alerts in force, the worst first, without tests, exercises and duplicates; `requested` as for `in_force`.

    An unknown status or message type hides no alert.
    """
    what = "the list of alerts"
    features = _part(body, "features", list, what)
    match body:
        case {"pagination": {"next": link}} if link:
            raise BadAnswer(f"{what} has another page")
    if len(features) > MOST_FEATURES:
        raise BadAnswer(f"{what} has more than {MOST_FEATURES:,}")
    properties = (_part(feature, "properties", dict, "an alert") for feature in features)
    meant = (raw for raw in properties if str(raw.get("status")).lower() not in NOT_MEANT)
    alerts = sorted(in_force((Message.of(_alert(raw), raw) for raw in meant), requested), key=rank)
    return AlertsData(issued=_object(body, what).get("updated"), alerts=tuple(alerts))


def _alert(raw: dict[str, Any]) -> Alert:
    """With an unreadable `ends`, the alert has no end: `expires` only counts if there is no `ends`."""
    return _read(Alert, {**raw, "overAt": raw.get("ends") or raw.get("expires")}, "an alert")


def _period(value: object, **changes: object) -> Period:
    what = "a forecast period"
    raw = _object(value, what)
    temperature, unit = raw.get("temperature"), raw.get("temperatureUnit") or "F"
    if temperature is not None and not isinstance(temperature, dict):
        temperature = {"unitCode": f"deg{unit}", "value": temperature}
    changes |= {"name": raw.get("name") or "this period", "temperature": temperature, "temperatureUnit": "F"}
    return _read(Period, raw | changes, what)


def _object(value: object, what: str) -> dict[str, Any]:
    if isinstance(value, Raw):
        with suppress(ValueError):
            value = _decoded(value)
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
        read = model.model_validate(raw, by_name=False)
    except ValidationError as error:
        raise BadAnswer(f"{what} has no readable {error.errors()[0]['loc'][-1]}") from error
    object.__setattr__(read, "__pydantic_fields_set__", _SET)  # One of its own would take half the memory.
    return read
