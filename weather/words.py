"""Formats data as lines of text. Programs may rely on the labels of the labelled lines and on their order."""

from collections.abc import Iterable
from datetime import UTC, datetime, tzinfo
from functools import cache, lru_cache
from zoneinfo import ZoneInfo

from weather.errors import duration
from weather.nws import Alert, Location, Observation, Period

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
# By the suffix of a field's name; a percentage of a period has none.
UNITS = {"_f": "°F", "_c": "°C", "_mph": " mph", "_kmh": " km/h", "_in_hg": " inHg", "_hpa": " hPa"}
UNITS |= {"_miles": " miles", "_km": " km", "_percent": "%", "": "%"}
MEASURES = {"wind_gust": "gusts", "wind_chill": "feels like (wind chill)", "heat_index": "feels like (heat index)"}
MEASURES |= {"dewpoint": "dew point", "humidity": "humidity", "pressure": "pressure", "visibility": "visibility"}


def labelled(*pairs: tuple[str, str | None]) -> Iterable[str]:
    return (f"{label}: {value}" for label, value in pairs if value)


def facts(*pairs: tuple[str, str | None]) -> str:
    return ", ".join(f"{label} {value}".strip() for label, value in pairs if value)


def measure(data: Period | Observation, name: str) -> str | None:
    """The value of the field with its unit, in whichever system of units the data has it."""
    for field, unit in _fields(type(data), name):
        if (value := getattr(data, field)) is not None:
            return f"{value:g}{unit}"
    return None


@cache
def _fields(data: type[Period | Observation], name: str) -> list[tuple[str, str]]:
    """The fields of a measure, each with its unit."""
    return [(name + suffix, unit) for suffix, unit in UNITS.items() if name + suffix in data.model_fields]


def temperature(period: Period) -> str | None:
    return None if period.temperature is None else f"{period.temperature}°{period.temperature_unit}"


def wind(period: Period) -> str | None:
    return period.wind_speed and " ".join(filter(None, (period.wind_speed, period.wind_direction)))


def where(place: str | None, location: Location) -> str:
    """ "Boston, MA (42.3521, -71.0707), near Boston, MA, times of America/New_York"."""
    named = f"{place} ({point(location)})" if place else point(location)
    times = location.time_zone if zone(location.time_zone) else None
    return facts(("", named), ("", near(location) if location.city or location.state else None), ("times of", times))


def near(location: Location) -> str:
    """ "near Boston, MA", or the coordinates."""
    named = ", ".join(filter(None, (location.city, location.state)))
    return f"near {named}" if named else point(location)


def point(location: Location) -> str:
    return f"{location.latitude}, {location.longitude}"


def outlook(period: Period) -> str:
    """ "Light Snow, wind 5 to 10 mph NW, precipitation 30%"."""
    rain = measure(period, "probability_of_precipitation")
    return facts(("", period.short_forecast), ("wind", wind(period)), ("precipitation", rain))


def hour_name(hour: Period, zone: tzinfo | None) -> str:
    """ "Tue Jan 15 18:00": NWS does not name hours."""
    return _local(hour.start_time, zone) if hour.start_time else hour.name


def _local(time: datetime, zone: tzinfo | None) -> str:
    return _in_zone(time, zone) if zone else _day(time)


@lru_cache(1000)  # An hour ends when the next one starts.
def _in_zone(time: datetime, zone: tzinfo) -> str:
    """Adds the zone's name in the hour that occurs twice when clocks are set back."""
    local = time.astimezone(zone)
    twice = local.utcoffset() != local.replace(fold=1 - local.fold).utcoffset()
    return f"{_day(local)} {local.tzname()}" if twice else _day(local)


def _day(time: datetime) -> str:
    """ "Tue Jan 15 18:00", in half the time of strftime."""
    return f"{DAYS[time.weekday()]} {MONTHS[time.month - 1]} {time.day:02} {time.hour:02}:{time.minute:02}"


def period_line(period: Period, zone: tzinfo | None = None) -> str:
    """ "Tonight, Tue Jan 15 18:00 to Wed Jan 16 06:00: low 21°F, wind 5 to 10 mph NW. Light snow."; local times."""
    kind = {True: "high", False: "low", None: ""}[period.is_daytime]
    degrees = (kind, temperature(period)), ("temperature", period.temperature_trend)
    winds = ("wind", wind(period)), ("gusts", period.wind_gust)
    rain = ("precipitation", measure(period, "probability_of_precipitation"))
    damp = ("dew point", measure(period, "dewpoint")), ("humidity", measure(period, "relative_humidity"))
    values = facts(*degrees, *winds, rain, *damp)
    hours = " to ".join(_local(time, zone) for time in (period.start_time, period.end_time) if time)
    when = hours if hours.startswith(period.name) else facts(("", period.name), ("", hours))
    sentence = " ".join((period.detailed_forecast or period.short_forecast or "").split())
    return f"{when}: {' '.join(filter(None, (values and f'{values}.', sentence))) or 'nothing told.'}"


def observed(observation: Observation, zone: tzinfo | None) -> Iterable[str]:
    """Yields one line, or none if nothing was measured. Wind is included if its speed is known."""
    if values := facts(("", measure(observation, "temperature")), ("", observation.text), ("", _wind(observation))):
        yield f"Observed at {observation.name or observation.station} {clock(observation.time, zone)}: {values}"


def observation_line(observation: Observation, zone: tzinfo | None) -> str:
    """ "Elm Airport (KELM), Tue Jan 15 11:51 EST: 28°F, Cloudy, feels like (wind chill) 19°F, ..."."""
    air = _wind(observation) or (observation.wind_direction and f"wind {observation.wind_direction}")
    measures = ((label, measure(observation, name)) for name, label in MEASURES.items())
    values = facts(("", measure(observation, "temperature")), ("", observation.text), ("", air), *measures)
    where = f"{observation.name} ({observation.station})" if observation.name else observation.station
    return f"{where}, {moment(observation.time, zone)}: {values or 'nothing measured'}."


def _wind(observation: Observation) -> str | None:
    speed = measure(observation, "wind_speed")
    calm = not (observation.wind_speed_mph or observation.wind_speed_kmh)
    return speed and ("calm" if calm else " ".join(filter(None, ("wind", observation.wind_direction, speed))))


def alert_text(alert: Alert) -> str:
    """Keeps the UTC offset of each time, which NWS mostly sends as local time of the area."""
    times = ("Starts", moment(alert.onset)), ("Ends", moment(alert.ends))
    what = ("Event", alert.event), ("Area", alert.area), ("Severity", alert.severity)
    texts = ("Headline", alert.headline), ("Sender", alert.sender), ("Description", alert.description)
    return "\n".join(labelled(*what, *times, *texts, ("Instructions", alert.instructions)))


def alert_line(alert: Alert) -> str:
    """The fields that `alert_text` leaves out, except codes: "Flood Watch: urgency Future, certainty Possible, ..."."""
    terms = (("urgency", alert.urgency), ("certainty", alert.certainty), ("response", alert.response))
    times = (("sent", moment(alert.sent)), ("message expires", moment(alert.expires)))
    return f"{alert.event}: {facts(*terms, ('message', alert.message_type), *times)}"


def ago(seconds: int) -> str:
    return f"{duration(seconds, 'minute') if seconds >= 60 else 'less than a minute'} ago"


def clock(time: datetime, zone: tzinfo | None) -> str:
    return f"{time.astimezone(zone or UTC):%H:%M %Z}"


def moment(time: datetime | None, zone: tzinfo | None = None) -> str | None:
    """In the zone if given, else with the offset of the time itself."""
    local = time.astimezone(zone) if time and zone else time
    return f"{_day(local)} {local.tzname()}" if local else None


def zone(name: str | None) -> tzinfo | None:
    """None for an unknown name. `ZoneInfo("America")` raises OSError, since it is a directory."""
    try:
        return ZoneInfo(name) if name else None
    except (KeyError, ValueError, OSError):
        return None
