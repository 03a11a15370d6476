"""The documents have the shapes of api.weather.gov, and weather that can be."""

from datetime import datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest

from tests.simulator.conftest import SEATTLE, WINTER, point
from weather.simulator.map import PLACES
from weather.simulator.world import halves

pytestmark = pytest.mark.anyio


def keys(names):
    return set(names.split())


POINT_KEYS = keys(
    "@id @type cwa type forecastOffice gridId gridX gridY forecast forecastHourly forecastGridData"
    " observationStations relativeLocation forecastZone county fireWeatherZone timeZone radarStation"
)
FORECAST_KEYS = keys("units forecastGenerator generatedAt updateTime validTimes elevation periods")
PERIOD_KEYS = keys(
    "number name startTime endTime isDaytime temperature temperatureUnit temperatureTrend"
    " probabilityOfPrecipitation windSpeed windDirection icon shortForecast detailedForecast"
)
HOUR_KEYS = PERIOD_KEYS | {"dewpoint", "relativeHumidity"}
STATION_KEYS = keys(
    "@id @type elevation stationIdentifier name timeZone distance bearing forecast county fireWeatherZone"
)
QUANTITIES = keys(
    "temperature dewpoint windDirection windSpeed windGust barometricPressure seaLevelPressure visibility"
    " maxTemperatureLast24Hours minTemperatureLast24Hours precipitationLast3Hours relativeHumidity windChill"
    " heatIndex"
)
OBSERVATION_KEYS = QUANTITIES | keys(
    "@id @type elevation station stationId stationName timestamp rawMessage textDescription icon"
    " presentWeather cloudLayers"
)
ALERT_KEYS = keys(
    "@id @type id areaDesc geocode affectedZones references sent effective onset expires ends status messageType"
    " category severity certainty urgency event sender senderName headline description instruction response"
    " parameters note scope code language web eventCode"
)


@pytest.fixture
async def documents(client):
    links = await point(client)
    paths = (SEATTLE, links["forecast"], links["observationStations"], "/stations/KSEA/observations/latest")
    return [(await client.get(path)).json() for path in (*paths, "/alerts/active?area=CA")]


async def test_no_document_has_a_member_that_the_service_has_not(documents):
    here, forecast, stations, observation, alerts = documents
    assert here["properties"].keys() <= POINT_KEYS
    assert forecast["properties"].keys() <= FORECAST_KEYS
    assert all(period.keys() <= PERIOD_KEYS for period in forecast["properties"]["periods"])
    assert all(station["properties"].keys() <= STATION_KEYS for station in stations["features"])
    assert observation["properties"].keys() <= OBSERVATION_KEYS
    assert all(alert["properties"].keys() <= ALERT_KEYS for alert in alerts["features"])


async def test_documents_are_geojson(documents):
    here, forecast, stations, observation, alerts = documents
    assert here["geometry"] == {"type": "Point", "coordinates": [-122.33, 47.61]}
    assert {document["type"] for document in (stations, alerts)} == {"FeatureCollection"}
    for feature in (here, forecast, observation, *stations["features"], *alerts["features"]):
        assert feature.keys() | {"id"} == {"id", "type", "geometry", "properties"}
        assert feature["type"] == "Feature"
        assert feature.get("id") == feature["properties"].get("@id")


@pytest.mark.parametrize(
    ("hour", "names"),
    [
        (2, ["Overnight", "Tuesday", "Tuesday Night"]),
        (6, ["Today", "Tonight", "Wednesday"]),
        (13, ["This Afternoon", "Tonight", "Wednesday"]),
        (18, ["Tonight", "Wednesday", "Wednesday Night"]),
        (23, ["Tonight", "Wednesday", "Wednesday Night"]),
    ],
)
def test_periods_are_named_by_the_local_time_of_day(hour, names):
    now = datetime(2026, 1, 20, hour, tzinfo=ZoneInfo("America/Anchorage"))
    periods = list(halves(now))
    assert [name for name, *_ in periods[:3]] == names
    assert len(periods) == 14
    assert all(end == start for (_, _, end), (_, start, _) in pairwise(periods))
    assert [{6: 18, 18: 6}[end.hour] for *_, end in periods[:-1]] == [end.hour for *_, end in periods[1:]]
    assert periods[0][1] == now < periods[0][2] <= now + timedelta(hours=12)


@pytest.mark.parametrize(
    ("where", "low", "high"), [("64.84,-147.72", -40, 30), ("25.76,-80.19", 40, 85), ("-14.28,-170.7", 65, 100)]
)
async def test_january_is_cold_in_fairbanks_and_not_in_miami_or_samoa(client, where, low, high):
    url = (await point(client, f"/points/{where}"))["forecast"]
    periods = (await client.get(url)).json()["properties"]["periods"]
    assert all(low <= period["temperature"] <= high for period in periods)
    assert any(period["temperature"] < 0 for period in periods) == (low < 0)
    assert not any("Rain" in period["shortForecast"] for period in periods if period["temperature"] <= 32)
    for one, next_one in pairwise(periods[1:]):
        assert (one["temperature"] > next_one["temperature"]) == one["isDaytime"]


async def test_wind_has_no_direction_when_calm_and_chances_can_be_null(client):
    periods = []
    for place in PLACES[:20]:
        url = (await point(client, f"/points/{place.lat:g},{place.lon:g}"))["forecast"]
        periods += (await client.get(url)).json()["properties"]["periods"]
    assert {period["windDirection"] == "" for period in periods if period["windSpeed"] == "0 mph"} == {True}
    assert all(period["windDirection"] for period in periods if period["windSpeed"] != "0 mph")
    assert {None, 80} <= {period["probabilityOfPrecipitation"]["value"] for period in periods}
    assert all(period["detailedForecast"].startswith("Simulated.") for period in periods)


async def test_an_hourly_forecast_has_156_hours_without_names(client):
    periods = (await client.get((await point(client))["forecastHourly"])).json()["properties"]["periods"]
    assert len(periods) == 156
    assert all(period.keys() <= HOUR_KEYS for period in periods)
    assert {(period["name"], period["detailedForecast"]) for period in periods} == {("", "")}
    assert [period["number"] for period in periods] == list(range(1, 157))
    assert periods[0]["startTime"] == "2026-01-20T10:00:00-08:00"
    for one, next_one in pairwise(periods):
        assert one["endTime"] == next_one["startTime"]
        assert abs(one["temperature"] - next_one["temperature"]) < 10
    assert [period["isDaytime"] for period in periods[7:9]] == [True, False]


async def test_a_forecast_of_some_hours_ago_begins_then(client, sim):
    links = await point(client)
    sim.faults.forecast_age_h = 30
    for link, over in (("forecast", {2, 3}), ("forecastHourly", {30})):
        document = (await client.get(links[link])).json()["properties"]
        assert document["updateTime"] == "2026-01-19T12:00:00+00:00"
        ends = [datetime.fromisoformat(period["endTime"]).timestamp() for period in document["periods"]]
        assert sum(end <= WINTER for end in ends) in over


async def test_what_a_station_measures_hangs_together(client):
    seen = []
    for place in PLACES:
        seen.append((await client.get(f"/stations/{place.station}/observations/latest")).json()["properties"])
    values = [{name: part["value"] for name, part in each.items() if isinstance(part, dict)} for each in seen]
    for each in values:
        assert (each["temperature"] is None) == (each["dewpoint"] is None)
        assert each["temperature"] is None or each["dewpoint"] < each["temperature"]
        assert each["windChill"] is None or each["windChill"] < each["temperature"] < 10
        assert each["heatIndex"] is None or each["heatIndex"] > each["temperature"] > 27
        assert 99_000 <= each["barometricPressure"] <= 103_500
    assert any(each["windChill"] is not None for each in values)
    assert all(part["unitCode"] for each in seen for part in each.values() if isinstance(part, dict))


async def test_stations_come_nearest_first_and_each_has_an_observation(client):
    answer = (await client.get((await point(client))["observationStations"])).json()
    assert [station["properties"]["stationIdentifier"] for station in answer["features"][:3]] == [
        "KSEA",
        "KPDX",
        "KGEG",
    ]
    assert answer["observationStations"] == [station["id"] for station in answer["features"]]
    for url in answer["observationStations"]:
        assert (await client.get(f"{url}/observations/latest")).status_code == 200


@pytest.mark.parametrize(("station", "low", "high"), [("KMIA", 5, 29), ("PAFA", -40, 0)])
async def test_a_station_measures_in_celsius(client, station, low, high):
    answer = (await client.get(f"/stations/{station}/observations/latest")).json()
    assert answer["properties"]["temperature"]["unitCode"] == "wmoUnit:degC"
    assert low < answer["properties"]["temperature"]["value"] < high


async def test_few_observations_are_late_and_few_lack_a_temperature(client, sim):
    seen = []
    for sim.faults.seed in range(4):
        for place in PLACES:
            url = f"/stations/{place.station}/observations/latest"
            seen.append((await client.get(url)).json()["properties"])
    ages = [WINTER - datetime.fromisoformat(each["timestamp"]).timestamp() for each in seen]
    assert 0.02 < sum(age > 3600 for age in ages) / len(ages) < 0.1
    assert all(0 <= age <= 3600 or 3 * 3600 <= age <= 7 * 3600 for age in ages)
    assert 0.02 < sum(each["temperature"]["value"] is None for each in seen) / len(seen) < 0.1
