"""Binary search in places.tsv, whose lines are sorted by key. The first look-up maps the file into memory."""

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from difflib import get_close_matches
from functools import cached_property
from math import asin, cos, radians, sin, sqrt
from mmap import ACCESS_READ, mmap
from pathlib import Path
from string import ascii_lowercase
from typing import NamedTuple

import msgspec

from weather.areas import areas_from

DATA = Path(__file__).with_name("places.tsv")
LONG = {"n": "north", "s": "south", "e": "east", "w": "west", "st": "saint", "ste": "sainte", "ft": "fort"}
LONG |= {"mt": "mount", "pt": "point", "hts": "heights", "spgs": "springs", "spg": "spring", "jct": "junction"}
START = 3  # Typos in the first letters are found by trying all edits, later ones among the lines near by.
AROUND_BYTES = 8000  # more than a hundred lines
LIKE, MOST_LIKE = 0.8, 20
SHORTEST, LONGEST = 3, 100  # characters of a name to complete
EARTH_KM = 6371.0


class Line(NamedTuple):
    """One line of the file, for one name of a place.

    `key` is `key_of` the name. `apart` distinguishes namesakes, mostly by the county; for an airport it is the name.
    `population` is 0 if unknown and -1 for an airport. Coordinates are in degrees.
    """

    key: str
    state: str
    name: str
    apart: str
    population: int
    latitude: float
    longitude: float

    @property
    def airport(self) -> bool:
        return self.population < 0

    @property
    def town(self) -> str:
        """The name without its state."""
        return self.name.rpartition(", ")[0]

    @property
    def other_name(self) -> bool:
        """True if `key` is not of `name` but of another name of the same place."""
        return key_of(self.town) != self.key


class Gazetteer:
    def __init__(self, path: Path = DATA) -> None:
        self.path = path

    @cached_property
    def data(self) -> mmap:
        with self.path.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)

    def lines(self, key: str) -> Iterator[Line]:
        """All lines of a key, in the order of the file."""
        return self._beginning(key, f"{key}\t")

    def names(self, text: str) -> list[str]:
        """Names of the towns and ZIP codes that `text` begins: "bost", "boston, m", "boston mass", "021".

        The largest first; those with another such name last. Takes a few ms at most.
        """
        town, comma, state = text[:LONGEST].partition(",")
        words = words_of(town)
        parts = [(words, words_of(state))] if comma else [(words[:at], words[at:]) for at in range(1, len(words) + 1)]
        lines = [line for town, state in parts for line in self._towns(town, state, whole=bool(comma or state))]
        lines.sort(key=lambda line: (line.other_name, -line.population))
        return list(dict.fromkeys(line.name for line in lines))

    def _towns(self, town: list[str], state: list[str], *, whole: bool) -> Iterator[Line]:
        """Lines of the town if `whole`, else of towns that it begins: its last word stands for no other then."""
        key = key_of(*town) if whole else key_of(*town[:-1]) + "".join(town[-1:])
        lines = iter(()) if len(key) < SHORTEST else self.lines(key) if whole else self._beginning(key, key)
        states = areas_from(" ".join(state))
        return (line for line in lines if line.state in states and not line.airport)

    def _beginning(self, key: str, text: str) -> Iterator[Line]:
        """All lines from the key on that begin with the text."""
        data, start, head = self.data, self._start(key), text.encode()
        while data[start : start + len(head)] == head:
            end = data.find(b"\n", start)
            yield msgspec.convert(data[start:end].decode().split("\t"), Line, strict=False)
            start = end + 1

    def like(self, key: str, state: str | None) -> list[Line]:
        """Lines with similar names, the most similar first; of any state for None. Takes a few ms."""
        close = get_close_matches(key, self._around(key), MOST_LIKE, LIKE)
        ranks = {near: rank for rank, near in enumerate(close)} or dict.fromkeys(self._edited(key), 0)
        towns = (line for near in ranks for line in self.lines(near) if not line.airport)
        similar = (line for line in towns if state in (None, line.state))
        return sorted(similar, key=lambda line: (ranks[line.key], -line.population))

    def _start(self, key: str) -> int:
        """The offset of the first line whose key is not less than `key`."""

        def key_at(position: int) -> bytes:
            start = self.data.rfind(b"\n", 0, position) + 1
            return self.data[start : self.data.find(b"\t", start)]

        return bisect_left(range(len(self.data)), key.encode(), key=key_at)

    def _around(self, key: str) -> set[str]:
        """The keys in the file near `key` that have the same first letters."""
        start = self._start(key)
        lines = self.data[max(0, start - AROUND_BYTES) : start + AROUND_BYTES].splitlines()[1:]
        keys = (line.partition(b"\t")[0].decode() for line in lines)
        return {near for near in keys if near[:START] == key[:START]}

    def _edited(self, key: str) -> set[str]:
        """Keys that differ by one edit in the first letters: a letter more, less, replaced, or swapped."""
        splits = [(key[:at], key[at:]) for at in range(min(START, len(key)) + 1)]
        edits = {head + rest for head, tail in splits for rest in (tail[1:], tail[1:2] + tail[:1] + tail[2:])}
        edits |= {
            head + letter + rest for letter in ascii_lowercase for head, tail in splits for rest in (tail, tail[1:])
        }
        return edits - {key}


def key_of(*words: str) -> str:
    """The search key: without accents, blanks and signs, abbreviations written out ("St. Louis" → "saintlouis")."""
    return "".join(LONG.get(word, word) for word in words_of(" ".join(words)))


def words_of(text: str) -> list[str]:
    return re.findall("[a-z0-9]+", re.sub("['`]", "", in_ascii(text).lower()))


def in_ascii(text: str) -> str:
    """Removes accents, and characters without an equivalent in ASCII."""
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great-circle distance of two points in degrees, latitude first (haversine)."""
    north, south = radians(one[0]), radians(other[0])
    half = sin((north - south) / 2) ** 2 + cos(north) * cos(south) * sin(radians(one[1] - other[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
