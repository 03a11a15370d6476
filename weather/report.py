"""What a tool answers: text for reading, and the same as structured content.

The first text of an answer is a promise to programs that read it, with values as NWS sends them, line breaks included.
The second says in words what else is in the structured content, but for what is there for programs only: an alert's id
and the codes of its zones.
"""

from __future__ import annotations

import json
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from itertools import accumulate, zip_longest
from typing import Any, Literal

from weather import inputs, words
from weather.areas import AREAS
from weather.errors import Outdated
from weather.inputs import MOST_ALERTS
from weather.nws import Alert, AlertsData, CamelModel, ForecastData, Location, Observation, Period, Point, Severity
from weather.words import labelled, moment

MOST_HOURS = 48
MOST_NAMED = 10
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

    def said(self, issued: datetime | None, zone: tzinfo | None = None) -> str:
        return f"issued {moment(issued, zone)}; {self.source}" if issued else self.source

    def line(self, zone: tzinfo | None = None) -> list[str]:
        """Stale: "As of 14:05 EST, 40 minutes ago: ...". Otherwise nothing."""
        if self.age_seconds is None:
            return []
        when, ago = words.clock(self.fetched, zone), words.ago(self.age_seconds // 60)
        return [f"As of {when}, {ago}: the National Weather Service is not answering."]


@dataclass(frozen=True)
class Rendered:
    """`words` is a text to send after `text`, which programs read. From `until` on something in it is no longer so: a
    period or an alert is over; None: nothing in it depends on the clock.
    """

    text: str
    structured: CamelModel
    words: str
    until: datetime | None


class _Dated(CamelModel):
    issued: datetime | None = None
    source: Source
    stale: bool
    age_seconds: int | None = None
    place: str | None = None
    note: str | None = None


class WeatherResult(_Dated):
    """`period` is the half day that runs now, or the next; `ageSeconds` is given when the data is stale."""

    location: Location
    period: Period
    observation: Observation | None = None


class ForecastResult(_Dated):
    """`ageSeconds` is given when the data is stale."""

    location: Location
    periods: tuple[Period, ...]


class AlertsResult(_Dated):
    """The worst alerts first, `shown` of `total`; `countsBySeverity` is over all of them. `others` are in force there
    and were not asked for, by their severity or event; `otherEvents` are their names. `zones` were asked for a place:
    its forecast zone, fire weather zone and county; without them it was asked at the very point.
    """

    state: str | None = None
    state_name: str | None = None
    latitude: float | None = None
    longitude: float | None = None
    zones: tuple[str, ...] | None = None
    severity: Severity | None = None
    event: str | None = None
    total: int
    shown: int
    others: int
    other_events: tuple[str, ...] | None = None
    counts_by_severity: dict[Severity, int]
    alerts: tuple[Alert, ...]


def coming(forecast: ForecastData, now: datetime) -> Sequence[tuple[Period, datetime | None]]:
    """The periods that are not over, each with its end; raises Outdated where all are. One without an end is over when
    the next begins.
    """
    starts = (period.start_time for period in forecast.periods[1:])
    ended = [(period, period.end_time or start) for period, start in zip_longest(forecast.periods, starts)]
    found = [(period, end) for period, end in ended if end is None or end > now]
    if not found:
        raise Outdated((now - (forecast.issued or ended[-1][1] or now)).total_seconds())
    return found


def weather_answer(
    asked: inputs.WeatherArgs,
    point: Point,
    forecast: ForecastData,
    seen: Observation | None,
    freshness: Freshness,
    note: str = "",
) -> Rendered:
    """Raises Outdated."""
    location, zone = point.location, words.zone(point.location.time_zone)
    current, until = coming(forecast, freshness.now)[0]
    period, seen = current.said_in(asked.units), seen and seen.said_in(asked.units)
    conditions, wind = ("Conditions", period.short_forecast), ("Wind", words.wind(period))
    lines = [
        f"Weather forecast for {period.name}:",
        *labelled(("Temperature", words.temperature(period)), conditions, wind),
        *(words.observed(seen, zone) if seen else ()),
        *freshness.line(zone),
        *filter(None, (note,)),
    ]
    more = [
        f"Weather for {words.where(asked.place, location)}; forecast {freshness.said(forecast.issued, zone)}.",
        words.period_line(period, zone),
        *([words.observation_line(seen, zone)] if seen else ()),
    ]
    about = {"place": asked.place, "note": note or None, "location": location, **freshness.stamp(forecast.issued)}
    return Rendered("\n".join(lines), WeatherResult(period=period, observation=seen, **about), "\n".join(more), until)


def forecast_answer(
    asked: inputs.ForecastArgs, point: Point, forecast: ForecastData, freshness: Freshness, note: str = ""
) -> Rendered:
    """Raises Outdated. Hours are named by their beginning, in the time zone of the place."""
    location, zone = point.location, words.zone(point.location.time_zone)
    found = coming(forecast, freshness.now)[: MOST_HOURS if asked.hourly else None]
    periods = tuple(period.said_in(asked.units) for period, _ in found)
    if asked.hourly:
        periods = tuple(words.named_hour(hour, zone) for hour in periods)
    keys = {"name", "temperature", "temperature_unit", "short_forecast"}
    text = json.dumps([period.model_dump(include=keys) for period in periods], indent=2)
    more = [
        *freshness.line(zone),
        f"Forecast for {words.where(asked.place, location)}; {freshness.said(forecast.issued, zone)}.",
        *filter(None, (note,)),
        *(words.period_line(period, zone) for period in periods),
    ]
    about = {"place": asked.place, "note": note or None, "location": location, **freshness.stamp(forecast.issued)}
    return Rendered(text, ForecastResult(periods=periods, **about), "\n".join(more), found[0][1])


def alerts_answer(
    asked: inputs.AlertsArgs,
    data: AlertsData,
    freshness: Freshness,
    zones: tuple[str, ...] | None = None,
    note: str = "",
) -> Rendered:
    """What is in force now. Fewer than were asked for are shown where those would be too long."""
    active = data.in_force_at(freshness.now)
    found: list[Alert] = []
    others: list[Alert] = []
    for alert in active:
        (found if asked.means(alert) else others).append(alert)
    texts = [(words.alert_text(alert), words.alert_line(alert)) for alert in found[: asked.limit]]
    sizes = accumulate(len(text) + len(line) + BETWEEN for text, line in texts)
    shown = found[: max(1, bisect(list(sizes), MOST_TEXT))]
    counts = Counter(alert.severity or "Unknown" for alert in found)
    where = _where(asked, zones)
    text = "\n---\n".join(text for text, _ in texts[: len(shown)]) or f"No active alerts {where}{asked.kind}."
    hidden, kinds = len(found) - len(shown), tuple(dict.fromkeys(alert.event for alert in others))
    higher = f"with a higher limit (at most {MOST_ALERTS})" if len(shown) == asked.limit < MOST_ALERTS else None
    lines = [
        text,
        *_left_out(hidden, f"not shown; ask {higher or 'for a severity, an event or a place'}"),
        *_left_out(len(others), f"in force, not asked for ({_names(kinds)}); ask without severity and event"),
        *freshness.line(),
        *filter(None, (note,)),
    ]
    told = ", ".join(f"{count} {severity}" for severity, count in counts.items()) or "none"
    near = f", near {asked.latitude}, {asked.longitude}" if zones else ""
    more = [
        f"Alerts {where}{near}{asked.kind}, {freshness.said(data.issued)}: {told}; {len(shown)} shown.",
        *(f"{number}. {line}" for number, (_, line) in enumerate(texts[: len(shown)], 1)),
    ]
    about = freshness.stamp(data.issued) | {"total": len(found), "shown": len(shown), "others": len(others)}
    structured = AlertsResult(
        **asked.model_dump(exclude={"limit"}),
        state_name=AREAS[asked.state] if asked.state else None,
        zones=zones,
        note=note or None,
        other_events=kinds or None,
        counts_by_severity=dict(counts),
        alerts=tuple(shown),
        **about,
    )
    until = min((alert.over_at for alert in active if alert.over_at), default=None)
    return Rendered("\n".join(lines), structured, "\n".join(more), until)


def _where(asked: inputs.AlertsArgs, zones: tuple[str, ...] | None) -> str:
    """What was asked: "for California", "for Elm, NY (zones NYZ001, NYC001)", "at the point 47.61, -122.33"."""
    if asked.state and not asked.place:
        return f"for {AREAS[asked.state]}"
    if zones:
        return f"for {asked.place} (zones {', '.join(zones)})"
    point = f"{asked.latitude}, {asked.longitude}"
    return f"at the point of {asked.place} ({point})" if asked.place else f"at the point {point}"


def _names(names: Sequence[str]) -> str:
    """ "Flood Watch, Wind Advisory and 3 more kinds"."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more kind{'s' if more > 1 else ''}" if more > 0 else "")


def _left_out(count: int, why: str) -> Iterable[str]:
    if count:
        yield f"{count} more alert{'s' if count > 1 else ''} {why}."
