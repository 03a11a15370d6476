"""Binary search in places.tsv, whose lines are sorted by key. The file is mapped into memory at the first look-up."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections.abc import Iterator
from difflib import SequenceMatcher
from functools import cached_property
from math import asin, cos, radians, sin, sqrt
from mmap import ACCESS_READ, mmap
from pathlib import Path
from string import ascii_lowercase
from typing import NamedTuple

DATA = Path(__file__).with_name("places.tsv")
LONG = {
    **{"n": "north", "s": "south", "e": "east", "w": "west", "st": "saint", "ste": "sainte", "ft": "fort"},
    **{"mt": "mount", "pt": "point", "hts": "heights", "spgs": "springs", "spg": "spring", "jct": "junction"},
}
START = 3  # A typo in the first letters is found by trying all edits; one behind them, among the neighbours.
NEIGHBOURS = 100
LIKE = 0.8
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

    def __str__(self) -> str:
        return "\t".join(map(str, (*self[:5], f"{self.latitude:.4f}", f"{self.longitude:.4f}"))) + "\n"

    @classmethod
    def of(cls, text: str) -> Line:
        key, state, name, apart, population, latitude, longitude = text.split("\t")
        return cls(key, state, name, apart, int(population), float(latitude), float(longitude))

    @property
    def point(self) -> tuple[float, float]:
        return self.latitude, self.longitude

    @property
    def airport(self) -> bool:
        return self.population < 0

    @property
    def other_name(self) -> bool:
        """True if `key` is not of `name` but of another name of the same place."""
        return key_of(self.name.rpartition(", ")[0]) != self.key


class Gazetteer:
    def __init__(self, source: Path | bytes) -> None:
        self.source = source

    @cached_property
    def data(self) -> mmap | bytes:
        if isinstance(self.source, bytes):
            return self.source
        with self.source.open("rb") as file:
            return mmap(file.fileno(), 0, access=ACCESS_READ)

    def lines(self, key: str) -> Iterator[Line]:
        """All lines of a key, in the order of the file."""
        for text in self._from(self._start(key)):
            if not text.startswith(f"{key}\t"):
                break
            yield Line.of(text)

    def like(self, key: str, state: str) -> list[Line]:
        """Lines whose names differ in a few letters, the most similar first, in any state if `state` is "".

        Takes a few ms at most.
        """
        keys = self._like_behind(key) or dict.fromkeys(self._like_at_start(key), LIKE)
        similar = [line for near in keys for line in self.lines(near) if not line.airport and state in ("", line.state)]
        return sorted(similar, key=lambda line: (-keys[line.key], -line.population))

    def _like_behind(self, key: str) -> dict[str, float]:
        """Keys near `key` in the file with the same first letters, and their similarity from LIKE to 1."""
        start, head, ratios = self._start(key), key[:START], {}
        matcher = SequenceMatcher(None, "", key, autojunk=False)
        for texts in (self._from(start), self._before(start)):
            for text, _ in zip(texts, range(NEIGHBOURS), strict=False):
                near = text.partition("\t")[0]
                if not near.startswith(head):
                    break
                matcher.set_seq1(near)
                if near not in ratios and abs(len(near) - len(key)) <= 2 and matcher.quick_ratio() >= LIKE:
                    ratios[near] = matcher.ratio()
        return {near: ratio for near, ratio in ratios.items() if ratio >= LIKE}

    def _like_at_start(self, key: str) -> set[str]:
        """Keys that differ by one edit in the first letters: a letter more, less, replaced, or swapped."""
        keys: set[str] = set()
        for at in range(min(START, len(key)) + 1):
            head, tail = key[:at], key[at:]
            edits = {head + tail[1:], head + tail[1:2] + tail[:1] + tail[2:]}
            edits |= {head + letter + rest for letter in ascii_lowercase for rest in (tail, tail[1:])}
            keys |= {edit for edit in edits if edit != key and next(self.lines(edit), None)}
        return keys

    def _start(self, key: str) -> int:
        """The offset of the first line whose key is not less than `key`."""
        data = self.data

        def key_at(position: int) -> bytes:
            start = data.rfind(b"\n", 0, position) + 1
            return data[start : data.find(b"\t", start)]

        return bisect_left(range(len(data)), key.encode(), key=key_at)

    def _from(self, start: int) -> Iterator[str]:
        data = self.data
        while start < len(data):
            end = data.find(b"\n", start)
            yield data[start:end].decode()
            start = end + 1

    def _before(self, end: int) -> Iterator[str]:
        data = self.data
        while end > 0:
            start = data.rfind(b"\n", 0, end - 1) + 1
            yield data[start : end - 1].decode()
            end = start


def key_of(*words: str) -> str:
    """The search key: without accents, blanks and signs, abbreviations written out ("St. Louis" → "saintlouis")."""
    return "".join(LONG.get(word, word) for word in words_of(" ".join(words)))


def words_of(text: str) -> list[str]:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.findall("[a-z0-9]+", re.sub("['`]", "", plain))


def distance_km(one: tuple[float, float], other: tuple[float, float]) -> float:
    """The great-circle distance of two points in degrees, latitude first (haversine)."""
    north, south = radians(one[0]), radians(other[0])
    half = sin((north - south) / 2) ** 2 + cos(north) * cos(south) * sin(radians(one[1] - other[1]) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(half))
