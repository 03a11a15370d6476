"""NWS JSON → what is kept of it: pure functions, in tables."""

import json
import time
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise

import pytest

from weather import inputs, report
from weather.errors import BadAnswer, NoForecast
from weather.nws import Location
from weather.nws.readers import (
    decode_features,
    decode_hours,
    read_alerts,
    read_forecast,
    read_hourly,
    read_observation,
    read_point,
    read_stations,
)

API = "https://api.weather.gov"
NOON = datetime(2030, 1, 15, 17, 0, tzinfo=UTC)  # in New York
NOT_OBJECTS = [None, [], "text", 7, float("nan"), True]

read_here = partial(read_point, 42.5, -73.5)


def point(**properties):
    grid = f"{API}/gridpoints/XYZ/1,2/forecast"
    links = {"forecast": grid, "forecastHourly": f"{grid}/hourly", "observationStations": f"{API}/stations-near"}
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


def ids(*features):
    return [one.id for one in read_alerts(alerts(*features)).alerts]


def test_a_point_gives_its_place_and_its_links():
    read = read_here(point())
    assert read.location.model_dump() == {
        "latitude": 42.5,
        "longitude": -73.5,
        "city": "Elm",
        "state": "NY",
        "timeZone": "America/New_York",
    }
    assert (read.forecast, read.stations) == (f"{API}/gridpoints/XYZ/1,2/forecast", f"{API}/stations-near")
    assert read.hourly == f"{API}/gridpoints/XYZ/1,2/forecast/hourly"


@pytest.mark.parametrize("geometry", [{}, {"geometry": None}, {"geometry": {"coordinates": ["a", 91]}}], ids=str)
def test_a_point_is_where_it_was_asked_for_whatever_the_answer_says(geometry):
    read = read_here({"properties": point()["properties"]} | geometry)
    assert read == read_here(point())
    assert (read.location.latitude, read.location.longitude) == (42.5, -73.5)


def test_a_point_may_lack_stations_and_place():
    assert read_here(point(forecastHourly=7)).hourly is None
    bare = read_here(point(observationStations="", forecastHourly=None, relativeLocation=None, timeZone=None))
    assert (bare.stations, bare.hourly) == (None, None)
    assert bare.location == Location(latitude=42.5, longitude=-73.5)


@pytest.mark.parametrize("link", [None, ""])
def test_a_point_without_a_link_to_a_forecast_has_none_for_five_minutes(link):
    with pytest.raises(NoForecast, match="NWS gives no forecast link for it") as told:
        read_here(point(forecast=link))
    assert told.value.lasts_s == 300


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"temperature": -7}, (-7, "F")),
        ({"temperature": 0}, (0, "F")),
        ({"temperature": 10, "temperatureUnit": "C"}, (50, "F")),
        ({"temperature": 71.5}, (72, "F")),
        ({"temperature": 1.5}, (2, "F")),
        ({"temperature": -0.5}, (0, "F")),
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
        "endTime": "2030-01-16T06:00:00-05:00",
        "temperatureTrend": "rising",
    }
    quantities = {
        "dewpoint": {"unitCode": "wmoUnit:degC", "value": -7.5},
        "relativeHumidity": {"unitCode": "wmoUnit:percent", "value": 81},
        "windGust": {"unitCode": "wmoUnit:km_h-1", "value": 40},
    }
    whole = {"probabilityOfPrecipitation": 30, "dewpointF": 19, "relativeHumidity": 81, "windGust": "25 mph"}
    left_out = {"number": 1, "icon": f"{API}/icons/land/night/snow,30?size=medium"}
    told = first(**extra, **quantities, **left_out).said_in("us")
    assert told.model_dump(mode="json", exclude_none=True) == period(**extra, **whole)


def test_a_period_is_said_in_other_units_whatever_its_form():
    quantities = {"dewpoint": {"unitCode": "wmoUnit:degC", "value": -7.5}, "windGust": "25 mph"}
    told = first(**quantities).said_in("si").model_dump(mode="json", exclude_none=True)
    whole = {"temperature": -6, "temperatureUnit": "C", "windSpeed": "8 to 16 km/h", "windGust": "40 km/h"}
    assert told == period(**whole, dewpointC=-7, probabilityOfPrecipitation=30)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"temperature": 0}, -18),
        ({"temperature": 10, "temperatureUnit": "C"}, 10),
        ({"temperature": {"unitCode": "wmoUnit:degC", "value": 1.4}}, 1),  # by way of 35 degrees F it would be 2
        ({"temperature": None}, None),
        ({"windSpeed": {"unitCode": "wmoUnit:km_h-1", "minValue": 8, "maxValue": 17}}, "8 to 17 km/h"),
        ({"windSpeed": {"unitCode": "mph", "value": 10}}, "16 km/h"),
        ({"windSpeed": "10 mph"}, "16 km/h"),
        ({"windSpeed": "light"}, "light"),
        ({"windSpeed": ""}, None),
    ],
)
def test_a_number_is_converted_once(sent, read):
    name = "wind_speed" if "windSpeed" in sent else "temperature"
    assert getattr(first(**sent).said_in("si"), name) == read


def endless(**fields):
    texts = ("name", "windDirection", "shortForecast", "detailedForecast", "temperatureTrend")
    return period(**dict.fromkeys(texts, "x" * 300_000), windSpeed="5 mph", windGust="9" * 5000) | fields


@pytest.mark.parametrize("hourly", [False, True])
def test_a_forecast_of_texts_without_end_is_short_enough_to_be_read(hourly):
    hours = [(NOON + timedelta(hours=number)).isoformat() for number in range(300)]
    body = forecast(*(endless(startTime=begin, endTime=end) for begin, end in pairwise(hours)))
    data = read_hourly(NOON - timedelta(hours=1), body) if hourly else read_forecast(body)
    asked = inputs.ForecastArgs.model_construct(place=None, units="us", hourly=hourly)
    freshness = report.Freshness("live", NOON, stale=False, now=NOON)
    answer = report.forecast_answer(asked, read_here(point(timeZone="x" * 300_000)), data, freshness)
    assert len(answer.text) + len(answer.words) < 100_000
    assert len(answer.structured.periods) == (48 if hourly else 30)


@pytest.mark.parametrize("speed", ["9" * 5000 + " mph", "5 to 10" + " " * 60 + "mph"])
def test_a_wind_without_end_is_a_bad_answer(speed):
    with pytest.raises(BadAnswer):
        first(windSpeed=speed)
    with pytest.raises(BadAnswer):
        read_here(point(forecast=f"{API}/{'x' * 2000}"))
    with pytest.raises(BadAnswer):
        read_alerts(alerts(alert("x" * 2001)))


def test_hours_that_are_not_over_are_kept_and_have_no_day_or_night():
    ends = [NOON + timedelta(hours=number) for number in range(-3, 90)]
    data = read_hourly(NOON, forecast(*(period(name="", endTime=end.isoformat()) for end in ends)))
    assert [hour.end_time for hour in data.periods] == ends[4:64]
    assert {hour.is_daytime for hour in data.periods} == {None}
    assert read_hourly(NOON, forecast(period(name="", endTime="never"))).periods[0].name == "this period"


def test_of_hours_that_are_all_over_the_last_is_kept():
    ends = [NOON - timedelta(hours=number) for number in (3, 2, 1)]
    data = read_hourly(NOON, forecast(*(period(endTime=end.isoformat()) for end in ends)))
    assert [hour.end_time for hour in data.periods] == ends[-1:]


@pytest.mark.parametrize(
    "body",
    [
        forecast(period(), period(endTime=NOON.isoformat()), generatedAt="2030-01-15T15:40:00+00:00"),
        forecast(period(shortForecast="é\u2028"), period(detailedForecast='"[{,'), updateTime=None),
        forecast(period(temperature=float("nan"))),
        forecast(None, 5, [], "text"),
        forecast(),
        {"properties": {"periods": None}},
        {"properties": None},
        {},
        {"type": "https://api.weather.gov/problems/Odd"},
        *NOT_OBJECTS,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_hours_that_are_decoded_one_by_one_are_read_as_those_decoded_at_once(body):
    def outcome(decoded):
        try:
            return read_hourly(NOON, decoded)
        except BadAnswer as error:
            return str(error)

    content = json.dumps(body)
    assert outcome(decode_hours(content.encode())) == outcome(json.loads(content))


def test_hours_beyond_those_that_are_kept_are_not_decoded():
    odd = json.dumps(forecast(*(period() for _ in range(60)), "odd")).encode().replace(b'"odd"', b"9" * 5000)
    assert len(read_hourly(NOON, decode_hours(odd)).periods) == 60


@pytest.mark.parametrize(
    ("links", "zones"),
    [
        ({}, ()),
        ({"forecastZone": None, "county": 5, "fireWeatherZone": f"{API}/zones/fire/"}, ()),
        ({"forecastZone": f"{API}/zones/forecast/NYZ052"}, ("NYZ052",)),
        (
            {
                "forecastZone": f"{API}/zones/forecast/NYZ052",
                "county": f"{API}/zones/county/NYC001",
                "fireWeatherZone": f"{API}/zones/fire/NYZ052",
            },
            ("NYZ052", "NYC001"),
        ),
        ({"county": f"{API}/zones/county/NYC001&status=test"}, ()),
    ],
)
def test_a_point_knows_its_zones(links, zones):
    assert read_here(point(**links)).zones == zones


@pytest.mark.parametrize(
    "odd",
    [
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


def test_the_links_of_the_three_nearest_stations_are_kept_in_order():
    links = read_stations({"features": [station(code) for code in "ABCDE"]})
    assert links == tuple(f"{API}/stations/{code}" for code in "ABC")
    assert read_stations({"features": []}) == ()


def test_an_observation_is_read_in_us_units():
    assert read_observation(observation()).said_in("us").model_dump(mode="json", exclude_none=True) == {
        "station": "KELM",
        "name": "Elm Airport",
        "time": "2030-01-15T16:51:00Z",
        "temperatureF": 28,
        "text": "Cloudy",
        "windDirection": "NW",
        "windSpeedMph": 10,
        "humidityPercent": 67,
    }


MORE = {
    "windGust": {"unitCode": "wmoUnit:km_h-1", "value": 40},
    "dewpoint": {"unitCode": "wmoUnit:degC", "value": -7.5},
    "windChill": {"unitCode": "wmoUnit:degC", "value": -9.4},
    "heatIndex": {"unitCode": "wmoUnit:degC", "value": 30},
    "barometricPressure": {"unitCode": "wmoUnit:Pa", "value": 101325},
    "visibility": {"unitCode": "wmoUnit:m", "value": 2414},
}


@pytest.mark.parametrize(
    ("units", "told"),
    [
        (
            "us",
            {
                "temperatureF": 28,
                "windSpeedMph": 10,
                "windGustMph": 25,
                "dewpointF": 19,
                "windChillF": 15,
                "heatIndexF": 86,
                "pressureInHg": 29.92,
                "visibilityMiles": 1.5,
            },
        ),
        (
            "si",
            {
                "temperatureC": -2,
                "windSpeedKmh": 16,
                "windGustKmh": 40,
                "dewpointC": -7,
                "windChillC": -9,
                "heatIndexC": 30,
                "pressureHpa": 1013,
                "visibilityKm": 2.4,
            },
        ),
    ],
)
def test_an_observation_is_said_in_one_system_of_units(units, told):
    seen = read_observation(observation(**MORE)).said_in(units).model_dump(mode="json", exclude_none=True)
    where = {"station", "name", "time", "text", "windDirection", "humidityPercent"}
    assert {name: value for name, value in seen.items() if name not in where} == told


@pytest.mark.parametrize("name", ["dewpoint", "windChill", "heatIndex", "barometricPressure", "visibility"])
@pytest.mark.parametrize("odd", [7, "7", {"value": 7}, {"unitCode": "furlong", "value": 7}], ids=str)
def test_an_odd_optional_quantity_of_an_observation_is_left_out(name, odd):
    assert read_observation(observation(**{name: odd})) == read_observation(observation())


def test_every_quantity_of_an_observation_may_be_null_or_missing():
    known = {"station": f"{API}/stations/KELM", "timestamp": "2030-01-15T16:51:00Z"}
    quantities = ("temperature", "windDirection", "windSpeed", "windGust", "relativeHumidity", *MORE)
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
@pytest.mark.parametrize("value", [None, {}, [None], "", "0001-01-01T00:00:00", 7], ids=str)
def test_an_alert_stays_whatever_its_optional_fields_hold(name, value):
    [read] = read_alerts(alerts(alert(**{name: value}))).alerts
    assert (read.id, read.event) == ("a", "Flood Watch")
    assert read.model_dump_json()


@pytest.mark.parametrize("name", ["sent", "onset", "ends", "expires"])
@pytest.mark.parametrize("value", ["soon", "", 5, "2030-01-15", "2030-01-15T20:00:00", "9999-12-31T23:59:59Z"])
def test_a_time_of_an_alert_that_cannot_be_read_is_none(name, value):
    assert getattr(read_alerts(alerts(alert(**{name: value}))).alerts[0], name) is None


def test_an_alert_is_its_id_and_its_event():
    read = read_alerts(alerts({"properties": {"id": "a", "event": "Flood Watch"}}, updated="now"))
    assert read.model_dump(mode="json", exclude_none=True) == {
        "alerts": [{"id": "a", "event": "Flood Watch"}],
    }


def test_an_alert_is_kept_whole_but_for_its_bulk():
    more = {
        "sent": "2030-01-15T09:00:00-05:00",
        "onset": "2030-01-15T10:00:00-05:00",
        "response": "Avoid",
    }
    zones = [f"{API}/zones/forecast/NYZ001", f"{API}/zones/county/NYC003"]
    bulk = {
        "effective": "2030-01-15T10:00:00-05:00",
        "category": "Met",
        "geocode": {"UGC": ["NYZ001"]},
        "parameters": {"VTEC": ["/O/"]},
        "sender": "w-nws.webmaster@noaa.gov",
    }
    [read] = read_alerts(alerts(alert(headline=None, instruction="", affectedZones=zones, **more, **bulk))).alerts
    assert read.model_dump(mode="json", exclude_none=True) == {
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
        "messageType": "Alert",
        "affectedZones": ["NYZ001", "NYC003"],
        **more,
    }


@pytest.mark.parametrize("name", ["areaDesc", "instruction", "senderName"])
def test_what_is_missing_is_not_taken_from_a_field_of_another_name(name):
    bare = alert(area="elsewhere", instructions="Swim.", sender="w-nws.webmaster@noaa.gov")
    del bare["properties"][name]
    assert read_alerts(alerts(bare)) == read_alerts(alerts(alert(**{name: None})))


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
        alert("8", severity="Unknown", urgency="Immediate"),
        alert("9", severity="Minor", urgency="Immediate"),
    ]
    data = read_alerts(alerts(*reversed(order)))
    assert [one.id for one in data.alerts] == list("123456789")
    assert data.issued == NOON - timedelta(minutes=1)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (None, None),
        ("", None),
        ("Unknown", "Unknown"),
        ("Catastrophic", "Unknown"),
        (["Severe"], "Unknown"),
    ],
)
def test_a_severity_that_nobody_has_heard_of_is_unknown(value, read):
    [one] = read_alerts(alerts(alert(severity=value, urgency=value))).alerts
    assert (one.severity, one.urgency) == (read, read)


@pytest.mark.parametrize(
    "body",
    [
        alerts(),
        alerts(alert("a"), alert("b", replaces=["a"]), alert("é\u2028", description='"[{,')),
        alerts(alert(), updated=None, pagination={"next": "more"}),
        alerts(alert(onset=float("nan"))),
        alerts({"properties": None}, alert()),
        alerts(None, 5, [], "text"),
        {"features": None},
        {"features": {"properties": 1}},
        {},
        {"type": "https://api.weather.gov/problems/Odd"},
        *NOT_OBJECTS,
    ],
    ids=lambda body: repr(body)[:40],
)
def test_features_that_are_decoded_one_by_one_are_read_as_those_decoded_at_once(body):
    def outcome(decoded):
        try:
            return read_alerts(decoded)
        except BadAnswer as error:
            return str(error)

    content = json.dumps(body)
    assert outcome(decode_features(content.encode())) == outcome(json.loads(content))


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"features": [}', b'{"features": [' + b"[" * 100_000, b'{"features": ["\\ud800"]}']
)
def test_what_is_no_json_is_not_decoded(content):
    with pytest.raises(ValueError, match=r"."):
        decode_features(content)


@pytest.mark.parametrize("text", [b'"\xff"', b"9" * 5000])
def test_a_feature_that_is_no_json_is_a_bad_answer(text):
    content = json.dumps(alerts(alert(description="here"))).encode().replace(b'"here"', text)
    with pytest.raises(BadAnswer, match="an alert is not a JSON object"):
        read_alerts(decode_features(content))


def test_a_nationwide_set_is_read_in_less_than_a_second():
    body = alerts(*(alert(str(n), replaces=[f"old{n}"], description="Rain. " * 500) for n in range(600)))
    start = time.process_time()
    assert len(read_alerts(body).alerts) == 600
    assert time.process_time() - start < 1


# Wrong shapes


@pytest.mark.parametrize("reader", [read_here, read_forecast, read_stations, read_observation, read_alerts])
@pytest.mark.parametrize("body", [*NOT_OBJECTS, {}, {"title": "Unexpected Problem", "status": 500}])
def test_what_is_not_the_answer_is_a_bad_answer(reader, body):
    with pytest.raises(BadAnswer):
        reader(body)


@pytest.mark.parametrize(
    ("reader", "body", "what"),
    [
        (read_here, {"properties": {}}, "the point has no readable forecast"),
        (read_here, point(forecast=7), "the point has no readable forecast"),
        (read_here, point(relativeLocation={"properties": {"city": 5}}), "the point has no readable city"),
        (read_here, point(relativeLocation=[]), "the nearest place is not a JSON object"),
        (read_forecast, forecast(periods=None), "the forecast has no periods list"),
        (read_forecast, forecast(periods={}), "the forecast has no periods list"),
        (read_forecast, forecast(period(), None), "a forecast period is not a JSON object"),
        (read_forecast, forecast(period(name=5)), "a forecast period has no readable name"),
        (read_forecast, forecast(period(shortForecast=5)), "a forecast period has no readable shortForecast"),
        (read_forecast, forecast(period(temperature="21")), "a forecast period has no readable temperature"),
        (
            read_forecast,
            forecast(period(temperatureUnit="K")),
            "a forecast period has no readable temperature",
        ),
        (read_forecast, forecast(period(windSpeed=5)), "a forecast period has no readable windSpeed"),
        (read_forecast, forecast(period(windSpeed={"value": 5})), "a forecast period has no readable windSpeed"),
        (read_stations, {"features": "none"}, "the list of stations has no features list"),
        (read_stations, {"features": [station(**{"@id": None})]}, "a station has no @id"),
        (read_observation, observation(station=None), "the observation has no readable station"),
        (read_observation, observation(timestamp=None), "the observation has no readable timestamp"),
        (
            read_observation,
            observation(timestamp="0001-01-01T00:00:00+14:00"),
            "the observation has no readable",
        ),
        (
            read_observation,
            observation(temperature=20),
            "the observation has no readable temperature",
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
