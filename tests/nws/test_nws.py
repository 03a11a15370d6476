"""Which URLs are asked, and what NWS's answers and failures come to. The simulator is on a clock of the test's."""

import json
import re
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta

import anyio
import httpx
import pytest

from tests.conftest import Clock
from tests.raw import TIMEOUT_S
from weather.config import Settings
from weather.errors import BadAnswer, NoForecast, NotCovered, Rejected, Unavailable, Withdrawn
from weather.metrics import Metrics
from weather.nws import NWS
from weather.simulator import Faults, Simulator

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]

NOON = datetime(2026, 1, 20, 18, tzinfo=UTC).timestamp()
SEATTLE = (47.61, -122.33)
NEAR_SEATTLE = (47.6101, -122.3301)
AT_SEA = (47.0, -125.2)


class World(httpx.AsyncBaseTransport):
    """The simulator, whose answers a test may change: `edits` are (end of path, function of the JSON body)."""

    def __init__(self):
        self.clock, self.faults = Clock(), Faults()
        self.simulator = Simulator(self.faults, clock=lambda: NOON + self.clock.now)
        self.asgi = httpx.ASGITransport(app=self.simulator)
        self.edits, self.requests = [], []

    async def handle_async_request(self, request):
        self.requests.append(request.url)
        response = await self.asgi.handle_async_request(request)
        for end, edit in self.edits:
            if request.url.path.endswith(end) and response.status_code == 200:
                edited = edit(json.loads(await response.aread()))
                if isinstance(edited, httpx.Response):
                    return edited
                headers = {name: value for name, value in response.headers.items() if name != "content-length"}
                return httpx.Response(200, json=edited, headers=headers)
        return response

    @property
    def asked(self):
        """What has been asked since this was last read."""
        found, self.requests = [url.raw_path.decode() for url in self.requests], []
        return found

    @asynccontextmanager
    async def nws(self, **settings):
        settings = Settings(**{"nws_api_base": "simulator", **{f"nws_{key}": value for key, value in settings.items()}})
        async with NWS(settings, Metrics(), self, self.clock) as nws:
            nws.host.epoch = datetime.fromtimestamp(NOON, UTC)  # both clocks tell the same time
            yield nws


@pytest.fixture
def world():
    return World()


def change(**properties):
    def edit(body):
        body["properties"].update(properties)
        return body

    return edit


def outside(_body):
    problem = {"type": "https://api.weather.gov/problems/InvalidPoint"}
    return httpx.Response(404, json=problem, headers={"Content-Type": "application/problem+json"})


class Notes(list):
    async def __call__(self, note):
        self.append(note)


@pytest.mark.parametrize(
    ("latitude", "longitude", "path"),
    [
        (47.61, -122.33, "/points/47.61,-122.33"),
        (47.6100, -122.0, "/points/47.61,-122"),
        (47.61234, -122.33335, "/points/47.6123,-122.3333"),
        (40.0, -100.0, "/points/40,-100"),
        (-0.0, -0.00001, "/points/0,0"),
        (1e-5, 100.0, "/points/0,100"),
    ],
)
async def test_a_point_has_four_decimals_at_most_and_no_trailing_zero(world, latitude, longitude, path):
    async with world.nws() as nws:
        with suppress(NotCovered):
            await nws.point(round(latitude, 4), round(longitude, 4))
    assert world.asked == [path]


async def test_links_are_followed_on_the_host_that_is_asked(world):
    async with world.nws(api_base="https://mirror.invalid/nws") as nws:
        url = nws._here("https://api.weather.gov/gridpoints/SEW/1,2/forecast")
    assert url == "https://mirror.invalid/nws/gridpoints/SEW/1,2/forecast"


@pytest.mark.parametrize(
    ("link", "url"),
    [
        ("https://api.weather.gov/a?units=us", "https://simulator.invalid/a?units=us"),
        ("/a", "https://simulator.invalid/a"),
        ("a", "https://simulator.invalid/a"),
        ("@evil.invalid/a", "https://simulator.invalid/@evil.invalid/a"),
        ("https://evil.invalid//evil.invalid/a", "https://simulator.invalid/evil.invalid/a"),
        (".evil.invalid/a", "https://simulator.invalid/.evil.invalid/a"),
    ],
)
async def test_a_link_never_leads_to_another_host(world, link, url):
    async with world.nws() as nws:
        assert nws._here(link) == url


async def test_a_link_that_is_no_url_is_a_bad_answer(world):
    world.edits = [("-122.33", change(forecast="http://[half"))]
    async with world.nws() as nws:
        with pytest.raises(BadAnswer, match="leads nowhere"):
            await nws.forecast(*SEATTLE)


async def test_places_with_the_same_forecast_link_share_it(world):
    async with world.nws() as nws:
        _, first = await nws.forecast(*SEATTLE)
        _, second = await nws.forecast(*NEAR_SEATTLE)
    assert first is second
    assert [path.split("/")[1] for path in world.asked] == ["points", "gridpoints", "points"]


async def test_a_place_outside_coverage_is_asked_once_an_hour(world):
    async with world.nws() as nws:
        for later_s, asked in ((0, True), (0, False), (3599, False), (1, True)):
            world.clock.now += later_s
            with pytest.raises(NotCovered, match="The National Weather Service has no data for"):
                await nws.forecast(51.5074, -0.1278)
            assert world.asked == ["/points/51.5074,-0.1278"] * asked


async def test_a_404_of_the_cdn_says_nothing_about_coverage(world):
    world.edits = [("-122.33", lambda body: httpx.Response(404, html="<h1>Not Found</h1>"))]
    async with world.nws() as nws:
        with pytest.raises(Rejected, match="status 404"):
            await nws.point(*SEATTLE)
        world.edits = []
        assert (await nws.point(*SEATTLE)).data.location.state == "WA"


async def test_a_404_of_the_cdn_says_nothing_about_a_link(world):
    world.edits = [("/forecast", lambda body: httpx.Response(404, html="<h1>Not Found</h1>"))]
    async with world.nws() as nws:
        with pytest.raises(Rejected, match="status 404"):
            await nws.forecast(*SEATTLE)
        world.edits = []
        assert (await nws.forecast(*SEATTLE))[1].data.periods


async def test_a_place_at_sea_is_told_to_have_no_forecast(world):
    async with world.nws() as nws:
        with pytest.raises(NoForecast, match="on the water"):
            await nws.forecast(*AT_SEA)


async def test_a_place_without_a_link_is_told_to_have_no_forecast(world):
    world.edits = [("-122.33", change(forecast=None))]
    async with world.nws() as nws:
        for later_s, asked in ((0, 1), (299, 0)):
            world.clock.now += later_s
            with pytest.raises(NoForecast, match="no forecast link"):
                await nws.forecast(*SEATTLE)
            assert len(world.asked) == asked
        world.edits = []
        world.clock.now += 1
        assert (await nws.forecast(*SEATTLE))[1].data.periods


async def test_a_place_without_a_link_to_stations_has_no_observation(world):
    world.edits = [("-122.33", change(observationStations=None))]
    async with world.nws() as nws:
        assert await observed(nws) is None


async def test_an_empty_forecast_is_an_error_and_the_last_good_one_serves(world):
    async with world.nws() as nws:
        world.edits = [("/forecast", change(periods=[]))]
        with pytest.raises(BadAnswer, match="no periods"):
            await nws.forecast(*SEATTLE)
        world.edits = []
        world.clock.now += 10
        assert not (await nws.forecast(*SEATTLE))[1].stale
        world.clock.now += 3600
        world.edits = [("/forecast", change(periods=[]))]
        assert (await nws.forecast(*SEATTLE))[1].stale


async def test_an_expired_grid_is_told_and_not_asked_again_at_once(world):
    world.faults.expired_grid = True
    async with world.nws() as nws:
        for later_s, said in (
            (0, "not out yet. Try again in an hour."),
            (540, "not out yet (for 9 minutes now). Try again in an hour."),
        ):
            world.clock.now += later_s
            await nws.alerts("CA")  # The host is well.
            world.requests = []
            with pytest.raises(Unavailable, match=re.escape(said)):
                await nws.forecast(*SEATTLE)
    assert len(world.asked) == 1


async def test_a_renumbered_grid_is_resolved_anew_once(world):
    notes = Notes()
    async with world.nws() as nws:
        await nws.forecast(*SEATTLE)
        world.clock.now += 3600
        world.faults.renumber = 1
        assert len(world.asked) == 2
        point, forecast = await nws.forecast(*SEATTLE, progress=notes)
        assert forecast.data.periods
        assert [path.split("/")[1] for path in world.asked] == ["gridpoints", "points", "gridpoints"]
        assert notes == ["Asking for the forecast", "Resolving the place", "Asking for the forecast"]
        assert (await nws.forecast(*SEATTLE))[0] is point
        assert world.asked == []


async def test_concurrent_callers_of_a_renumbered_grid_resolve_it_once(world):
    async with world.nws() as nws:
        await nws.forecast(*SEATTLE)
        world.clock.now += 3600
        world.faults.renumber = 1
        world.requests = []
        async with anyio.create_task_group() as callers:
            for _ in range(100):
                callers.start_soon(lambda: nws.forecast(*SEATTLE))
    assert [path.split("/")[1] for path in world.asked] == ["gridpoints", "points", "gridpoints"]


async def test_a_link_that_nws_names_again_though_it_leads_nowhere_is_asked_once_a_minute(world):
    async with world.nws() as nws:
        link = (await nws.point(*SEATTLE)).data.forecast
        world.edits = [("-122.33", change(forecast=link))]
        world.faults.renumber = 1
        for later_s, asked in ((0, True), (10, False), (49, False), (1, True)):
            world.clock.now += later_s
            world.requests = []
            with pytest.raises(Withdrawn):
                await nws.forecast(*SEATTLE)
            assert [path.split("/")[1] for path in world.asked] == ["gridpoints", "points"] * asked
        world.faults.renumber = 0
        world.clock.now += 60
        assert (await nws.forecast(*SEATTLE))[1].data.periods


@pytest.mark.parametrize("point_fails", [False, True])
async def test_a_good_forecast_outlives_its_link(world, point_fails):
    async with world.nws() as nws:
        link = (await nws.forecast(*SEATTLE))[0].data.forecast
        same, down = change(forecast=link), lambda body: httpx.Response(500)
        world.edits = [("-122.33", down if point_fails else same)]
        world.faults.renumber = 1
        world.clock.now += 3600
        for _ in range(2):
            assert (await nws.forecast(*SEATTLE))[1].stale
        world.edits, world.faults.renumber = [], 0
        world.clock.now += 60
        assert not (await nws.forecast(*SEATTLE))[1].stale


STATIONS = "/stations"
LATEST = "/observations/latest"


def hours_old(world, hours):
    then = datetime.fromtimestamp(NOON, UTC) - timedelta(hours=hours)
    return change(timestamp=then.isoformat())


async def observed(nws):
    return await nws.observation(await nws.point(*SEATTLE))


async def test_the_nearest_station_is_asked(world):
    async with world.nws() as nws:
        seen = await observed(nws)
    asked = world.asked
    assert seen.data.temperature_f is not None
    assert len(asked) == 3
    assert asked[2] == f"/stations/{seen.data.station}/observations/latest"


@pytest.mark.parametrize(
    ("edit", "requests"),
    [
        (lambda world: hours_old(world, 2.1), 3),
        (lambda world: change(temperature={"unitCode": "wmoUnit:degC", "value": None}), 3),
        (lambda world: lambda body: httpx.Response(404, json={"type": "NotFound"}), 3),
        (lambda world: lambda body: {"nothing": "of this"}, 3),
    ],
    ids=["old", "without a temperature", "missing", "unreadable"],
)
async def test_stations_without_a_fresh_observation_are_passed_over_three_at_most(world, edit, requests):
    world.edits = [(LATEST, edit(world))]
    async with world.nws() as nws:
        assert await observed(nws) is None
    assert sum(path.endswith(LATEST) for path in world.asked) == requests


async def test_an_observation_is_kept_until_it_is_two_hours_old_and_not_longer(world):
    world.edits = [(LATEST, hours_old(world, 1.99))]
    async with world.nws() as nws:
        seen = await observed(nws)
        assert seen.expires_at == pytest.approx(nws.clock() + 36)


async def test_the_next_station_serves_when_the_nearest_does_not(world):
    world.edits = [(f"/KSEA{LATEST}", hours_old(world, 3))]
    async with world.nws() as nws:
        seen = await observed(nws)
    assert [path for path in world.asked if path.endswith(LATEST)] == [
        f"/stations/KSEA{LATEST}",
        f"/stations/{seen.data.station}{LATEST}",
    ]


async def test_failing_observations_take_nothing_from_the_rest(world):
    world.edits = [(LATEST, lambda body: httpx.Response(500))]
    async with world.nws(breaker_failures=2) as nws:
        for _ in range(5):
            assert await observed(nws) is None
        assert (await nws.alerts("CA")).data.alerts


async def test_hanging_observations_take_no_room_from_the_rest(world):
    gate = anyio.Event()
    ask = world.handle_async_request

    async def hanging(request):
        if request.url.path.endswith(LATEST):
            await gate.wait()
        return await ask(request)

    world.handle_async_request = hanging
    async with world.nws(max_concurrency=4) as nws:
        places = [await nws.point(47.0 + number / 10, -120) for number in range(10)]
        for point in places:
            nws.start(lambda point=point: nws.observation(point))
        with anyio.fail_after(TIMEOUT_S):
            assert (await nws.alerts("CA")).data.alerts


async def test_an_observation_is_never_given_beyond_its_time(world):
    async with world.nws() as nws:
        await observed(nws)
        world.clock.now += 300
        world.faults.outage = True
        assert await observed(nws) is None


@pytest.mark.parametrize(
    "failure",
    [
        {"outage": True},
        {"error_rate": 1},
        {"html_rate": 1},
        {"rate_429": 1},
        {"cut_rate": 1},
        {"wrong_type_rate": 1},
    ],
    ids=str,
)
async def test_failing_alerts_are_an_error_and_old_ones_are_stale_for_a_quarter_of_an_hour(world, failure):
    async with world.nws() as nws:
        assert (await nws.alerts("CA")).data.alerts
        for name, value in failure.items():
            setattr(world.faults, name, value)
        with pytest.raises(Unavailable):
            await nws.alerts("TX")
        world.clock.now += 15 * 60
        assert (await nws.alerts("CA")).stale
        world.clock.now += 1
        with pytest.raises(Unavailable):
            await nws.alerts("CA")


async def test_a_400_on_alerts_is_an_error(world):
    async with world.nws() as nws:
        with pytest.raises(Rejected, match="status 400"):
            await nws.alerts("ZZ")


async def test_no_alerts_is_an_answer(world):
    async with world.nws() as nws:
        assert (await nws.alerts("VT")).data.alerts == ()


async def test_alerts_ask_for_actual_ones_of_one_area(world):
    async with world.nws() as nws:
        alerts = await nws.alerts("CA")
    assert world.asked == ["/alerts/active?area=CA&status=actual"]
    assert alerts.expires_at == world.clock.now + 30


async def test_a_forecast_is_stale_for_six_hours(world):
    async with world.nws() as nws:
        await nws.forecast(*SEATTLE)
        world.faults.outage = True
        world.clock.now += 6 * 3600
        point, forecast = await nws.forecast(*SEATTLE)
        assert (point.stale, forecast.stale) == (False, True)
        world.clock.now += 1
        with pytest.raises(Unavailable):
            await nws.forecast(*SEATTLE)


async def test_what_is_being_waited_for_is_told_once_and_not_when_it_is_at_hand(world):
    notes = Notes()
    async with world.nws() as nws:
        for _ in range(2):
            await nws.forecast(*SEATTLE, progress=notes)
            await nws.alerts("CA", progress=notes)
    assert notes == ["Resolving the place", "Asking for the forecast", "Asking for the alerts"]


async def test_a_forecast_by_the_hour_has_a_link_a_note_and_a_life_of_its_own(world):
    notes = Notes()
    async with world.nws() as nws:
        point, hours = await nws.forecast(*SEATTLE, hourly=True, progress=notes)
        assert world.asked[1:] == [httpx.URL(point.data.forecast).raw_path.decode() + "/hourly"]
        assert notes == ["Resolving the place", "Asking for the forecast"]
        assert len(hours.data.periods) == 60
        await nws.forecast(*SEATTLE)
        assert len(world.asked) == 1
        world.clock.now += 3600
        world.faults.renumber = 1
        assert not (await nws.forecast(*SEATTLE, hourly=True))[1].stale
        assert [path.split("/")[-1] for path in world.asked] == ["hourly", "47.61,-122.33", "hourly"]


async def test_a_place_without_a_link_by_the_hour_has_a_forecast_all_the_same(world):
    world.edits = [("-122.33", change(forecastHourly=None))]
    async with world.nws() as nws:
        with pytest.raises(NoForecast, match="ask without hourly"):
            await nws.forecast(*SEATTLE, hourly=True)
        assert (await nws.forecast(*SEATTLE))[1].data.periods


IN_CALIFORNIA, IN_VERMONT = (38.5, -121.5), (44.48, -73.21)


async def test_alerts_at_a_point_ask_for_the_point_and_for_its_coverage_only_where_there_are_none(world):
    async with world.nws() as nws:
        assert (await nws.alerts(IN_CALIFORNIA)).data.alerts
        assert world.asked == ["/alerts/active?point=38.5,-121.5&status=actual"]
        assert not (await nws.alerts(IN_VERMONT)).data.alerts
        assert world.asked == ["/alerts/active?point=44.48,-73.21&status=actual", "/points/44.48,-73.21"]
        world.clock.now += 30
        await nws.alerts(IN_VERMONT)
        assert world.asked == ["/alerts/active?point=44.48,-73.21&status=actual"]


async def test_a_point_without_a_forecast_link_may_have_no_alerts(world):
    world.edits = [("-73.21", change(forecast=None))]
    async with world.nws() as nws:
        assert not (await nws.alerts(IN_VERMONT)).data.alerts


@pytest.mark.parametrize("point_at", [(48.85, 2.35), (0.0, 0.0)])
async def test_alerts_outside_the_coverage_are_refused_however_nws_says_it(world, point_at):
    async with world.nws() as nws:
        with pytest.raises(NotCovered):
            await nws.alerts(point_at)
        assert len(world.asked) == 1
        with pytest.raises(NotCovered):
            await nws.alerts(point_at)
        assert world.asked == []


async def test_no_alerts_outside_the_coverage_are_no_answer(world):
    """Should NWS say 200 and none of a point that it does not cover, passing that on would promise good weather."""
    world.edits = [("/alerts/active", lambda body: {"features": []}), ("-73.21", outside)]
    async with world.nws() as nws:
        with pytest.raises(NotCovered):
            await nws.alerts(IN_VERMONT)


async def test_that_there_are_no_alerts_is_not_said_of_a_point_whose_coverage_is_unknown(world):
    world.edits = [("-73.21", lambda body: httpx.Response(500))]
    async with world.nws() as nws:
        with pytest.raises(Unavailable):
            await nws.alerts(IN_VERMONT)
