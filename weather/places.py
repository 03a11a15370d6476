"""Finds a place by name, ZIP code, airport code or coordinates, in the data of gazetteer.py."""

import json
import re
from collections.abc import Iterator
from itertools import chain
from typing import NamedTuple

from weather.areas import find_area
from weather.errors import BadArgument, shortened
from weather.gazetteer import Gazetteer, Line, in_ascii, key_of, words_of

GREAT = 100_000  # A city of this population needs no state, if its namesakes have at most a tenth of it.
SMALL = 1000  # A town below this population needs its state.
UNKNOWN = 500  # assumed where the population is not known
MOST_NAMED = 10
MOST_NEAREST = 5
MOST_LIKE = 3
COUNTRY = re.compile(
    r"(?:^|[\s,]+)(?:u\.?\s?s\.?(?:\s?a\.?)?|united\s+states(?:\s+of\s+america)?)[\s.]*$", re.IGNORECASE
)
COORDINATES = re.compile(
    r"\(?\s*(-?\d{1,2}(?:\.\d{0,12})?)\s*([NS]?)\s*[,\s]\s*(-?\d{1,3}(?:\.\d{0,12})?)\s*([EW]?)\s*\)?", re.IGNORECASE
)
ZIP_CODE = re.compile(r"(.*)(?<![\w-])(\d{5})(?:-\d{4})?(?![\w-])(.*)", re.DOTALL)
AIRPORT = re.compile(r"([a-z]{3,4})(?:\s+airport)?", re.IGNORECASE)
KIND = re.compile(r"\b(?:the\s+)?(?:city|town|village|borough)\s+of\b|\b(?:township|town|village|cdp)\b", re.IGNORECASE)
COUNTY = {"county", "parish", "borough", "municipio", "municipality", "census", "area", "city", "and", "near"}
OR_ELSE = "or else give latitude and longitude"


class Place(NamedTuple):
    """Coordinates in degrees. `find(name)` returns the same place. `note` is a sentence on an assumption, or ""."""

    name: str
    latitude: float
    longitude: float
    note: str = ""


class Reading(NamedTuple):
    """One way to read a name. `state` is a key of AREAS; `beside` holds the other words, such as a county."""

    town: list[str]
    state: str | None = None
    beside: list[str] = []  # noqa: RUF012, never changed


class Places(Gazetteer):
    def find(self, query: str) -> Place:
        """The place that a user or a model means. Raises BadArgument, whose text lists names that are found."""
        text = COUNTRY.sub("", " " + in_ascii(query.replace("\u2212", "-")).strip()).strip()
        found = _point(text) or self._by_zip_code(query, text)
        if re.fullmatch("[A-Z]{3}", text):  # Of four letters, a town of that name is likelier.
            found = self._airport(query, text)
        for reading in () if found else _readings(text):
            if lines := self._named(reading):
                return self._chosen(query, find_area(text), reading, lines)
        if found := found or self._airport(query, text):
            return found
        raise self._unknown(query, text)

    def _by_zip_code(self, query: str, text: str) -> Place | None:
        """The place of the last ZIP code. Raises BadArgument if the text names another state."""
        if not (match := ZIP_CODE.fullmatch(text)) or not (line := next(self.lines(match[2]), None)):
            return None
        beside = COUNTRY.sub("", match[1].rstrip(" ,")) + match[3]
        readings, area = _readings(beside), find_area(beside)
        towns = next(filter(None, map(self._named, readings)), [])
        states = {area, *(reading.state for reading in readings)} - {None} or {town.state for town in towns}
        if states and line.state not in states and key_of(beside) != key_of(line.town):
            alone = f"{towns[0].name} or {match[2]}" if towns else match[2]
            raise BadArgument(("place", f"{_quoted(query)}, whose ZIP code is that of {line.name}", f"{alone} alone"))
        ignored = readings and not towns and not area
        return _place(line, f"Only the ZIP code of {_quoted(query)} was looked up." if ignored else "")

    def _airport(self, query: str, text: str) -> Place | None:
        code = AIRPORT.fullmatch(text)
        lines = self.lines(code[1].lower()) if code else ()
        airport = next((line for line in lines if line.airport), None)
        return airport and _place(airport, f"{_quoted(query)} was taken for {airport.apart}.")

    def _named(self, reading: Reading) -> list[Line]:
        """Lines of that name, the largest first. Lines with it as another name count only if there are no others."""
        lines = [line for line in self.lines(key_of(*reading.town)) if reading.state in (None, line.state)]
        if reading.beside:
            lines += [line for line in self.lines("".join(reading.beside)) if line.airport]
            full_name = key_of(*reading.town, reading.state or "", *reading.beside)
            itself = [line for line in lines if key_of(line.name) == full_name]
            county, lines = _without_kind(reading.beside), list(dict.fromkeys(lines))
            lines = itself[:1] or [line for line in lines if _without_kind(words_of(line.apart)) == county]
            return [line for line in lines if not line.other_name] or lines
        lines = sorted((line for line in lines if not line.airport), key=lambda line: -line.population)
        own = [line for line in lines if not line.other_name]
        small = not reading.state and own and own[0].population < SMALL <= lines[0].population
        return lines if small else own or lines

    def _chosen(self, query: str, area: str | None, reading: Reading, lines: list[Line]) -> Place:
        """The first line if it is unambiguous, else raises BadArgument. `area` is set if the query names a state."""
        bare, (first, *others) = not (reading.state or reading.beside), lines
        if bare and first.other_name and not others:
            others += (line for line in self._named(Reading(words_of(first.town))) if line.name != first.name)
        dwarfs = all(first.population >= 10 * max(other.population, UNKNOWN) for other in others)
        clear = dwarfs and (first.population >= GREAT or not bare)
        if area and not clear:
            raise self._of_area(query, area)
        if others and not clear:
            names = "; ".join(line.name for line in [first, *others][:MOST_NAMED])
            expected = f"given with its state, such as {names}" if bare else f"one of {names}"
            raise BadArgument(("place", f"{_quoted(query)}, the name of {len(others) + 1} places", expected))
        if bare and first.population < SMALL:
            expected = f"given with its state, such as {first.name}; {OR_ELSE}"
            raise BadArgument(("place", f"{_quoted(query)}, which only a small US place is called", expected))
        return _place(first, _note(query, area, bare, lines))

    def _of_area(self, query: str, area: str) -> BadArgument:
        largest = next(self.lines(f"={area.lower()}"), None)
        kind = "state or territory" if largest else "marine area"
        city = f"a city in it, such as {largest.name}" if largest else "a city with its state, such as Boston, MA"
        expected = f'{city}; or else, for its alerts, state "{area}"'
        return BadArgument(("place", f"{_quoted(query)}, which is a {kind}", expected))

    def _unknown(self, query: str, text: str) -> BadArgument:
        if area := find_area(text):
            return self._of_area(query, area)
        readings = _readings(text)
        readings = [reading for reading in readings if reading.state][:2] or readings[:1]
        names = dict.fromkeys(line.name for reading in readings for line in self._nearest(reading))
        such = "; ".join(list(names)[:MOST_NEAREST] or ["Boston, MA"])
        expected = f"a US city with its state, such as {such}, or a five-digit ZIP code; {OR_ELSE}"
        return BadArgument(("place", f"{_quoted(query)}, which is not known", expected))

    def _nearest(self, reading: Reading) -> Iterator[Line]:
        """Suggestions, best first: another county; similar names; other states; the largest places of the state."""
        if reading.beside:
            yield from self._named(Reading(reading.town, reading.state))
        yield from self.like(key_of(*reading.town), reading.state)[:MOST_LIKE]
        if reading.state:
            yield from self._named(Reading(reading.town))
            yield from self.lines(f"={reading.state.lower()}")


def _note(query: str, area: str | None, bare: bool, lines: list[Line]) -> str:
    first, *others = lines
    same, which = key_of(query) == key_of(first.name), ""
    if others:
        beside = "" if bare else f", beside {'; '.join(line.name for line in others[:MOST_NAMED])}"
        which = f", the largest of {len(lines)} places of that name{beside}"
    elif bare and not first.other_name:
        which = ", the only US place of that name"
    if area not in (None, "DC"):
        which += ", and not for the state"
    noted = not same if bare else others or first.airport or (first.other_name and not same)
    return f"{_quoted(query)} was taken for {first.apart if first.airport else first.name}{which}." if noted else ""


def _readings(text: str) -> list[Reading]:
    """The likeliest first. A state may end any part between commas and brackets; later parts, longer states first."""
    parts = [words for part in re.split("[,;()]", text) if (words := words_of(part))]
    if not parts:
        return []
    if find_area(text):
        return [Reading(words_of(text))]
    readings = []
    for number in reversed(range(len(parts))):
        part = parts[number]
        for start in range(number == 0, len(part)):
            if state := find_area(" ".join(part[start:])):
                rest = [*parts[:number], part[:start], *parts[number + 1 :]]
                readings.append(Reading(rest[0], state, [*chain(*rest[1:])]))
    readings.append(Reading(parts[0], None, [*chain(*parts[1:])]))
    bare = KIND.sub("", text, count=1)
    return readings + (_readings(bare) if bare != text else [])


def _without_kind(words: list[str]) -> str:
    """ "Orleans Parish" → "orleans"."""
    return key_of(*(word for word in words if word not in COUNTY))


def _point(text: str) -> Place | None:
    if not (match := COORDINATES.fullmatch(text)):
        return None
    sides = (match.group(1, 2), match.group(3, 4))
    latitude, longitude = (round(-float(n) if side in (*"SsWw",) else float(n), 4) + 0.0 for n, side in sides)
    within = abs(latitude) <= 90 and abs(longitude) <= 180
    return Place(f"{latitude}, {longitude}", latitude, longitude) if within else None


def _place(line: Line, note: str = "") -> Place:
    return Place(line.name, line.latitude, line.longitude, note)


def _quoted(query: str) -> str:
    return shortened(json.dumps(query))
