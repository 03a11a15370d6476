"""Renders the data of NWS as the text and the structured content of a tool's result.

Programs may rely on the form of the first text, and on its values as NWS sends them, line breaks included; to the
`shortForecast` of a forecast it adds wind and precipitation, and to the first one place and age. The second text has
the rest of the structured content in words, except an alert's id and the codes of its zones.
"""

import json
import re
from bisect import bisect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from itertools import accumulate, zip_longest
from typing import Any

import msgspec

from weather import inputs, words
from weather.areas import AREAS
from weather.errors import Outdated
from weather.inputs import MOST_ALERTS
from weather.nws import Alert, AlertsData, ForecastData, Observation, Period, Point
from weather.nws.shapes import CamelModel
from weather.results import AlertsResult, ForecastResult, Source, WeatherResult
from weather.words import facts, labelled, moment

MOST_HOURS = 48
MOST_NAMED, MOST_OUTLOOK = 10, 250
MOST_TEXT = 85_000  # characters, about 25,000 tokens
SEPARATORS = len("\n---\n\n200. ")
_BEGINNING = re.compile(r"(.*?)(?:\.|, with a)", re.DOTALL)


@dataclass(frozen=True)
class Freshness:
    """The source and age of the data. `stale`: it has expired, and NWS does not answer."""

    source: Source
    fetched: datetime
    stale: bool
    now: datetime

    @property
    def age_seconds(self) -> int | None:
        return max(0, int((self.now - self.fetched).total_seconds())) if self.stale else None

    def stamp(self, issued: datetime | None, place: str | None, note: str) -> dict[str, Any]:
        """The fields of all structured content. `issued` is the time that NWS gives."""
        age = {"source": self.source, "stale": self.stale, "age_seconds": self.age_seconds}
        return {"issued": issued, **age, "place": place, "note": note or None}

    def provenance(self, issued: datetime | None, zone: tzinfo | None = None) -> str:
        return f"issued {moment(issued, zone)}; {self.source}" if issued else self.source

    def age(self, zone: tzinfo | None = None) -> str | None:
        """ "as of 14:05 EST, 40 minutes ago" if the data is stale."""
        if self.age_seconds is None:
            return None
        return f"as of {words.clock(self.fetched, zone)}, {words.ago(self.age_seconds)}"

    def line(self, zone: tzinfo | None = None) -> list[str]:
        """["As of 14:05 EST, 40 minutes ago: ..."] if the data is stale, else []."""
        return [f"A{age[1:]}: the National Weather Service is not answering." for age in (self.age(zone),) if age]


@dataclass(frozen=True)
class Rendered:
    """`text` is the first text, `words` the second. At `until` a period or an alert in them ends; None: never.

    `repeated` is what the structured content leaves out, by field and index.
    """

    text: str
    structured: CamelModel
    words: str
    until: datetime | None
    repeated: Mapping[str, Any] | None = None

    def json(self) -> str:
        """The structured content."""
        return self.structured.model_dump_json(exclude=self.repeated, exclude_none=True, ensure_ascii=True)


def coming(forecast: ForecastData, now: datetime) -> Sequence[tuple[Period, datetime | None]]:
    """The periods that are not over, each with its end, which may be the next one's start. Raises Outdated if none."""
    starts = (period.start_time for period in forecast.periods[1:])
    ended = [(period, period.end_time or start) for period, start in zip_longest(forecast.periods, starts)]
    left = [(period, end) for period, end in ended if end is None or end > now]
    if not left:
        raise Outdated((now - (forecast.issued or ended[-1][1] or now)).total_seconds())
    return left


def weather_answer(
    args: inputs.WeatherArgs,
    point: Point,
    forecast: ForecastData,
    observation: Observation | None,
    freshness: Freshness,
    note: str = "",
) -> Rendered:
    """Raises Outdated."""
    location, zone = point.location, words.zone(point.location.time_zone)
    current, until = coming(forecast, freshness.now)[0]
    period, observation = current.said_in(args.units), observation and observation.said_in(args.units)
    conditions, wind = ("Conditions", period.short_forecast), ("Wind", words.wind(period))
    lines = [
        f"Weather forecast for {period.name}:",
        *labelled(("Temperature", words.temperature(period)), conditions, wind),
        *(words.observed(observation, zone) if observation else ()),
        *freshness.line(zone),
        *filter(None, (note,)),
    ]
    more = [
        f"Weather for {words.where(args.place, location)}; forecast {freshness.provenance(forecast.issued, zone)}.",
        words.period_line(period, zone),
        *([words.observation_line(observation, zone)] if observation else ()),
    ]
    about = freshness.stamp(forecast.issued, args.place, note)
    structured = WeatherResult(location=location, period=period, observation=observation, **about)
    return Rendered("\n".join(lines), structured, "\n".join(more), until)


def forecast_answer(
    args: inputs.ForecastArgs, point: Point, forecast: ForecastData, freshness: Freshness, note: str = ""
) -> Rendered:
    """Names hours by their start in the place's time zone. Raises Outdated."""
    location, zone = point.location, words.zone(point.location.time_zone)
    left = coming(forecast, freshness.now)[: MOST_HOURS if args.hourly else None]
    named = ((words.hour_name(period, zone) if args.hourly else period.name, period) for period, _ in left)
    periods = tuple(period.said_in(args.units, name=name) for name, period in named)
    values = [
        {
            "name": period.name,
            "temperature": period.temperature,
            "temperatureUnit": period.temperature_unit,
            "shortForecast": words.outlook(period)[:MOST_OUTLOOK] or None,
        }
        for period in periods
    ]
    about = facts(("", args.place or words.near(location)), ("", freshness.age(zone)))
    values[0]["shortForecast"] = f"{about}: {words.outlook(periods[0])}"[:MOST_OUTLOOK]
    text = msgspec.json.format(json.dumps(values), indent=2)  # as json.dumps indents, which does so in Python
    more = [
        *freshness.line(zone),
        f"Forecast for {words.where(args.place, location)}; {freshness.provenance(forecast.issued, zone)}.",
        *filter(None, (note,)),
        *(words.period_line(period, zone) for period in periods),
    ]
    stamp = freshness.stamp(forecast.issued, args.place, note)
    structured = ForecastResult(location=location, periods=periods, **stamp)
    repeated = dict(enumerate(_repeated(periods, timedelta(hours=1 if args.hourly else 12))))
    return Rendered(text, structured, "\n".join(more), left[0][1], {"periods": repeated})


def _repeated(periods: Sequence[Period], each: timedelta) -> Iterator[set[str]]:
    """The fields of each period, which lasts so long, that follow from the rest; see ForecastResult."""
    expected, was_day = None, None
    for period, following in zip_longest(periods, periods[1:]):
        begins = _BEGINNING.match(period.detailed_forecast or "")
        repeated = {
            "start_time": str(period.start_time) == str(expected),  # with the same offset from UTC, too
            "end_time": following is not None and period.end_time == following.start_time,
            "is_daytime": was_day is not None and period.is_daytime is not was_day,
            "temperature_unit": period is not periods[0],
            "short_forecast": begins is not None and begins[1].lower() == (period.short_forecast or "").lower(),
        }
        yield {name for name, given in repeated.items() if given}
        expected, was_day = period.start_time and period.start_time + each, period.is_daytime


def alerts_answer(
    args: inputs.AlertsArgs,
    data: AlertsData,
    freshness: Freshness,
    zones: tuple[str, ...] | None = None,
    note: str = "",
) -> Rendered:
    """The alerts in force now, at most `limit`, and fewer if the text would exceed MOST_TEXT."""
    active = data.in_force_at(freshness.now)
    matching: list[Alert] = []
    others: list[Alert] = []
    for alert in active:
        (matching if args.selects(alert) else others).append(alert)
    texts = [(words.alert_text(alert), words.alert_line(alert)) for alert in matching[: args.limit]]
    sizes = accumulate(len(text) + len(line) + SEPARATORS for text, line in texts)
    del texts[max(1, bisect(list(sizes), MOST_TEXT)) :]
    shown, counts = len(texts), Counter(alert.severity or "Unknown" for alert in matching)
    where, kinds = _where(args, zones), tuple(dict.fromkeys(alert.event for alert in others))
    higher = f"with a higher limit (at most {MOST_ALERTS})" if shown == args.limit < MOST_ALERTS else None
    lines = [
        "\n---\n".join(text for text, _ in texts) or f"No active alerts {where}{args.kind}.",
        *_left_out(len(matching) - shown, f"not shown; ask {higher or 'for a severity, an event or a place'}"),
        *_left_out(len(others), f"in force, not asked for ({_names(kinds)}); ask without severity and event"),
        *freshness.line(),
        *filter(None, (note,)),
    ]
    totals = ", ".join(f"{count} {severity}" for severity, count in counts.items()) or "none"
    near = f", near {args.latitude}, {args.longitude}" if zones else ""
    more = [
        f"Alerts {where}{near}{args.kind}, {freshness.provenance(data.issued)}: {totals}; {shown} shown.",
        *(f"{number}. {line}" for number, (_, line) in enumerate(texts, 1)),
    ]
    structured = AlertsResult(
        **args.model_dump(exclude={"limit", "place"}),
        **freshness.stamp(data.issued, args.place, note),
        state_name=AREAS.get(args.state),
        zones=zones,
        total=len(matching),
        shown=shown,
        others=len(others),
        other_events=kinds or None,
        counts_by_severity=dict(counts),
        alerts=tuple(matching[:shown]),
    )
    until = min((alert.over_at for alert in active if alert.over_at), default=None)
    return Rendered("\n".join(lines), structured, "\n".join(more), until)


def _where(args: inputs.AlertsArgs, zones: tuple[str, ...] | None) -> str:
    """The location in words: "for California", "for Elm, NY (zones NYZ001, NYC001)", "at the point 47.61, -122.33"."""
    if args.state and not args.place:
        return f"for {AREAS[args.state]}"
    if zones:
        return f"for {args.place} (zones {', '.join(zones)})"
    point = f"{args.latitude}, {args.longitude}"
    return f"at the point of {args.place} ({point})" if args.place else f"at the point {point}"


def _names(names: Sequence[str]) -> str:
    """ "Flood Watch, Wind Advisory and 3 more kinds"."""
    more = len(names) - MOST_NAMED
    return ", ".join(names[:MOST_NAMED]) + (f" and {more} more kind{'s' if more > 1 else ''}" if more > 0 else "")


def _left_out(count: int, why: str) -> Iterable[str]:
    if count:
        yield f"{count} more alert{'s' if count > 1 else ''} {why}."
