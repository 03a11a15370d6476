"""A name, a ZIP code, an airport's code or coordinates → where it is, by the file that weather/gazetteer.py reads."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from math import cos, hypot, radians
from pathlib import Path
from typing import NamedTuple

from weather.areas import area_code
from weather.errors import BadArgument, shortened
from weather.gazetteer import DATA, Gazetteer, Line, key_of, words_of

GREAT = 100_000  # inhabitants of a city that is meant by its bare name, where its namesakes are a tenth of it at most
SMALL = 1000  # inhabitants of a town that is hardly meant by its bare name
UNKNOWN = 500  # inhabitants at most of a town for which no number is known
MOST_NAMED = 10
MOST_NEAREST = 5
MOST_LIKE = 3
ZIP_KM = 80  # how far from a town its ZIP codes are
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
    """A place of that `name` is this one again. `note` is a sentence about what was assumed, if anything."""

    name: str
    latitude: float
    longitude: float
    note: str = ""


class Said(NamedTuple):
    """One way to read a name: `beside` is what else it tells, such as a county; `state` is a code of AREAS."""

    town: list[str]
    state: str = ""
    beside: list[str] = []  # noqa: RUF012, never changed

    @property
    def key(self) -> str:
        return key_of(*self.town, self.state, *self.beside)


class Places:
    def __init__(self, source: Path | bytes = DATA) -> None:
        self.gazetteer = Gazetteer(source)

    def find(self, said: str) -> Place:
        """Raises BadArgument, which names what would be found."""
        text = unicodedata.normalize("NFKD", said.replace("\u2212", "-")).encode("ascii", "ignore").decode()
        text = COUNTRY.sub("", f" {text.strip()}").strip()
        place = _point(text) or self._by_zip_code(said, text)
        if place is None and re.fullmatch("[A-Z]{3}", text):  # Of four letters, a town of that name is likelier.
            place = self._airport(said, text)
        if place is None:
            place = self._town(said, text)
        if place is None and (place := self._airport(said, text)) is None:
            raise self._unknown(said, text)
        return place

    def _by_zip_code(self, said: str, text: str) -> Place | None:
        """The ZIP code counts; a town and a state beside it have to fit."""
        match = next(reversed(list(ZIP_CODE.finditer(text))), None)
        line = next(self.gazetteer.lines(match[1]), None) if match else None
        if match is None or line is None:
            return None
        beside = COUNTRY.sub("", text[: match.start()].rstrip(" ,")) + text[match.end() :]
        readings = _readings(beside)
        found = next(filter(None, map(self._named, readings)), [])
        states = {reading.state for reading in readings if reading.state} | {_area(words_of(beside))} - {""}
        names = {key_of(*reading.town) for reading in readings if reading.state in ("", line.state)}
        fits = key_of(line.name[:-10]) in names or any(_km(line, town) <= ZIP_KM for town in found)
        contradicted = bool(states) and line.state not in states and key_of(beside) != key_of(line.name[:-10])
        if contradicted or (not fits and found):
            alone = f"{found[0].name} or {match[1]}" if found else match[1]
            raise BadArgument("place", f"{_quoted(said)}, whose ZIP code is that of {line.name}", f"{alone} alone")
        note = (
            ""
            if found or not readings or _area(words_of(beside))
            else f"Only the ZIP code of {_quoted(said)} was looked up."
        )
        return _place(line, note)

    def _airport(self, said: str, text: str) -> Place | None:
        code = AIRPORT.fullmatch(text)
        lines = self.gazetteer.lines(code[1].lower()) if code else ()
        found = next((line for line in lines if line.airport), None)
        return found and _place(found, f"{_short(said)} was taken for {found.apart}.")

    def _town(self, said: str, text: str) -> Place | None:
        for reading in _readings(text):
            if found := self._named(reading):
                return _in_state(said, found) if reading.state or reading.beside else self._bare(said, text, found)
        return None

    def _named(self, reading: Said) -> list[Line]:
        """The largest first; by another name where nothing has the name itself."""
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

    def _bare(self, said: str, text: str, found: list[Line]) -> Place | None:
        """By a name without its state: that of a great city, or of the only town that is not small."""
        first, *others = found
        area, great = _area(words_of(text)), first.population >= GREAT and _dwarfs(first, others)
        if area and not great:
            raise self._of_area(said, area)
        if others and not great:
            raise _several(said, found, "told with its state, such as ")
        if first.other_name:
            namesakes = self._named(Said(words_of(first.name.rpartition(", ")[0])))
            if len(namesakes) > 1 and not (first.population >= GREAT and _dwarfs(first, namesakes[1:])):
                raise _several(said, namesakes, "told with its state, such as ")
        if not great and first.population < SMALL:
            got = f"{_quoted(said)}, which only a small US place is called"
            raise BadArgument("place", got, f"told with its state, such as {first.name}; {OR_ELSE}")
        which = f", the largest of {len(found)} places of that name" if others else ""
        if not others and not first.other_name:
            which = ", the only US place of that name"
        if key_of(said) == key_of(first.name):
            return _place(first)
        not_state = ", and not for the state" if area not in ("", "DC") else ""
        return _place(first, f"{_short(said)} was taken for {first.name}{which}{not_state}.")

    def _of_area(self, said: str, area: str) -> BadArgument:
        largest = next(self.gazetteer.lines(f"={area.lower()}"), None)
        kind = "which is a state or territory" if largest else "which is a marine area"
        city = f"a city in it, such as {largest.name}" if largest else "a city with its state, such as Boston, MA"
        return BadArgument("place", f"{_quoted(said)}, {kind}", f'{city}; or else, for its alerts, state "{area}"')

    def _unknown(self, said: str, text: str) -> BadArgument:
        readings, area = _readings(text), _area(words_of(text))
        if area:
            return self._of_area(said, area)
        readings = [reading for reading in readings if reading.state][:2] or readings[:1]
        names = list(dict.fromkeys(line.name for reading in readings for line in self._nearest(reading)))
        such = "; ".join(names[:MOST_NEAREST] or ["Boston, MA"])
        expected = f"a US city with its state, such as {such}, or a five-digit ZIP code; {OR_ELSE}"
        return BadArgument("place", f"{_quoted(said)}, which is not known", expected)

    def _nearest(self, reading: Said) -> Iterator[Line]:
        """Of the name in another county; of names like it; of the name in other states; the largest of the state."""
        if reading.beside:
            yield from self._named(Said(reading.town, reading.state))
        yield from self.gazetteer.like(key_of(*reading.town), reading.state)[:MOST_LIKE]
        if reading.state:
            yield from self._named(Said(reading.town))
            yield from self.gazetteer.lines(f"={reading.state.lower()}")


def _in_state(said: str, found: list[Line]) -> Place:
    first, *others = found
    if others and not _dwarfs(first, others):
        raise _several(said, found, "one of ")
    if first.airport:
        return _place(first, f"{first.name} is {first.apart}.")
    if others:
        names = "; ".join(line.name for line in others[:MOST_NAMED])
        return _place(first, f"{first.name} is the largest of {len(found)} places of that name, beside {names}.")
    return _place(first, f"{_short(said)} was taken for {first.name}." if _renamed(said, first) else "")


def _several(said: str, found: list[Line], which: str) -> BadArgument:
    names = "; ".join(line.name for line in found[:MOST_NAMED])
    return BadArgument("place", f"{_quoted(said)}, the name of {len(found)} places", which + names)


def _dwarfs(first: Line, others: Iterable[Line]) -> bool:
    return all(first.population >= 10 * max(other.population, UNKNOWN) for other in others)


def _readings(text: str) -> list[Said]:
    """A state may end each part between commas and brackets: the last part's, and the longest, is the likeliest."""
    parts = [words for part in re.split("[,;()]", text) if (words := words_of(part))]
    if not parts:
        return []
    if _area(_joined(parts)):
        return [Said(_joined(parts))]
    found = []
    for number in reversed(range(len(parts))):
        part = parts[number]
        for start in range(number == 0, len(part)):
            if state := _area(part[start:]):
                rest = [*parts[:number], part[:start], *parts[number + 1 :]]
                found.append(Said(rest[0], state, _joined(rest[1:])))
    found.append(Said(parts[0], "", _joined(parts[1:])))
    return [reading for said in found for reading in (said, *_without_of(said))]


def _joined(parts: list[list[str]]) -> list[str]:
    return [word for part in parts for word in part]


def _without_of(said: Said) -> Iterator[Said]:
    """ "City of Boston" is Boston, and "Parsippany Township" Parsippany."""
    match [word for word in said.town if word != "the"]:
        case ["city" | "town" | "village" | "borough", "of", *town] if town:
            yield said._replace(town=town)
        case [*town, "township" | "town" | "village" | "cdp"] if town:
            yield said._replace(town=town)


def _without_kind(words: list[str]) -> str:
    """ "Orleans Parish" is Orleans."""
    return key_of(*(word for word in words if word not in COUNTY))


def _area(words: list[str]) -> str:
    """ "Washington State" and "State of Washington" are Washington."""
    match words:
        case ["state" | "commonwealth", "of", *words] | [*words, "state"]:
            pass
    try:
        return area_code("".join(words))
    except ValueError:
        return ""


def _point(text: str) -> Place | None:
    said = COORDINATES.fullmatch(text)
    if said is None:
        return None
    latitude, longitude = (round(float(number), 4) + 0.0 for number in (said[1], said[3]))
    latitude = -latitude if said[2] in ("S", "s") else latitude
    longitude = -longitude if said[4] in ("W", "w") else longitude
    within = abs(latitude) <= 90 and abs(longitude) <= 180
    return Place(f"{latitude}, {longitude}", latitude, longitude) if within else None


def _renamed(said: str, line: Line) -> bool:
    return line.other_name and key_of(said) != key_of(line.name)


def _place(line: Line, note: str = "") -> Place:
    return Place(line.name, line.latitude, line.longitude, note)


def _km(one: Line, other: Line) -> float:
    east = (one.longitude - other.longitude + 540) % 360 - 180
    return 111.2 * hypot(one.latitude - other.latitude, east * cos(radians(one.latitude)))


def _quoted(said: str) -> str:
    return shortened(json.dumps(said))


def _short(said: str) -> str:
    return shortened(" ".join(said.split()))
