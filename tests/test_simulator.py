"""The simulator answers as api.weather.gov does, and misbehaves as it is told to."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
from pydantic import ValidationError

from weather.simulator import Faults, Simulator
from weather.simulator_world import AREAS, PLACES, STATES, bearing, distance_m, halves, stations_of

pytestmark = pytest.mark.anyio

BASE = "https://api.weather.gov"
WINTER = datetime(2026, 1, 20, 18, 51, 16, tzinfo=UTC).timestamp()
SEATTLE = "/points/47.61,-122.33"


def keys(names):
    return set(names.split())


PROBLEM = {"correlationId", "title", "type", "status", "detail", "instance"}

POINT_KEYS = keys(
    "@id @type cwa type forecastOffice gridId gridX gridY forecast forecastHourly forecastGridData"
    " observationStations relativeLocation forecastZone county fireWeatherZone timeZone radarStation"
)
FORECAST_KEYS = keys("units forecastGenerator generatedAt updateTime validTimes elevation periods")
PERIOD_KEYS = keys(
    "number name startTime endTime isDaytime temperature temperatureUnit temperatureTrend"
    " probabilityOfPrecipitation windSpeed windDirection icon shortForecast detailedForecast"
)
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
def sim():
    return Simulator(Faults(), clock=lambda: WINTER)


@pytest.fixture
async def client(sim):
    async with connect(sim) as client:
        yield client


def connect(sim):
    return httpx.AsyncClient(transport=httpx.ASGITransport(sim), base_url=BASE)


async def point(client, path=SEATTLE):
    return (await client.get(path)).json()["properties"]


async def drawn(faults, n=400):
    """How often each status came in `n` requests."""
    sim = Simulator(faults, clock=lambda: WINTER)
    async with connect(sim) as client:
        for _ in range(n):
            await client.get("/unknown")
    return Counter({status: count for (_, status), count in sim.requests.items()})


class TestShapes:
    async def test_a_point_has_the_members_of_the_service(self, client):
        answer = (await client.get(SEATTLE)).json()
        assert answer.keys() == {"@context", "id", "type", "geometry", "properties"}
        assert answer["properties"].keys() == POINT_KEYS
        assert answer["geometry"] == {"type": "Point", "coordinates": [-122.33, 47.61]}

    async def test_a_forecast_has_the_members_of_the_service(self, client):
        answer = (await client.get((await point(client))["forecast"])).json()
        assert answer.keys() == {"@context", "type", "geometry", "properties"}
        assert answer["properties"].keys() == FORECAST_KEYS
        assert all(period.keys() == PERIOD_KEYS for period in answer["properties"]["periods"])

    async def test_stations_have_the_members_of_the_service(self, client):
        answer = (await client.get((await point(client))["observationStations"])).json()
        assert answer.keys() == {"@context", "type", "features", "observationStations", "pagination"}
        assert all(station["properties"].keys() == STATION_KEYS for station in answer["features"])

    async def test_an_observation_has_the_members_of_the_service(self, client):
        properties = (await client.get("/stations/KSEA/observations/latest")).json()["properties"]
        assert properties.keys() == OBSERVATION_KEYS
        for name in QUANTITIES:
            quality = "Z" if properties[name]["value"] is None else "V"
            assert properties[name].keys() == {"unitCode", "value", "qualityControl"}
            assert properties[name]["qualityControl"] == quality
        assert properties["temperature"]["unitCode"] == "wmoUnit:degC"

    async def test_alerts_have_the_members_of_the_service(self, client):
        answer = (await client.get("/alerts/active?area=CA")).json()
        assert answer.keys() == {"@context", "type", "features", "title", "updated"}
        assert answer["title"] == "Current watches, warnings, and advisories for California"
        assert all(alert.keys() == {"id", "type", "geometry", "properties"} for alert in answer["features"])
        assert all(alert["properties"].keys() == ALERT_KEYS for alert in answer["features"])

    @pytest.mark.parametrize(
        ("path", "cache_control", "modified"),
        [
            (SEATTLE, "public, max-age=86400, s-maxage=120", None),
            ("/gridpoints/SEW/600,600/stations", "public, max-age=86400, s-maxage=120", None),
            ("/gridpoints/SEW/600,600/forecast", "public, max-age=3600, s-maxage=3600", "18:00:00"),
            ("/stations/KSEA/observations/latest", "public, max-age=300, s-maxage=300", "18:00:00"),
            ("/alerts/active", "public, max-age=30, s-maxage=30", None),
        ],
    )
    async def test_headers_are_those_of_the_service(self, client, path, cache_control, modified):
        headers = (await client.get(path)).headers
        assert headers["content-type"] == "application/geo+json"
        assert headers["cache-control"] == cache_control
        assert headers.get("last-modified") == (modified and f"Tue, 20 Jan 2026 {modified} GMT")
        assert headers["date"] == "Tue, 20 Jan 2026 18:51:16 GMT"
        assert headers["expires"].endswith(" GMT")
        assert headers["vary"] == "Accept-Encoding, Accept,Feature-Flags,Accept-Language"
        assert {"x-correlation-id", "x-request-id", "x-server-id"} <= headers.keys()
        assert headers["server"] == "weather-simulator"

    async def test_links_lead_to_the_host_that_was_asked(self, sim):
        async with httpx.AsyncClient(transport=httpx.ASGITransport(sim)) as client:
            properties = (await client.get(f"http://localhost:8123{SEATTLE}")).json()["properties"]
        assert properties["forecast"] == "http://localhost:8123/gridpoints/SEW/600,600/forecast"

    async def test_head_has_the_headers_of_get_and_no_body(self, client):
        get, head = await client.get(SEATTLE), await client.head(SEATTLE)
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["content-length"] == str(len(get.content))


class TestErrors:
    @pytest.mark.parametrize(
        ("path", "status", "kind"),
        [
            ("/points/51.5074,-0.1278", 404, "InvalidPoint"),
            ("/points/43.6532,-79.3832", 404, "InvalidPoint"),
            ("/points/19.43,-99.13", 404, "InvalidPoint"),
            ("/points/30,-50", 404, "InvalidPoint"),
            ("/points/91,200", 404, "InvalidPoint"),
            ("/points/here", 400, "BadRequest"),
            ("/points/45,-122,3", 400, "BadRequest"),
            ("/points/45,-122?limit=1", 400, "BadRequest"),
            ("/gridpoints/SEW/1.5,2/forecast", 400, "BadRequest"),
            ("/gridpoints/XXX/600,600/forecast", 404, "NotFound"),
            ("/gridpoints/SEW/1,1/forecast", 404, "NotFound"),
            ("/stations/XXXX/observations/latest", 404, "NotFound"),
            ("/alerts", 404, "NotFound"),
            ("/", 404, "NotFound"),
        ],
    )
    async def test_an_error_is_a_problem_that_may_be_cached(self, client, path, status, kind):
        response = await client.get(path)
        assert response.status_code == status
        assert response.headers["content-type"] == "application/problem+json"
        assert response.headers["cache-control"] == "private, must-revalidate, max-age=86400"
        problem = response.json()
        assert problem.keys() - {"parameterErrors"} == PROBLEM
        assert problem["type"] == f"https://api.weather.gov/problems/{kind}"
        assert problem["correlationId"] == response.headers["x-correlation-id"]

    @pytest.mark.parametrize(
        ("query", "parameter"),
        [
            ("limit=50", "query.limit"),
            ("area=California", "query.area[0]"),
            ("area=CA,ca", "query.area[1]"),
            ("status=Actual", "query.status[0]"),
            ("area=", "query.area[0]"),
        ],
    )
    async def test_a_bad_parameter_is_named(self, client, query, parameter):
        response = await client.get(f"/alerts/active?{query}")
        assert response.status_code == 400
        assert [error["parameter"] for error in response.json()["parameterErrors"]] == [parameter]

    @pytest.mark.parametrize(
        ("given", "wanted"),
        [
            ("45.45805556,-122.66361111", "45.4581,-122.6636"),
            ("36.302098,-119.499044", "36.3021,-119.499"),
            ("33.2040,-97.06", "33.204,-97.06"),
            ("45.0,-122", "45,-122"),
            ("-0.00001,5", "0,5"),
        ],
    )
    async def test_more_precision_than_four_decimals_redirects(self, client, given, wanted):
        response = await client.get(f"/points/{given}")
        assert (response.status_code, response.headers["location"]) == (301, f"/points/{wanted}")
        assert response.json()["type"].endswith("/AdjustPointPrecision")

    async def test_the_redirect_can_be_followed(self, client):
        response = await client.get("/points/47.6100001,-122.3300", follow_redirects=True)
        assert (response.status_code, response.url.path) == (200, SEATTLE)

    async def test_other_methods_are_not_allowed(self, client):
        response = await client.post(SEATTLE)
        assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")

    async def test_a_request_without_user_agent_meets_the_cdn(self, client):
        response = await client.get(SEATTLE, headers={"User-Agent": ""})
        assert (response.status_code, response.headers["content-type"]) == (403, "text/html")

    async def test_what_is_unchanged_is_not_sent_again(self, client):
        url = (await point(client))["forecast"]
        modified = (await client.get(url)).headers["last-modified"]
        response = await client.get(url, headers={"If-Modified-Since": modified})
        assert (response.status_code, response.content) == (304, b"")
        for since in ("Tue, 20 Jan 2026 17:59:59 GMT", "yesterday"):
            assert (await client.get(url, headers={"If-Modified-Since": since})).status_code == 200

    @pytest.mark.parametrize("where", ["43,-86.9", "47.3,-86", "27,-90", "36,-123", "57,-145"])
    async def test_the_sea_and_the_great_lakes_have_points_and_no_forecast(self, client, where):
        properties = await point(client, f"/points/{where}")
        assert properties["type"] == "marine"
        response = await client.get(properties["forecast"])
        assert response.status_code == 404
        assert response.json()["type"].endswith("/MarineForecastNotSupported")


class TestWorld:
    async def test_every_city_has_its_own_time_and_a_forecast(self, client):
        for place in PLACES:
            properties = await point(client, f"/points/{place.lat:g},{place.lon:g}")
            assert properties["relativeLocation"]["properties"]["city"] == place.city
            assert (properties["type"], properties["timeZone"]) == ("land", place.zone)
            periods = (await client.get(properties["forecast"])).json()["properties"]["periods"]
            start = datetime.fromisoformat(periods[0]["startTime"])
            assert start.utcoffset() == start.astimezone(ZoneInfo(place.zone)).utcoffset()

    def test_every_state_and_territory_with_forecasts_has_a_city(self):
        without_forecasts = {"PW", "FM", "MH"}
        assert {place.state for place in PLACES} == STATES.keys() - without_forecasts

    @pytest.mark.parametrize(
        "where",
        ["44.8,-66.95", "24.56,-81.78", "48.38,-124.6", "49.2,-94.9", "52.9,173.2", "71.3,-156.8", "18.92,-155.68"],
    )
    async def test_the_corners_of_the_country_are_covered(self, client, where):
        assert (await client.get((await point(client, f"/points/{where}"))["forecast"])).status_code == 200

    async def test_in_anchorage_the_grid_is_not_the_warning_area(self, client):
        properties = await point(client, "/points/61.2181,-149.9003")
        assert (properties["cwa"], properties["gridId"]) == ("AFC", "AER")

    async def test_neighbouring_points_share_a_forecast(self, client):
        links = {(await point(client, f"/points/47.61{n},-122.33{n}"))["forecast"] for n in (1, 2, 3)}
        assert len(links) == 1

    def test_distance_and_bearing_are_those_of_the_globe(self):
        assert distance_m(47.61, -122.33, 45.52, -122.68) == pytest.approx(234_000, rel=0.01)
        assert [bearing(0, 0, *to) for to in ((1, 0), (0, 1), (-1, 0), (0, -1))] == [0, 90, 180, 270]

    @pytest.mark.parametrize(
        ("hour", "names", "count"),
        [
            (2, ["Overnight", "Tuesday", "Tuesday Night"], 13),
            (6, ["Today", "Tonight", "Wednesday"], 14),
            (13, ["This Afternoon", "Tonight", "Wednesday"], 13),
            (18, ["Tonight", "Wednesday", "Wednesday Night"], 14),
            (23, ["Tonight", "Wednesday", "Wednesday Night"], 14),
        ],
    )
    def test_periods_are_named_by_the_local_time_of_day(self, hour, names, count):
        now = datetime(2026, 1, 20, hour, tzinfo=ZoneInfo("America/Anchorage"))
        periods = list(halves(now))
        assert [name for name, *_ in periods[:3]] == names
        assert len(periods) == count
        assert all(end == start for (_, _, end, _), (_, start, _, _) in pairwise(periods))
        assert [is_day for *_, is_day in periods] == [end.hour == 18 for _, _, end, _ in periods]
        assert periods[0][1] == now < periods[0][2] <= now + timedelta(hours=12)

    @pytest.mark.parametrize(
        ("where", "low", "high"), [("64.84,-147.72", -40, 30), ("25.76,-80.19", 40, 85), ("-14.28,-170.7", 65, 100)]
    )
    async def test_january_is_cold_in_fairbanks_and_not_in_miami_or_samoa(self, client, where, low, high):
        url = (await point(client, f"/points/{where}"))["forecast"]
        periods = (await client.get(url)).json()["properties"]["periods"]
        assert all(low <= period["temperature"] <= high for period in periods)
        assert any(period["temperature"] < 0 for period in periods) == (low < 0)
        for one, next_one in pairwise(periods[1:]):
            assert (one["temperature"] > next_one["temperature"]) == one["isDaytime"]

    async def test_wind_has_no_direction_when_calm_and_chances_can_be_null(self, client):
        periods = []
        for place in PLACES[:20]:
            url = (await point(client, f"/points/{place.lat:g},{place.lon:g}"))["forecast"]
            periods += (await client.get(url)).json()["properties"]["periods"]
        assert {period["windDirection"] == "" for period in periods if period["windSpeed"] == "0 mph"} == {True}
        assert all(period["windDirection"] for period in periods if period["windSpeed"] != "0 mph")
        assert {None, 80} <= {period["probabilityOfPrecipitation"]["value"] for period in periods}
        assert all(period["detailedForecast"].startswith("Simulated.") for period in periods)

    async def test_stations_come_nearest_first_and_each_has_an_observation(self, client):
        answer = (await client.get((await point(client))["observationStations"])).json()
        distances = [station["properties"]["distance"]["value"] for station in answer["features"]]
        assert distances == sorted(distances)
        assert answer["observationStations"] == [station["id"] for station in answer["features"]]
        for url in answer["observationStations"]:
            assert (await client.get(f"{url}/observations/latest")).status_code == 200

    async def test_few_observations_are_late_and_few_lack_a_temperature(self, client):
        seen = []
        for place in PLACES:
            for station in stations_of(place):
                url = f"/stations/{station.id}/observations/latest"
                seen.append((await client.get(url)).json()["properties"])
        ages = [WINTER - datetime.fromisoformat(each["timestamp"]).timestamp() for each in seen]
        assert 0.02 < sum(age > 3600 for age in ages) / len(ages) < 0.1
        assert all(0 <= age <= 3600 or 3 * 3600 <= age <= 7 * 3600 for age in ages)
        assert 0.02 < sum(each["temperature"]["value"] is None for each in seen) / len(seen) < 0.1


class TestAlerts:
    async def alerts(self, client, **query):
        return [alert["properties"] for alert in (await client.get("/alerts/active", params=query)).json()["features"]]

    async def test_about_a_third_of_the_areas_has_one_to_five(self, client):
        sizes = [len(await self.alerts(client, area=area)) for area in AREAS]
        assert max(sizes) <= 5
        assert 0.2 < sum(size > 0 for size in sizes) / len(sizes) < 0.5
        assert sum(sizes) == len(await self.alerts(client))

    async def test_california_always_has_an_actual_alert_and_vermont_never(self):
        for hour in range(24):
            sim = Simulator(Faults(), clock=lambda hour=hour: WINTER + 3600 * hour)
            async with connect(sim) as client:
                assert await self.alerts(client, area="CA", status="actual")
                assert not await self.alerts(client, area="VT")

    async def test_test_messages_come_unless_only_actual_ones_are_asked_for(self, client, sim):
        sim.faults.alerts_features = 100
        everything = await self.alerts(client)
        actual = await self.alerts(client, status="actual")
        assert {alert["status"] for alert in everything} == {"Actual", "Test"}
        assert actual == [alert for alert in everything if alert["status"] == "Actual"]
        assert len(await self.alerts(client, status="actual,test")) == len(everything)

    async def test_an_alert_holds_now_and_says_that_it_is_simulated(self, client, sim):
        sim.faults.alerts_features = 100
        alerts = await self.alerts(client)
        assert len({alert["id"] for alert in alerts}) == 100
        for alert in alerts:
            sent, onset, expires = (
                datetime.fromisoformat(alert[name]).timestamp() for name in ("sent", "onset", "expires")
            )
            assert sent < WINTER < expires
            assert sent <= onset < expires
            assert alert["description"].startswith("Simulated:")
            assert alert["senderName"] == "NWS Simulator"
        assert 0.3 < sum(alert["instruction"] is None for alert in alerts) / 100 < 0.7
        assert {alert["ends"] is None for alert in alerts} == {True, False}

    async def test_a_set_can_be_of_national_size(self, client, sim):
        sim.faults.alerts_features = 500
        response = await client.get("/alerts/active")
        assert len(response.json()["features"]) == 500
        assert 1_500_000 < len(response.content) < 1_900_000
        assert len(await self.alerts(client, area="CA")) == 500
        assert not await self.alerts(client, area="VT")


class TestRepetition:
    PATHS = (SEATTLE, "/gridpoints/SEW/600,600/forecast", "/stations/KSEA/observations/latest", "/alerts/active")

    @pytest.mark.parametrize("path", PATHS)
    async def test_one_hour_and_one_seed_have_one_answer(self, path):
        bodies = []
        for seed, second in ((1, 0), (1, 300), (2, 0)):
            sim = Simulator(Faults(seed=seed), clock=lambda second=second: WINTER + second)
            async with connect(sim) as client:
                bodies.append((await client.get(path)).content)
        assert bodies[0] == bodies[1]
        assert (bodies[0] == bodies[2]) == (path == SEATTLE)

    async def test_a_run_can_be_repeated(self):
        runs = []
        for _ in range(2):
            sim = Simulator(Faults(error_rate=0.3, html_rate=0.2), clock=lambda: WINTER)
            async with connect(sim) as client:
                runs.append(
                    [(r.status_code, r.headers["x-request-id"]) for _ in range(50) for r in [await client.get("/")]]
                )
        assert runs[0] == runs[1]
        assert len({request_id for _, request_id in runs[0]}) == 50

    async def test_requests_are_counted_by_endpoint_and_status(self, client, sim):
        for path in (SEATTLE, SEATTLE, "/points/0,0", "/alerts/active", "/nothing"):
            await client.get(path)
        assert sim.requests == {("point", 200): 2, ("point", 404): 1, ("alerts", 200): 1, ("other", 404): 1}


class TestFaults:
    async def test_settings_come_from_the_environment_at_the_first_request(self, monkeypatch):
        sim = Simulator()
        monkeypatch.setenv("SIMULATOR_OUTAGE", "true")
        async with connect(sim) as client:
            assert (await client.get(SEATTLE)).status_code == 503

    def test_a_rate_is_a_share(self):
        with pytest.raises(ValidationError):
            Faults(error_rate=1.5)
        with pytest.raises(ValidationError):
            Faults().hang_rate = -1

    async def test_errors_come_at_their_rate(self):
        seen = await drawn(Faults(error_rate=0.3))
        assert seen.keys() == {404, 500, 502, 503}
        assert 0.2 < 1 - seen[404] / 400 < 0.4

    async def test_the_cdn_answers_in_html_at_its_rate(self):
        seen = await drawn(Faults(html_rate=0.3))
        assert seen.keys() == {404, 403, 503}
        async with connect(Simulator(Faults(html_rate=1))) as client:
            assert (await client.get(SEATTLE)).text.startswith("<HTML>")

    @pytest.mark.parametrize(("retry_after_s", "header"), [(None, None), (5, "5")])
    async def test_rate_limits_come_with_or_without_retry_after(self, retry_after_s, header):
        async with connect(Simulator(Faults(rate_429=1, retry_after_s=retry_after_s))) as client:
            response = await client.get(SEATTLE)
        assert (response.status_code, response.headers.get("retry-after")) == (429, header)
        assert response.headers["content-type"] == "text/html"

    async def test_an_outage_starts_and_ends_when_told(self, client, sim):
        statuses = []
        for sim.faults.outage in (False, True, False):
            statuses.append((await client.get(SEATTLE)).status_code)
        assert statuses == [200, 503, 200]

    async def test_outages_come_at_the_end_of_each_window(self):
        times = {0.0: 200, 49.9: 200, 50.0: 503, 59.9: 503, 60.0: 200, 111.0: 503}
        clock = iter(times)
        async with connect(Simulator(Faults(outage_every_s=60, outage_s=10), lambda: next(clock))) as client:
            assert [(await client.get(SEATTLE)).status_code for _ in times] == list(times.values())

    async def test_an_answer_takes_its_latency(self):
        async with connect(Simulator(Faults(latency_ms=30, tail_ms=40, tail_rate=1))) as client:
            start = anyio.current_time()
            await client.get(SEATTLE)
            assert 0.06 < anyio.current_time() - start < 1

    async def test_a_hanging_answer_ends_with_the_clients_patience(self, sim):
        sim.faults.hang_rate = 1
        async with connect(sim) as client:
            with pytest.raises(TimeoutError), anyio.fail_after(0.05):
                await client.get(SEATTLE)
        assert sim.requests == {("point", 200): 1}

    async def test_a_hanging_answer_stops_at_the_half_and_goes_when_the_client_does(self, sim):
        sim.faults.hang_rate = 1
        sent = []

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            sent.append(message)

        headers = [(b"host", b"api.weather.gov"), (b"user-agent", b"test")]
        scope = {
            "type": "http",
            "method": "GET",
            "scheme": "https",
            "path": SEATTLE,
            "query_string": b"",
            "headers": headers,
        }
        await sim(scope, receive, send)
        length = int(dict(sent[0]["headers"])[b"content-length"])
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        assert (len(sent[1]["body"]), sent[1]["more_body"]) == (length // 2, True)

    async def test_a_cut_answer_is_shorter_than_it_says(self, client, sim):
        sim.faults.cut_rate = 1
        response = await client.get(SEATTLE)
        assert len(response.content) == int(response.headers["content-length"]) // 2
        with pytest.raises(json.JSONDecodeError):
            response.json()

    async def test_a_wrong_type_is_html_with_200(self, client, sim):
        sim.faults.wrong_type_rate = 1
        response = await client.get(SEATTLE)
        assert (response.status_code, response.headers["content-type"]) == (200, "text/html")

    async def test_an_expired_grid_has_no_forecast_and_still_stations(self, client, sim):
        sim.faults.expired_grid = True
        properties = await point(client)
        response = await client.get(properties["forecast"])
        assert response.status_code == 503
        assert response.json()["type"].endswith("/ForecastGridExpired")
        assert (await client.get(properties["observationStations"])).status_code == 200

    async def test_renumbering_kills_old_links_and_points_has_new_ones(self, client, sim):
        old = (await point(client))["forecast"]
        before = (await client.get(old)).json()
        sim.faults.renumber = 1
        assert (await client.get(old)).status_code == 404
        new = (await point(client))["forecast"]
        assert new != old
        assert (await client.get(new)).json() == before

    @pytest.mark.parametrize(
        ("order", "status", "content_type", "retry_after"),
        [
            ("status=503; retry-after=1", 503, "application/problem+json", "1"),
            ("status=429;retry-after=5", 429, "text/html", "5"),
            ("status=503; body=html", 503, "text/html", None),
            ("body=html", 403, "text/html", None),
            ("body=type", 200, "text/html", None),
            ("latency-ms=1", 200, "application/geo+json", None),
            ("status=200", 400, "application/problem+json", None),
            ("staus=500", 400, "application/problem+json", None),
            ("nonsense", 400, "application/problem+json", None),
        ],
    )
    async def test_a_header_orders_the_fault_of_one_request(self, client, order, status, content_type, retry_after):
        response = await client.get(SEATTLE, headers={"X-Simulate": order})
        assert (response.status_code, response.headers["content-type"]) == (status, content_type)
        assert response.headers.get("retry-after") == retry_after
        assert (await client.get(SEATTLE)).status_code == 200


async def test_the_application_starts_and_stops():
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(events)

    async def send(message):
        sent.append(message["type"])

    await Simulator()({"type": "lifespan"}, receive, send)
    assert sent == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
