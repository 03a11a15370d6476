"""The structured content of the tools' results, and so their output schemas."""

from datetime import datetime
from typing import Literal

from weather.nws import Alert, Location, Observation, Period, Severity
from weather.nws.shapes import CamelModel

Source = Literal["live", "simulated"]


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
    """`ageSeconds` is given when the data is stale. Left out of `periods` is what follows from the rest: `startTime` 12
    hours, or of hours 1 hour, after that of the period before; `endTime` where the next period starts then; `isDaytime`
    where it is not that of the period before; `temperatureUnit` after the first; and `shortForecast` where
    `detailedForecast` begins with it, up to the first full stop or ", with a".
    """

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
