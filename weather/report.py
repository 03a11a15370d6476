"""What a tool answers: text for reading, and the same as structured content.

The first text of an answer is a promise to programs that read it, with values as NWS sends them, line breaks included.
The second says in words what else is in the structured content, but for what is there for programs only: an alert's id
and the codes of its zones.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal, NamedTuple, get_args

from weather import words
from weather.areas import AREAS
from weather.nws import (
    Alert,
    AlertDigest,
    ForecastDigest,
    Location,
    Observation,
    Period,
    Point,
    Severity,
    Units,
    Wire,
)
from weather.words import labelled, moment

MOST_ALERTS = 200
MOST_HOURS = 48
MOST_TEXT = 85_000  # characters, about 25,000 tokens
MOST_OF_A_VALUE = 20_000
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
    """`notes` are texts to send after `text`, for a `text` that programs read."""

    text: str
    structured: Wire
    notes: tuple[str, ...] = ()


class Sought(NamedTuple):
    """Which alerts: those of `state`, a key of AREAS, or at a point, with the name of its place where that was given;
    of this severity or worse, with these words in the event's name.
    """

    state: str | None = None
    place: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    severity: Severity | None = None
    event: str | None = None

    @property
    def where(self) -> str:
        return AREAS[self.state] if self.state else self.place or f"{self.latitude}, {self.longitude}"

    @property
    def what(self) -> str:
        severity = self.severity and f" of severity {self.severity} or worse"
        return (severity or "") + (f' with "{self.event}" in the name' if self.event else "")

    def meant(self, alert: Alert) -> bool:
        severe = self.severity is None or _rank(alert.severity) <= _rank(self.severity)
        return severe and set((self.event or "").split()) <= set(alert.event.lower().split())


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
    point: Point,
    forecast: ForecastDigest,
    observation: Observation | None,
    freshness: Freshness,
    place: str | None = None,
    units: Units = "us",
) -> Answer:
    period, location, zone = forecast.periods[0].said_in(units), point.location, point.location.time_zone
    seen = observation and observation.said_in(units)
    lines = [
        f"Weather forecast for {period.name}:",
        *labelled(
            ("Temperature", words.temperature(period)),
            ("Conditions", period.short_forecast),
            ("Wind", words.wind(period)),
        ),
        *(words.observed(seen, zone) if seen else ()),
        *freshness.line(zone),
    ]
    more = [
        f"Weather for {words.where(place, location)}; forecast {freshness.said(forecast.issued, zone)}.",
        words.period_line(period),
        *([words.observation_line(seen, zone)] if seen else ()),
    ]
    dated = freshness.stamp(forecast.issued)
    structured = Weather(place=place, location=location, period=period, observation=seen, **dated)
    return Answer("\n".join(lines), structured, ("\n".join(more),))


def forecast_answer(
    point: Point,
    forecast: ForecastDigest,
    freshness: Freshness,
    place: str | None = None,
    units: Units = "us",
    hourly: bool = False,
) -> Answer:
    coming = [hour for hour in forecast.periods if hour.end_time is None or hour.end_time > freshness.now]
    periods = tuple(period.said_in(units) for period in (coming[:MOST_HOURS] if hourly else forecast.periods))
    keys = {"name", "temperature", "temperature_unit", "short_forecast"}
    text = json.dumps([period.model_dump(include=keys) for period in periods], indent=2)
    location, zone = point.location, point.location.time_zone
    more = [
        *freshness.line(zone),
        f"Forecast for {words.where(place, location)}; {freshness.said(forecast.issued, zone)}.",
        *map(words.period_line, periods),
    ]
    structured = Forecast(place=place, location=location, periods=periods, **freshness.stamp(forecast.issued))
    return Answer(text, structured, ("\n".join(more),))


def alerts_answer(sought: Sought, digest: AlertDigest, limit: int, freshness: Freshness) -> Answer:
    """The first `limit` alerts are shown, or fewer where those would be too long."""
    found = [alert for alert in digest.alerts if sought.meant(alert)]
    others = len(digest.alerts) - len(found)
    shown = _fitting(map(_cut, found[:limit]))
    counts = Counter(alert.severity or "Unknown" for alert in found)
    text = "\n---\n".join(map(words.alert_text, shown)) or f"No active alerts for {sought.where}{sought.what}."
    lines = [text, *_more(len(found) - len(shown), len(shown), limit), *_others(others), *freshness.line()]
    structured = Alerts(
        **sought._asdict(),
        state_name=sought.state and AREAS[sought.state],
        total=len(found),
        shown=len(shown),
        others=others,
        counts_by_severity=dict(counts),
        alerts=tuple(shown),
        **freshness.stamp(digest.issued),
    )
    return Answer("\n".join(lines), structured, ("\n".join(_rest(sought, structured, freshness)),))


def _rank(severity: Severity | None) -> int:
    return get_args(Severity).index(severity or "Unknown")


def _cut(alert: Alert) -> Alert:
    texts = {name: getattr(alert, name) for name in ("area", "headline", "description", "instructions")}
    long = {name: text for name, text in texts.items() if text and len(text) > MOST_OF_A_VALUE}
    rest = f"... The National Weather Service has the rest: https://api.weather.gov/alerts/{alert.id}"
    return alert.model_copy(update={name: text[:MOST_OF_A_VALUE] + rest for name, text in long.items()})


def _fitting(alerts: Iterable[Alert]) -> list[Alert]:
    """As many as a text has room for, with what else is said of each."""
    shown: list[Alert] = []
    room = MOST_TEXT
    for alert in alerts:
        room -= len(words.alert_text(alert)) + len(words.alert_line(alert)) + len("\n---\n\n200. ")
        if room < 0 and shown:
            break
        shown.append(alert)
    return shown


def _more(hidden: int, shown: int, limit: int) -> Iterable[str]:
    if hidden:
        higher = f"with a higher limit (at most {MOST_ALERTS})" if shown == limit < MOST_ALERTS else None
        hint = higher or "for a severity, an event or a place"
        yield f"{hidden} more alert{'s' if hidden > 1 else ''} not shown; ask {hint}."


def _others(count: int) -> Iterable[str]:
    if count:
        yield f"{count} other alert{'s' if count > 1 else ''} in force; ask without severity and event."


def _rest(sought: Sought, said: Alerts, freshness: Freshness) -> Iterable[str]:
    point = f" ({sought.latitude}, {sought.longitude})" if sought.place else ""
    counts = ", ".join(f"{count} {severity}" for severity, count in said.counts_by_severity.items()) or "none"
    shown = f", {said.shown} shown" if said.shown < said.total else ""
    yield f"Alerts for {sought.where}{point}{sought.what}, {freshness.said(said.issued)}: {counts}{shown}."
    yield from (f"{number}. {words.alert_line(alert)}" for number, alert in enumerate(said.alerts, 1))
