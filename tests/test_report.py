"""Data of NWS → text and structured content of the tools: pure functions, in tables."""

import json
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from weather import inputs, report
from weather.errors import Outdated
from weather.nws import Alert, AlertsData, ForecastData, Location, Observation, Period, Point
from weather.report import Freshness
from weather.results import AlertsResult, ForecastResult, WeatherResult
from weather.words import observation_line, period_line

NOON = datetime(2030, 1, 15, 17, 0, tzinfo=UTC)  # in New York
LIVE = Freshness("live", fetched=NOON, stale=False, now=NOON)
OLD = Freshness("live", fetched=NOON, stale=True, now=NOON + timedelta(minutes=40))


def here(**location):
    location = {"latitude": 42.5, "longitude": -73.5, "time_zone": "America/New_York"} | location
    return Point(location=Location(**location), forecast="")


def period(**fields):
    known = {
        "name": "Tonight",
        "is_daytime": False,
        "temperature": 21,
        "wind_speed": "5 to 10 mph",
        "wind_direction": "NW",
        "short_forecast": "Light Snow",
        "detailed_forecast": "Light snow.\nLow 21.",
    }
    times = {name: datetime.fromisoformat(value) for name, value in fields.items() if name.endswith("_time")}
    return Period(name="x").model_copy(update=known | fields | times)  # as it is: the model reads NWS's forms


def forecast(*periods):
    return ForecastData(issued="2030-01-15T15:30:00+00:00", periods=periods)


def observation(**fields):
    known = {
        "station": "KELM",
        "name": "Elm Airport",
        "time": datetime(2030, 1, 15, 16, 51, tzinfo=UTC),
        "temperature_f": 28,
        "text": "Cloudy",
        "wind_direction": "NW",
        "wind_speed_mph": 10,
    }
    return Observation.model_construct(**known | fields)  # as it is: the model reads NWS's forms


def alert(identifier="a", **fields):
    known = {
        "event": "Flood Watch",
        "area": "Elm County",
        "severity": "Severe",
        "description": "Rain.\n\nMore rain.",
        "instructions": "Stay dry.",
    }
    return Alert(id=identifier, **known | fields)


def alerts(*several):
    return AlertsData(alerts=several)


def weather_answer(point, data, seen, freshness, place=None, units="us"):
    asked = inputs.WeatherArgs.model_construct(place=place, units=units)
    return report.weather_answer(asked, point, data, seen, freshness)


def forecast_answer(point, data, freshness, place=None, units="us", hourly=False):
    asked = inputs.ForecastArgs.model_construct(place=place, units=units, hourly=hourly)
    return report.forecast_answer(asked, point, data, freshness)


def sought(state=None, **more):
    return inputs.AlertsArgs.model_construct(state=state, **more)


def alerts_answer(asked, data, limit, freshness):
    return report.alerts_answer(asked.model_copy(update={"limit": limit}), data, freshness)


def weather_text(fields=None, observed=None, freshness=LIVE, where=None):
    return weather_answer(where or here(), forecast(period(**(fields or {}))), observed, freshness).text


def test_the_weather_is_that_of_the_period_that_runs_now():
    ends = {"start_time": "2030-01-15T06:00:00-05:00", "end_time": "2030-01-15T12:00:00-05:00"}
    today = {"start_time": "2030-01-15T12:00:00-05:00", "end_time": "2030-01-15T18:00:00-05:00"}
    data = forecast(period(name="This Morning", **ends), period(name="This Afternoon", **today), period())
    answer = weather_answer(here(), data, None, LIVE)
    assert answer.text.startswith("Weather forecast for This Afternoon:")
    assert answer.until == datetime.fromisoformat(today["end_time"])
    before = Freshness("live", NOON, stale=False, now=NOON - timedelta(seconds=1))
    answer = weather_answer(here(), data, None, before)
    assert answer.text.startswith("Weather forecast for This Morning:")
    assert answer.until == NOON


def test_a_period_without_an_end_is_over_when_the_next_begins():
    data = forecast(period(name="One"), period(name="Two", start_time="2030-01-15T12:00:00-05:00"), period(name="3"))
    assert weather_answer(here(), data, None, LIVE).text.startswith("Weather forecast for Two:")
    assert weather_answer(here(), forecast(period()), None, LIVE).until is None


@pytest.mark.parametrize("answer", [weather_answer, partial(forecast_answer), partial(forecast_answer, hourly=True)])
def test_a_forecast_that_is_over_is_an_error_with_its_age(answer):
    data = forecast(period(name="Sunday", end_time="2030-01-13T18:00:00-05:00"))
    fresh = Freshness("live", NOON, stale=False, now=NOON + timedelta(days=3))
    arguments = (None, fresh) if answer is weather_answer else (fresh,)
    with pytest.raises(Outdated) as told:
        answer(here(), data, *arguments)
    assert str(told.value) == (
        "The National Weather Service gave a forecast whose periods are all over: it is 3 days old."
        " Try again in a minute."
    )


def test_the_weather_is_the_first_period():
    assert weather_text() == (
        "Weather forecast for Tonight:\nTemperature: 21°F\nConditions: Light Snow\nWind: 5 to 10 mph NW"
    )


def test_day_and_night_are_left_out_of_the_structured_forecast_where_they_alternate():
    days = True, False, False, True, False, True
    told = json.loads(forecast_answer(here(), forecast(*(period(is_daytime=day) for day in days)), LIVE).json())
    assert [each.get("isDaytime") for each in told["periods"]] == [True, None, False, None, None, None]


def test_the_structured_forecast_of_a_rainy_week_is_short():
    """Its sentences are as long as in the longest week that was seen, their beginnings as often the short forecast."""
    rain = "Rain likely. Mostly cloudy, with a high near 49. West southwest wind 5 to 9 mph. Chance is 70%."
    later = "A chance of rain showers before 4pm. Mostly cloudy, with a high near 56. South wind near 3 mph."
    texts = {"short_forecast": "Rain Likely", "detailed_forecast": rain}, {"short_forecast": "Chance Rain Showers"}
    starts = [NOON + timedelta(hours=12 * number) for number in range(15)]
    week = (
        period(
            name="Wednesday Night",
            start_time=start.isoformat(),
            end_time=end.isoformat(),
            is_daytime=number % 2 == 0,
            probability_of_precipitation=70,
            **{"detailed_forecast": later} | texts[number % 2],
        )
        for number, (start, end) in enumerate(pairwise(starts))
    )
    assert 3_000 < len(forecast_answer(here(), forecast(*week), LIVE).json()) <= 4_000


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"wind_direction": "", "wind_speed": "0 mph"}, "Wind: 0 mph"),
        ({"wind_direction": None}, "Wind: 5 to 10 mph"),
        ({"temperature": -3}, "Temperature: -3°F"),
        ({"temperature": 0}, "Temperature: 0°F"),
        ({"temperature": 10, "temperature_unit": "C"}, "Temperature: 10°C"),
    ],
)
def test_a_line_of_the_weather_reads(fields, line):
    assert line in weather_text(fields).split("\n")


def test_a_line_without_a_value_is_left_out():
    assert weather_text({"temperature": None, "wind_speed": None}) == (
        "Weather forecast for Tonight:\nConditions: Light Snow"
    )
    assert weather_text({"short_forecast": None, "wind_speed": ""}) == (
        "Weather forecast for Tonight:\nTemperature: 21°F"
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, wind NW 10 mph"),
        ({"name": None}, "Observed at KELM 11:51 EST: 28°F, Cloudy, wind NW 10 mph"),
        ({"temperature_f": None}, "Observed at Elm Airport 11:51 EST: Cloudy, wind NW 10 mph"),
        ({"text": None}, "Observed at Elm Airport 11:51 EST: 28°F, wind NW 10 mph"),
        ({"wind_direction": None}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, wind 10 mph"),
        ({"wind_speed_mph": None}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy"),
        (
            {"wind_speed_mph": 0},
            "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, calm",
        ),
    ],
)
def test_an_observation_is_one_more_line(fields, line):
    assert weather_text(observed=observation(**fields)) == f"{weather_text()}\n{line}"


def test_an_observation_of_nothing_is_no_line():
    nothing = observation(temperature_f=None, text=None, wind_speed_mph=None)
    assert weather_text(observed=nothing) == weather_text()


@pytest.mark.parametrize(
    ("age", "ago"),
    [
        (timedelta(seconds=-5), "less than a minute ago"),
        (timedelta(seconds=59), "less than a minute ago"),
        (timedelta(seconds=60), "1 minute ago"),
        (timedelta(minutes=40), "40 minutes ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=2), "2 hours ago"),
        (timedelta(hours=26), "26 hours ago"),
    ],
)
def test_stale_weather_says_how_old_it_is(age, ago):
    text = weather_text(freshness=Freshness("live", NOON, stale=True, now=NOON + age))
    assert text == f"{weather_text()}\nAs of 12:00 EST, {ago}: the National Weather Service is not answering."


@pytest.mark.parametrize("zone", [None, "", "Nowhere/Land", "America", "../etc/passwd", "/etc/passwd", "a\0b"])
def test_the_time_is_utc_where_the_zone_is_unknown(zone):
    assert "\nAs of 17:00 UTC, " in weather_text(freshness=OLD, where=here(time_zone=zone))


def test_structured_weather_holds_all_of_it():
    data = forecast(period(), period(name="Wednesday", is_daytime=True))
    answer = weather_answer(here(), data, observation(), OLD)
    content = answer.structured.model_dump(mode="json", exclude_none=True)
    assert list(content) == [
        "issued",
        "source",
        "stale",
        "ageSeconds",
        "location",
        "period",
        "observation",
    ]
    assert content["period"]["name"] == data.periods[0].name
    assert content["period"]["detailedForecast"] == "Light snow.\nLow 21."
    assert content["period"] == data.periods[0].model_dump(mode="json", exclude_none=True)
    assert (content["stale"], content["ageSeconds"]) == (True, 2400)
    assert content["issued"] == "2030-01-15T15:30:00Z"
    assert content["observation"]["windSpeedMph"] == 10


def test_the_forecast_is_json_of_every_period():
    data = forecast(
        period(),
        period(name="Wednesday", temperature=None, short_forecast="Fog °"),
        Period(name="this period", start_time="2030-01-16T06:00:00-05:00"),
    )
    answer = forecast_answer(here(), data, LIVE)
    assert answer.text == json.dumps(
        [
            {
                "name": "Tonight",
                "temperature": 21,
                "temperatureUnit": "F",
                "shortForecast": "42.5, -73.5: Light Snow, wind 5 to 10 mph NW",
            },
            {
                "name": "Wednesday",
                "temperature": None,
                "temperatureUnit": "F",
                "shortForecast": "Fog °, wind 5 to 10 mph NW",
            },
            {"name": "this period", "temperature": None, "temperatureUnit": "F", "shortForecast": None},
        ],
        indent=2,
    )
    assert answer.words == (
        "Forecast for 42.5, -73.5, times of America/New_York; issued Tue Jan 15 10:30 EST; live.\n"
        "Tonight: low 21°F, wind 5 to 10 mph NW. Light snow. Low 21.\n"
        "Wednesday: wind 5 to 10 mph NW. Light snow. Low 21.\n"
        "this period, Wed Jan 16 06:00: nothing told."
    )
    assert answer.structured.model_dump(mode="json")["periods"][1]["name"] == "Wednesday"


@pytest.mark.parametrize(
    ("place", "location", "said"),
    [
        ("Elm, NY", {"city": "Oak", "state": "VT"}, "Elm, NY: "),
        (None, {"city": "Oak", "state": "VT"}, "near Oak, VT: "),
        (None, {"state": "VT"}, "near VT: "),
        (None, {}, "42.5, -73.5: "),
    ],
)
def test_the_first_text_of_a_forecast_begins_with_the_place(place, location, said):
    data = forecast(period(probability_of_precipitation=30), period())
    first, second = json.loads(forecast_answer(here(**location), data, LIVE, place).text)
    assert first["shortForecast"] == f"{said}Light Snow, wind 5 to 10 mph NW, precipitation 30%"
    assert second["shortForecast"] == "Light Snow, wind 5 to 10 mph NW"


EVENING, MORNING, NEXT = (f"2030-01-{day}T{hour}:00:00-05:00" for day, hour in ((15, 18), (16, "06"), (16, 18)))


@pytest.mark.parametrize(
    ("first", "second", "left_out"),
    [
        ({"end_time": EVENING}, {"start_time": EVENING}, {"endTime"}),
        ({"start_time": EVENING, "end_time": MORNING}, {"start_time": MORNING, "end_time": NEXT}, {"endTime"}),
        ({"end_time": EVENING}, {"start_time": MORNING}, set()),
        ({"end_time": EVENING}, {}, set()),
        ({"short_forecast": "Light Snow", "detailed_forecast": "Light snow. Cold."}, {}, {"shortForecast"}),
        (
            {"short_forecast": "Light Snow", "detailed_forecast": "Light snow, with a low near 9."},
            {},
            {"shortForecast"},
        ),
        ({"short_forecast": "Light Snow", "detailed_forecast": "Light snow before 8pm."}, {}, set()),
        ({"short_forecast": "Light Snow", "detailed_forecast": "Some light snow."}, {}, set()),
        ({"short_forecast": "Light Snow", "detailed_forecast": None}, {}, set()),
        ({"short_forecast": "Snow 0.5 in", "detailed_forecast": "Snow 0.5 in. Cold."}, {}, set()),
        ({"short_forecast": "Snow, with a Gale", "detailed_forecast": "Snow, with a gale. Cold."}, {}, set()),
    ],
)
def test_what_follows_from_the_rest_is_not_in_the_structured_forecast(first, second, left_out):
    plain = {"detailed_forecast": "Fog."}
    data = forecast(period(**plain | first), period(**plain | second))
    told, other = json.loads(forecast_answer(here(), data, LIVE).json())["periods"]
    whole = data.periods[0].model_dump(mode="json", exclude_none=True)
    assert told == {name: value for name, value in whole.items() if name not in left_out}
    assert "temperatureUnit" in told
    assert "temperatureUnit" not in other


@pytest.mark.parametrize(("hourly", "hours"), [(False, 12), (True, 1)])
def test_a_start_is_left_out_of_the_structured_forecast_where_the_periods_before_tell_it(hourly, hours):
    ends = [NOON + timedelta(hours=number * hours) for number in (1, 2, 3, 5, 6)]
    starts = [end - timedelta(hours=hours) for end in ends]
    data = forecast(*(period(start_time=f"{a}", end_time=f"{b}") for a, b in zip(starts, ends, strict=True)))
    told = json.loads(forecast_answer(here(), data, LIVE, hourly=hourly).json())["periods"]
    left_starts, left_ends = (
        [each.get(name) and datetime.fromisoformat(each[name]) for each in told] for name in ("startTime", "endTime")
    )
    assert left_starts == [starts[0], None, None, starts[3], None]
    assert left_ends == [None, None, ends[2], None, ends[4]]


def test_a_start_with_another_offset_than_the_one_before_stays_in_the_structured_forecast():
    starts = [f"2030-11-03T{hour}:00:00-0{offset}:00" for hour, offset in (("00", 4), ("01", 4), ("01", 5), ("02", 5))]
    data = forecast(*(period(start_time=start) for start in starts))
    told = json.loads(forecast_answer(here(), data, LIVE, hourly=True).json())["periods"]
    assert [each.get("startTime") for each in told] == [starts[0], None, starts[2], None]


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        (
            {"start_time": "2030-01-15T18:00:00-05:00", "end_time": "2030-01-16T06:00:00-05:00"},
            "Tonight, Tue Jan 15 18:00 to Wed Jan 16 06:00: low 21°F, wind 5 to 10 mph NW. Light snow. Low 21.",
        ),
        (
            {"start_time": "2030-01-15T18:00:00-05:00", "end_time": "2030-01-15T19:00:00-05:00", "is_daytime": None},
            "Tonight, Tue Jan 15 18:00 to Tue Jan 15 19:00: 21°F, wind 5 to 10 mph NW. Light snow. Low 21.",
        ),
        (
            {"name": "Tue Jan 15 18:00", "start_time": "2030-01-15T18:00:00-05:00", "wind_speed": None},
            "Tue Jan 15 18:00: low 21°F. Light snow. Low 21.",
        ),
        (
            {"end_time": "2030-01-16T06:00:00-05:00", "is_daytime": True, "wind_direction": None},
            "Tonight, Wed Jan 16 06:00: high 21°F, wind 5 to 10 mph. Light snow. Low 21.",
        ),
        (
            {"temperature": 0, "temperature_trend": "rising", "probability_of_precipitation": 0, "dewpoint_f": -9},
            "Tonight: low 0°F, temperature rising, wind 5 to 10 mph NW, precipitation 0%, dew point -9°F."
            " Light snow. Low 21.",
        ),
        (
            {"dewpoint_c": 0, "relative_humidity": 90, "wind_gust": "25 mph", "detailed_forecast": ""},
            "Tonight: low 21°F, wind 5 to 10 mph NW, gusts 25 mph, dew point 0°C, humidity 90%. Light Snow",
        ),
        (
            {"temperature": None, "wind_speed": None, "short_forecast": None, "detailed_forecast": None},
            "Tonight: nothing told.",
        ),
    ],
)
def test_a_period_is_a_line_in_words(fields, line):
    assert period_line(period(**fields)) == line


@pytest.mark.parametrize(
    ("fields", "facts"),
    [
        ({}, "28°F, Cloudy, wind NW 10 mph"),
        ({"wind_speed_mph": 0, "wind_gust_mph": 0}, "28°F, Cloudy, calm, gusts 0 mph"),
        ({"wind_speed_mph": None}, "28°F, Cloudy, wind NW"),
        (
            {"wind_chill_f": 0, "dewpoint_f": 0},
            "28°F, Cloudy, wind NW 10 mph, feels like (wind chill) 0°F, dew point 0°F",
        ),
        ({"heat_index_f": 99}, "28°F, Cloudy, wind NW 10 mph, feels like (heat index) 99°F"),
        (
            {"humidity_percent": 60, "pressure_in_hg": 30.1, "visibility_miles": 10.0},
            "28°F, Cloudy, wind NW 10 mph, humidity 60%, pressure 30.1 inHg, visibility 10 miles",
        ),
        (
            {"temperature_f": None, "temperature_c": -2, "wind_chill_c": -9, "heat_index_c": 30, "dewpoint_c": -7}
            | {
                "wind_speed_mph": None,
                "wind_speed_kmh": 16,
                "wind_gust_kmh": 40,
                "pressure_hpa": 1013,
                "visibility_km": 2.4,
            },
            "-2°C, Cloudy, wind NW 16 km/h, gusts 40 km/h, feels like (wind chill) -9°C, feels like (heat index) 30°C,"
            " dew point -7°C, pressure 1013 hPa, visibility 2.4 km",
        ),
        ({"temperature_f": None, "text": None, "wind_speed_mph": None, "wind_direction": None}, "nothing measured"),
    ],
)
def test_an_observation_is_a_line_in_words(fields, facts):
    line = observation_line(observation(**fields), ZoneInfo("America/New_York"))
    assert line == f"Elm Airport (KELM), Tue Jan 15 11:51 EST: {facts}."
    assert observation_line(observation(**fields, name=None), None).startswith("KELM, Tue Jan 15 16:51 UTC: ")


@pytest.mark.parametrize(
    ("place", "location", "said"),
    [
        ("Elm, NY", {"city": "Oak", "state": "VT"}, "Elm, NY (42.5, -73.5), near Oak, VT, times of America/New_York"),
        (None, {"city": "Oak", "time_zone": None}, "42.5, -73.5, near Oak"),
        (None, {"time_zone": None}, "42.5, -73.5"),
    ],
)
def test_a_place_is_told_as_it_was_understood(place, location, said):
    note = weather_answer(here(**location), forecast(period()), None, LIVE, place).words
    assert note.startswith(f"Weather for {said}; forecast issued Tue Jan 15 ")
    note = forecast_answer(here(**location), forecast(period()), LIVE, place).words
    assert note.startswith(f"Forecast for {said}; issued Tue Jan 15 ")
    content = weather_answer(here(), forecast(period()), None, LIVE, place).structured
    assert content.place == forecast_answer(here(), forecast(period()), LIVE, place).structured.place == place


def test_the_weather_is_told_in_one_system_of_units_in_text_and_structure():
    data = forecast(period(temperature_si=-6, wind_speed_si="8 to 16 km/h", wind_gust_si="40 km/h"))
    seen = observation(temperature_c=-2, wind_speed_kmh=16)
    answer = weather_answer(here(), data, seen, LIVE, units="si")
    assert answer.text.split("\n")[1:] == [
        "Temperature: -6°C",
        "Conditions: Light Snow",
        "Wind: 8 to 16 km/h NW",
        "Observed at Elm Airport 11:51 EST: -2°C, Cloudy, wind NW 16 km/h",
    ]
    assert "low -6°C, wind 8 to 16 km/h NW, gusts 40 km/h" in answer.words
    content = answer.structured.model_dump(mode="json", exclude_none=True)
    assert content["observation"].keys() & {"temperatureF", "windSpeedMph"} == set()
    assert json.loads(forecast_answer(here(), data, LIVE, units="si").text)[0]["temperature"] == -6


def test_a_forecast_by_the_hour_has_the_next_48_of_those_that_are_not_over():
    ends = [(NOON + timedelta(hours=number - 1)).isoformat() for number in range(60)]
    data = forecast(*(period(name=str(number), end_time=end) for number, end in enumerate(ends)))
    hours = forecast_answer(here(), data, LIVE, hourly=True).structured.periods
    assert [hour.name for hour in hours] == [str(number) for number in range(2, 50)]
    assert len(forecast_answer(here(), data, LIVE).structured.periods) == 58


def test_half_days_that_are_over_are_not_told():
    data = forecast(
        period(name="Monday Night", end_time="2030-01-15T06:00:00-05:00"),
        period(name="Tuesday", end_time="2030-01-15T18:00:00-05:00"),
        period(name="Tuesday Night", end_time="2030-01-16T06:00:00-05:00"),
    )
    answer = forecast_answer(here(), data, LIVE)
    assert [told["name"] for told in json.loads(answer.text)] == ["Tuesday", "Tuesday Night"]
    assert [told.name for told in answer.structured.periods] == ["Tuesday", "Tuesday Night"]
    assert answer.until == datetime.fromisoformat("2030-01-15T18:00:00-05:00")


def test_hours_of_the_night_when_clocks_go_back_differ_in_name():
    """2030-11-03, New York: 1:30 am comes twice. The offset that NWS sends is not that of the zone."""
    first = datetime(2030, 11, 3, 4, tzinfo=UTC)
    hours = [(first + timedelta(hours=number), first + timedelta(hours=number + 1)) for number in range(4)]
    data = forecast(*(period(name="", start_time=f"{a}", end_time=f"{b}") for a, b in hours))
    answer = forecast_answer(here(), data, Freshness("live", first, stale=False, now=first), hourly=True)
    names = ["Sun Nov 03 00:00", "Sun Nov 03 01:00 EDT", "Sun Nov 03 01:00 EST", "Sun Nov 03 02:00"]
    assert [told["name"] for told in json.loads(answer.text)] == names
    assert [line.split(": low")[0] for line in answer.words.split("\n")[1:]] == [
        f"{name} to {end}" for name, end in zip(names, [*names[1:], "Sun Nov 03 03:00"], strict=True)
    ]


@pytest.mark.parametrize(("zone", "start"), [("America/New_York", "13:00"), ("Nowhere/Land", "18:00"), (None, "18:00")])
def test_times_are_those_of_the_zone_that_is_named(zone, start):
    data = forecast(period(start_time="2030-01-15T18:00:00+00:00", end_time="2030-01-15T20:00:00+00:00"))
    words = forecast_answer(here(time_zone=zone), data, LIVE).words
    assert f"Tonight, Tue Jan 15 {start} to" in words
    assert ("times of" in words) == (zone == "America/New_York")


def test_a_stale_forecast_is_json_still_and_says_so_in_a_note():
    answer = forecast_answer(here(), forecast(period()), OLD)
    first = json.loads(answer.text)[0]
    assert first["name"] == "Tonight"
    assert first["shortForecast"].startswith("42.5, -73.5, as of 12:00 EST, 40 minutes ago: Light Snow, ")
    assert answer.words.split("\n")[0] == (
        "As of 12:00 EST, 40 minutes ago: the National Weather Service is not answering."
    )


def test_alerts_are_told_one_after_the_other():
    data = alerts(alert("a"), alert("b", severity="Minor", instructions=None, description=None))
    assert alerts_answer(sought("NY"), data, 20, LIVE).text == (
        "Event: Flood Watch\nArea: Elm County\nSeverity: Severe\nDescription: Rain.\n\nMore rain.\n"
        "Instructions: Stay dry.\n---\nEvent: Flood Watch\nArea: Elm County\nSeverity: Minor"
    )


@pytest.mark.parametrize(
    ("count", "limit", "line"),
    [
        (3, 2, "1 more alert not shown; ask with a higher limit (at most 200)."),
        (5, 2, "3 more alerts not shown; ask with a higher limit (at most 200)."),
        (203, 200, "3 more alerts not shown; ask for a severity, an event or a place."),
        (2, 2, "Instructions: Stay dry."),
    ],
)
def test_alerts_beyond_the_limit_are_counted(count, limit, line):
    data = alerts(*(alert(str(n)) for n in range(count)))
    answer = alerts_answer(sought("NY"), data, limit, LIVE)
    assert answer.text.split("\n")[-1] == line
    assert answer.text.count("Event: ") == limit
    content = answer.structured.model_dump(mode="json", exclude_none=True)
    assert (content["total"], content["shown"], len(content["alerts"])) == (count, limit, limit)
    assert content["countsBySeverity"] == {"Severe": count}
    assert (content["state"], content["stateName"]) == ("NY", "New York")


def test_an_alert_says_when_it_begins_and_ends_and_who_sent_it():
    timed = alert(
        onset="2030-01-15T18:00:00-05:00", ends="2030-01-16T06:30:00-05:00", headline="Flood!", sender="NWS Elm"
    )
    assert alerts_answer(sought("NY"), alerts(timed), 20, LIVE).text == (
        "Event: Flood Watch\nArea: Elm County\nSeverity: Severe\nStarts: Tue Jan 15 18:00 UTC-05:00\n"
        "Ends: Wed Jan 16 06:30 UTC-05:00\nHeadline: Flood!\nSender: NWS Elm\nDescription: Rain.\n\nMore rain.\n"
        "Instructions: Stay dry."
    )


def test_the_rest_of_each_alert_is_told_in_a_second_text():
    whole = alert(
        urgency="Future",
        certainty="Possible",
        response="Avoid",
        message_type="Update",
        sent="2030-01-15T09:00:00-05:00",
        expires="2030-01-15T20:00:00Z",
    )
    data = AlertsData(issued=NOON, alerts=(whole, alert("b", severity="Minor")))
    assert alerts_answer(sought("NY"), data, 20, LIVE).words == (
        "Alerts for New York, issued Tue Jan 15 17:00 UTC; live: 1 Severe, 1 Minor; 2 shown.\n"
        "1. Flood Watch: urgency Future, certainty Possible, response Avoid, message Update,"
        " sent Tue Jan 15 09:00 UTC-05:00, message expires Tue Jan 15 20:00 UTC\n"
        "2. Flood Watch: "
    )
    note = alerts_answer(sought(place="Elm, NY", latitude=42.5, longitude=-73.5), data, 1, LIVE).words
    assert note.startswith("Alerts at the point of Elm, NY (42.5, -73.5), issued ")
    assert note.split("\n")[0].endswith("; live: 1 Severe, 1 Minor; 1 shown.")
    assert alerts_answer(sought("NY"), alerts(), 1, LIVE).words == "Alerts for New York, live: none; 0 shown."


MIXED = alerts(
    alert("1", severity="Extreme", event="Flash Flood Warning"),
    alert("2", severity="Severe", event="Tornado Warning"),
    alert("3", severity="Moderate", event="Flood Advisory"),
    alert("4", severity="Minor", event="Small Craft Advisory"),
    alert("5", severity="Unknown", event="Floodgate Notice"),
    alert("6", severity=None, event="Flood Statement"),
)


@pytest.mark.parametrize(
    ("severity", "event", "ids"),
    [
        (None, None, "123456"),
        ("Unknown", None, "123456"),
        ("Minor", None, "123456"),
        ("Moderate", None, "123"),
        ("Severe", None, "12"),
        ("Extreme", None, "1"),
        (None, "flood", "136"),
        (None, "warning flood", "1"),
        (None, "FLOOD-warnings!", "1"),
        (None, "advisories", "34"),
        (None, "tornado warning, advisories", "234"),
        (None, "statement or tornadoes", "26"),
        (None, "all active flood alerts", "136"),
        ("Moderate", "flood", "13"),
        ("Severe", "advisory", ""),
    ],
)
def test_alerts_are_chosen_by_severity_and_event(severity, event, ids):
    answer = alerts_answer(sought("NY", severity=severity, event=event), MIXED, 20, LIVE)
    content = answer.structured
    assert [one.id for one in content.alerts] == list(ids)
    assert (content.total, content.others) == (len(ids), 6 - len(ids))
    assert sum(content.counts_by_severity.values()) == len(ids)
    assert (content.severity, content.event) == (severity, event)
    names = ", ".join(one.event for one in MIXED.alerts if one.id not in ids)
    others = f"{6 - len(ids)} more alerts in force, not asked for ({names}); ask without severity and event."
    assert answer.text.endswith(others) == (len(ids) < 6)
    assert ", ".join(content.other_events or ()) == names


@pytest.mark.parametrize("severity", ["Extreme", "Severe", "Moderate", "Minor", "Unknown", None])
@pytest.mark.parametrize(
    "event", ["Evacuation - Immediate", "Shelter In Place Warning", "911 Telephone Outage Emergency"]
)
def test_no_severity_hides_a_civil_emergency(severity, event):
    assert sought("NY", severity=severity).selects(alert(event=event, severity="Unknown"))


def test_alerts_that_are_over_by_the_clock_are_neither_shown_nor_counted():
    over = alert("over", over_at=NOON)
    soon, later = NOON + timedelta(minutes=5), NOON + timedelta(hours=5)
    data = alerts(over, alert("later", over_at=later), alert("soon", over_at=soon), alert("open"))
    answer = alerts_answer(sought("NY"), data, 1, LIVE)
    assert [one.id for one in answer.structured.alerts] == ["later"]
    assert (answer.structured.total, answer.structured.counts_by_severity) == (3, {"Severe": 3})
    assert answer.until == soon
    assert alerts_answer(sought("NY"), data, 1, LIVE).until == soon
    assert alerts_answer(sought("NY", event="dust"), data, 1, LIVE).until == soon  # others are counted
    assert alerts_answer(sought("NY"), alerts(over), 9, LIVE).text == "No active alerts for New York."
    assert alerts_answer(sought("NY"), alerts(over), 9, LIVE).until is None


def test_a_name_of_before_is_told_with_that_of_today():
    answer = alerts_answer(sought("NY", event="excessive heat"), alerts(), 9, LIVE)
    assert answer.text == 'No active alerts for New York with "excessive heat" in the name (today: extreme heat).'


def test_what_was_asked_for_a_place_is_told():
    asked = sought(place="Elm, NY", latitude=42.5, longitude=-73.5)
    answer = report.alerts_answer(asked.model_copy(update={"limit": 5}), alerts(), LIVE, ("NYZ001", "NYC003"), "Taken.")
    assert answer.text == "No active alerts for Elm, NY (zones NYZ001, NYC003).\nTaken."
    assert answer.words == ("Alerts for Elm, NY (zones NYZ001, NYC003), near 42.5, -73.5, live: none; 0 shown.")
    assert (answer.structured.zones, answer.structured.note) == (("NYZ001", "NYC003"), "Taken.")


def test_what_was_taken_for_a_place_is_told_by_each_tool():
    weather = report.weather_answer(
        inputs.WeatherArgs.model_construct(place="Elm, NY", units="us"),
        here(),
        forecast(period()),
        None,
        LIVE,
        "Taken.",
    )
    told = report.forecast_answer(
        inputs.ForecastArgs.model_construct(place="Elm, NY", units="us"), here(), forecast(period()), LIVE, "Taken."
    )
    assert weather.text.endswith("\nTaken.")
    assert "\nTaken.\n" in told.words
    assert weather.structured.note == told.structured.note == "Taken."


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (sought("CA"), "for California"),
        (sought(latitude=38.9, longitude=-77.03), "at the point 38.9, -77.03"),
        (sought(place="Elm, NY", latitude=38.9, longitude=-77.03), "at the point of Elm, NY (38.9, -77.03)"),
        (sought("CA", severity="Severe"), "for California of severity Severe or worse"),
        (sought("CA", event="flood"), 'for California with "flood" in the name'),
        (
            sought("CA", severity="Moderate", event="flood"),
            'for California of severity Moderate or worse with "flood" in the name',
        ),
    ],
)
def test_none_is_said_of_exactly_what_was_asked(asked, said):
    assert alerts_answer(asked, alerts(), 20, LIVE).text == f"No active alerts {said}."
    one = alerts_answer(asked, alerts(alert(severity="Unknown", event="Dust")), 20, LIVE).text
    others = "\n1 more alert in force, not asked for (Dust); ask without severity and event."
    assert one.endswith(others) == bool(asked.kind)


def test_alerts_too_long_for_one_answer_are_counted():
    data = alerts(*(alert(str(n), description="Rain. " * 1000) for n in range(200)))
    answer = alerts_answer(sought("NY"), data, 200, LIVE)
    shown = len(answer.structured.alerts)
    assert 75_000 < len(answer.text) + len(answer.words) < 85_500
    assert answer.structured.shown == answer.text.count("Event: ") == shown
    assert answer.text.endswith(f"\n{200 - shown} more alerts not shown; ask for a severity, an event or a place.")
    assert answer.structured.total == 200


def test_both_texts_together_have_a_bound():
    data = alerts(*(Alert(id=str(n), event="x", area="x" * 600, response="x" * 200) for n in range(200)))
    answer = alerts_answer(sought("NY"), data, 200, LIVE)
    assert 80_000 < len(answer.text) + len(answer.words) < 86_000


def test_a_higher_limit_is_no_advice_where_the_text_is_full():
    data = alerts(*(alert(str(n), description="Rain. " * 1000) for n in range(200)))
    text = alerts_answer(sought("NY"), data, 100, LIVE).text
    assert text.endswith("more alerts not shown; ask for a severity, an event or a place.")


@pytest.mark.parametrize(
    ("field", "most"),
    [
        *(("area", 15_000), ("description", 15_000), ("instructions", 15_000)),
        *(("headline", 2_000), ("sender", 200), ("event", 200)),
    ],
)
def test_a_value_without_end_is_cut_in_text_and_structure(field, most):
    answer = alerts_answer(sought("NY"), alerts(alert(**{field: "x" * (most + 1)}), alert("b")), 20, LIVE)
    cut = getattr(answer.structured.alerts[0], field)
    assert cut == "x" * most + "... (longer: see weather.gov)"
    assert cut in answer.text
    assert answer.structured.shown == 2


def test_one_alert_is_shown_however_long_and_is_short_enough():
    texts = ("event", "area", "headline", "sender", "description", "instructions", "certainty", "response")
    endless = alert(**dict.fromkeys((*texts, "message_type"), "x" * 300_000))
    answer = alerts_answer(sought("NY"), alerts(endless, endless), 20, LIVE)
    assert answer.structured.shown == 1
    assert len(answer.text) + len(answer.words) < 86_000


def test_no_alerts_are_told_by_the_name_of_the_state():
    none = alerts()
    assert alerts_answer(sought("PR"), none, 20, LIVE).text == "No active alerts for Puerto Rico."
    assert alerts_answer(sought("PR"), none, 20, OLD).text == (
        "No active alerts for Puerto Rico.\n"
        "As of 17:00 UTC, 40 minutes ago: the National Weather Service is not answering."
    )


def test_an_alert_without_a_severity_has_no_line_of_it():
    assert (
        alerts_answer(sought("NY"), alerts(Alert(id="a", event="Flood Watch")), 20, LIVE).text == "Event: Flood Watch"
    )
    assert "\nSeverity: Unknown\n" in alerts_answer(sought("NY"), alerts(alert(severity="Unknown")), 20, LIVE).text


def test_a_structured_alert_leaves_out_what_is_missing():
    data = alerts(alert(headline=None, instructions="", ends="2030-01-16T00:00:00-05:00", sender="NWS Elm"))
    [content] = alerts_answer(sought("NY"), data, 1, LIVE).structured.model_dump(mode="json", exclude_none=True)[
        "alerts"
    ]
    assert content == {
        "id": "a",
        "event": "Flood Watch",
        "area": "Elm County",
        "severity": "Severe",
        "description": "Rain.\n\nMore rain.",
        "ends": "2030-01-16T00:00:00-05:00",
        "sender": "NWS Elm",
    }


@pytest.mark.parametrize("model", [WeatherResult, ForecastResult, AlertsResult])
def test_the_schema_has_the_names_of_the_wire_and_asks_for_no_optional_field(model):
    schema = model.model_json_schema(mode="serialization")
    assert {"ageSeconds", "issued"} <= schema["properties"].keys()
    assert not {"ageSeconds", "issued", "observation"} & set(schema["required"])
    required = {name for part in schema["$defs"].values() for name in part.get("required", ())}
    assert required <= {"name", "id", "event", "latitude", "longitude", "station", "time"}
    assert "_" not in "".join(name for part in schema["$defs"].values() for name in part["properties"])
