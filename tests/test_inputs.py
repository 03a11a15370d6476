"""Arguments → validated input, or one error that names every fault."""

import jsonschema
import pytest

from weather.areas import AREAS
from weather.errors import BadArgument
from weather.inputs import understood
from weather.tools import DEFINITIONS


def schema_of(name):
    return next(tool["inputSchema"] for tool in DEFINITIONS if tool["name"] == name)


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
        ("five", '"five"'),
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
    with pytest.raises(BadArgument) as raised:
        understood("get-alerts", {"state": "CA", "limit": limit})
    assert str(raised.value) == f"Argument 'limit' is {got}; it should be how many alerts at most, from 1 to 200."


@pytest.mark.parametrize(
    "state", [*AREAS, *map(str.lower, AREAS), "Ca", *AREAS.values(), "california", "Washington, D.C.", " ca\n", "D.C"]
)
def test_the_schema_takes_the_states_that_the_server_takes(state):
    understood("get-alerts", {"state": state})
    jsonschema.validate({"state": state, "limit": 5.0}, schema_of("get-alerts"))


@pytest.mark.parametrize("state", [7, None, ["CA"]])
def test_the_schema_refuses_what_can_be_no_state(state):
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"state": state}, schema_of("get-alerts"))


@pytest.mark.parametrize(
    ("tool", "arguments", "same"),
    [
        ("get-weather", {"latitude": "42.5", "longitude": " -73.50° "}, {"latitude": 42.5, "longitude": -73.5}),
        ("get-weather", {"place": "Elm, NY", "latitude": None, "longitude": "", "units": None}, {"place": "Elm, NY"}),
        ("get-weather", {"place": "Elm, NY", "units": "Metric"}, {"place": "Elm, NY", "units": "si"}),
        ("get-weather", {"place": "Elm, NY", "units": " imperial"}, {"place": "Elm, NY", "units": "us"}),
        ("get-weather", {"place": "Elm, NY", "units": "US"}, {"place": "Elm, NY"}),
        ("get-weather", {"place": 2108.0}, {"place": "02108"}),
        ("get-weather", {"place": " 2108 "}, {"place": "02108"}),
        ("get-weather", {"place": "Elm," + " " * 200 + "NY"}, {"place": "Elm, NY"}),
        ("get-forecast", {"place": "Elm, NY", "hourly": "True"}, {"place": "Elm, NY", "hourly": True}),
        ("get-forecast", {"place": "Elm, NY", "hourly": "no"}, {"place": "Elm, NY", "hourly": False}),
        ("get-forecast", {"place": "Elm, NY", "hourly": " ON "}, {"place": "Elm, NY", "hourly": True}),
        ("get-forecast", {"place": "Elm, NY", "hourly": 1}, {"place": "Elm, NY", "hourly": True}),
        (
            "get-alerts",
            {"state": "NY", "limit": "5", "severity": "sEVERE"},
            {"state": "NY", "limit": 5, "severity": "Severe"},
        ),
        ("get-alerts", {"state": "NY", "place": None, "event": "", "severity": None, "limit": None}, {"state": "NY"}),
        ("get-alerts", {"state": "NY", "limit": "25.0", "nonsense": None}, {"state": "NY"}),
    ],
    ids=str,
)
def test_unambiguous_variants_are_accepted(tool, arguments, same):
    assert understood(tool, arguments) == understood(tool, same)


@pytest.mark.parametrize("units", ["kelvin", "true", "5"])
def test_another_word_is_no_system_of_units(units):
    with pytest.raises(BadArgument, match="it should be us for"):
        understood("get-weather", {"place": "Elm, NY", "units": units})


def test_one_error_names_all_faults_of_a_call():
    with pytest.raises(BadArgument) as raised:
        understood("get-forecast", {"lat": 42, "Lon": -71, "units": "kelvin", "hourly": "maybe", "days": 3})
    assert str(raised.value).split(" Argument ") == [
        "Argument 'units' is \"kelvin\"; it should be us for °F, mph, miles and inHg, or si for °C, km/h, km and hPa.",
        "'hourly' is \"maybe\"; it should be true for the next 48 hours one by one, false for half days.",
        "'lat' is not known; it should be called latitude here.",
        "'Lon' is not known; it should be called longitude here.",
        "'days' is not known; it should be left out: get-forecast takes place, latitude, longitude, units, hourly.",
    ]
    with pytest.raises(BadArgument) as raised:
        understood("get-alerts", {f"x{number}": 1 for number in range(1000)})
    assert str(raised.value).count("not known") == 10


@pytest.mark.parametrize(
    ("tool", "name", "advice"),
    [
        ("get-weather", "city", "called place here"),
        ("get-weather", "location", "called place here"),
        ("get-weather", "zip", "called place here"),
        ("get-weather", "state", "part of place, such as Boston, MA"),
        ("get-weather", "lng", "called longitude here"),
        ("get-alerts", "area", "called state here"),
        ("get-alerts", "zone", "left out: of a place, all its zones are asked"),
        ("get-alerts", "State", "called state here"),
        ("get-weather", "Latitude", "called latitude here"),
    ],
)
def test_an_argument_by_another_name_gets_the_right_one(tool, name, advice):
    with pytest.raises(BadArgument) as raised:
        understood(tool, {name: "Elm"})
    assert "place' is missing" not in str(raised.value) or name in ("state", "zone")
    assert f"Argument '{name}' is not known; it should be {advice}." in str(raised.value)
