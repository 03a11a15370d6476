"""The simulator misbehaves as its faults say."""

import json
from collections import Counter

import anyio
import pytest
from pydantic import ValidationError

from tests.simulator.conftest import SEATTLE, WINTER, connect, lifespan, point
from weather.simulator import Faults, FaultsError, Simulator

pytestmark = pytest.mark.anyio


async def drawn(faults, n=400):
    """How often each status came in `n` requests."""
    sim = Simulator(faults, clock=lambda: WINTER)
    async with connect(sim) as client:
        for _ in range(n):
            await client.get("/unknown")
    return Counter({status: count for (_, status), count in sim.requests.items()})


async def test_settings_come_from_the_environment_at_the_first_request(monkeypatch):
    sim = Simulator()
    monkeypatch.setenv("SIMULATOR_OUTAGE", "true")
    async with connect(sim) as client:
        assert (await client.get(SEATTLE)).status_code == 503


def test_a_rate_is_a_share():
    with pytest.raises(ValidationError):
        Faults(error_rate=1.5)
    with pytest.raises(ValidationError):
        Faults().hang_rate = -1


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("SIMULATOR_LATENCY_MS", "abc", "a number"),
        ("SIMULATOR_LATENCY_MS", "-1", "greater than or equal to 0"),
        ("SIMULATOR_TAIL_MS", "inf", "a finite number"),
        ("SIMULATOR_OUTAGE_S", "-0.5", "greater than or equal to 0"),
        ("SIMULATOR_RETRY_AFTER_S", "-1", "greater than or equal to 0"),
        ("SIMULATOR_HANG_RATE", "1.5", "less than or equal to 1"),
        ("SIMULATOR_OUTAGE", "maybe", "true or false"),
        ("SIMULATOR_SEED", "one", "a whole number"),
    ],
)
async def test_a_bad_variable_fails_the_start_with_one_sentence(monkeypatch, variable, value, expected):
    monkeypatch.setenv(variable, value)
    message = f"{variable} is {value!r}, and should be {expected}."
    with pytest.raises(FaultsError) as error:
        Faults.read()
    assert str(error.value) == message
    assert await lifespan(Simulator()) == [{"type": "lifespan.startup.failed", "message": message}]


async def test_an_empty_variable_is_as_none(monkeypatch):
    monkeypatch.setenv("SIMULATOR_LATENCY_MS", "")
    assert Faults.read() == Faults()


def test_hypercorn_does_not_serve_with_a_bad_variable(serve):
    with pytest.raises(RuntimeError, match=r"SIMULATOR_LATENCY_MS is 'abc', and should be a number"):
        serve(application="weather.simulator:app", config=None, SIMULATOR_LATENCY_MS="abc")


async def test_errors_come_at_their_rate():
    seen = await drawn(Faults(error_rate=0.3))
    assert seen.keys() == {404, 500, 502, 503}
    assert 0.2 < 1 - seen[404] / 400 < 0.4


async def test_the_cdn_answers_in_html_at_its_rate():
    seen = await drawn(Faults(html_rate=0.3))
    assert seen.keys() == {404, 403, 503}
    async with connect(Simulator(Faults(html_rate=1))) as client:
        assert (await client.get(SEATTLE)).text.startswith("<HTML>")


@pytest.mark.parametrize(("retry_after_s", "header"), [(None, None), (5, "5")])
async def test_rate_limits_come_with_or_without_retry_after(retry_after_s, header):
    async with connect(Simulator(Faults(rate_429=1, retry_after_s=retry_after_s))) as client:
        response = await client.get(SEATTLE)
    assert (response.status_code, response.headers.get("retry-after")) == (429, header)
    assert response.headers["content-type"] == "text/html"


async def test_an_outage_starts_and_ends_when_set(client, sim):
    statuses = []
    for sim.faults.outage in (False, True, False):
        statuses.append((await client.get(SEATTLE)).status_code)
    assert statuses == [200, 503, 200]


async def test_outages_come_at_the_end_of_each_window():
    times = {0.0: 200, 49.9: 200, 50.0: 503, 59.9: 503, 60.0: 200, 111.0: 503}
    clock = iter(times)
    async with connect(Simulator(Faults(outage_every_s=60, outage_s=10), lambda: next(clock))) as client:
        assert [(await client.get(SEATTLE)).status_code for _ in times] == list(times.values())


async def test_an_answer_takes_its_latency():
    async with connect(Simulator(Faults(latency_ms=30, tail_ms=40, tail_rate=1))) as client:
        start = anyio.current_time()
        await client.get(SEATTLE)
        assert anyio.current_time() - start > 0.06


async def test_a_hanging_answer_ends_with_the_clients_patience(sim):
    sim.faults.hang_rate = 1
    async with connect(sim) as client:
        with pytest.raises(TimeoutError), anyio.fail_after(0.5):
            await client.get(SEATTLE)
    assert sim.requests == {("point", 200): 1}


async def test_a_hanging_answer_stops_at_the_half_and_goes_when_the_client_does(sim):
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


async def test_a_cut_answer_is_shorter_than_it_says(client, sim):
    sim.faults.cut_rate = 1
    response = await client.get(SEATTLE)
    assert len(response.content) == int(response.headers["content-length"]) // 2
    with pytest.raises(json.JSONDecodeError):
        response.json()


async def test_a_wrong_type_is_html_with_200(client, sim):
    sim.faults.wrong_type_rate = 1
    response = await client.get(SEATTLE)
    assert (response.status_code, response.headers["content-type"]) == (200, "text/html")


async def test_an_expired_grid_has_no_forecast_and_still_stations(client, sim):
    sim.faults.expired_grid = True
    properties = await point(client)
    response = await client.get(properties["forecast"])
    assert response.status_code == 503
    assert response.json()["type"].endswith("/ForecastGridExpired")
    assert (await client.get(properties["observationStations"])).status_code == 200


async def test_renumbering_kills_old_links_and_points_has_new_ones(client, sim):
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
        ("retry_after=1", 400, "application/problem+json", None),
        ("nonsense", 400, "application/problem+json", None),
    ],
)
async def test_a_header_orders_the_fault_of_one_request(client, order, status, content_type, retry_after):
    response = await client.get(SEATTLE, headers={"X-Simulate": order})
    assert (response.status_code, response.headers["content-type"]) == (status, content_type)
    assert response.headers.get("retry-after") == retry_after
    assert (await client.get(SEATTLE)).status_code == 200


async def test_a_header_orders_the_answer_of_a_setting(client, sim):
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
async def test_a_304_comes_by_order_only_where_it_was_asked_for(client, path, since, status):
    headers = {"X-Simulate": "status=304"} | ({"If-Modified-Since": since} if since else {})
    response = await client.get(path, headers=headers)
    assert response.status_code == status
    assert (response.content == b"") == (status == 304)
    assert ("content-length" in response.headers) == (status != 304)
