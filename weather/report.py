"""What a tool answers: text for reading, and the same as structured content.

The first text of an answer is a promise to programs that read it, with values as NWS sends them, line breaks included.
The second says in words what else is in the structured content, but for what is there for programs only: an alert's id
and the codes of its zones.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Any, Literal

from weather import questions, words
from weather.areas import AREAS
from weather.nws import Alert, AlertDigest, ForecastDigest, Location, Observation, Period, Point, Severity, Wire
from weather.questions import MOST_ALERTS
from weather.words import labelled, moment

MOST_HOURS = 48
MOST_TEXT = 85_000  # characters, about 25,000 tokens
BETWEEN = len("\n---\n\n200. ")
Source = Literal["live", "simulated"]


@dataclass(frozen=True)
class Freshness:
    """Where the data is from, and of when; `stale`: kept beyond its time, since NWS does not answer."""

    source: Source
    fetched: datetime
    stale: bool
    now: datetime

    @property
    def age_seconds(self) -> int | None:
        return max(0, int((self.now - self.fetched).total_seconds())) if self.stale else None

    def stamp(self, issued: datetime | None) -> dict[str, Any]:
        """The fields that all structured content begins with; `issued` is NWS's own time."""
        return {"issued": issued, "source": self.source, "stale": self.stale, "age_seconds": self.age_seconds}

    def said(self, issued: datetime | None, time_zone: str | None = None) -> str:
        return f"issued {moment(issued, time_zone)}; {self.source}" if issued else self.source

    def line(self, time_zone: str | None = None) -> list[str]:
        """Stale: "As of 14:05 EST, 40 minutes ago: ...". Otherwise nothing."""
        if self.age_seconds is None:
            return []
        when, ago = words.clock(self.fetched, time_zone), words.ago(self.age_seconds // 60)
        return [f"As of {when}, {ago}: the National Weather Service is not answering."]


@dataclass(frozen=True)
class Answer:
    """`words` is a text to send after `text`, which programs read."""

    text: str
    structured: Wire
    words: str


class _Dated(Wire):
    issued: datetime | None = None
    source: Source
    stale: bool
    age_seconds: int | None = None
    place: str | None = None


class Weather(_Dated):
    """`period` is the current or next half day; `ageSeconds` is given when the data is stale."""

    location: Location
    period: Period
    observation: Observation | None = None


class Forecast(_Dated):
    """`ageSeconds` is given when the data is stale."""

    location: Location
    periods: tuple[Period, ...]


class Alerts(_Dated):
    """The worst alerts first, `shown` of `total`; `countsBySeverity` is over all of them. `others` are in force there
    and were not asked for, by their severity or event.
    """

    state: str | None = None
    state_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    severity: Severity | None = None
    event: str | None = None
    total: int
    shown: int
    others: int
    counts_by_severity: dict[Severity, int]
    alerts: tuple[Alert, ...]


def weather_answer(
    asked: questions.Weather, point: Point, forecast: ForecastDigest, seen: Observation | None, freshness: Freshness
) -> Answer:
    location, zone = point.location, point.location.time_zone
    period, seen = forecast.periods[0].said_in(asked.units), seen and seen.said_in(asked.units)
    conditions, wind = ("Conditions", period.short_forecast), ("Wind", words.wind(period))
    lines = [
        f"Weather forecast for {period.name}:",
        *labelled(("Temperature", words.temperature(period)), conditions, wind),
        *(words.observed(seen, zone) if seen else ()),
        *freshness.line(zone),
    ]
    more = [
        f"Weather for {words.where(asked.place, location)}; forecast {freshness.said(forecast.issued, zone)}.",
        words.period_line(period),
        *([words.observation_line(seen, zone)] if seen else ()),
    ]
    about = {"place": asked.place, "location": location, **freshness.stamp(forecast.issued)}
    return Answer("\n".join(lines), Weather(period=period, observation=seen, **about), "\n".join(more))


def forecast_answer(asked: questions.Forecast, point: Point, forecast: ForecastDigest, freshness: Freshness) -> Answer:
    coming = [period for period in forecast.periods if period.end_time is None or period.end_time > freshness.now]
    chosen = coming[:MOST_HOURS] if asked.hourly else forecast.periods
    periods = tuple(period.said_in(asked.units) for period in chosen)
    keys = {"name", "temperature", "temperature_unit", "short_forecast"}
    text = json.dumps([period.model_dump(include=keys) for period in periods], indent=2)
    location, zone = point.location, point.location.time_zone
    more = [
        *freshness.line(zone),
        f"Forecast for {words.where(asked.place, location)}; {freshness.said(forecast.issued, zone)}.",
        *map(words.period_line, periods),
    ]
    structured = Forecast(place=asked.place, location=location, periods=periods, **freshness.stamp(forecast.issued))
    return Answer(text, structured, "\n".join(more))


def alerts_answer(asked: questions.Alerts, digest: AlertDigest, freshness: Freshness) -> Answer:
    """Fewer than were asked for are shown where those would be too long."""
    found = [alert for alert in digest.alerts if asked.means(alert)]
    texts = [(words.alert_text(alert), words.alert_line(alert)) for alert in found[: asked.limit]]
    sizes = accumulate(len(text) + len(line) + BETWEEN for text, line in texts)
    shown = found[: max(1, bisect(list(sizes), MOST_TEXT))]
    counts = Counter(alert.severity or "Unknown" for alert in found)
    text = "\n---\n".join(text for text, _ in texts[: len(shown)]) or f"No active alerts for {asked.where}{asked.kind}."
    hidden, others = len(found) - len(shown), len(digest.alerts) - len(found)
    higher = f"with a higher limit (at most {MOST_ALERTS})" if len(shown) == asked.limit < MOST_ALERTS else None
    lines = [
        text,
        *_left_out(hidden, f"not shown; ask {higher or 'for a severity, an event or a place'}"),
        *_left_out(others, "in force of another kind; ask without severity and event"),
        *freshness.line(),
    ]
    at = f" ({asked.latitude}, {asked.longitude})" if asked.place else ""
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items()) or "none"
    more = [
        f"Alerts for {asked.where}{at}{asked.kind}, {freshness.said(digest.issued)}: {told}; {len(shown)} shown.",
        *(f"{number}. {line}" for number, (_, line) in enumerate(texts[: len(shown)], 1)),
    ]
    about = freshness.stamp(digest.issued) | {"total": len(found), "shown": len(shown), "others": others}
    structured = Alerts(
        **asked.model_dump(exclude={"limit"}),
        state_name=AREAS[asked.state] if asked.state else None,
        counts_by_severity=dict(counts),
        alerts=tuple(shown),
        **about,
    )
    return Answer("\n".join(lines), structured, "\n".join(more))


def _left_out(count: int, why: str) -> Iterable[str]:
    if count:
        yield f"{count} more alert{'s' if count > 1 else ''} {why}."
