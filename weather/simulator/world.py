"""The documents of the simulated National Weather Service. Each is a function of the request."""

import random
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .faults import Faults, Problem
from .map import STATIONS, Cell, cell_of, centre, covered, marine, named_cell, nearest, usual_fahrenheit, zones_at

Json = dict[str, Any]

HOUR = 3600  # seconds
HOURS = 156  # in an hourly forecast
POINT = r"(-?\d+(?:\.\d+)?),(-?\d+(?:\.\d+)?)"

# By day, by night, icon, probability of precipitation in percent.
SKIES = (
    ("Sunny", "Clear", "skc", 0),
    ("Partly Sunny", "Partly Cloudy", "sct", 10),
    ("Mostly Cloudy", "Mostly Cloudy", "bkn", 15),
    ("Patchy Fog", "Patchy Fog", "fog", 5),
    ("Chance Rain Showers", "Chance Rain Showers", "rain", 40),
    ("Rain", "Rain", "rain", 80),
)
COMPASS = ("N", "NE", "E", "SE", "S", "SW", "W", "NW")


@dataclass(frozen=True)
class SimulatedRequest:
    """One request to one endpoint. `base` (scheme and host) begins links, `args` come from the path, `query` maps each
    parameter to its values, `now` is in Unix time.
    """

    base: str
    args: tuple[str, ...]
    query: dict[str, tuple[str, ...]]
    now: float
    faults: Faults

    @property
    def hour(self) -> datetime:
        return datetime.fromtimestamp(self.now // HOUR * HOUR, UTC)

    @property
    def forecast_hour(self) -> datetime:
        return self.hour - timedelta(hours=self.faults.forecast_age_h)

    def dice(self, *key: object) -> random.Random:
        """A generator that depends on the seed and the key only."""
        return random.Random(f"{self.faults.seed}/{key}")  # noqa: S311 (weather, not secrets)


def quantity(unit: str, value: float | None) -> Json:
    return {"unitCode": f"wmoUnit:{unit}", "value": value}


def feature(url: str, properties: Json, lat: float, lon: float) -> Json:
    geometry = {"type": "Point", "coordinates": [lon, lat]}
    return {"id": url, "type": "Feature", "geometry": geometry, "properties": {"@id": url, **properties}}


def point(request: SimulatedRequest) -> Json:
    given, base = request.args[0], request.base
    match = re.fullmatch(POINT, given, re.ASCII)
    if not match:
        raise Problem("BadRequest", f"Does not match the regex pattern ^{POINT}$", parameter="path.point")
    wanted = ",".join(f"{round(float(degrees), 4) + 0.0:.15g}" for degrees in match.groups())  # +0.0: no -0
    if wanted != given:
        raise Problem("AdjustPointPrecision", location=f"/points/{wanted}")
    lat, lon = map(float, match.groups())
    if not covered(lat, lon):
        raise Problem("InvalidPoint", given)
    place, cell = nearest(lat, lon)[0], cell_of(lat, lon, request.faults.renumber)
    grid = f"{base}/gridpoints/{cell.office}/{cell.x},{cell.y}"
    zones = {kind: f"{base}/zones/{kind}/{code}" for kind, code in zones_at(lat, lon).items()}
    properties = {
        "cwa": place.cwa,
        "type": "marine" if marine(*centre(cell)) else "land",
        "gridId": cell.office,
        "gridX": cell.x,
        "gridY": cell.y,
        "forecast": f"{grid}/forecast",
        "forecastHourly": f"{grid}/forecast/hourly",
        "observationStations": f"{grid}/stations",
        "relativeLocation": {"type": "Feature", "properties": {"city": place.city, "state": place.state}},
        "forecastZone": zones.get("forecast"),
        "county": zones.get("county"),
        "fireWeatherZone": zones.get("fire"),
        "timeZone": place.zone,
    }
    return feature(f"{base}/points/{given}", properties, lat, lon)


def asked_cell(request: SimulatedRequest) -> Cell:
    office, x, y = request.args
    cell = named_cell(office, x, y, request.faults.renumber)
    if cell is None:
        raise Problem("NotFound", f"Grid point {office}/{x},{y}")
    return cell


def forecast(request: SimulatedRequest) -> Json:
    here, now = forecast_cell(request)
    return forecast_of(request, [period(request, here, n, *half) for n, half in enumerate(halves(now), 1)])


def hourly(request: SimulatedRequest) -> Json:
    here, now = forecast_cell(request)
    return forecast_of(request, [hour(request, here, n, now + timedelta(hours=n)) for n in range(HOURS)])


def forecast_of(request: SimulatedRequest, periods: list[Json]) -> Json:
    updated = request.forecast_hour.isoformat()
    properties = {"units": "us", "generatedAt": updated, "updateTime": updated, "periods": periods}
    return {"type": "Feature", "geometry": None, "properties": properties}


def forecast_cell(request: SimulatedRequest) -> tuple[Cell, datetime]:
    """The cell and its local time, on the hour; raises Problem where there is no forecast."""
    here = asked_cell(request)
    lat, lon = centre(here)
    if marine(lat, lon):
        raise Problem("MarineForecastNotSupported")
    if request.faults.expired_grid:
        raise Problem("ForecastGridExpired")
    return here, request.forecast_hour.astimezone(ZoneInfo(nearest(lat, lon)[0].zone))


def halves(now: datetime) -> Iterator[tuple[str, datetime, datetime]]:
    """Name, start and end of 14 half days from `now` (local time). Days begin at 6 am, nights at 6 pm."""
    start, name = now, ("Overnight", "Today", "This Afternoon", "Tonight")[now.hour // 6]
    for n in range(14):
        end = start.replace(hour=0) + timedelta(hours=6 + 12 * ((start.hour + 6) // 12))
        yield name, start, end
        start = end
        name = f"{start:%A}" if start.hour == 6 else "Tonight" if n == 0 else f"{start:%A} Night"


def period(request: SimulatedRequest, here: Cell, number: int, name: str, start: datetime, end: datetime) -> Json:
    is_day = end.hour == 18
    dice = request.dice(here, end.date(), is_day)
    temperature = round(usual_fahrenheit(centre(here)[0], end - timedelta(hours=3)) + dice.uniform(-6, 6))
    by_day, by_night, icon, chance = dice.choice(SKIES)
    short, low = by_day if is_day else by_night, dice.choice((0, 2, 5, 5, 10, 15))
    if temperature <= 32:
        short, icon = short.replace("Rain", "Snow"), icon.replace("rain", "snow")
    wind = f"{low} to {low + 5} mph" if low and dice.random() < 0.7 else f"{low} mph"
    direction = dice.choice(COMPASS) if low else ""
    return {
        "number": number,
        "name": name,
        "startTime": start.isoformat(),
        "endTime": end.isoformat(),
        "isDaytime": is_day,
        "temperature": temperature,
        "temperatureUnit": "F",
        "probabilityOfPrecipitation": quantity("percent", None if chance < 20 and dice.random() < 0.4 else chance),
        "windSpeed": wind,
        "windDirection": direction,
        "icon": f"{request.base}/icons/land/{'day' if is_day else 'night'}/{icon}?size=medium",
        "shortForecast": short,
        "detailedForecast": f"Simulated. {short}, with a {'high' if is_day else 'low'} near {temperature}."
        f" Wind {direction or 'calm,'} {wind}. Chance of precipitation is {chance}%.",
    }


def hour(request: SimulatedRequest, here: Cell, number: int, start: datetime) -> Json:
    """An hourly period: its half day's weather, its own temperature. As at NWS, without name and detailed forecast."""
    end = start + timedelta(hours=1)
    half = next(halves(start))
    whole = period(request, here, number + 1, "", start, half[2])
    temperature = round(usual_fahrenheit(centre(here)[0], start) + request.dice(here, start).uniform(-2, 2))
    own = {
        "endTime": end.isoformat(),
        "temperature": temperature,
        "dewpoint": quantity("degC", (temperature - 40) / 1.8),
        "relativeHumidity": quantity("percent", request.dice(here, end).randint(40, 95)),
        "detailedForecast": "",
    }
    return whole | own


def stations(request: SimulatedRequest) -> Json:
    """The airports of the five nearest cities, the nearest first."""
    places = nearest(*centre(asked_cell(request)), count=5)
    urls = [f"{request.base}/stations/{place.station}" for place in places]
    features = [
        feature(url, {"stationIdentifier": place.station, "name": place.airport}, place.lat, place.lon)
        for url, place in zip(urls, places, strict=True)
    ]
    return {"type": "FeatureCollection", "features": features, "observationStations": urls}


def observation(request: SimulatedRequest) -> Json:
    """Taken on the hour. One station in 20 is some hours late; at one in 20 the thermometer is broken."""
    place = STATIONS.get(request.args[0])
    if place is None:
        raise Problem("NotFound", f"Station {request.args[0]}")
    habits = request.dice("habits", place.station)
    late, broken = habits.random() < 0.05, habits.random() < 0.05
    taken = request.hour - timedelta(hours=habits.randint(3, 6) if late else 0)
    local = taken.astimezone(ZoneInfo(place.zone))
    dice = request.dice(place.station, taken)
    by_day, by_night, *_ = dice.choice(SKIES[:4])
    celsius = (usual_fahrenheit(place.lat, local) + dice.uniform(-6, 6) - 32) / 1.8
    wind = dice.choice((0, 5.5, 11.2, 18.4, 27.7))
    station = f"{request.base}/stations/{place.station}"
    properties = {
        "station": station,
        "stationId": place.station,
        "stationName": place.airport,
        "timestamp": taken.isoformat(),
        "textDescription": by_day if 6 <= local.hour < 18 else by_night,
        "temperature": quantity("degC", None if broken else round(celsius, 1)),
        "relativeHumidity": quantity("percent", None if broken else dice.randint(40, 95)),
        "windDirection": quantity("degree_(angle)", dice.choice((None, *range(0, 360, 10)))),
        "windSpeed": quantity("km_h-1", wind),
        "windGust": quantity("km_h-1", wind + 20 if wind > 20 else None),
        "dewpoint": quantity("degC", None if broken else round(celsius - dice.uniform(1, 12), 1)),
        "barometricPressure": quantity("Pa", dice.randint(99_000, 103_500)),
        "visibility": quantity("m", dice.choice((805, 3_219, 11_265, 16_093))),
        "windChill": quantity("degC", round(celsius - wind / 4, 1) if wind and celsius < 10 and not broken else None),
        "heatIndex": quantity("degC", round(celsius + 3, 1) if celsius > 27 and not broken else None),
    }
    return feature(f"{station}/observations/{taken.isoformat()}", properties, place.lat, place.lon)
