"""Finds a place by its name, ZIP code, airport code or coordinates, in the file that gazetteer.py reads."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from weather.areas import find_area
from weather.errors import BadArgument, shortened
from weather.gazetteer import DATA, Gazetteer, Line, distance_km, key_of, words_of

GREAT = 100_000  # A city of this population needs no state, if its namesakes have at most a tenth of it.
SMALL = 1000  # A town below this population needs its state.
UNKNOWN = 500  # assumed where the population is not known
MOST_NAMED = 10
MOST_NEAREST = 5
MOST_LIKE = 3
ZIP_KM = 80  # the greatest distance of a town from its ZIP codes
COUNTRY = re.compile(
    r"(?:^|[\s,]+)(?:u\.?\s?s\.?(?:\s?a\.?)?|united\s+states(?:\s+of\s+america)?)[\s.]*$", re.IGNORECASE
)
COORDINATES = re.compile(
    r"\(?\s*(-?\d{1,2}(?:\.\d{0,12})?)\s*([NS]?)\s*[,\s]\s*(-?\d{1,3}(?:\.\d{0,12})?)\s*([EW]?)\s*\)?", re.IGNORECASE
)
ZIP_CODE = re.compile(r"(?<![\w-])(\d{5})(?:-\d{4})?(?![\w-])")
AIRPORT = re.compile(r"([a-z]{3,4})(?:\s+airport)?", re.IGNORECASE)
COUNTY = {"county", "parish", "borough", "municipio", "municipality", "census", "area", "city", "and", "near"}
OR_ELSE = "or else give latitude and longitude"


class Place(NamedTuple):
    """Coordinates in degrees. `name` finds the same place again. `note` is a sentence on what was assumed, or ""."""

    name: str
    latitude: float
    longitude: float
    note: str = ""


class Reading(NamedTuple):
    """One way to read a name. `state` is a key of AREAS; `beside` holds the other words, such as a county."""

    town: list[str]
    state: str = ""
    beside: list[str] = []  # noqa: RUF012, never changed

    @property
    def key(self) -> str:
        return key_of(*self.town, self.state, *self.beside)


class Places:
    def __init__(self, source: Path | bytes = DATA) -> None:
        self.gazetteer = Gazetteer(source)

    def find(self, query: str) -> Place:
        """Raises BadArgument, which names places that would be found."""
        text = unicodedata.normalize("NFKD", query.replace("\u2212", "-")).encode("ascii", "ignore").decode()
        text = COUNTRY.sub("", f" {text.strip()}").strip()
        place = _point(text) or self._by_zip_code(query, text)
        if place is None and re.fullmatch("[A-Z]{3}", text):  # Of four letters, a town of that name is likelier.
            place = self._airport(query, text)
        place = place or self._town(query, text) or self._airport(query, text)
        if place is None:
            raise self._unknown(query, text)
        return place

    def _by_zip_code(self, query: str, text: str) -> Place | None:
        """The place of the ZIP code. Raises BadArgument if a town or a state beside it contradicts."""
        match = next(reversed(list(ZIP_CODE.finditer(text))), None)
        line = next(self.gazetteer.lines(match[1]), None) if match else None
        if match is None or line is None:
            return None
        beside = COUNTRY.sub("", text[: match.start()].rstrip(" ,")) + text[match.end() :]
        readings = _readings(beside)
        towns = next(filter(None, map(self._named, readings)), [])
        states = {reading.state for reading in readings if reading.state} | {_area(words_of(beside))} - {""}
        names = {key_of(*reading.town) for reading in readings if reading.state in ("", line.state)}
        fits = key_of(line.name[:-10]) in names or any(distance_km(line.point, town.point) <= ZIP_KM for town in towns)
        contradicted = bool(states) and line.state not in states and key_of(beside) != key_of(line.name[:-10])
        if contradicted or (not fits and towns):
            alone = f"{towns[0].name} or {match[1]}" if towns else match[1]
            raise BadArgument("place", f"{_quoted(query)}, whose ZIP code is that of {line.name}", f"{alone} alone")
        ignored = readings and not towns and not _area(words_of(beside))
        return _place(line, f"Only the ZIP code of {_quoted(query)} was looked up." if ignored else "")

    def _airport(self, query: str, text: str) -> Place | None:
        code = AIRPORT.fullmatch(text)
        lines = self.gazetteer.lines(code[1].lower()) if code else ()
        airport = next((line for line in lines if line.airport), None)
        return airport and _place(airport, f"{_short(query)} was taken for {airport.apart}.")

    def _town(self, query: str, text: str) -> Place | None:
        for reading in _readings(text):
            if candidates := self._named(reading):
                qualified = reading.state or reading.beside
                return _in_state(query, candidates) if qualified else self._bare(query, text, candidates)
        return None

    def _named(self, reading: Reading) -> list[Line]:
        """Lines of that name, the largest first; of places with another such name only if nothing else has it."""
        lines = [line for line in self.gazetteer.lines(key_of(*reading.town)) if reading.state in ("", line.state)]
        if reading.beside:
            lines += [line for line in self.gazetteer.lines("".join(reading.beside)) if line.airport]
            county, lines = _without_kind(reading.beside), list(dict.fromkeys(lines))
            itself = [line for line in lines if key_of(line.name) == reading.key]
            lines = itself[:1] or [line for line in lines if _without_kind(words_of(line.apart)) == county]
            return [line for line in lines if not line.other_name] or lines
        lines = sorted((line for line in lines if not line.airport), key=lambda line: -line.population)
        own = [line for line in lines if not line.other_name]
        small = not reading.state and own and own[0].population < SMALL <= lines[0].population
        return lines if small else own or lines

    def _bare(self, query: str, text: str, candidates: list[Line]) -> Place:
        """For a name without a state: a great city, or the only town that is not small. Raises BadArgument."""
        first, *others = candidates
        area, great = _area(words_of(text)), first.population >= GREAT and _dwarfs(first, others)
        if area and not great:
            raise self._of_area(query, area)
        if others and not great:
            raise _several(query, candidates, "told with its state, such as ")
        if first.other_name:
            namesakes = self._named(Reading(words_of(first.name.rpartition(", ")[0])))
            if len(namesakes) > 1 and not (first.population >= GREAT and _dwarfs(first, namesakes[1:])):
                raise _several(query, namesakes, "told with its state, such as ")
        if not great and first.population < SMALL:
            got = f"{_quoted(query)}, which only a small US place is called"
            raise BadArgument("place", got, f"told with its state, such as {first.name}; {OR_ELSE}")
        which = f", the largest of {len(candidates)} places of that name" if others else ""
        if not others and not first.other_name:
            which = ", the only US place of that name"
        if key_of(query) == key_of(first.name):
            return _place(first)
        not_state = ", and not for the state" if area not in ("", "DC") else ""
        return _place(first, f"{_short(query)} was taken for {first.name}{which}{not_state}.")

    def _of_area(self, query: str, area: str) -> BadArgument:
        largest = next(self.gazetteer.lines(f"={area.lower()}"), None)
        kind = "which is a state or territory" if largest else "which is a marine area"
        city = f"a city in it, such as {largest.name}" if largest else "a city with its state, such as Boston, MA"
        return BadArgument("place", f"{_quoted(query)}, {kind}", f'{city}; or else, for its alerts, state "{area}"')

    def _unknown(self, query: str, text: str) -> BadArgument:
        readings, area = _readings(text), _area(words_of(text))
        if area:
            return self._of_area(query, area)
        readings = [reading for reading in readings if reading.state][:2] or readings[:1]
        names = list(dict.fromkeys(line.name for reading in readings for line in self._nearest(reading)))
        such = "; ".join(names[:MOST_NEAREST] or ["Boston, MA"])
        expected = f"a US city with its state, such as {such}, or a five-digit ZIP code; {OR_ELSE}"
        return BadArgument("place", f"{_quoted(query)}, which is not known", expected)

    def _nearest(self, reading: Reading) -> Iterator[Line]:
        """Suggestions, best first: another county; similar names; other states; the largest places of the state."""
        if reading.beside:
            yield from self._named(Reading(reading.town, reading.state))
        yield from self.gazetteer.like(key_of(*reading.town), reading.state)[:MOST_LIKE]
        if reading.state:
            yield from self._named(Reading(reading.town))
            yield from self.gazetteer.lines(f"={reading.state.lower()}")


def _in_state(query: str, candidates: list[Line]) -> Place:
    first, *others = candidates
    if others and not _dwarfs(first, others):
        raise _several(query, candidates, "one of ")
    if first.airport:
        return _place(first, f"{first.name} is {first.apart}.")
    if others:
        names = "; ".join(line.name for line in others[:MOST_NAMED])
        return _place(first, f"{first.name} is the largest of {len(candidates)} places of that name, beside {names}.")
    return _place(first, f"{_short(query)} was taken for {first.name}." if _renamed(query, first) else "")


def _several(query: str, candidates: list[Line], which: str) -> BadArgument:
    names = "; ".join(line.name for line in candidates[:MOST_NAMED])
    return BadArgument("place", f"{_quoted(query)}, the name of {len(candidates)} places", which + names)


def _dwarfs(first: Line, others: Iterable[Line]) -> bool:
    return all(first.population >= 10 * max(other.population, UNKNOWN) for other in others)


def _readings(text: str) -> list[Reading]:
    """The likeliest first. A state may end each part between commas and brackets: rather the last, and the longest."""
    parts = [words for part in re.split("[,;()]", text) if (words := words_of(part))]
    if not parts:
        return []
    if _area(_joined(parts)):
        return [Reading(_joined(parts))]
    readings = []
    for number in reversed(range(len(parts))):
        part = parts[number]
        for start in range(number == 0, len(part)):
            if state := _area(part[start:]):
                rest = [*parts[:number], part[:start], *parts[number + 1 :]]
                readings.append(Reading(rest[0], state, _joined(rest[1:])))
    readings.append(Reading(parts[0], "", _joined(parts[1:])))
    return [each for reading in readings for each in (reading, *_without_of(reading))]


def _joined(parts: list[list[str]]) -> list[str]:
    return [word for part in parts for word in part]


def _without_of(reading: Reading) -> Iterator[Reading]:
    """Reads "City of Boston" as Boston, and "Parsippany Township" as Parsippany."""
    match [word for word in reading.town if word != "the"]:
        case ["city" | "town" | "village" | "borough", "of", *town] if town:
            yield reading._replace(town=town)
        case [*town, "township" | "town" | "village" | "cdp"] if town:
            yield reading._replace(town=town)


def _without_kind(words: list[str]) -> str:
    """ "Orleans Parish" → "orleans"."""
    return key_of(*(word for word in words if word not in COUNTY))


def _area(words: list[str]) -> str:
    """The code of a state, also for "Washington State" and "State of Washington"; "" for none."""
    match words:
        case ["state" | "commonwealth", "of", *words] | [*words, "state"]:
            pass
    return find_area("".join(words)) or ""


def _point(text: str) -> Place | None:
    match = COORDINATES.fullmatch(text)
    if match is None:
        return None
    latitude, longitude = (round(float(number), 4) + 0.0 for number in (match[1], match[3]))
    latitude = -latitude if match[2] in ("S", "s") else latitude
    longitude = -longitude if match[4] in ("W", "w") else longitude
    within = abs(latitude) <= 90 and abs(longitude) <= 180
    return Place(f"{latitude}, {longitude}", latitude, longitude) if within else None


def _renamed(query: str, line: Line) -> bool:
    return line.other_name and key_of(query) != key_of(line.name)


def _place(line: Line, note: str = "") -> Place:
    return Place(line.name, line.latitude, line.longitude, note)


def _quoted(query: str) -> str:
    return shortened(json.dumps(query))


def _short(query: str) -> str:
    return shortened(" ".join(query.split()))
