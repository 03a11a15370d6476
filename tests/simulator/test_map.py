"""Any point in the United States has a forecast, or is at sea; nothing else has."""

import random
from collections import Counter
from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from tests.simulator.conftest import point
from weather.simulator.map import LAND, MARINE, PLACES, STATES, cell_of, centre, covered

pytestmark = pytest.mark.anyio


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
    "Fredonia, NY": (42.4511, -79.4154),
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


async def test_every_city_has_its_own_time_and_a_forecast(client):
    for place in PLACES:
        properties = await point(client, f"/points/{place.lat:g},{place.lon:g}")
        assert properties["relativeLocation"]["properties"]["city"] == place.city
        assert (properties["type"], properties["timeZone"]) == ("land", place.zone)
        periods = (await client.get(properties["forecast"])).json()["properties"]["periods"]
        start = datetime.fromisoformat(periods[0]["startTime"])
        assert start.utcoffset() == start.astimezone(ZoneInfo(place.zone)).utcoffset()


def test_every_state_and_territory_has_a_city():
    outlying = {"UM"}  # Wake and Midway
    assert {place.state for place in PLACES} == outlying.union(STATES)
    assert {name[-2:] for name in CITIES} == outlying.union(STATES)


@pytest.mark.parametrize("city", CITIES)
async def test_any_place_in_the_country_has_a_forecast_and_an_observation(client, city):
    lat, lon = CITIES[city]
    properties = await point(client, f"/points/{lat},{lon}")
    assert properties["type"] == "land"
    assert (await client.get(properties["forecast"])).status_code == 200
    stations = (await client.get(properties["observationStations"])).json()["observationStations"]
    assert (await client.get(f"{stations[0]}/observations/latest")).status_code == 200


async def test_every_point_leads_to_a_forecast_or_is_marine(client):
    """The corners of the boxes that the map is made of, and points drawn within them."""
    dice = random.Random(1)
    points = [(54.0907, -179.9959)]
    for south, north, west, east in LAND + MARINE:
        points += [(lat, lon) for lat in (south, north) for lon in (west, east)]
        points += [(dice.uniform(south, north), dice.uniform(west, east)) for _ in range(4)]
    points = [(lat, (lon + 180) % 360 - 180) for lat, lon in points]
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
def test_the_180th_meridian_is_no_border(lon):
    assert covered(52.5, lon)
    assert covered(*centre(cell_of(52.5, lon)))


@pytest.mark.parametrize(
    "where",
    ["44.8,-66.95", "24.56,-81.78", "48.38,-124.6", "49.2,-94.9", "52.9,173.2", "71.3,-156.8", "18.92,-155.68"],
)
async def test_the_corners_of_the_country_are_covered(client, where):
    assert (await client.get((await point(client, f"/points/{where}"))["forecast"])).status_code == 200


async def test_in_anchorage_the_grid_is_not_the_warning_area(client):
    properties = await point(client, "/points/61.2181,-149.9003")
    assert (properties["cwa"], properties["gridId"]) == ("AFC", "AER")


async def test_neighbouring_points_share_a_forecast(client):
    links = {(await point(client, f"/points/47.61{n},-122.33{n}"))["forecast"] for n in (1, 2, 3)}
    assert len(links) == 1


@pytest.mark.parametrize("where", ["43,-86.9", "47.3,-86", "27,-90", "36,-123", "57,-145"])
async def test_the_sea_and_the_great_lakes_have_points_and_no_forecast(client, where):
    properties = await point(client, f"/points/{where}")
    assert properties["type"] == "marine"
    response = await client.get(properties["forecast"])
    assert response.status_code == 404
    assert response.json()["type"].endswith("/MarineForecastNotSupported")
