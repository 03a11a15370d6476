"""What is kept → lines for reading. The labels and the order of the labelled lines are a promise to programs."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

from weather.nws import Alert, Location, Observation, Period

DAY = "%a %b %d %H:%M"


def labelled(*pairs: tuple[str, str | None]) -> Iterable[str]:
    return (f"{label}: {value}" for label, value in pairs if value)


def temperature(period: Period) -> str | None:
    return None if period.temperature is None else f"{period.temperature}°{period.temperature_unit}"


def wind(period: Period) -> str | None:
    return period.wind_speed and " ".join(filter(None, (period.wind_speed, period.wind_direction)))


def where(place: str | None, location: Location) -> str:
    """ "Boston, MA (42.3521, -71.0707), near Boston, MA, times of America/New_York"."""
    point = f"{location.latitude}, {location.longitude}"
    near = ", ".join(filter(None, (location.city, location.state)))
    parts = (f"{place} ({point})" if place else point, near and f"near {near}", times_of(location))
    return ", ".join(filter(None, parts))


def times_of(location: Location) -> str | None:
    return location.time_zone and f"times of {location.time_zone}"


def period_line(period: Period) -> str:
    """ "Tonight, Tue Jan 15 18:00 to Wed 06:00: low 21°F, wind 5 to 10 mph NW. Light snow. Low 21."."""
    kind = {True: "high ", False: "low ", None: ""}[period.is_daytime]
    degrees, trend = temperature(period), period.temperature_trend
    facts = (
        degrees and kind + degrees,
        trend and f"temperature {trend}",
        wind(period) and f"wind {wind(period)}",
        period.wind_gust and f"gusts {period.wind_gust}",
        _counted("precipitation ", period.probability_of_precipitation, "%"),
        _counted("dew point ", period.dewpoint_f, "°F") or _counted("dew point ", period.dewpoint_c, "°C"),
        _counted("humidity ", period.relative_humidity, "%"),
    )
    hours = _hours(period)
    when = hours if hours.startswith(period.name) else ", ".join(filter(None, (period.name, hours)))
    told = ", ".join(filter(None, facts))
    sentence = " ".join((period.detailed_forecast or period.short_forecast or "").split())
    return f"{when}: {' '.join(filter(None, (told and f'{told}.', sentence))) or 'nothing told.'}"


def _hours(period: Period) -> str:
    """In the local time that NWS gives them in."""
    start, end = period.start_time, period.end_time
    if start is None or end is None:
        return f"{start:{DAY}}" if start else f"until {end:{DAY}}" if end else ""
    return f"{start:{DAY}} to {end:{'%H:%M' if end.date() == start.date() else '%a %H:%M'}}"


def observed(seen: Observation, time_zone: str | None) -> Iterable[str]:
    """No line at all when nothing was measured. The wind is told when its speed is known."""
    parts = [_temperature(seen), seen.text, _wind(seen)]
    if any(parts):
        where, when = seen.name or seen.station, clock(seen.time, time_zone)
        yield f"Observed at {where} {when}: {', '.join(filter(None, parts))}"


def observation_line(seen: Observation, time_zone: str | None) -> str:
    """ "Elm Airport (KELM), Tue Jan 15 11:51 EST: 28°F, Cloudy, feels like 19°F (wind chill), ..."."""
    facts = (
        _temperature(seen),
        seen.text,
        _feels(seen.wind_chill_f, seen.wind_chill_c, "wind chill"),
        _feels(seen.heat_index_f, seen.heat_index_c, "heat index"),
        _counted("dew point ", seen.dewpoint_f, "°F") or _counted("dew point ", seen.dewpoint_c, "°C"),
        _counted("humidity ", seen.humidity_percent, "%"),
        _wind(seen) or (seen.wind_direction and f"wind {seen.wind_direction}"),
        _counted("gusts ", seen.wind_gust_mph, " mph") or _counted("gusts ", seen.wind_gust_kmh, " km/h"),
        _counted("pressure ", seen.pressure_in_hg, " inHg") or _counted("pressure ", seen.pressure_hpa, " hPa"),
        _counted("visibility ", seen.visibility_miles, " miles") or _counted("visibility ", seen.visibility_km, " km"),
    )
    where = f"{seen.name} ({seen.station})" if seen.name else seen.station
    return f"{where}, {moment(seen.time, time_zone)}: {', '.join(filter(None, facts)) or 'nothing measured'}."


def _temperature(seen: Observation) -> str | None:
    return _counted("", seen.temperature_f, "°F") or _counted("", seen.temperature_c, "°C")


def _feels(fahrenheit: int | None, celsius: int | None, why: str) -> str | None:
    told = _counted("", fahrenheit, "°F") or _counted("", celsius, "°C")
    return told and f"feels like {told} ({why})"


def _wind(seen: Observation) -> str | None:
    speed = _counted("", seen.wind_speed_mph, " mph") or _counted("", seen.wind_speed_kmh, " km/h")
    if not (seen.wind_speed_mph or seen.wind_speed_kmh):
        return speed and "calm"
    return " ".join(filter(None, ("wind", seen.wind_direction, speed)))


def _counted(label: str, number: float | None, unit: str) -> str | None:
    return None if number is None else f"{label}{number:g}{unit}"


def alert_text(alert: Alert) -> str:
    """Times are local ones of the area, where NWS gives them so."""
    return "\n".join(
        labelled(
            ("Event", alert.event),
            ("Area", alert.area),
            ("Severity", alert.severity),
            ("Starts", _moment(alert.onset)),
            ("Ends", _moment(alert.ends)),
            ("Headline", alert.headline),
            ("Sender", alert.sender),
            ("Description", alert.description),
            ("Instructions", alert.instructions),
        )
    )


def alert_line(alert: Alert) -> str:
    """The rest of an alert, without its codes: "Flood Watch: urgency Future, certainty Possible, ..."."""
    facts = {
        "urgency": alert.urgency,
        "certainty": alert.certainty,
        "response": alert.response,
        "message": alert.message_type,
        "sent": _moment(alert.sent),
        "expires": _moment(alert.expires),
    }
    return f"{alert.event}: " + ", ".join(f"{name} {fact}" for name, fact in facts.items() if fact)


def ago(minutes: int) -> str:
    if minutes < 1:
        return "less than a minute ago"
    count, unit = (minutes, "minute") if minutes < 120 else (minutes // 60, "hour")
    return f"{count} {unit}{'s' if count > 1 else ''} ago"


def clock(time: datetime, time_zone: str | None) -> str:
    return f"{time.astimezone(_zone(time_zone)):%H:%M %Z}"


def moment(time: datetime, time_zone: str | None = None) -> str:
    """With its own offset, where no zone is told."""
    return f"{time.astimezone(_zone(time_zone)) if time_zone else time:{DAY} %Z}"


def _moment(time: datetime | None) -> str | None:
    return moment(time) if time else None


def _zone(name: str | None) -> tzinfo:
    """UTC for what is not the name of a zone; OSError is what `ZoneInfo("America")` raises, a directory."""
    try:
        return ZoneInfo(name) if name else UTC
    except (KeyError, ValueError, OSError):
        return UTC
