"""Arguments → question, NWS JSON → digest → answer, and the names of areas: pure functions, in tables."""

import json
import time
from datetime import UTC, datetime, timedelta

import jsonschema
import pytest

from weather.areas import AREAS, area_code
from weather.errors import BadAnswer, BadArgument
from weather.nws.digest import (
    Location,
    Point,
    read_alerts,
    read_forecast,
    read_observation,
    read_point,
    read_stations,
)
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

API = "https://api.weather.gov"
NOON = datetime(2030, 1, 15, 17, 0, tzinfo=UTC)  # in New York
LIVE = Freshness("live", fetched=NOON, stale=False, now=NOON)
OLD = Freshness("live", fetched=NOON, stale=True, now=NOON + timedelta(minutes=40))
HERE = Point(location=Location(latitude=42.5, longitude=-73.5, time_zone="America/New_York"))
NOT_OBJECTS = [None, [], "text", 7, float("nan"), True]


def point(**properties):
    links = {"forecast": f"{API}/gridpoints/XYZ/1,2/forecast", "observationStations": f"{API}/stations-near"}
    near = {"properties": {"city": "Elm", "state": "NY"}}
    known = {**links, "type": "land", "relativeLocation": near, "timeZone": "America/New_York"}
    return {"geometry": {"coordinates": [-73.5, 42.5]}, "properties": known | properties}


def period(**fields):
    known = {
        "name": "Tonight",
        "startTime": "2030-01-15T18:00:00-05:00",
        "isDaytime": False,
        "temperature": 21,
        "temperatureUnit": "F",
        "probabilityOfPrecipitation": {"unitCode": "wmoUnit:percent", "value": 30},
        "windSpeed": "5 to 10 mph",
        "windDirection": "NW",
        "shortForecast": "Light Snow",
        "detailedForecast": "Light snow.\nLow 21.",
    }
    return known | fields


def forecast(*periods, **properties):
    return {"properties": {"updateTime": "2030-01-15T15:30:00+00:00", "periods": list(periods)} | properties}


def observation(**properties):
    known = {
        "station": f"{API}/stations/KELM",
        "stationName": "Elm Airport",
        "timestamp": "2030-01-15T16:51:00+00:00",
        "textDescription": "Cloudy",
        "temperature": {"unitCode": "wmoUnit:degC", "value": -2.2, "qualityControl": "V"},
        "windDirection": {"unitCode": "wmoUnit:degree_(angle)", "value": 310},
        "windSpeed": {"unitCode": "wmoUnit:km_h-1", "value": 16.1},
        "windGust": {"unitCode": "wmoUnit:km_h-1", "value": None},
        "relativeHumidity": {"unitCode": "wmoUnit:percent", "value": 67.4},
    }
    return {"properties": known | properties}


def station(code="KELM", **properties):
    known = {"@id": f"{API}/stations/{code}", "stationIdentifier": code, "name": f"{code} Airport"}
    return {"properties": known | properties}


def alert(identifier="a", replaces=(), **properties):
    known = {
        "id": identifier,
        "event": "Flood Watch",
        "areaDesc": "Elm County",
        "severity": "Severe",
        "urgency": "Expected",
        "certainty": "Likely",
        "status": "Actual",
        "messageType": "Alert",
        "references": [{"identifier": old} for old in replaces],
        "description": "Rain.\n\nMore rain.",
        "instruction": "Stay dry.",
        "ends": "2030-01-16T00:00:00-05:00",
        "expires": "2030-01-15T20:00:00-05:00",
        "senderName": "NWS Elm",
    }
    return {"properties": known | properties}


def alerts(*features, **fields):
    return {"features": list(features), "updated": "2030-01-15T16:59:00+00:00"} | fields


def first(**fields):
    return read_forecast(forecast(period(**fields))).periods[0]


def weather_text(fields=None, observed=None, freshness=LIVE, where=HERE):
    seen = None if observed is None else read_observation(observed)
    return weather_answer(where, read_forecast(forecast(period(**(fields or {})))), seen, freshness).text


def ids(*features):
    return [one.id for one in read_alerts(alerts(*features)).alerts]


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
        ("", None),
        ("ZZ", None),
        ("Ontario", None),
        ("CA; TX", None),
    ],
)
def test_an_area_is_known_by_code_or_name(text, code):
    assert area_code(text) == code


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


# Readers


def test_a_point_gives_its_place_and_its_links():
    read = read_point(point())
    assert read.location.model_dump() == {
        "latitude": 42.5,
        "longitude": -73.5,
        "city": "Elm",
        "state": "NY",
        "timeZone": "America/New_York",
    }
    assert (read.forecast, read.stations) == (f"{API}/gridpoints/XYZ/1,2/forecast", f"{API}/stations-near")
    assert not read.marine


def test_a_point_may_lack_links_and_place():
    bare = read_point(point(forecast=None, observationStations="", relativeLocation=None, timeZone=None))
    assert (bare.forecast, bare.stations) == (None, None)
    assert bare.location == Location(latitude=42.5, longitude=-73.5)


def test_a_marine_point_says_so():
    assert read_point(point(type="marine")).marine


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"temperature": -7}, (-7, "F")),
        ({"temperature": 0}, (0, "F")),
        ({"temperature": 10, "temperatureUnit": "C"}, (10, "C")),
        ({"temperature": 71.5}, (72, "F")),
        ({"temperature": None}, (None, "F")),
        ({"temperature": {"unitCode": "wmoUnit:degC", "value": 17.5}, "temperatureUnit": None}, (64, "F")),
        ({"temperature": {"unitCode": "wmoUnit:degC", "value": -40}}, (-40, "F")),
        ({"temperature": {"unitCode": "unit:degF", "value": 50}}, (50, "F")),
        ({"temperature": {"unitCode": "wmoUnit:degC", "value": None}}, (None, "F")),
    ],
)
def test_a_temperature_is_read_in_both_of_its_forms(sent, read):
    assert (first(**sent).temperature, first(**sent).temperature_unit) == read


def test_a_temperature_without_any_unit_is_fahrenheit():
    bare = {key: value for key, value in period().items() if not key.startswith("temperature")}
    assert read_forecast(forecast(bare | {"temperature": 5})).periods[0].temperature_unit == "F"
    assert read_forecast(forecast(bare)).periods[0].temperature is None


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("5 to 10 mph", "5 to 10 mph"),
        ("", None),
        (None, None),
        ({"unitCode": "wmoUnit:km_h-1", "minValue": 8, "maxValue": 16}, "5 to 10 mph"),
        ({"unitCode": "wmoUnit:km_h-1", "minValue": 8, "maxValue": 8.1}, "5 mph"),
        ({"unitCode": "wmoUnit:km_h-1", "value": 11.265}, "7 mph"),
        ({"unitCode": "unit:m_s-1", "value": 10}, "22 mph"),
        ({"unitCode": "km/h", "value": 0}, "0 mph"),
        ({"unitCode": "mph", "value": 12}, "12 mph"),
        ({"unitCode": "wmoUnit:km_h-1", "value": None}, None),
    ],
)
def test_a_wind_speed_is_text_in_mph_whatever_its_form(sent, read):
    assert first(windSpeed=sent).wind_speed == read


@pytest.mark.parametrize("sent", [None, {"unitCode": "wmoUnit:percent", "value": None}])
def test_a_probability_may_be_missing(sent):
    assert first(probabilityOfPrecipitation=sent).probability_of_precipitation is None
    assert first().probability_of_precipitation == 30


def test_a_forecast_was_issued_when_its_data_was_updated():
    generated = "2030-01-15T16:00:00+00:00"
    assert read_forecast(forecast(period())).issued == datetime(2030, 1, 15, 15, 30, tzinfo=UTC)
    assert read_forecast(forecast(period(), updateTime=None, generatedAt=generated)).issued.hour == 16
    assert read_forecast(forecast(period(), updateTime=None)).issued is None
    assert read_forecast(forecast(period(), updateTime="2030-01-15")).issued is None


def test_a_forecast_without_periods_is_a_fault_of_its_sender():
    with pytest.raises(BadAnswer, match="the forecast has no periods"):
        read_forecast(forecast())


def test_a_period_is_kept_in_full():
    extra = {
        "number": 1,
        "endTime": "2030-01-16T06:00:00-05:00",
        "temperatureTrend": "rising",
        "icon": f"{API}/icons/land/night/snow,30?size=medium",
    }
    quantities = {
        "dewpoint": {"unitCode": "wmoUnit:degC", "value": -7.5},
        "relativeHumidity": {"unitCode": "wmoUnit:percent", "value": 81},
        "windGust": {"unitCode": "wmoUnit:km_h-1", "value": 40},
    }
    whole = {"probabilityOfPrecipitation": 30, "dewpointF": 19, "relativeHumidity": 81, "windGust": "25 mph"}
    assert first(**extra, **quantities).model_dump(mode="json") == period(**extra, **whole)


@pytest.mark.parametrize(
    "odd",
    [
        {"number": "1"},
        {"startTime": "6 pm"},
        {"startTime": 5},
        {"endTime": "2030-01-16T06:00:00"},
        {"isDaytime": "yes"},
        {"temperatureTrend": 1},
        {"dewpoint": {"unitCode": "furlong", "value": 1}},
        {"dewpoint": 12},
        {"relativeHumidity": {"unitCode": "wmoUnit:percent", "value": "81"}},
        {"windGust": {"value": 40}},
        {"windGust": 40},
        {"icon": {}},
        {"detailedForecast": ["Snow."]},
    ],
    ids=str,
)
def test_an_odd_optional_field_of_a_period_is_left_out(odd):
    [name] = odd
    without = {key: value for key, value in period().items() if key != name}
    assert first(**odd) == read_forecast(forecast(without)).periods[0]


@pytest.mark.parametrize("named", [{"name": None}, {"name": ""}, {}], ids=str)
def test_a_period_without_a_name_is_this_period(named):
    nameless = {key: value for key, value in period().items() if key != "name"} | named
    assert read_forecast(forecast(nameless)).periods[0].name == "this period"


def test_the_five_nearest_stations_are_kept_in_order():
    read = read_stations({"features": [station(code) for code in "ABCDEFG"]})
    assert [one.id for one in read] == list("ABCDE")
    assert (read[0].name, read[0].url) == ("A Airport", f"{API}/stations/A")
    assert read_stations({"features": [station(name=None)]})[0].name == "KELM"
    assert read_stations({"features": []}) == ()


def test_an_observation_is_read_in_us_units():
    assert read_observation(observation()).model_dump(mode="json", exclude_none=True) == {
        "station": "KELM",
        "name": "Elm Airport",
        "time": "2030-01-15T16:51:00Z",
        "temperatureF": 28,
        "text": "Cloudy",
        "windDirection": "NW",
        "windSpeedMph": 10,
        "humidityPercent": 67,
    }


def test_every_quantity_of_an_observation_may_be_null_or_missing():
    known = {"station": f"{API}/stations/KELM", "timestamp": "2030-01-15T16:51:00Z"}
    quantities = ("temperature", "windDirection", "windSpeed", "windGust", "relativeHumidity")
    nulls = {key: {"unitCode": None, "value": None} for key in quantities}
    assert read_observation({"properties": known | nulls}) == read_observation({"properties": known})


@pytest.mark.parametrize("flag", ["X", "B"])
def test_a_measurement_that_quality_control_rejected_is_none(flag):
    measured = {"unitCode": "wmoUnit:degC", "value": 60, "qualityControl": flag}
    assert read_observation(observation(temperature=measured)).temperature_f is None


@pytest.mark.parametrize(
    ("degrees", "point_of_compass"), [(0, "N"), (11, "N"), (12, "NNE"), (180, "S"), (349, "N"), (360, "N")]
)
def test_a_direction_is_one_of_sixteen(degrees, point_of_compass):
    wind = {"unitCode": "unit:degree_(angle)", "value": degrees}
    assert read_observation(observation(windDirection=wind)).wind_direction == point_of_compass


@pytest.mark.parametrize(
    ("ignored", "why"),
    [
        (alert("b", status="Test"), "a test message"),
        (alert("b", status="TEST", event=None), "a test message that could not be read"),
        (alert("b", status="Exercise"), "an exercise"),
        (alert("b", status="system"), "a message of the system"),
        (alert("b", status="Draft"), "a draft"),
        (alert("b", messageType="Cancel"), "a cancellation"),
        (alert("b", messageType="cancel"), "a cancellation"),
        (alert("a"), "a copy"),
    ],
)
def test_what_is_no_alert_of_its_own_is_dropped(ignored, why):
    assert ids(alert("a"), ignored) == ["a"], why


@pytest.mark.parametrize("field", ["status", "messageType"])
@pytest.mark.parametrize("value", ["Actual", "ACTUAL", "Alert", "Revised", "", None, 7, ["Test"], {}])
def test_no_unknown_status_or_type_hides_an_alert(field, value):
    assert ids(alert("a", **{field: value})) == ["a"]
    bare = alert("b")
    del bare["properties"][field]
    assert ids(bare) == ["b"]


@pytest.mark.parametrize(
    "whole", [{}, {"pagination": None}, {"pagination": {}}, {"pagination": {"next": None}}, {"pagination": []}], ids=str
)
def test_a_page_of_alerts_is_not_passed_for_the_whole(whole):
    assert len(read_alerts(alerts(alert(), **whole)).alerts) == 1
    for found in ([], [alert()]):
        with pytest.raises(BadAnswer, match="the list of alerts has another page"):
            read_alerts(alerts(*found, pagination={"next": f"{API}/alerts/active?cursor=2"}))


@pytest.mark.parametrize(
    "references",
    [
        None,
        {},
        "a",
        ["a"],
        [None],
        [{}],
        [{"identifier": None}],
        [{"identifier": ["a"]}],
        [{"@id": f"{API}/alerts/a"}],
    ],
    ids=str,
)
def test_a_reference_without_an_identifier_is_skipped(references):
    assert sorted(ids(alert("a"), alert("b", references=references))) == ["a", "b"]
    if isinstance(references, list):
        assert ids(alert("a"), alert("b", references=[*references, {"identifier": "a"}])) == ["b"]


@pytest.mark.parametrize(
    "name",
    [
        *("areaDesc", "severity", "urgency", "certainty", "headline", "description", "instruction", "response"),
        *("sent", "effective", "onset", "ends", "expires", "status", "messageType", "category", "senderName"),
        "affectedZones",
    ],
)
@pytest.mark.parametrize("value", [None, {}, [None], ["\ud800"], "", "0001-01-01T00:00:00", "\ud800"], ids=ascii)
def test_an_alert_stays_whatever_its_optional_fields_hold(name, value):
    [read] = read_alerts(alerts(alert(**{name: value}))).alerts
    assert (read.id, read.event) == ("a", "Flood Watch")
    assert read.model_dump_json()


@pytest.mark.parametrize("name", ["sent", "effective", "onset", "ends", "expires"])
@pytest.mark.parametrize("value", ["soon", "", 5, "2030-01-15", "2030-01-15T20:00:00", "9999-12-31T23:59:59Z"])
def test_a_time_of_an_alert_that_cannot_be_read_is_none(name, value):
    assert getattr(read_alerts(alerts(alert(**{name: value}))).alerts[0], name) is None


def test_an_alert_is_its_id_and_its_event():
    read = read_alerts(alerts({"properties": {"id": "a", "event": "Flood Watch"}}, updated="now"))
    assert read.model_dump(mode="json", exclude_none=True) == {
        "alerts": [{"id": "a", "event": "Flood Watch"}],
        "counts": {"Unknown": 1},
    }
    assert alerts_answer("NY", read, 20, LIVE).text == "Event: Flood Watch"


@pytest.mark.parametrize("kind", ["Update", "Cancel"])
def test_an_alert_goes_when_another_names_it(kind):
    replacing = alert("c", replaces=["a", "elsewhere"], messageType=kind)
    assert ids(alert("a"), alert("b"), replacing) == (["b", "c"] if kind == "Update" else ["b"])


@pytest.mark.parametrize(
    "naming",
    [alert("a", replaces=["a"]), alert("b", replaces=["a"], status="Test")],
    ids=["itself", "a test"],
)
def test_an_alert_stays_when_named_by(naming):
    assert "a" in ids(alert("a"), naming)


def test_the_worst_the_most_urgent_and_the_soonest_over_come_first():
    order = [
        alert("1", severity="Extreme", urgency="Unknown"),
        alert("2", urgency="Immediate"),
        alert("3", ends=None, expires="2030-01-15T20:00:00-05:00"),
        alert("4", ends="2030-01-16T00:00:00-05:00", expires="2030-01-15T19:00:00-05:00"),
        alert("5", ends="2030-01-16T00:00:00-08:00"),
        alert("6", ends=None, expires=None),
        alert("7", urgency="Future"),
        alert("8", severity="Minor", urgency="Immediate"),
        alert("9", severity="Unknown", urgency="Immediate"),
    ]
    digest = read_alerts(alerts(*reversed(order)))
    assert [one.id for one in digest.alerts] == list("123456789")
    assert list(digest.counts.items()) == [("Extreme", 1), ("Severe", 6), ("Minor", 1), ("Unknown", 1)]
    assert digest.issued == NOON - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, None),
        ("", None),
        ("Unknown", "Severity: Unknown"),
        ("Catastrophic", "Severity: Unknown"),
        (["Severe"], "Severity: Unknown"),
        ("Minor", "Severity: Minor"),
    ],
)
def test_a_missing_severity_is_no_line_and_counts_as_unknown(value, line):
    digest = read_alerts(alerts(alert(severity=value, urgency=value)))
    assert digest.counts == {"Minor" if value == "Minor" else "Unknown": 1}
    lines = alerts_answer("NY", digest, 20, LIVE).text.split("\n")
    assert [found for found in lines if found.startswith("Severity")] == ([line] if line else [])


def test_a_nationwide_set_is_read_in_less_than_a_second():
    body = alerts(*(alert(str(n), replaces=[f"old{n}"], description="Rain. " * 500) for n in range(600)))
    start = time.process_time()
    assert len(read_alerts(body).alerts) == 600
    assert time.process_time() - start < 1


# Wrong shapes


@pytest.mark.parametrize("reader", [read_point, read_forecast, read_stations, read_observation, read_alerts])
@pytest.mark.parametrize("body", [*NOT_OBJECTS, {}, {"title": "Unexpected Problem", "status": 500}])
def test_what_is_not_the_answer_is_a_bad_answer(reader, body):
    with pytest.raises(BadAnswer):
        reader(body)


@pytest.mark.parametrize(
    ("reader", "body", "what"),
    [
        (read_point, {"properties": {}}, "the point has no coordinates"),
        (
            read_point,
            point() | {"geometry": {"coordinates": [200, 1]}},
            "the point has no readable longitude",
        ),
        (
            read_point,
            point() | {"geometry": {"coordinates": ["a", 1]}},
            "the point has no readable longitude",
        ),
        (read_point, point(forecast=7), "the point has no readable forecast"),
        (read_point, point(relativeLocation=[]), "the nearest place is not a JSON object"),
        (read_forecast, forecast(periods=None), "the forecast has no periods list"),
        (read_forecast, forecast(periods={}), "the forecast has no periods list"),
        (read_forecast, forecast(period(), None), "a forecast period is not a JSON object"),
        (read_forecast, forecast(period(name=5)), "a forecast period has no readable name"),
        (read_forecast, forecast(period(shortForecast=5)), "a forecast period has no readable shortForecast"),
        (read_forecast, forecast(period(temperature="21")), "a forecast period has no readable temperature"),
        (
            read_forecast,
            forecast(period(temperatureUnit="K")),
            "a forecast period has no readable temperatureUnit",
        ),
        (read_forecast, forecast(period(windSpeed=5)), "a forecast period has no readable windSpeed"),
        (read_forecast, forecast(period(windSpeed={"value": 5})), "a period's wind has no known unit"),
        (read_stations, {"features": "none"}, "the list of stations has no features list"),
        (read_stations, {"features": [station(**{"@id": None})]}, "a station has no readable url"),
        (read_observation, observation(station=None), "the observation has no readable station"),
        (read_observation, observation(timestamp=None), "the observation has no readable time"),
        (
            read_observation,
            observation(timestamp="0001-01-01T00:00:00+14:00"),
            "the observation has no readable",
        ),
        (
            read_observation,
            observation(temperature=20),
            "temperature of the observation is not a JSON object",
        ),
        (read_alerts, {"features": None}, "the list of alerts has no features list"),
        (read_alerts, alerts(alert(), None), "an alert is not a JSON object"),
        (read_alerts, alerts({"properties": None}), "an alert has no properties"),
        (read_alerts, alerts(alert(id=None)), "an alert has no readable id"),
        (read_alerts, alerts(alert(id="")), "an alert has no readable id"),
        (read_alerts, alerts({"properties": {"id": "a"}}), "an alert has no readable event"),
        (read_alerts, alerts(alert(event=None)), "an alert has no readable event"),
        (read_alerts, alerts(alert(event="")), "an alert has no readable event"),
        (read_alerts, alerts(alert(), alert("b", event=None, messageType="Cancel")), "an alert has no readable event"),
    ],
)
def test_what_cannot_be_read_is_named(reader, body, what):
    with pytest.raises(BadAnswer, match=what):
        reader(body)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf"), 10**400, True, "5", [], {}])
def test_what_is_no_finite_number_is_a_bad_answer(value):
    with pytest.raises(BadAnswer):
        first(temperature={"unitCode": "wmoUnit:degC", "value": value})
    with pytest.raises(BadAnswer):
        read_observation(observation(windSpeed={"unitCode": "wmoUnit:km_h-1", "value": value}))
    with pytest.raises(BadAnswer):
        read_point(point() | {"geometry": {"coordinates": [value, 42.5]}})


# Answers


def test_the_weather_is_the_first_period():
    assert weather_text() == (
        "Weather forecast for Tonight:\nTemperature: 21°F\nConditions: Light Snow\nWind: 5 to 10 mph NW"
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"windDirection": "", "windSpeed": "0 mph"}, "Wind: 0 mph"),
        ({"windDirection": None}, "Wind: 5 to 10 mph"),
        ({"temperature": -3}, "Temperature: -3°F"),
        ({"temperature": 0}, "Temperature: 0°F"),
        ({"temperature": {"unitCode": "wmoUnit:degC", "value": 0}}, "Temperature: 32°F"),
    ],
)
def test_a_line_of_the_weather_reads(fields, line):
    assert line in weather_text(fields).split("\n")


def test_a_line_without_a_value_is_left_out():
    assert weather_text({"temperature": None, "windSpeed": None}) == (
        "Weather forecast for Tonight:\nConditions: Light Snow"
    )
    assert weather_text({"shortForecast": None, "windSpeed": ""}) == (
        "Weather forecast for Tonight:\nTemperature: 21°F"
    )


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, wind NW 10 mph"),
        ({"stationName": None}, "Observed at KELM 11:51 EST: 28°F, Cloudy, wind NW 10 mph"),
        ({"temperature": None}, "Observed at Elm Airport 11:51 EST: Cloudy, wind NW 10 mph"),
        ({"textDescription": ""}, "Observed at Elm Airport 11:51 EST: 28°F, wind NW 10 mph"),
        ({"windDirection": None}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, wind 10 mph"),
        ({"windSpeed": None}, "Observed at Elm Airport 11:51 EST: 28°F, Cloudy"),
        (
            {"windSpeed": {"unitCode": "wmoUnit:km_h-1", "value": 0}},
            "Observed at Elm Airport 11:51 EST: 28°F, Cloudy, calm",
        ),
    ],
)
def test_an_observation_is_one_more_line(fields, line):
    assert weather_text(observed=observation(**fields)) == f"{weather_text()}\n{line}"


def test_an_observation_of_nothing_is_no_line():
    nothing = observation(temperature=None, textDescription=None, windSpeed=None)
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
    where = Point(location=Location(latitude=1, longitude=2, time_zone=zone))
    assert "\nAs of 17:00 UTC, " in weather_text(freshness=OLD, where=where)


def test_structured_weather_holds_all_of_it():
    digest = read_forecast(forecast(period(), period(name="Wednesday", isDaytime=True)))
    answer = weather_answer(HERE, digest, read_observation(observation()), OLD)
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
    assert content["period"]["probabilityOfPrecipitation"] == 30
    assert (content["stale"], content["ageSeconds"]) == (True, 2400)
    assert content["issued"] == "2030-01-15T15:30:00Z"
    assert content["observation"]["windSpeedMph"] == 10


def test_the_forecast_is_json_of_every_period():
    nothing = {"startTime": "2030-01-16T06:00:00-05:00"}
    digest = read_forecast(
        forecast(period(), period(name="Wednesday", temperature=None, shortForecast="Fog °"), nothing)
    )
    answer = forecast_answer(HERE, digest, LIVE)
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
    answer = forecast_answer(HERE, read_forecast(forecast(period())), OLD)
    assert json.loads(answer.text)[0]["name"] == "Tonight"
    assert answer.notes == ("As of 12:00 EST, 40 minutes ago: the National Weather Service is not answering.",)


def test_alerts_are_told_one_after_the_other():
    digest = read_alerts(alerts(alert("a"), alert("b", severity="Minor", instruction=None, description=None)))
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
    digest = read_alerts(alerts(*(alert(str(n)) for n in range(count))))
    answer = alerts_answer("NY", digest, limit, LIVE)
    assert answer.text.split("\n")[-1] == line
    assert answer.text.count("Event: ") == limit
    content = answer.structured.model_dump(mode="json", exclude_none=True)
    assert (content["total"], content["shown"], len(content["alerts"])) == (count, limit, limit)
    assert content["countsBySeverity"] == {"Severe": count}
    assert (content["state"], content["stateName"]) == ("NY", "New York")


def test_no_alerts_are_told_by_the_name_of_the_state():
    none = read_alerts(alerts())
    assert alerts_answer("PR", none, 20, LIVE).text == "No active alerts for Puerto Rico."
    assert alerts_answer("PR", none, 20, OLD).text == (
        "No active alerts for Puerto Rico.\n"
        "As of 17:00 UTC, 40 minutes ago: the National Weather Service is not answering."
    )


def test_a_structured_alert_is_whole_and_leaves_out_what_is_missing():
    more = {
        "sent": "2030-01-15T09:00:00-05:00",
        "effective": "2030-01-15T10:00:00-05:00",
        "category": "Met",
        "response": "Avoid",
    }
    zones = [f"{API}/zones/forecast/NYZ001", f"{API}/zones/county/NYC003"]
    bulk = {"geocode": {"UGC": ["NYZ001"]}, "parameters": {"VTEC": ["/O/"]}}
    digest = read_alerts(alerts(alert(headline=None, instruction="", affectedZones=zones, **more, **bulk)))
    [content] = alerts_answer("NY", digest, 1, LIVE).structured.model_dump(mode="json", exclude_none=True)["alerts"]
    assert content == {
        "id": "a",
        "event": "Flood Watch",
        "area": "Elm County",
        "severity": "Severe",
        "urgency": "Expected",
        "certainty": "Likely",
        "description": "Rain.\n\nMore rain.",
        "ends": "2030-01-16T00:00:00-05:00",
        "expires": "2030-01-15T20:00:00-05:00",
        "sender": "NWS Elm",
        "status": "Actual",
        "messageType": "Alert",
        "affectedZones": ["NYZ001", "NYC003"],
        **more,
    }


@pytest.mark.parametrize("model", [Weather, Forecast, Alerts])
def test_the_schema_has_the_names_of_the_wire_and_asks_for_no_optional_field(model):
    schema = model.model_json_schema()
    assert {"ageSeconds", "issued"} <= schema["properties"].keys()
    assert not {"ageSeconds", "issued", "observation"} & set(schema["required"])
    required = {name for part in schema["$defs"].values() for name in part["required"]}
    assert required <= {"name", "id", "event", "latitude", "longitude", "station", "time"}
    assert "_" not in "".join(name for part in schema["$defs"].values() for name in part["properties"])
