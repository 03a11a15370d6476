"""Where a city or a ZIP code of the United States is, by name. Source: the package `zipcodes`, of USPS's ZIP codes.

Reading the package's data holds the interpreter for half a second and takes 60 MB for good. So another process does it,
once, and writes what is needed as one sorted text, in which a name is found by halving.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from itertools import chain
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import anyio

from weather.areas import AREAS, area_code
from weather.errors import BadArgument

ROOT = Path(__file__).parent.parent
LONG = {"st": "saint", "ste": "sainte", "ft": "fort", "mt": "mount"}


class Place(NamedTuple):
    """`name` is the city with its state, such as "Boston, MA", and the ZIP code where that was asked for."""

    state: str
    name: str
    latitude: float
    longitude: float
    note: str = ""


class Places:
    """`find` needs `text`, and `load` reads it. A line is a key (see `_key`), state, name, latitude and longitude."""

    def __init__(self, text: str = "") -> None:
        self.text = text
        self._loading = anyio.Lock()

    async def load(self) -> None:
        async with self._loading:
            if not self.text:
                made = await anyio.run_process([sys.executable, "-m", __name__], cwd=ROOT)
                self.text = made.stdout.decode()

    def find(self, said: str) -> Place:
        """Raises BadArgument."""
        found = self._found(said)
        if len(found) != 1:
            expected = "told with its state, such as " + "; ".join(place.name for place in found[:10])
            if not found:
                expected = "a US city with its state, such as Boston, MA, or a five-digit ZIP code"
            raise BadArgument("place", ascii(said[:40]), expected)
        return found[0]

    def _found(self, said: str) -> list[Place]:
        """All that may be meant: the cities of a name, the largest first; the place of a ZIP code."""
        words = re.sub(r"[,\s]+(usa?|united states)\W*$", "", said, flags=re.IGNORECASE).replace(",", " ").split()
        zip_code = words[-1][:5] if words and re.fullmatch(r"\d{5}(-\d{4})?", words[-1], re.ASCII) else ""
        cities = list(self._cities(words[:-1] if zip_code else words))
        names = [city.name for city in cities]  # to be that of a ZIP code that is told after it
        found = (place for place in self._named(zip_code) if not words[:-1] or place.name[:-6] in names)
        return list(found) if zip_code else cities

    def _cities(self, words: list[str]) -> Iterator[Place]:
        """The largest first, without a state; else in the state that the last words name."""
        yield from self._named(_key(words))
        for count in range(1, len(words)):
            with suppress(ValueError):
                state = area_code(" ".join(words[count:]))
                yield from (place for place in self._named(_key(words[:count])) if place.state == state)

    def _named(self, key: str) -> Iterator[Place]:
        text = self.text

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
    """Of `Places`, from entries of `zipcodes`, the largest first. A city is in the middle of its areas, or of its boxes
    where it has none; or of the areas of another city whose ZIP codes may be told with its name.
    """
    areas: dict[tuple[str, str], list[tuple[int, str, float, float]]] = defaultdict(list)
    for entry in entries:
        code, city, state = entry["zip_code"], entry["city"], entry["state"]
        latitude, longitude, box = float(entry["lat"]), float(entry["long"]), entry["zip_code_type"] != "STANDARD"
        if state == "MH":  # east, where the data says west
            longitude = abs(longitude)
        names = [(0, code, f" {code}"), (box, city, "")]
        names += [(2 + box, name, "") for name in entry["acceptable_cities"]]
        for rank, name, zip_code in names if latitude else ():
            told = f"{city if zip_code else name}, {state}{zip_code}"
            areas[_key(name.split()), state].append((rank, told, latitude, longitude))
    for (key, state), around in sorted(areas.items(), key=lambda item: -len(item[1])):
        best = min(around)[0]
        _, spelt, latitudes, longitudes = zip(*(area for area in around if area[0] == best), strict=True)
        yield f"{key}\t{state}\t{spelt[0]}\t{fmean(latitudes):.4f}\t{fmean(longitudes):.4f}\n"


def main() -> None:
    import zipcodes  # here, since it is large

    found = (zipcodes.filter_by(state=state, active=True) for state in AREAS)  # type: ignore[no-untyped-call]
    made = sorted(lines(chain.from_iterable(found)), key=lambda line: line.partition("\t")[0])  # the largest stay first
    sys.stdout.write("".join(made))


if __name__ == "__main__":
    main()
