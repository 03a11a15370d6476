"""Requests and answers, headers, errors, and the count of them."""

import re

import httpx
import pytest

from tests.simulator.conftest import SEATTLE, WINTER, connect, lifespan, point
from weather.simulator import Faults, Simulator

pytestmark = pytest.mark.anyio


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
async def test_headers_are_those_of_the_service(client, path, cache_control, modified):
    headers = (await client.get(path)).headers
    assert headers["content-type"] == "application/geo+json"
    assert headers["cache-control"] == cache_control
    assert headers.get("last-modified") == (modified and f"Tue, 20 Jan 2026 {modified} GMT")
    assert headers["vary"] == "Accept-Encoding, Accept,Feature-Flags,Accept-Language"
    assert re.fullmatch("[0-9a-f]{8}", headers["x-correlation-id"])
    assert headers["x-server-id"] == "weather-simulator"


async def test_links_lead_to_the_host_that_was_asked(sim):
    async with httpx.AsyncClient(transport=httpx.ASGITransport(sim)) as client:
        properties = (await client.get(f"http://localhost:8123{SEATTLE}")).json()["properties"]
    assert properties["forecast"] == "http://localhost:8123/gridpoints/SEW/600,600/forecast"


async def test_head_has_the_headers_of_get_and_no_body(client):
    get, head = await client.get(SEATTLE), await client.head(SEATTLE)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == str(len(get.content))


@pytest.mark.parametrize(
    ("path", "status", "kind"),
    [
        ("/points/51.5074,-0.1278", 404, "InvalidPoint"),
        ("/points/43.6532,-79.3832", 404, "InvalidPoint"),
        ("/points/49.28,-123.12", 404, "InvalidPoint"),
        ("/points/48.4284,-123.3656", 404, "InvalidPoint"),
        ("/points/32.5149,-117.0382", 404, "InvalidPoint"),
        ("/points/19.43,-99.13", 404, "InvalidPoint"),
        ("/points/30,-50", 404, "InvalidPoint"),
        ("/points/91,200", 404, "InvalidPoint"),
        ("/points/60,200", 404, "InvalidPoint"),
        ("/points/here", 400, "BadRequest"),
        ("/points/45,-122,3", 400, "BadRequest"),
        ("/points/45,-122?limit=1", 400, "BadRequest"),
        ("/gridpoints/SEW/1.5,2/forecast", 404, "NotFound"),
        ("/gridpoints/XXX/600,600/forecast", 404, "NotFound"),
        ("/gridpoints/SEW/1,1/forecast", 404, "NotFound"),
        ("/stations/XXXX/observations/latest", 404, "NotFound"),
        ("/alerts", 404, "NotFound"),
        ("/", 404, "NotFound"),
    ],
)
async def test_an_error_is_a_problem_that_may_be_cached(client, path, status, kind):
    response = await client.get(path)
    assert response.status_code == status
    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "private, must-revalidate, max-age=86400"
    problem = response.json()
    assert problem.keys() - {"parameterErrors"} == {"correlationId", "title", "type", "status", "detail", "instance"}
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
        ("point=44.48", "query.point"),
        ("point=", "query.point"),
        ("zone=", "query.zone[0]"),
        ("zone=CAZ001,CAZ01", "query.zone[1]"),
        ("zone=CAZ001&zone=XXZ001", "query.zone[0]"),
        ("area=CA&zone=CAZ001", "query.area"),
        ("area=CA&point=38.5,-121.5", "query.area"),
        ("point=38.5,-121.5&zone=CAZ001", "query.point"),
    ],
)
async def test_a_bad_parameter_is_named(client, query, parameter):
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
async def test_more_precision_than_four_decimals_redirects(client, given, wanted):
    response = await client.get(f"/points/{given}")
    assert (response.status_code, response.headers["location"]) == (301, f"/points/{wanted}")
    assert response.json()["type"].endswith("/AdjustPointPrecision")


async def test_the_redirect_can_be_followed(client):
    response = await client.get("/points/47.6100001,-122.3300", follow_redirects=True)
    assert (response.status_code, response.url.path) == (200, SEATTLE)


async def test_other_methods_are_not_allowed(client):
    response = await client.post(SEATTLE)
    assert (response.status_code, response.headers["allow"]) == (405, "GET, HEAD")


async def test_a_request_without_user_agent_meets_the_cdn(client):
    response = await client.get(SEATTLE, headers={"User-Agent": ""})
    assert (response.status_code, response.headers["content-type"]) == (403, "text/html")


async def test_what_is_unchanged_is_not_sent_again(client):
    url = (await point(client))["forecast"]
    modified = (await client.get(url)).headers["last-modified"]
    response = await client.get(url, headers={"If-Modified-Since": modified})
    assert (response.status_code, response.content) == (304, b"")
    for since in ("Tue, 20 Jan 2026 17:59:59 GMT", "yesterday"):
        assert (await client.get(url, headers={"If-Modified-Since": since})).status_code == 200


PATHS = (SEATTLE, "/gridpoints/SEW/600,600/forecast", "/stations/KSEA/observations/latest", "/alerts/active")


@pytest.mark.parametrize("path", PATHS)
async def test_one_hour_and_one_seed_have_one_answer(path):
    bodies = []
    for seed, second in ((1, 0), (1, 300), (2, 0)):
        sim = Simulator(Faults(seed=seed, alerts_every_s=0), clock=lambda second=second: WINTER + second)
        async with connect(sim) as client:
            bodies.append((await client.get(path)).content)
    assert bodies[0] == bodies[1]
    assert (bodies[0] == bodies[2]) == (path == SEATTLE)


async def test_a_run_can_be_repeated():
    runs = []
    for _ in range(2):
        sim = Simulator(Faults(error_rate=0.3, html_rate=0.2), clock=lambda: WINTER)
        async with connect(sim) as client:
            runs.append(
                [(r.status_code, r.headers["x-correlation-id"]) for _ in range(50) for r in [await client.get("/")]]
            )
    assert runs[0] == runs[1]
    assert len({correlation for _, correlation in runs[0]}) == 50


async def test_requests_are_counted_by_endpoint_and_status(client, sim):
    for path in (SEATTLE, SEATTLE, "/points/0,0", "/alerts/active", "/nothing"):
        await client.get(path)
    assert sim.requests == {("point", 200): 2, ("point", 404): 1, ("alerts", 200): 1, ("other", 404): 1}


async def test_the_application_starts_and_stops():
    assert await lifespan(Simulator()) == [
        {"type": "lifespan.startup.complete"},
        {"type": "lifespan.shutdown.complete"},
    ]
