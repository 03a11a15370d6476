"""Where a city or a ZIP code of the United States is, by name. Source: the package `zipcodes`, of USPS's ZIP codes.

Reading the package's data holds the interpreter for half a second and takes 60 MB for good. So another process does it,
once, and writes what is needed as one sorted text, in which a name is found by halving.
"""

from __future__ import annotations

import logging
import re
import sys
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import fmean
from subprocess import CalledProcessError
from typing import Any, NamedTuple

import anyio

from weather.areas import AREAS, area_code
from weather.errors import NoPlaces

log = logging.getLogger(__name__)

ROOT = Path(__file__).parent.parent
LONG = {"st": "saint", "ste": "sainte", "ft": "fort", "mt": "mount"}


class Place(NamedTuple):
    """`name` is the city with its state, such as "Boston, MA", and the ZIP code where that was asked for."""

    state: str
    name: str
    latitude: float
    longitude: float


class Places:
    """`find` needs `load` before. A line of `text` is a key (see `_key`), state, name, latitude and longitude."""

    def __init__(self, text: str = "") -> None:
        self._text = text
        self._loading = anyio.Lock()

    @property
    def loaded(self) -> bool:
        return bool(self._text)

    async def load(self) -> None:
        """Raises NoPlaces."""
        async with self._loading:
            if self.loaded:
                return
            try:
                made = await anyio.run_process([sys.executable, "-m", __name__], cwd=ROOT)
            except (OSError, CalledProcessError) as error:
                log.error("places cannot be read: %r", error)
                raise NoPlaces from None
            self._text = made.stdout.decode()

    def find(self, said: str) -> list[Place]:
        """All that may be meant: the cities of a name, the largest first; the place of a ZIP code."""
        words = re.sub(r"[,\s]+(usa?|united states)\W*$", "", said, flags=re.IGNORECASE).replace(",", " ").split()
        zip_code = words[-1][:5] if words and re.fullmatch(r"\d{5}(-\d{4})?", words[-1], re.ASCII) else ""
        if not zip_code:
            return list(self._cities(words))
        before = {place.name for place in self._cities(words[:-1])}  # of a city told with its ZIP code
        told = len(words) > 1
        return [place for place in self._named(zip_code) if not told or place.name.rpartition(" ")[0] in before]

    def _cities(self, words: list[str]) -> Iterator[Place]:
        """The largest first, without a state; else in the state that the last words name."""
        yield from self._named(_key(words))
        for count in range(1, len(words)):
            try:
                state = area_code(" ".join(words[count:]))
            except ValueError:
                continue
            yield from (place for place in self._named(_key(words[:count])) if place.state == state)

    def _named(self, key: str) -> Iterator[Place]:
        text = self._text

        def key_at(position: int) -> str:
            start = text.rfind("\n", 0, position) + 1
            return text[start : text.index("\t", start)]

        start = bisect_left(range(len(text)), key, key=key_at)
        while key and text.startswith(f"{key}\t", start):
            end = text.index("\n", start)
            _, state, name, latitude, longitude = text[start:end].split("\t")
            yield Place(state, name, float(latitude), float(longitude))
            start = end + 1


def _key(words: Iterable[str]) -> str:
    """Without accents, blanks and signs: "Coeur d'Alene" is "Coeur D Alene", "St. Louis" is "Saint Louis"."""
    plain = [unicodedata.normalize("NFKD", word).encode("ascii", "ignore").decode().lower() for word in words]
    bare = [re.sub(r"[^a-z0-9]", "", word) for word in plain]
    return "".join(LONG.get(word, word) for word in bare)


def lines(entries: Iterable[dict[str, Any]]) -> Iterator[str]:
    """Of `Places`, from entries of `zipcodes`: of a city the middle of its areas, or of its boxes where it has none."""
    areas: dict[tuple[str, str], list[tuple[bool, str, float, float]]] = defaultdict(list)
    also: dict[tuple[str, str], list[tuple[bool, str, float, float]]] = defaultdict(list)
    for entry in entries:
        state, latitude, longitude = entry["state"], float(entry["lat"]), float(entry["long"])
        if not latitude:  # unknown
            continue
        if state == "MH":  # east, where the data says west
            longitude = abs(longitude)
        box = entry["zip_code_type"] != "STANDARD"
        yield _line(entry["zip_code"], state, f"{entry['city']}, {state} {entry['zip_code']}", latitude, longitude)
        areas[_key(entry["city"].split()), state].append((box, entry["city"], latitude, longitude))
        for city in entry["acceptable_cities"]:
            also[_key(city.split()), state].append((box, city, latitude, longitude))
    for (key, state), all_of_it in sorted((also | areas).items(), key=lambda item: -len(item[1])):
        found = [area for area in all_of_it if not area[0]] or all_of_it
        middle = fmean(area[2] for area in found), fmean(area[3] for area in found)
        yield _line(key, state, f"{found[0][1]}, {state}", *middle)


def _line(key: str, state: str, name: str, latitude: float, longitude: float) -> str:
    return f"{key}\t{state}\t{name}\t{latitude:.4f}\t{longitude:.4f}\n"


def main() -> None:
    import zipcodes  # here, since it is large

    entries = (entry for state in AREAS for entry in zipcodes.filter_by(state=state, active=True))  # type: ignore[no-untyped-call]
    made = sorted(lines(entries), key=lambda line: line.partition("\t")[0])  # the largest stay first
    sys.stdout.write("".join(made))


if __name__ == "__main__":
    main()
