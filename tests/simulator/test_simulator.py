"""The simulator answers as api.weather.gov does, and misbehaves as it is told to."""

import json
import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import anyio
import httpx
import pytest
from pydantic import ValidationError

from weather.simulator import Faults, FaultsError, Simulator
from weather.simulator.map import (
    AREAS,
    LAND,
    MARINE,
    PLACES,
    STATES,
    bearing,
    cell_of,
    centre,
    covered,
    distance_m,
    stations_of,
)
from weather.simulator.world import halves

pytestmark = pytest.mark.anyio

BASE = "https://api.weather.gov"
WINTER = datetime(2026, 1, 20, 18, 51, 16, tzinfo=UTC).timestamp()
SEATTLE = "/points/47.61,-122.33"

# One city in every state and territory, and places at the borders, on capes, lakes and islands.
CITIES = {
    "Huntsville, AL": (34.7304, -86.5861),
    "Dauphin Island, AL": (30.2555, -88.1097),
    "Ketchikan, AK": (55.3422, -131.6461),
    "Hyder, AK": (55.9169, -130.0247),
    "Skagway, AK": (59.4583, -135.3139),
    "Sitka, AK": (57.0531, -135.33),
    "Port Alexander, AK": (56.2497, -134.6444),
    "Gambell, AK": (63.7797, -171.7411),
    "Wales, AK": (65.6092, -168.0875),
    "Little Diomede, AK": (65.7583, -168.9531),
    "Saint Paul, AK": (57.1222, -170.275),
    "Atka, AK": (52.1961, -174.2006),
    "Amchitka, AK": (51.3778, 179.3019),
    "Attu, AK": (52.8936, 173.1731),
    "Yuma, AZ": (32.6927, -114.6277),
    "Nogales, AZ": (31.3404, -110.9343),
    "Page, AZ": (36.9147, -111.4558),
    "Texarkana, AR": (33.4418, -94.0377),
    "Crescent City, CA": (41.7558, -124.2026),
    "Point Arena, CA": (38.9087, -123.6931),
    "Jenner, CA": (38.4496, -123.1156),
    "Santa Cruz, CA": (36.9741, -122.0308),
    "Avalon, CA": (33.3428, -118.3278),
    "Santa Rosa Island, CA": (33.9511, -120.1),
    "Imperial Beach, CA": (32.5839, -117.1131),
    "Durango, CO": (37.2753, -107.8801),
    "Stonington, CT": (41.3359, -71.9059),
    "Lewes, DE": (38.7746, -75.1393),
    "Washington, DC": (38.9072, -77.0369),
    "Pensacola, FL": (30.4213, -87.2169),
    "Cape Canaveral, FL": (28.3922, -80.6077),
    "Tybee Island, GA": (32.0002, -80.8457),
    "Lihue, HI": (21.9811, -159.3711),
    "Ka Lae, HI": (18.9136, -155.6811),
    "Bonners Ferry, ID": (48.6914, -116.3181),
    "Cairo, IL": (37.0053, -89.1765),
    "Gary, IN": (41.5934, -87.3464),
    "Sioux City, IA": (42.4999, -96.4003),
    "Goodland, KS": (39.3508, -101.7102),
    "Paducah, KY": (37.0834, -88.6001),
    "Venice, LA": (29.277, -89.3548),
    "Eastport, ME": (44.9062, -66.99),
    "Robbinston, ME": (45.067, -67.1433),
    "Madawaska, ME": (47.3553, -68.3336),
    "Isle au Haut, ME": (44.0756, -68.6339),
    "Ocean City, MD": (38.3365, -75.0849),
    "Provincetown, MA": (42.0584, -70.1787),
    "Nantucket, MA": (41.2835, -70.0995),
    "Grand Marais, MI": (46.6708, -85.9853),
    "Whitefish Point, MI": (46.7706, -84.9567),
    "Copper Harbor, MI": (47.4688, -87.8882),
    "Port Huron, MI": (42.9709, -82.4249),
    "Detroit, MI": (42.3314, -83.0458),
    "Angle Inlet, MN": (49.3453, -95.0706),
    "International Falls, MN": (48.601, -93.4067),
    "Grand Portage, MN": (47.9636, -89.6848),
    "Biloxi, MS": (30.396, -88.8853),
    "Joplin, MO": (37.0842, -94.5133),
    "Sweet Grass, MT": (48.9953, -111.9617),
    "Scottsbluff, NE": (41.8666, -103.6672),
    "Jackpot, NV": (41.9832, -114.6748),
    "Pittsburg, NH": (45.0517, -71.3917),
    "Cape May, NJ": (38.9351, -74.906),
    "Sunland Park, NM": (31.7965, -106.58),
    "Niagara Falls, NY": (43.0962, -79.0377),
    "Oswego, NY": (43.4553, -76.5105),
    "Ogdensburg, NY": (44.6942, -75.4863),
    "Montauk, NY": (41.0359, -71.9545),
    "Cape Hatteras, NC": (35.2224, -75.5305),
    "Pembina, ND": (48.9664, -97.2437),
    "Toledo, OH": (41.6528, -83.5379),
    "Mentor Headlands, OH": (41.7581, -81.2903),
    "Put-in-Bay, OH": (41.6542, -82.8207),
    "Guymon, OK": (36.6828, -101.4816),
    "Cape Blanco, OR": (42.8376, -124.5635),
    "Erie, PA": (42.1292, -80.0851),
    "Harborcreek, PA": (42.1767, -79.9416),
    "North East, PA": (42.2156, -79.8342),
    "Block Island, RI": (41.1718, -71.5778),
    "Edisto Beach, SC": (32.4791, -80.3345),
    "Lead, SD": (44.3522, -103.7652),
    "Bristol, TN": (36.5951, -82.1887),
    "Presidio, TX": (29.5607, -104.3722),
    "Laredo, TX": (27.5306, -99.4803),
    "South Padre Island, TX": (26.1118, -97.1681),
    "St. George, UT": (37.0965, -113.5684),
    "Derby Line, VT": (45.0048, -72.0998),
    "Chincoteague, VA": (37.9332, -75.3788),
    "Neah Bay, WA": (48.3681, -124.625),
    "Cape Flattery, WA": (48.3831, -124.7144),
    "Point Roberts, WA": (48.9854, -123.0779),
    "Blaine, WA": (48.9937, -122.7471),
    "Harpers Ferry, WV": (39.3254, -77.7389),
    "Superior, WI": (46.7208, -92.1041),
    "Jackson, WY": (43.4799, -110.7624),
    "Mayaguez, PR": (18.2013, -67.1397),
    "Culebra, PR": (18.303, -65.301),
    "Christiansted, VI": (17.7466, -64.7032),
    "Merizo, GU": (13.2658, 144.6694),
    "Rota, MP": (14.1509, 145.2127),
    "Ta'u, AS": (-14.2336, -169.5144),
    "Swains Island, AS": (-11.0556, -171.0769),
    "Melekeok, PW": (7.4949, 134.6375),
    "Kosrae, FM": (5.3242, 163.0078),
    "Kapingamarangi, FM": (1.0719, 154.7794),
    "Kwajalein, MH": (8.7203, 167.7314),
    "Wake Island, UM": (19.2823, 166.647),
    "Midway, UM": (28.2072, -177.3735),
}


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
            ("/points/60,200", 404, "InvalidPoint"),
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

    def test_every_state_and_territory_has_a_city(self):
        outlying = {"UM"}  # Wake and Midway
        assert {place.state for place in PLACES} == STATES.keys() | outlying
        assert {name[-2:] for name in CITIES} == STATES.keys() | outlying

    @pytest.mark.parametrize("city", CITIES)
    async def test_any_place_in_the_country_has_a_forecast_and_an_observation(self, client, city):
        lat, lon = CITIES[city]
        properties = await point(client, f"/points/{lat},{lon}")
        assert properties["type"] == "land"
        assert (await client.get(properties["forecast"])).status_code == 200
        stations = (await client.get(properties["observationStations"])).json()["observationStations"]
        assert (await client.get(f"{stations[0]}/observations/latest")).status_code == 200

    async def test_every_point_leads_to_a_forecast_or_is_marine(self, client):
        """The corners of the boxes that the map is made of, and points drawn within them."""
        dice = random.Random(1)
        points = [(54.0907, -179.9959)]
        for south, north, west, east in LAND + MARINE:
            points += [(lat, lon) for lat in (south, north) for lon in (west, east)]
            points += [(dice.uniform(south, north), dice.uniform(west, east)) for _ in range(4)]
        answers = {"land": (200, "Feature"), "marine": (404, "MarineForecastNotSupported")}
        seen = Counter()
        for lat, lon in points:
            place = (await client.get(f"/points/{lat:.4f},{lon:.4f}", follow_redirects=True)).json()
            kind = place["properties"]["type"]
            forecast = await client.get(place["properties"]["forecast"])
            got = forecast.status_code, forecast.json()["type"].rpartition("/")[2]
            assert got == answers[kind], place["id"]
            seen[kind] += 1
        assert min(seen.values()) > 50

    @pytest.mark.parametrize("lon", [180, -180, 179.9999, -179.9999])
    def test_the_180th_meridian_is_no_border(self, lon):
        assert covered(52.5, lon)
        assert covered(*centre(cell_of(52.5, lon)))

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

    @pytest.mark.parametrize(
        ("variable", "value", "expected"),
        [
            ("SIMULATOR_LATENCY_MS", "abc", "a valid number, unable to parse string as a number"),
            ("SIMULATOR_LATENCY_MS", "-1", "greater than or equal to 0"),
            ("SIMULATOR_TAIL_MS", "inf", "a finite number"),
            ("SIMULATOR_OUTAGE_S", "-0.5", "greater than or equal to 0"),
            ("SIMULATOR_RETRY_AFTER_S", "-1", "greater than or equal to 0"),
            ("SIMULATOR_HANG_RATE", "1.5", "less than or equal to 1"),
            ("SIMULATOR_OUTAGE", "maybe", "a valid boolean, unable to interpret input"),
            ("SIMULATOR_SEED", "one", "a valid integer, unable to parse string as an integer"),
        ],
    )
    async def test_a_bad_variable_fails_the_start_with_one_sentence(self, monkeypatch, variable, value, expected):
        monkeypatch.setenv(variable, value)
        message = f"{variable} is {value!r}, and should be {expected}."
        with pytest.raises(FaultsError) as error:
            Faults.read()
        assert str(error.value) == message
        assert await lifespan(Simulator()) == [{"type": "lifespan.startup.failed", "message": message}]

    async def test_an_empty_variable_is_as_none(self, monkeypatch):
        monkeypatch.setenv("SIMULATOR_LATENCY_MS", "")
        assert Faults.read() == Faults()

    def test_hypercorn_does_not_serve_with_a_bad_variable(self, serve):
        with pytest.raises(RuntimeError, match=r"SIMULATOR_LATENCY_MS is 'abc', and should be a valid number"):
            serve(application="weather.simulator:app", config=None, SIMULATOR_LATENCY_MS="abc")

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
            ("problem=ForecastGridExpired; retry-after=9", 503, "application/problem+json", "9"),
            ("problem=NotFound", 404, "application/problem+json", None),
            ("problem=Nothing", 400, "application/problem+json", None),
            ("latency-ms=-1", 400, "application/problem+json", None),
            ("latency-ms=nan", 400, "application/problem+json", None),
            ("latency-ms=inf", 400, "application/problem+json", None),
            ("status=503; retry-after=-1", 400, "application/problem+json", None),
            ("status=304; body=html", 400, "application/problem+json", None),
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

    async def test_a_header_orders_the_answer_of_a_setting(self, client, sim):
        url = (await point(client))["forecast"]
        ordered = (await client.get(url, headers={"X-Simulate": "problem=ForecastGridExpired"})).json()
        sim.faults.expired_grid = True
        own = {"correlationId", "instance"}
        assert {**(await client.get(url)).json(), **{key: ordered[key] for key in own}} == ordered

    @pytest.mark.parametrize(
        ("path", "since", "status"),
        [
            ("/stations/KSEA/observations/latest", "Mon, 01 Jan 2001 00:00:00 GMT", 304),
            (SEATTLE, "Mon, 01 Jan 2001 00:00:00 GMT", 304),
            (SEATTLE, None, 200),
            ("/points/0,0", "Mon, 01 Jan 2001 00:00:00 GMT", 404),
        ],
    )
    async def test_a_304_comes_by_order_only_where_it_was_asked_for(self, client, path, since, status):
        headers = {"X-Simulate": "status=304"} | ({"If-Modified-Since": since} if since else {})
        response = await client.get(path, headers=headers)
        assert response.status_code == status
        assert (response.content == b"") == (status == 304)
        assert ("content-length" in response.headers) == (status != 304)


async def lifespan(app):
    """What an application sends when it is started and then stopped."""
    events = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
    sent = []

    async def receive():
        return next(events)

    async def send(message):
        sent.append(message)

    await app({"type": "lifespan"}, receive, send)
    return sent


async def test_the_application_starts_and_stops():
    assert await lifespan(Simulator()) == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]
