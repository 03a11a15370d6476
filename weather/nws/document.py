"""What is asked of one URL, what it answered, how long that is kept, and when it may be given in place of a newer one.

Times ending in `_at` are seconds on the clock of the upstream client.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Generic, Self, TypeVar

from weather.config import SECONDS
from weather.errors import WeatherError
from weather.nws.reply import Reply

T = TypeVar("T")

SPARE_REFRESH_S = 5 * SECONDS
SPARE_LIFE_S = 10 * SECONDS
ANY = "any"


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    """`name` is its kind in the metrics. An answer lives from `shortest_s` to `longest_s`, whatever Cache-Control says;
    `stale_s` after it came it may still stand in for another.
    """

    url: str
    name: str
    read: Callable[[object], T]
    shortest_s: float
    longest_s: float
    stale_s: float
    note: str = ""
    """What a caller who has to wait is told first."""
    refusals: Mapping[tuple[int, str], Callable[[], WeatherError]] = field(default_factory=dict)
    """What a status and a type of problem mean for the caller, ANY for all other types."""
    weight: float = 1.25
    """Bytes of memory for each byte of the answer; `make bench-upstream` measures them."""
    passing: Callable[[T], bool] = lambda digest: False
    """Whether something is missing that may soon be there: such an answer lives no longer than it has to."""
    aside: bool = False
    """Good to have, asked beside what is needed: it must not hold that up, whatever becomes of it."""

    def refusal(self, reply: Reply) -> WeatherError | None:
        meaning = self.refusals.get((reply.status, reply.problem))
        if meaning is None and reply.problem:
            meaning = self.refusals.get((reply.status, ANY))
        return meaning() if meaning else None


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """`size` is what it weighs in the cache, in bytes."""

    digest: T
    fetched: datetime
    fetched_at: float
    refresh_at: float
    expires_at: float
    last_modified: str | None
    simulated: bool
    size: int
    stale: bool = False

    def spare(self, now: float, stale_s: float) -> Self | None:
        """Itself in place of an answer that does not come, to be asked for anew soon; None when too old."""
        refresh_at = now + SPARE_REFRESH_S
        if now < self.expires_at:
            return replace(self, refresh_at=refresh_at)
        if now - self.fetched_at > stale_s:
            return None
        return replace(self, stale=True, refresh_at=refresh_at, expires_at=now + SPARE_LIFE_S)
