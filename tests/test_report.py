"""Arguments → question, what is kept of NWS's answers → answer, and the names of areas: pure functions, in tables."""

import json
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from weather.areas import AREAS, area_code
from weather.errors import BadArgument
from weather.nws import Alert, AlertDigest, ForecastDigest, Location, Observation, Period, Point
from weather.questions import Area, understood
from weather.report import (
    Alerts,
    Forecast,
    Freshness,
    Weather,
    alerts_answer,
    forecast_answer,
    weather_answer,
)

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
    return Period(**known | fields)


def forecast(*periods):
    return ForecastDigest(issued="2030-01-15T15:30:00+00:00", periods=periods)


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
    return AlertDigest(alerts=several, counts={"Severe": len(several)} if several else {})


def weather_text(fields=None, observed=None, freshness=LIVE, where=None):
    return weather_answer(where or here(), forecast(period(**(fields or {}))), observed, freshness).text


# Areas


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("CA", "CA"),
        (" ca\n", "CA"),
        ("california", "CA"),
        ("NEW  YORK", "NY"),
        ("District of Columbia", "DC"),
        ("Washington DC", "DC"),
        ("Washington, D.C.", "DC"),
        ("Washington,DC", "DC"),
        ("Washington", "WA"),
        ("Virgin Islands", "VI"),
        ("U.S. Virgin Islands", "VI"),
        ("US Virgin Islands", "VI"),
        ("Northern Mariana Islands", "MP"),
        ("Micronesia", "FM"),
        ("gm", "GM"),
        ("Gulf of America", "GM"),
        ("lake st clair", "LC"),
    ],
)
def test_an_area_is_known_by_code_or_name(text, code):
    assert area_code(text) == code


@pytest.mark.parametrize("text", ["", "ZZ", "Ontario", "CA; TX"])
def test_what_is_no_area_has_no_code(text):
    with pytest.raises(ValueError, match=r"^$"):
        area_code(text)


def test_every_area_is_known_by_its_code_and_by_its_name():
    assert len(AREAS) == 59 + 15
    for code, name in AREAS.items():
        assert area_code(code.lower()) == area_code(name.upper()) == code


# Questions


@pytest.mark.parametrize("limit", [1, 5, 25, 200])
def test_a_whole_number_is_one_whatever_its_spelling(limit):
    asked = understood("get-alerts", {"state": "CA", "limit": float(limit)})
    assert asked == understood("get-alerts", {"state": "CA", "limit": limit})
    assert type(asked.limit) is int


@pytest.mark.parametrize(
    ("limit", "got"),
    [
        (5.5, "5.5"),
        (True, "true"),
        ("5", '"5"'),
        (None, "null"),
        ([5], "[5]"),
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (-5.0, "-5.0"),
        (200.5, "200.5"),
        (2.01e2, "201.0"),
        (1e300, "1e+300"),
        (float("inf"), "Infinity"),
        (float("nan"), "NaN"),
    ],
    ids=str,
)
def test_what_is_no_limit_is_refused_in_a_sentence(limit, got):
    with pytest.raises(BadArgument) as told:
        understood("get-alerts", {"state": "CA", "limit": limit})
    assert str(told.value) == f"Argument 'limit' is {got}; it should be how many alerts at most, from 1 to 200."


@pytest.mark.parametrize(
    "state", [*AREAS, *map(str.lower, AREAS), "Ca", *AREAS.values(), "california", "Washington, D.C.", " ca\n", "D.C"]
)
def test_the_schema_takes_the_states_that_the_server_takes(state):
    understood("get-alerts", {"state": state})
    jsonschema.validate({"state": state, "limit": 5.0}, Area.model_json_schema())


@pytest.mark.parametrize("state", ["", "C", "C1", "??", 7, None, ["CA"]])
def test_the_schema_refuses_what_can_be_no_state(state):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"state": state}, Area.model_json_schema())


# Answers


def test_the_weather_is_the_first_period():
    assert weather_text() == (
        "Weather forecast for Tonight:\nTemperature: 21°F\nConditions: Light Snow\nWind: 5 to 10 mph NW"
    )


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
    digest = forecast(period(), period(name="Wednesday", is_daytime=True))
    answer = weather_answer(here(), digest, observation(), OLD)
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
    assert content["period"]["name"] == digest.periods[0].name
    assert content["period"]["detailedForecast"] == "Light snow.\nLow 21."
    assert content["period"] == digest.periods[0].model_dump(mode="json", exclude_none=True)
    assert (content["stale"], content["ageSeconds"]) == (True, 2400)
    assert content["issued"] == "2030-01-15T15:30:00Z"
    assert content["observation"]["windSpeedMph"] == 10


def test_the_forecast_is_json_of_every_period():
    digest = forecast(
        period(),
        period(name="Wednesday", temperature=None, short_forecast="Fog °"),
        Period(name="this period", start_time="2030-01-16T06:00:00-05:00"),
    )
    answer = forecast_answer(here(), digest, LIVE)
    assert answer.text == json.dumps(
        [
            {"name": "Tonight", "temperature": 21, "temperatureUnit": "F", "shortForecast": "Light Snow"},
            {"name": "Wednesday", "temperature": None, "temperatureUnit": "F", "shortForecast": "Fog °"},
            {"name": "this period", "temperature": None, "temperatureUnit": "F", "shortForecast": None},
        ],
        indent=2,
    )
    assert answer.notes == ()
    assert answer.structured.model_dump(mode="json")["periods"][1]["name"] == "Wednesday"


def test_a_stale_forecast_is_json_still_and_says_so_in_a_note():
    answer = forecast_answer(here(), forecast(period()), OLD)
    assert json.loads(answer.text)[0]["name"] == "Tonight"
    assert answer.notes == ("As of 12:00 EST, 40 minutes ago: the National Weather Service is not answering.",)


def test_alerts_are_told_one_after_the_other():
    digest = alerts(alert("a"), alert("b", severity="Minor", instructions=None, description=None))
    assert alerts_answer("NY", digest, 20, LIVE).text == (
        "Event: Flood Watch\nArea: Elm County\nSeverity: Severe\nDescription: Rain.\n\nMore rain.\n"
        "Instructions: Stay dry.\n---\nEvent: Flood Watch\nArea: Elm County\nSeverity: Minor"
    )


@pytest.mark.parametrize(
    ("count", "limit", "line"),
    [
        (3, 2, "1 more alert not shown; ask with a higher limit (at most 200)."),
        (5, 2, "3 more alerts not shown; ask with a higher limit (at most 200)."),
        (203, 200, "3 more alerts not shown."),
        (2, 2, "Instructions: Stay dry."),
    ],
)
def test_alerts_beyond_the_limit_are_counted(count, limit, line):
    digest = alerts(*(alert(str(n)) for n in range(count)))
    answer = alerts_answer("NY", digest, limit, LIVE)
    assert answer.text.split("\n")[-1] == line
    assert answer.text.count("Event: ") == limit
    content = answer.structured.model_dump(mode="json", exclude_none=True)
    assert (content["total"], content["shown"], len(content["alerts"])) == (count, limit, limit)
    assert content["countsBySeverity"] == {"Severe": count}
    assert (content["state"], content["stateName"]) == ("NY", "New York")


def test_no_alerts_are_told_by_the_name_of_the_state():
    none = alerts()
    assert alerts_answer("PR", none, 20, LIVE).text == "No active alerts for Puerto Rico."
    assert alerts_answer("PR", none, 20, OLD).text == (
        "No active alerts for Puerto Rico.\n"
        "As of 17:00 UTC, 40 minutes ago: the National Weather Service is not answering."
    )


def test_an_alert_without_a_severity_has_no_line_of_it():
    assert alerts_answer("NY", alerts(Alert(id="a", event="Flood Watch")), 20, LIVE).text == "Event: Flood Watch"
    assert "\nSeverity: Unknown\n" in alerts_answer("NY", alerts(alert(severity="Unknown")), 20, LIVE).text


def test_a_structured_alert_leaves_out_what_is_missing():
    digest = alerts(alert(headline=None, instructions="", ends="2030-01-16T00:00:00-05:00", sender="NWS Elm"))
    [content] = alerts_answer("NY", digest, 1, LIVE).structured.model_dump(mode="json", exclude_none=True)["alerts"]
    assert content == {
        "id": "a",
        "event": "Flood Watch",
        "area": "Elm County",
        "severity": "Severe",
        "description": "Rain.\n\nMore rain.",
        "ends": "2030-01-16T00:00:00-05:00",
        "sender": "NWS Elm",
    }


@pytest.mark.parametrize("model", [Weather, Forecast, Alerts])
def test_the_schema_has_the_names_of_the_wire_and_asks_for_no_optional_field(model):
    schema = model.model_json_schema(mode="serialization")
    assert {"ageSeconds", "issued"} <= schema["properties"].keys()
    assert not {"ageSeconds", "issued", "observation"} & set(schema["required"])
    required = {name for part in schema["$defs"].values() for name in part["required"]}
    assert required <= {"name", "id", "event", "latitude", "longitude", "station", "time"}
    assert "_" not in "".join(name for part in schema["$defs"].values() for name in part["properties"])
