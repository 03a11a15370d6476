"""What a tool answers: text for reading, and the same as structured content.

The labels and the order of the lines are a promise to programs that read them. Values are NWS's own,
line breaks included.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal
from zoneinfo import ZoneInfo

from weather.areas import AREAS
from weather.nws import Alert, AlertDigest, ForecastDigest, Location, Observation, Period, Point, Severity, Wire

MOST_ALERTS = 200
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

    def line(self, time_zone: str | None = None) -> list[str]:
        """Stale: "As of 14:05 EST, 40 minutes ago: ...". Otherwise nothing."""
        if self.age_seconds is None:
            return []
        when, ago = _clock(self.fetched, time_zone), _ago(self.age_seconds // 60)
        return [f"As of {when}, {ago}: the National Weather Service is not answering."]


@dataclass(frozen=True)
class Answer:
    """`notes` are texts to send after `text`, for a `text` that is JSON and must stay so."""

    text: str
    structured: Wire
    notes: tuple[str, ...] = ()


class _Dated(Wire):
    issued: datetime | None = None
    source: Source
    stale: bool
    age_seconds: int | None = None


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
    """The worst alerts first, `shown` of `total`; `countsBySeverity` is over all of them."""

    state: str
    state_name: str
    total: int
    shown: int
    counts_by_severity: dict[Severity, int]
    alerts: tuple[Alert, ...]


def weather_answer(
    point: Point, forecast: ForecastDigest, observation: Observation | None, freshness: Freshness
) -> Answer:
    period, zone = forecast.periods[0], point.location.time_zone
    lines = [
        f"Weather forecast for {period.name}:",
        *_labelled(
            ("Temperature", _temperature(period)),
            ("Conditions", period.short_forecast),
            ("Wind", _wind(period)),
        ),
        *(_observed(observation, zone) if observation else ()),
        *freshness.line(zone),
    ]
    dated = freshness.stamp(forecast.issued)
    structured = Weather(location=point.location, period=period, observation=observation, **dated)
    return Answer("\n".join(lines), structured)


def forecast_answer(point: Point, forecast: ForecastDigest, freshness: Freshness) -> Answer:
    keys = {"name", "temperature", "temperature_unit", "short_forecast"}
    text = json.dumps([period.model_dump(include=keys) for period in forecast.periods], indent=2)
    structured = Forecast(location=point.location, periods=forecast.periods, **freshness.stamp(forecast.issued))
    return Answer(text, structured, tuple(freshness.line(point.location.time_zone)))


def alerts_answer(area: str, digest: AlertDigest, limit: int, freshness: Freshness) -> Answer:
    """`area` is a key of AREAS; the first `limit` alerts are shown."""
    shown, hidden = digest.alerts[:limit], len(digest.alerts[limit:])
    text = "\n---\n".join(map(_alert_text, shown)) or f"No active alerts for {AREAS[area]}."
    lines = [text, *_more(hidden, limit), *freshness.line()]
    structured = Alerts(
        state=area,
        state_name=AREAS[area],
        total=len(digest.alerts),
        shown=len(shown),
        counts_by_severity=digest.counts,
        alerts=shown,
        **freshness.stamp(digest.issued),
    )
    return Answer("\n".join(lines), structured)


def _temperature(period: Period) -> str | None:
    return None if period.temperature is None else f"{period.temperature}°{period.temperature_unit}"


def _wind(period: Period) -> str | None:
    return period.wind_speed and " ".join(filter(None, (period.wind_speed, period.wind_direction)))


def _observed(seen: Observation, time_zone: str | None) -> Iterable[str]:
    """No line at all when nothing was measured. The wind is told when its speed is known."""
    wind = " ".join(filter(None, ("wind", seen.wind_direction, f"{seen.wind_speed_mph} mph")))
    parts = [
        None if seen.temperature_f is None else f"{seen.temperature_f}°F",
        seen.text,
        None if seen.wind_speed_mph is None else wind if seen.wind_speed_mph else "calm",
    ]
    if any(parts):
        where, when = seen.name or seen.station, _clock(seen.time, time_zone)
        yield f"Observed at {where} {when}: {', '.join(filter(None, parts))}"


def _alert_text(alert: Alert) -> str:
    return "\n".join(
        _labelled(
            ("Event", alert.event),
            ("Area", alert.area),
            ("Severity", alert.severity),
            ("Description", alert.description),
            ("Instructions", alert.instructions),
        )
    )


def _labelled(*pairs: tuple[str, str | None]) -> Iterable[str]:
    return (f"{label}: {value}" for label, value in pairs if value)


def _more(hidden: int, limit: int) -> Iterable[str]:
    if hidden:
        hint = f"; ask with a higher limit (at most {MOST_ALERTS})" if limit < MOST_ALERTS else ""
        yield f"{hidden} more alert{'s' if hidden > 1 else ''} not shown{hint}."


def _ago(minutes: int) -> str:
    if minutes < 1:
        return "less than a minute ago"
    count, unit = (minutes, "minute") if minutes < 120 else (minutes // 60, "hour")
    return f"{count} {unit}{'s' if count > 1 else ''} ago"


def _clock(time: datetime, time_zone: str | None) -> str:
    return f"{time.astimezone(_zone(time_zone)):%H:%M %Z}"


def _zone(name: str | None) -> tzinfo:
    """UTC for what is not the name of a zone; OSError is what `ZoneInfo("America")` raises, a directory."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC
