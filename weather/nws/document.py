"""What one URL answered, how long it is kept, and when it may be given in place of a newer one.

Times ending in `_at` are seconds on the upstream client's clock.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any, Generic, Self, TypeVar

import httpx

from weather.config import KIB, SECONDS
from weather.errors import WeatherError

T = TypeVar("T")

SPARE_REFRESH_S = 5 * SECONDS
SPARE_LIFE_S = 10 * SECONDS
DOCUMENT_BYTES = 2 * KIB


@dataclass(frozen=True, slots=True)
class Endpoint(Generic[T]):
    """How answers of one kind are read and how long they live, in seconds, whatever Cache-Control says."""

    name: str
    read: Callable[[object], T]
    shortest_s: float
    longest_s: float
    stale_s: float
    refused: Callable[[int, dict[str, Any]], WeatherError | None] = lambda status, problem: None
    """What a 4xx or 5xx means for the caller, when it means more than 'not answering'."""
    weight: float = 1.25
    """Bytes of memory for each byte of the answer, beyond DOCUMENT_BYTES; `make bench-upstream` measures them."""
    passing: Callable[[T], bool] = lambda digest: False
    """Whether something is missing that may soon be there: such an answer lives no longer than it has to."""
    aside: bool = False
    """Good to have, asked beside what is needed: it must not hold that up, whatever becomes of it."""

    def life_s(self, digest: T) -> float:
        return self.shortest_s if self.passing(digest) else self.longest_s


@dataclass(frozen=True, slots=True)
class Question(Generic[T]):
    url: str
    endpoint: Endpoint[T]


@dataclass(frozen=True, slots=True)
class Document(Generic[T]):
    """A digest, or the error that NWS means by a 404; `size` is what it weighs in the cache, in bytes."""

    value: T | WeatherError
    fetched: datetime
    fetched_at: float
    refresh_at: float
    expires_at: float
    last_modified: str | None
    simulated: bool
    size: int
    stale: bool = False

    @property
    def digest(self) -> T:
        if isinstance(self.value, WeatherError):
            raise self.value.with_traceback(None)  # it is raised again and again: its traceback would only grow
        return self.value

    def sound(self) -> Self:
        """Itself, when it holds a digest; raises its error otherwise."""
        _ = self.digest
        return self

    def spare(self, now: float, stale_s: float) -> Self | None:
        """Itself in place of an answer that does not come, to be asked for anew soon; None when too old."""
        refresh_at = now + SPARE_REFRESH_S
        if now < self.expires_at:
            return replace(self, refresh_at=refresh_at)
        if isinstance(self.value, WeatherError) or now - self.fetched_at > stale_s:
            return None
        return replace(self, stale=True, refresh_at=refresh_at, expires_at=now + SPARE_LIFE_S)


def max_age_s(response: httpx.Response, now: datetime) -> float:
    """Seconds left by Cache-Control, Age and Date (RFC 9111, 4.2); 0 where nothing is said."""
    found = re.search(r"(?<![\w-])max-age=(\d{1,9})", response.headers.get("Cache-Control", ""), re.IGNORECASE)
    if found is None:
        return 0.0
    age = response.headers.get("Age", "")
    since_s = -(_until_s(response.headers.get("Date", ""), now) or 0.0)
    return max(0.0, float(found[1]) - max(float(age) if age.isdecimal() else 0.0, since_s))


def retry_after_s(response: httpx.Response, now: datetime) -> float | None:
    """Seconds or an HTTP date (RFC 9110, 10.2.3)."""
    value = response.headers.get("Retry-After", "").strip()
    if value.isdecimal():
        return float(value)
    seconds = _until_s(value, now)
    return None if seconds is None else max(0.0, seconds)


def _until_s(date: str, now: datetime) -> float | None:
    """None for what is not an HTTP date."""
    try:
        return (parsedate_to_datetime(date) - now).total_seconds()
    except (TypeError, ValueError):
        return None
