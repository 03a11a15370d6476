"""Matches the names of alert events word by word, including names that NWS no longer uses."""

import re
from functools import lru_cache


@lru_cache(4096)
def words_in(text: str) -> frozenset[str]:
    """The words of a text without endings: "Advisories" equals "Advisory", "flooding" "flood"."""
    words = (re.sub(r"(?<=[^s]{3})s$", "", word) for word in re.findall(r"[^\W_]+", text.lower()))
    return frozenset(re.sub(r"y$", "i", re.sub(r"(?<=.{3})e$|(?<=.{4})ing$", "", word)) for word in words)


def matches(query: str, event: str) -> bool:
    """True if the event's name has all words of one alternative of `query`."""
    return any(wanted <= words_in(event) for wanted in _alternatives(query))


def current_names(query: str) -> list[str]:
    """The current names for the retired ones in `query`, without "warning" and the like."""
    return [new for old, new in NEW_NAMES if words_in(old) <= words_in(query)]


@lru_cache(1024)
def _alternatives(query: str) -> tuple[frozenset[str], ...]:
    """A set of words for each part of a list, also with NWS's current names.

    In "tornado watch or warning" the second part means a tornado warning.
    """
    alternatives: list[frozenset[str]] = []
    for part in re.split(r"[,;/|]", query):
        hazard: frozenset[str] = frozenset()
        for words in filter(None, map(words_in, re.split(r"\b(?:or|and)\b", part))):
            wanted = words - IDLE_WORDS
            wanted = wanted | hazard if wanted <= KINDS else wanted
            hazard = wanted - KINDS
            renamed = ((words_in(old), words_in(new)) for old, new in NEW_NAMES)
            alternatives += [wanted, *(wanted - old | new for old, new in renamed if old <= wanted)]
    return tuple(alternatives)


IDLE_WORDS = words_in("a active alert all any every for of the weather")
KINDS = words_in("watch warning advisory statement")
# Old and new, by Service Change Notices 23-44 (October 2024) and 24-88 (March 2025).
NEW_NAMES = (
    ("excessive heat", "extreme heat"),
    ("wind chill", "extreme cold"),
    ("wind chill", "cold weather"),
    ("hard freeze", "freeze"),
    ("hurricane local", "tropical cyclone local"),
)
