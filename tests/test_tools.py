"""What a caller of the tools gets, from the arguments to the bytes. The simulator is on a clock of the test's."""

import json
import re
import threading
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import anyio
import anyio.lowlevel
import httpx
import pytest
from mcp import ClientSession, McpError, types
from mcp.shared.message import SessionMessage

from tests.conftest import ROOT, Clock
from tests.raw import TIMEOUT_S
from weather.access import SUBPROTOCOL, Admission
from weather.answers import Answers, Query
from weather.areas import AREAS
from weather.config import Settings
from weather.errors import BadArgument, shortened
from weather.inputs import AlertsArgs
from weather.metrics import Metrics
from weather.nws import NWS
from weather.places import Places
from weather.simulator import Faults, Simulator
from weather.tools import DEFINITIONS, LISTING, call, instructions
from weather.transports import Session, Sessions

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("without_waiting")]

NOON = datetime(2026, 1, 20, 18, tzinfo=UTC).timestamp()
SEATTLE = {"latitude": 47.61, "longitude": -122.33}
CALLS = [("get-weather", SEATTLE), ("get-forecast", SEATTLE), ("get-alerts", {"state": "CA"})]
FORECAST_LIFE_S, OBSERVATION_LIFE_S, ALERTS_LIFE_S = 3600, 300, 30


async def settled():
    """Until all wait for the test, or for time to pass; `anyio.wait_all_tasks_blocked` looks every 0.1 s only."""
    for _ in range(400):
        await anyio.lowlevel.checkpoint()


def lengthen(body):
    for feature in body["features"]:
        feature["properties"]["description"] += "\U0001f327" * 12_000


class World(httpx.AsyncBaseTransport):
    """The tools, on a simulator that tests hold back (`gate`) and break, or hang, at some paths."""

    def __init__(self, settings):
        self.clock, self.faults, self.metrics = Clock(), Faults(), Metrics()
        self.settings = Settings(nws_api_base="simulator", **settings)
        self.simulator = Simulator(self.faults, clock=lambda: NOON + self.clock.now)
        self.asgi = httpx.ASGITransport(app=self.simulator)
        self.gate, self.hung, self.broken, self.refused = anyio.Event(), "none", "none", "none"
        self.gate.set()
        self.edit = None
        self.nws = NWS(self.settings, self.metrics, self, self.clock)
        self.nws.host.epoch = datetime.fromtimestamp(NOON, UTC)  # both clocks show the same time
        self.answers = Answers(self.nws, self.settings, self.metrics)
        self.answers.places = Places(ROOT / "tests/places.tsv")

    async def handle_async_request(self, request):
        await self.gate.wait()
        for _ in range(20):  # time for callers to be notified
            await anyio.lowlevel.checkpoint()
        if re.search(self.hung, request.url.path):
            await anyio.sleep_forever()
        if re.search(self.broken, request.url.path):
            return httpx.Response(503)
        if re.search(self.refused, str(request.url.raw_path, "ascii")):
            return httpx.Response(400, json={"type": "https://host.invalid/BadRequest"})
        response = await self.asgi.handle_async_request(request)
        if self.edit and response.status_code == 200:
            body = json.loads(await response.aread())
            self.edit(body)
            return httpx.Response(200, json=body)
        return response

    def hold(self):
        self.gate = anyio.Event()

    def asked(self):
        """How often each endpoint was asked, whatever it answered."""
        counts = Counter()
        for (name, _), count in self.simulator.requests.items():
            counts[name] += count
        return counts

    def parsed(self, name, arguments):
        try:
            return self.answers.parse(name, arguments)
        except BadArgument as error:
            return str(error)

    async def call(self, name="get-forecast", arguments=SEATTLE, **options):
        result = await call(self.answers, name, self.parsed(name, arguments), **options)
        shown = types.CallToolResult.model_validate_json(result.json)
        assert shown.isError is result.failed
        return shown

    def ready(self, name="get-forecast", arguments=SEATTLE):
        asked = self.parsed(name, arguments)
        return None if isinstance(asked, str) else self.answers.lookup(asked)


@asynccontextmanager
async def opened(**settings):
    world = World(settings)
    async with world.nws:
        yield world


@pytest.fixture
async def world():
    async with opened() as world:
        yield world


def text(result):
    return result.content[0].text


def tallied(metrics):
    samples = [sample for metric in metrics.collect() for sample in metric.samples]
    counted = [sample for sample in samples if sample.name == "mcp_calls_total" and sample.value]
    return {(sample.labels["tool"], sample.labels["outcome"]): sample.value for sample in counted}


# Arguments


LONG = "Argument '{}' is {}; it should be at most 100 characters long."
LATITUDE = "Argument 'latitude' is {}; it should be degrees north, a number from -90 to 90."
STATE = (
    "Argument 'state' is {}; it should be a two-letter code of a US state, territory or marine area, such as CA, or"
    " its full name{}."
)
PLACE = "Argument 'place' is {}; it should be a US city with its state, such as Boston, MA, or a five-digit ZIP code{}."
UNKNOWN = PLACE.format('"{}", which is not known', "; or else give latitude and longitude")
UNITS = "Argument 'units' is {}; it should be us for °F, mph, miles and inHg, or si for °C, km/h, km and hPa."
HOURLY = "Argument 'hourly' is {}; it should be true for the next 48 hours one by one, false for half days."
SEVERITY = (
    "Argument 'severity' is {}; it should be the least severity that counts: Extreme, Severe, Moderate, Minor or"
    " Unknown."
)
EVENT = "Argument 'event' is {}; it should be words of the event's name, such as flood or tornado warning."
LIMIT = "Argument 'limit' is {}; it should be how many alerts at most, from 1 to 200."


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("get-weather", {"longitude": 1}, LATITUDE.format("missing")),
        ("get-weather", {"latitude": "47N", "longitude": 1}, LATITUDE.format('"47N"')),
        ("get-weather", {"latitude": "1" * 999, "longitude": 1}, LATITUDE.format('"' + "1" * 56 + "...")),
        ("get-weather", {"latitude": True, "longitude": 1}, LATITUDE.format("true")),
        ("get-weather", {"latitude": None, "longitude": 1}, LATITUDE.format("missing")),
        ("get-weather", {"latitude": [1], "longitude": 1}, LATITUDE.format("[1]")),
        ("get-weather", {"latitude": 90.0001, "longitude": 1}, LATITUDE.format("90.0001")),
        ("get-weather", {"latitude": -91, "longitude": 1}, LATITUDE.format("-91")),
        ("get-weather", {"latitude": float("nan"), "longitude": 1}, LATITUDE.format("NaN")),
        ("get-weather", {"latitude": 10**400, "longitude": 1}, LATITUDE.format("1" + "0" * 56 + "...")),
        (
            "get-weather",
            {**SEATTLE, "days": "x"},
            "Argument 'days' is not known; it should be left out: get-weather takes place, latitude, longitude, units.",
        ),
        ("get-weather", {}, PLACE.format("missing", "; or else give latitude and longitude")),
        ("get-alerts", {}, STATE.format("missing", "; or else give place or latitude and longitude")),
        ("get-alerts", {"limit": 3}, STATE.format("missing", "; or else give place or latitude and longitude")),
        ("get-alerts", {"longitude": 1}, LATITUDE.format("missing")),
        (
            "get-alerts",
            {"state": "CA", **SEATTLE},
            "Argument 'state' is given beside coordinates; it should be left out, or given without latitude and"
            " longitude.",
        ),
        (
            "get-alerts",
            {"state": "CA", "place": "Oak, VT"},
            "Argument 'state' is CA, and place is Oak, VT; it should be left out, or the state that place is in.",
        ),
        (
            "get-forecast",
            {"place": "Oak, VT", **SEATTLE},
            "Argument 'place' is Oak, VT, 3743 km from 47.61, -122.33; it should be near latitude and longitude, or"
            " given without them.",
        ),
        ("get-weather", {"place": "Nowhere"}, UNKNOWN.format("Nowhere")),
        ("get-weather", {"place": 2109}, UNKNOWN.format("02109").replace("Boston, MA", "Boston, MA 02108")),
        ("get-weather", {"place": -2108}, UNKNOWN.format("-2108")),
        ("get-weather", {"place": True}, PLACE.format("true", "")),
        ("get-weather", {"place": None}, PLACE.format("missing", "; or else give latitude and longitude")),
        ("get-weather", {"place": "x" * 101}, LONG.format("place", '"' + "x" * 56 + "...")),
        (
            "get-alerts",
            {"place": "oak"},
            "Argument 'place' is \"oak\", the name of 2 places; it should be given with its state, such as Oak, CA;"
            " Oak, VT.",
        ),
        ("get-weather", {**SEATTLE, "units": "kelvin"}, UNITS.format('"kelvin"')),
        ("get-forecast", {**SEATTLE, "hourly": "often"}, HOURLY.format('"often"')),
        ("get-forecast", {**SEATTLE, "hourly": 2}, HOURLY.format("2")),
        ("get-alerts", {"state": "CA", "severity": "bad"}, SEVERITY.format('"bad"')),
        ("get-alerts", {"state": "CA", "severity": 1}, SEVERITY.format("1")),
        ("get-alerts", {"state": "CA", "event": "---"}, EVENT.format('"---"')),
        ("get-alerts", {"state": "CA", "event": "x" * 101}, LONG.format("event", '"' + "x" * 56 + "...")),
        ("get-alerts", {"state": "XX"}, STATE.format('"XX"', "; or else, for a city, give place")),
        ("get-alerts", {"state": ""}, STATE.format("missing", "; or else give place or latitude and longitude")),
        (
            "get-alerts",
            {"state": "\u00e9\n\ud800"},
            STATE.format('"\\u00e9\\n\\ud800"', "; or else, for a city, give place"),
        ),
        ("get-alerts", {"state": "x" * 99}, STATE.format('"' + "x" * 56 + "...", "; or else, for a city, give place")),
        ("get-alerts", {"state": 7}, STATE.format("7", "")),
        ("get-alerts", {"state": "californa"}, STATE.format('"californa"', ", such as California")),
        ("get-alerts", {"state": "CA", "limit": 0}, LIMIT.format("0")),
        ("get-alerts", {"state": "CA", "limit": 201}, LIMIT.format("201")),
        ("get-alerts", {"state": "CA", "limit": True}, LIMIT.format("true")),
        ("get-alerts", {"state": "CA", "limit": "five"}, LIMIT.format('"five"')),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_wrong_arguments_are_an_error_of_one_sentence(world, name, arguments, message):
    assert world.ready(name, arguments) is None
    result = await world.call(name, arguments)
    assert (result.isError, text(result)) == (True, message)
    assert tallied(world.metrics) == {(name, "argument_error"): 1}
    assert world.asked() == {}


@pytest.mark.parametrize("state", ["CA", "ca", "California", "california", " CA "])
async def test_a_state_is_known_by_code_and_by_name_and_is_one_answer(world, state):
    await world.call("get-alerts", {"state": "CA"})
    assert world.ready("get-alerts", {"state": state, "limit": 25}) is world.ready("get-alerts", {"state": "CA"})


@pytest.mark.parametrize(
    "arguments",
    [
        {"place": "Oak, CA", "latitude": 38.9, "longitude": -121.5},
        {"place": "Oak, CA", "latitude": None, "longitude": None},
        {"place": "Oak, CA", "state": "CA"},
        {"place": "Oak", "state": "California"},
    ],
)
async def test_other_arguments_beside_a_place_are_accepted_if_they_agree(world, arguments):
    await world.call("get-alerts", {"place": "Oak, CA"})
    assert world.ready("get-alerts", arguments) is world.ready("get-alerts", {"place": "Oak, CA"})


@pytest.mark.parametrize(
    "alias",
    [
        {"latitude": 47.61001, "longitude": -122.32999},
        {"latitude": 47.61, "longitude": -122.33},
        {"longitude": -122.33, "latitude": 47.61},
    ],
)
async def test_coordinates_that_round_to_the_same_four_decimals_are_one_answer(world, alias):
    await world.call()
    assert world.ready(arguments=alias) is world.ready()


async def test_whole_numbers_and_negative_zero_are_what_they_equal(world):
    await world.call(arguments={"latitude": 40, "longitude": -100})
    assert world.ready(arguments={"latitude": 40.0, "longitude": -100.0})
    result = await world.call(arguments={"latitude": -0.0, "longitude": -0.00001})
    assert "no data for 0.0, 0.0:" in text(result)
    assert world.ready(arguments={"latitude": True, "longitude": -100}) is None


def test_what_a_client_sent_is_shown_short_and_printable():
    assert shortened("a\x1b\u2028é" + "b" * 99) == "a?\\u2028\\xe9" + "b" * 45 + "..."
    for length in (59, 60, 61, 10**6):
        assert shortened("b" * length) == ("b" * length if length <= 60 else "b" * 57 + "...")
        assert shortened("é" * length) == "\\xe9" * 14 + "\\..."


def test_of_a_long_text_no_more_is_looked_at_than_is_shown():
    class Text(str):
        def encode(self, *_):
            raise AssertionError

    assert shortened(Text("b" * 10**6)) == "b" * 57 + "..."


# Answers


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_an_answer_fits_its_schema_and_says_that_it_is_simulated(world, name, arguments):
    result = await world.call(name, arguments)
    schema = next(tool["outputSchema"] for tool in DEFINITIONS if tool["name"] == name)
    assert not result.isError
    assert set(schema["required"]) <= set(result.structuredContent) <= set(schema["properties"])
    assert (result.structuredContent["source"], result.structuredContent["stale"]) == ("simulated", False)
    assert result.structuredContent["issued"]


async def test_the_bytes_of_a_ready_answer_are_the_result_of_the_call(world):
    for name, arguments in CALLS:
        result = await world.call(name, arguments)
        ready = world.ready(name, arguments).json
        assert ready.isascii()
        assert json.loads(ready) == result.model_dump(mode="json", exclude_none=True)


async def test_weather_is_four_lines_and_what_a_station_measured(world):
    lines = text(await world.call("get-weather")).splitlines()
    assert [line.split(" ")[0] for line in lines] == ["Weather", "Temperature:", "Conditions:", "Wind:", "Observed"]


async def test_forecasts_are_a_json_array_of_every_period(world):
    periods = json.loads(text(await world.call()))
    assert len(periods) == 14
    assert all(set(period) == {"name", "temperature", "temperatureUnit", "shortForecast"} for period in periods)


async def test_no_alerts_is_a_sentence_and_never_an_error(world):
    assert text(await world.call("get-alerts", {"state": "VT"})) == "No active alerts for Vermont."
    world.faults.outage = True
    result = await world.call("get-alerts", {"state": "CA"})
    assert result.isError
    assert "alerts" not in text(result)
    world.faults.outage = False


async def test_a_limit_hides_alerts_and_counts_them_all_the_same():
    async with opened(nws_cache_bytes=1 << 24) as world:
        world.faults.alerts_features = 500
        few = (await world.call("get-alerts", {"state": "CA", "limit": 3})).structuredContent
        result = await world.call("get-alerts", {"state": "CA", "limit": 200})
        many = result.structuredContent
    assert few["shown"] == len(few["alerts"]) == 3
    assert few["total"] == sum(few["countsBySeverity"].values()) == many["total"] > 400
    assert few["countsBySeverity"] == many["countsBySeverity"]
    assert 100 < many["shown"] == len(many["alerts"]) < 200
    assert len("".join(block.text for block in result.content)) < 90_000
    more = f"{many['total'] - many['shown']} more alerts not shown; ask for a severity, an event or a place."
    assert text(result).splitlines()[-1] == more
    ranks = ["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
    assert [alert["severity"] for alert in many["alerts"]] == sorted(
        (alert["severity"] for alert in many["alerts"]), key=ranks.index
    )
    assert world.asked() == {"alerts": 1}


SPELLINGS = [
    ("get-weather", {"place": "Seattle, WA"}, {"place": " seattle  washington", "units": "us"}),
    ("get-weather", {"place": "98101", "units": "si"}, {"units": "si", "place": "seattle wa 98101-0001"}),
    ("get-weather", {"place": "02108"}, {"place": 2108}),
    ("get-forecast", {"place": "Seattle, WA"}, {"place": "SEATTLE, WA, USA", "hourly": False}),
    ("get-forecast", {**SEATTLE, "hourly": True}, {"hourly": True, "units": "us", **SEATTLE}),
    ("get-alerts", {"place": "Oak, CA"}, {"place": "oak california", "limit": 25.0}),
    ("get-alerts", SEATTLE, {"latitude": 47.61001, "longitude": -122.33}),
    (
        "get-alerts",
        {"state": "CA", "severity": "Severe", "event": "flood watch"},
        {"event": " Flood  WATCH", "severity": "Severe", "state": "California"},
    ),
]


@pytest.mark.parametrize(("name", "arguments", "alias"), SPELLINGS)
async def test_all_spellings_of_a_question_are_one_answer(world, name, arguments, alias):
    assert not (await world.call(name, arguments)).isError
    asked = world.asked()
    ready = world.ready(name, arguments)
    assert ready
    assert world.ready(name, alias) is ready
    assert world.answers.lookup(world.answers.parse(name, alias, "key")) is ready
    assert world.answers.lookup_key("key") is ready
    assert world.asked() == asked


def leaves(value, name=""):
    """Each value of structured content with its name, but for what is there for programs only."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key not in ("id", "affectedZones", "stale"):
                yield from leaves(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from leaves(inner, name)
    else:
        yield name, value


def spelt(name, value, zone):
    match name:
        case "issued" | "time":
            return f"{datetime.fromisoformat(value).astimezone(zone):%a %b %d %H:%M %Z}"
        case "sent" | "expires" | "onset" | "ends":
            return f"{datetime.fromisoformat(value):%a %b %d %H:%M %Z}"
        case "startTime":
            return f"{datetime.fromisoformat(value):%a %b %d %H:%M}"
        case "endTime":
            return f" to {datetime.fromisoformat(value):%a %b %d %H:%M}"
        case "isDaytime":
            return "high" if value else "low"
        case "detailedForecast" | "description":
            return value
    return f"{value:g}" if isinstance(value, float) and name not in SEATTLE else str(value)


@pytest.mark.parametrize("units", ["us", "si"])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("get-weather", {"place": "Seattle"}),
        ("get-forecast", {"place": "98101"}),
        ("get-forecast", {**SEATTLE, "hourly": True}),
        ("get-alerts", {"state": "CA"}),
        ("get-alerts", {"state": "CA", "severity": "Minor", "event": "warning", "limit": 2}),
        ("get-alerts", {"place": "Oak, CA"}),
        ("get-alerts", {"place": "Oak, VT"}),
    ],
    ids=str,
)
async def test_what_is_in_the_structure_is_in_the_texts(world, name, arguments, units):
    world.faults.alerts_features = 10
    for seed in range(1, 5):
        world.faults.seed = seed
        world.clock.now += 2 * FORECAST_LIFE_S
        result = await world.call(name, arguments if name == "get-alerts" else arguments | {"units": units})
        assert not result.isError
        assert len(result.content) == 2
        texts = "\n".join(block.text for block in result.content)
        zone = ZoneInfo("America/Los_Angeles") if name != "get-alerts" else UTC
        missing = [leaf for leaf in leaves(result.structuredContent) if spelt(*leaf, zone) not in texts]
        content = result.structuredContent
        otherwise = {"total", "shown", "others", *(("state",) if "stateName" in content else ())}
        assert [leaf for leaf in missing if leaf[0] not in otherwise] == []
        if name == "get-alerts":
            for severity, count in content["countsBySeverity"].items():
                assert f"{count} {severity}" in texts
            assert (content["others"] == 0) or f"{content['others']} more alert" in texts


async def test_a_place_is_named_in_full_and_equals_its_coordinates(world):
    by_name = await world.call("get-forecast", {"place": "seattle washington"})
    by_point = await world.call()
    assert by_name.structuredContent["place"] == "Seattle, WA"
    assert by_name.content[1].text.startswith("Forecast for Seattle, WA (47.61, -122.33), near ")
    assert by_point.content[1].text.startswith("Forecast for 47.61, -122.33, near ")
    assert text(by_name).replace('"Seattle, WA:', '"near Seattle, WA:', 1) == text(by_point)
    assert by_name.structuredContent["location"] == by_point.structuredContent["location"]
    assert world.asked() == {"point": 1, "forecast": 1}


async def test_places_are_those_of_the_package():
    async with opened() as world:
        world.answers.places = Places()
        result = await world.call("get-forecast", {"place": "Seattle, WA"})
        assert result.structuredContent["place"] == "Seattle, WA"
        assert world.ready("get-forecast", {"place": "seattle washington"})


@pytest.mark.parametrize("name", ["get-weather", "get-forecast", "get-alerts"])
async def test_a_place_outside_the_coverage_is_an_error_of_each_tool(world, name):
    for arguments in ({"latitude": 48.85, "longitude": 2.35}, {"place": "Paris, TX"}):
        result = await world.call(name, arguments)
        assert result.isError
        assert text(result).startswith("The National Weather Service has no data for 48.85, 2.35: ")
    assert tallied(world.metrics) == {(name, "argument_error"): 2}


async def test_a_forecast_by_the_hour_is_48_hours_and_lives_as_a_forecast_does(world):
    hours = {**SEATTLE, "hourly": True}
    result = await world.call("get-forecast", hours)
    periods = result.structuredContent["periods"]
    assert periods[0]["startTime"] == "2026-01-20T10:00:00-08:00"
    assert [period["name"] for period in periods] == [
        f"{datetime.fromtimestamp(NOON + 3600 * hour, ZoneInfo('America/Los_Angeles')):%a %b %d %H:%M}"
        for hour in range(48)
    ]
    names = [period["name"] for period in json.loads(text(result))]
    assert names[:2] == ["Tue Jan 20 10:00", "Tue Jan 20 11:00"]
    assert [line.split(" to ")[0] for line in result.content[1].text.splitlines()[1:]] == names
    assert world.asked() == {"point": 1, "hourly": 1}
    world.clock.now += 2 * FORECAST_LIFE_S
    world.faults.outage = True
    stale = await world.call("get-forecast", hours)
    assert stale.structuredContent["stale"]
    assert len(stale.structuredContent["periods"]) == 48
    start = {"temperatureUnit": "F", "startTime": "2026-01-20T12:00:00-08:00"}
    assert stale.structuredContent["periods"][0] == start | periods[2]


async def test_alerts_at_a_point_are_those_of_its_state_that_hold_there(world):
    world.faults.alerts_features = 20
    here = (await world.call("get-alerts", {"latitude": 38.5, "longitude": -121.5, "limit": 200})).structuredContent
    state = (await world.call("get-alerts", {"state": "CA", "limit": 200})).structuredContent
    ids = [{alert["id"] for alert in content["alerts"]} for content in (here, state)]
    assert 0 < len(ids[0]) < len(ids[1])
    assert ids[0] < ids[1]
    assert (here["latitude"], here["longitude"], "state" in here) == (38.5, -121.5, False)
    assert world.asked() == {"alerts": 2}


async def test_no_alerts_at_a_covered_point_is_a_sentence_and_never_an_error(world):
    vermont = {"latitude": 44.48, "longitude": -73.21}
    world.broken = "^/points"
    result = await world.call("get-alerts", vermont)
    assert result.isError
    assert "alerts" not in text(result)
    world.broken = "none"
    world.clock.now += 60
    assert text(await world.call("get-alerts", vermont)) == "No active alerts at the point 44.48, -73.21."
    sentence = text(await world.call("get-alerts", {"place": "oak vermont"}))
    assert re.fullmatch(r"No active alerts for Oak, VT \(zones VTZ\d{3}, VTC\d{3}(, VTZ\d{3})?\)\.", sentence)


@pytest.mark.parametrize(
    "arguments", [{"place": "California"}, {"place": "California", "state": "CA"}, {"place": "ca", "state": "CA"}]
)
async def test_alerts_of_a_place_that_is_a_state_are_those_of_the_state(world, arguments):
    await world.call("get-alerts", {"state": "CA"})
    assert world.ready("get-alerts", arguments) is world.ready("get-alerts", {"state": "CA"})


@pytest.mark.parametrize("refused", ["^/points", "zone="])
async def test_alerts_of_a_place_are_had_though_its_zones_are_not(world, refused):
    world.refused = refused
    result = await world.call("get-alerts", {"place": "Oak, CA"})
    assert "Alerts at the point of Oak, CA (38.5, -121.5), issued" in result.content[1].text


async def test_an_alert_that_goes_on_elsewhere_only_is_left_out(world):
    """Cancelled in the zone of the place, it goes on in another, which was not asked for."""

    def cancelled(body):
        for number, feature in enumerate(body.get("features", ())[:2]):
            code = f"/O.{('NEW', 'CAN')[number]}.KELM.WS.W.0001.260120T1200Z-260122T0000Z/"
            zones = [mine, "CAZ999"][: 2 - number]
            sent = datetime.fromtimestamp(NOON - 100 + number, UTC).isoformat()
            feature["properties"] |= {"parameters": {"VTEC": [code]}, "sent": sent, "references": []}
            feature["properties"] |= {"affectedZones": [f"/{zone}" for zone in zones], "messageType": "Alert"}
        body["features"] = body.get("features", [])[:2] * ("features" in body)

    world.faults.alerts_features = 5
    mine = (await world.call("get-alerts", {"place": "Oak, CA"})).structuredContent["zones"][0]
    world.clock.now = 60
    world.edit = cancelled
    assert text(await world.call("get-alerts", {"place": "Oak, CA", "limit": 9})).startswith("No active alerts for Oak")


async def test_a_place_is_more_than_its_point(world):
    """Some alerts hold in the zone of a place, and not at its very point."""
    place, point = {"place": "Oak, CA"}, {"latitude": 38.5, "longitude": -121.5}
    whole, part = [(await world.call("get-alerts", where)).structuredContent for where in (place, point)]
    assert world.asked() == {"point": 1, "alerts": 2}
    at_point, in_zones = ({alert["id"] for alert in content["alerts"]} for content in (part, whole))
    assert at_point < in_zones
    assert all(set(alert["affectedZones"]) & set(whole["zones"]) for alert in whole["alerts"])
    assert "zones" not in part
    assert "Alerts at the point 38.5, -121.5, issued" in (await world.call("get-alerts", point)).content[1].text


async def test_a_place_whose_zones_are_not_known_is_asked_at_its_point(world):
    def bare(body):
        for name in ("forecastZone", "county", "fireWeatherZone"):
            body.get("properties", {}).pop(name, None)

    world.edit = bare
    result = await world.call("get-alerts", {"place": "Oak, CA"})
    assert "Alerts at the point of Oak, CA (38.5, -121.5), issued" in result.content[1].text
    assert "zones" not in result.structuredContent


async def test_a_place_without_a_forecast_link_has_alerts(world):
    world.edit = lambda body: body.get("properties", {}).update(forecast=None)
    result = await world.call("get-alerts", {"place": "Oak, CA"})
    assert not result.isError
    assert "Alerts at the point of Oak, CA (38.5, -121.5), issued" in result.content[1].text


async def test_a_filter_asks_for_nothing_more(world):
    whole = (await world.call("get-alerts", {"state": "CA"})).structuredContent
    for more in ({"severity": "Extreme"}, {"event": "volcano"}, {"severity": "Minor", "event": "warning", "limit": 1}):
        result = await world.call("get-alerts", {"state": "CA", **more})
        content = result.structuredContent
        assert content["total"] + content["others"] == whole["total"]
    assert world.asked() == {"alerts": 1}
    assert text(await world.call("get-alerts", {"state": "CA", "event": "Volcano"})).splitlines()[0] == (
        'No active alerts for California with "volcano" in the name.'
    )


async def test_no_answer_is_longer_than_a_model_can_read():
    async with opened(nws_cache_bytes=1 << 27) as world:
        world.faults.alerts_features = 500
        for name, arguments in (
            ("get-alerts", {"state": "CA", "limit": 200}),
            ("get-alerts", {"place": "Oak, CA", "limit": 200, "severity": "Minor"}),
            ("get-forecast", SEATTLE),
            ("get-forecast", {**SEATTLE, "hourly": True}),
            ("get-weather", SEATTLE),
        ):
            result = await world.call(name, arguments)
            assert not result.isError
            assert len("\n".join(block.text for block in result.content).encode()) < 90_000


@pytest.mark.parametrize(("features", "beside"), [(10, False), (300, True)])
async def test_many_alerts_are_rendered_in_a_thread(world, features, beside):
    threads = set()

    class Args(AlertsArgs):
        def selects(self, alert):
            threads.add(threading.current_thread())
            return super().selects(alert)

    world.faults.alerts_features = features
    result = await world.answers.answer(Query(("any",), "get-alerts", Args(state="CA", limit=5)))
    assert result.json.count('"event":') == 5
    assert (threads != {threading.current_thread()}) == beside


@pytest.mark.parametrize("units", ["us", "si"])
@pytest.mark.parametrize(("hourly", "most"), [(False, 4_000), (True, 10_000)])
async def test_the_structured_content_of_a_forecast_is_short(world, hourly, most, units):
    for place in ("Seattle, WA", "Oak, VT", "Boston, MA 02108"):
        result = await world.call("get-forecast", {"place": place, "hourly": hourly, "units": units})
        assert len(json.dumps(result.structuredContent, separators=(",", ":"))) <= most


async def test_the_first_text_of_a_forecast_answers_by_itself(world):
    for arguments, place in (({"place": "seattle wa"}, "Seattle, WA"), (SEATTLE, "near Seattle, WA")):
        for hourly in (False, True):
            first, *others = json.loads(text(await world.call("get-forecast", {**arguments, "hourly": hourly})))
            assert first["shortForecast"].startswith(f"{place}: ")
            for period in (first, *others):
                assert re.search(r"\w, wind \d+( to \d+)? mph", period["shortForecast"])
            assert any(re.search(r", precipitation \d+%$", period["shortForecast"]) for period in others)


def test_the_list_of_tools_is_short_and_has_no_null():
    assert len(LISTING) <= 15_000
    assert "null" not in LISTING


# Asked once


@pytest.mark.parametrize("name", ["get-weather", "get-forecast"])
async def test_a_thousand_calls_for_one_place_make_one_request_of_each_kind(world, name):
    results = []

    async def call():
        results.append(await world.call(name))

    async with anyio.create_task_group() as callers:
        for _ in range(1000):
            callers.start_soon(call)
    observing = {"stations": 1, "observation": 1} if name == "get-weather" else {}
    assert world.asked() == {"point": 1, "forecast": 1} | observing
    assert len({result.model_dump_json() for result in results}) == 1
    assert not results[0].isError
    assert tallied(world.metrics) == {(name, "ok"): 1000}


async def test_the_tools_share_what_they_ask(world):
    async with anyio.create_task_group() as callers:
        callers.start_soon(world.call, "get-weather")
        callers.start_soon(world.call, "get-forecast")
    assert world.asked() == {"point": 1, "forecast": 1, "stations": 1, "observation": 1}


@pytest.mark.parametrize(("name", "arguments"), CALLS)
async def test_a_cancelled_call_stops_all_its_work_unless_another_waits_for_it(world, name, arguments):
    world.hold()
    async with anyio.create_task_group() as staying:
        async with anyio.create_task_group() as leaving:
            for caller in (leaving, staying):
                caller.start_soon(world.call, name, arguments)
            leaving.start_soon(world.call, "get-forecast", SEATTLE | {"latitude": 48})
            await settled()
            leaving.cancel_scope.cancel()
        world.gate.set()
        await settled()
    assert world.ready(name, arguments)
    assert not world.ready("get-forecast", SEATTLE | {"latitude": 48})
    assert world.asked()["point"] == (0 if name == "get-alerts" else 1)
    assert (world.answers._building, world.nws.upstream._flights) == ({}, {})


async def test_who_asks_while_cancelled_work_stops_is_answered(world):
    world.hold()
    async with anyio.create_task_group() as leaving:
        leaving.start_soon(world.call)
        await settled()
        leaving.cancel_scope.cancel()
        world.gate.set()
        with anyio.CancelScope(shield=True):
            assert not (await world.call()).isError
    assert tallied(world.metrics) == {("get-forecast", "cancelled"): 1, ("get-forecast", "ok"): 1}


async def test_cancelled_calls_leave_no_queue_behind(world):
    world.hold()
    for number in range(500):
        async with anyio.create_task_group() as leaving:
            leaving.start_soon(world.call, "get-weather", {"latitude": 30 + number / 100, "longitude": -100})
            await anyio.lowlevel.checkpoint()
            leaving.cancel_scope.cancel()
    await settled()
    assert (world.answers._building, world.nws.upstream._flights) == ({}, {})
    assert world.nws.host._limiters[0].statistics().tasks_waiting == 0


# CachedResult when hot


@pytest.mark.parametrize(
    ("name", "arguments", "life_s"),
    [
        ("get-forecast", SEATTLE, FORECAST_LIFE_S),
        ("get-weather", SEATTLE, OBSERVATION_LIFE_S),
        ("get-alerts", {"state": "CA"}, ALERTS_LIFE_S),
    ],
)
async def test_an_answer_in_use_is_refreshed_once_before_it_expires(world, name, arguments, life_s):
    await world.call(name, arguments)
    before = world.asked()
    world.clock.now += 0.9 * life_s - 0.1
    assert world.ready(name, arguments)
    await settled()
    assert world.asked() == before
    world.clock.now += 0.1
    world.hold()
    for _ in range(100):
        assert world.ready(name, arguments)
    world.gate.set()
    await settled()
    assert sum(world.asked().values()) == sum(before.values()) + 1
    world.clock.now += 0.1 * life_s
    assert world.ready(name, arguments).outcome == "ok"


async def test_what_nobody_asks_for_is_not_refreshed(world):
    await world.call()
    before = world.asked()
    world.clock.now += 2 * FORECAST_LIFE_S
    await settled()
    assert world.asked() == before
    assert world.ready() is None


async def test_a_refresh_that_fails_is_tried_again_every_five_seconds_and_the_answer_stays(world):
    await world.call()
    world.clock.now += 0.9 * FORECAST_LIFE_S
    world.broken = "forecast"
    world.nws.host._breaker.limit = 1000
    tries = []
    for _ in range(21):
        assert world.ready().outcome == "ok"
        await settled()
        tries.append(world.nws.host._breaker.failures)
        world.clock.now += 1
    assert tries == [3] * 5 + [6] * 5 + [9] * 5 + [12] * 5 + [15]


async def test_a_refresh_without_anything_to_fall_back_on_is_not_made_for_each_call(world):
    await world.call()
    world.clock.now += 0.9 * FORECAST_LIFE_S
    world.nws.upstream._cache.clear()  # as if other places had pushed it out
    world.broken = "."
    for _ in range(5):
        assert world.ready().outcome == "ok"
        await settled()
    assert world.nws.host._breaker.failures == 3


async def test_who_joins_a_failing_refresh_gets_the_stale_answer(world):
    await world.call()
    world.clock.now += FORECAST_LIFE_S - 1
    world.broken = "forecast"
    world.hold()
    assert world.ready()
    await settled()
    world.clock.now += 1
    got = []

    async def call():
        got.append(await world.call())

    async with anyio.create_task_group() as callers:
        callers.start_soon(call)
        await settled()
        world.gate.set()
    assert not got[0].isError


# Stale


async def test_a_stale_answer_says_so_in_text_and_structure(world):
    await world.call("get-weather")
    await world.call()
    await world.call("get-alerts", {"state": "CA"})
    world.clock.now += 40 * 60
    world.faults.outage = True
    alerts = await world.call("get-alerts", {"state": "CA"})
    assert alerts.isError
    world.clock.now += 60 * 60
    line = "As of 10:00 PST, 100 minutes ago: the National Weather Service is not answering."
    weather = await world.call("get-weather")
    assert text(weather).splitlines()[4:] == [line]
    forecast = await world.call()
    [words] = [content.text for content in forecast.content[1:]]
    assert words.splitlines()[0] == line
    for result in (weather, forecast):
        assert (result.structuredContent["stale"], result.structuredContent["ageSeconds"]) == (True, 6000)
    assert world.ready("get-weather").outcome == world.ready().outcome == "stale"


async def test_stale_alerts_say_so(world):
    await world.call("get-alerts", {"state": "CA"})
    world.clock.now += 600
    world.faults.outage = True
    result = await world.call("get-alerts", {"state": "CA"})
    assert text(result).endswith("\nAs of 18:00 UTC, 10 minutes ago: the National Weather Service is not answering.")
    assert (result.structuredContent["stale"], result.structuredContent["ageSeconds"]) == (True, 600)


async def test_a_stale_answer_in_use_is_ready_through_an_outage_and_fresh_soon_after(world):
    await world.call()
    world.clock.now += FORECAST_LIFE_S
    world.faults.outage = True
    await world.call()
    for _ in range(60):
        assert world.ready().outcome == "stale"
        await settled()
        world.clock.now += 1
    world.faults.outage = False
    for _ in range(12):
        assert world.ready()
        await settled()
        world.clock.now += 1
    assert world.ready().outcome == "ok"


IN_THE_AFTERNOON_S = 4 * 3600  # 14:00 in Seattle; the half day ends at 18:00


@pytest.mark.parametrize("outage", [False, True])
@pytest.mark.parametrize(
    ("name", "arguments"),
    [("get-weather", SEATTLE), ("get-forecast", SEATTLE), ("get-forecast", {**SEATTLE, "hourly": True})],
)
async def test_a_period_is_shown_until_it_ends_and_not_longer(world, name, arguments, outage):
    def first(result):
        if name == "get-forecast":
            return json.loads(text(result))[0]["name"]
        return result.structuredContent["period"]["name"]

    hourly = "hourly" in arguments
    world.clock.now = IN_THE_AFTERNOON_S + (4 * 3600 - 30) * (not hourly)
    assert first(await world.call(name, arguments)) == ("Tue Jan 20 14:00" if hourly else "This Afternoon")
    assert world.ready(name, arguments)
    world.faults.outage = outage
    world.clock.now = IN_THE_AFTERNOON_S + (3600 if hourly else 4 * 3600) - 0.001
    if not outage or not hourly:  # an hour later its document is stale
        assert world.ready(name, arguments)
    world.clock.now += 0.001
    assert world.ready(name, arguments) is None
    result = await world.call(name, arguments)
    assert first(result) == ("Tue Jan 20 15:00" if hourly else "Tonight")
    assert not result.isError


@pytest.mark.parametrize("name", ["get-weather", "get-forecast"])
async def test_a_stale_forecast_begins_with_the_current_period(world, name):
    world.clock.now = IN_THE_AFTERNOON_S
    await world.call(name)
    world.faults.outage = True
    world.clock.now += 5 * 3600
    result = await world.call(name)
    content = result.structuredContent
    assert (content["periods"][0] if name == "get-forecast" else content["period"])["name"] == "Tonight"
    assert (content["stale"], content["ageSeconds"]) == (True, 5 * 3600)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [("get-weather", SEATTLE), ("get-forecast", SEATTLE), ("get-forecast", {**SEATTLE, "hourly": True})],
)
async def test_a_forecast_whose_periods_are_all_over_is_an_error_with_its_age(world, name, arguments):
    def old(body):
        if "periods" in body.get("properties", ()):
            body["properties"]["updateTime"] = "2026-01-17T18:00:00+00:00"
            for period in body["properties"]["periods"]:
                period["endTime"] = period["startTime"] = "2026-01-18T18:00:00+00:00"

    world.edit = old
    result = await world.call(name, arguments)
    assert (result.isError, text(result)) == (
        True,
        "The National Weather Service gave a forecast whose periods are all over: it is 3 days old."
        " Try again in a minute.",
    )
    assert tallied(world.metrics) == {(name, "upstream_error"): 1}


@pytest.mark.parametrize("outage", [False, True])
async def test_an_alert_is_shown_until_it_ends_and_not_longer(world, outage):
    def ending(body):
        for number, feature in enumerate(body["features"], 1):
            end = datetime.fromtimestamp(NOON + 10 * number, UTC).isoformat()
            feature["properties"] |= {"ends": end, "parameters": {}, "references": [], "messageType": "Alert"}

    world.edit = ending
    before = (await world.call("get-alerts", {"state": "CA"})).structuredContent["total"]
    assert world.ready("get-alerts", {"state": "CA"})
    world.faults.outage = outage
    world.clock.now = 9.999
    assert world.ready("get-alerts", {"state": "CA"})
    for gone in range(1, before + 1):
        world.clock.now = 10 * gone
        assert world.ready("get-alerts", {"state": "CA"}) is None
        result = await world.call("get-alerts", {"state": "CA"})
        assert result.structuredContent["total"] == len(result.structuredContent["alerts"]) == before - gone
    assert text(result).startswith("No active alerts for California.")


async def test_weather_from_a_fresh_forecast_is_not_called_stale_for_an_old_point(world):
    await world.call()
    world.clock.now += 24 * 3600
    world.broken = "^/points"
    result = await world.call()
    assert (result.isError, result.structuredContent["stale"]) == (False, False)
    assert world.ready().outcome == "ok"
    world.clock.now += 10
    assert world.ready() is None


async def test_what_is_too_old_is_an_error_that_says_what_failed_for_how_long_and_what_to_do(world):
    await world.call()
    world.faults.outage = True
    for _ in range(2):
        world.clock.now += 4 * 3600
        result = await world.call()
    assert result.isError
    assert text(result) == (
        "The National Weather Service is not answering: it answered with status 503 (for 4 hours now)."
        " Try again in a minute."
    )


# Within the deadline


@pytest.mark.parametrize("hung", ["^/points", "forecast"])
async def test_a_call_is_answered_within_the_deadline_whatever_hangs(hung):
    async with opened(nws_deadline_seconds=0.3) as world:
        world.hung = hung
        started = anyio.current_time()
        result = await world.call("get-weather")
        assert anyio.current_time() - started >= 0.3
    assert text(result) == ("The National Weather Service did not answer within 0.3 seconds. Try again in a minute.")


async def test_hung_bodies_end_at_the_deadline_too():
    async with opened(nws_deadline_seconds=0.3) as world:
        world.faults.hang_rate = 1
        with anyio.fail_after(TIMEOUT_S):
            assert (await world.call()).isError


@pytest.mark.parametrize("name", ["get-weather", "get-forecast", "get-alerts"])
async def test_stale_answers_come_after_three_tenths_of_the_deadline_however_many_are_waited_for(name):
    """The point has expired as well as what is requested next; an observation is waited for beside a forecast only."""
    async with opened(nws_deadline_seconds=5, nws_alerts_stale_seconds=99999) as world:
        arguments = {"place": "Oak, CA"}
        for later_s in (0, 23.5 * 3600):
            world.clock.now += later_s
            await world.call(name, arguments)
        world.clock.now += 3600
        world.hung = "."
        started = anyio.current_time()
        result = await world.call(name, arguments)
        assert 1.5 <= anyio.current_time() - started < 3
    assert result.structuredContent["stale"]


async def test_stale_weather_comes_within_the_deadline_though_everything_hangs():
    async with opened(nws_deadline_seconds=0.5) as world:
        for later_s in (0, 23.5 * 3600):
            world.clock.now += later_s
            await world.call("get-weather")
        world.clock.now += 3600
        world.hung = "."
        result = await world.call("get-weather")
    assert result.structuredContent["stale"]


@pytest.mark.parametrize("path", ["/stations$", "/observations"])
@pytest.mark.parametrize(("fault", "again_s"), [("hung", 5), ("broken", 54)])
async def test_a_slow_or_missing_observation_is_left_out_and_looked_for_again(fault, again_s, path):
    async with opened(nws_deadline_seconds=1, nws_connect_timeout_seconds=0.1, nws_read_timeout_seconds=0.1) as world:
        setattr(world, fault, path)
        with anyio.fail_after(TIMEOUT_S):
            result = await world.call("get-weather")
        assert not result.isError
        assert "Observed" not in text(result)
        assert "observation" not in result.structuredContent
        setattr(world, fault, "none")
        with anyio.fail_after(TIMEOUT_S):
            while world.nws.upstream._flights:  # noqa: ASYNC110  (until the slow attempt has been given up)
                await anyio.sleep(0.02)
        world.clock.now += again_s - 0.1
        assert world.ready("get-weather")
        await settled()
        assert "Observed" not in world.ready("get-weather").json
        world.clock.now += 0.1
        assert world.ready("get-weather")
        await settled()
        assert "Observed" in world.ready("get-weather").json


async def test_an_answer_without_an_observation_lives_a_minute(world):
    world.broken = "/observations"
    await world.call("get-weather")
    world.clock.now += 60
    assert world.ready("get-weather") is None


# Memory, and what nobody foresaw


async def test_answers_take_no_more_memory_than_set():
    async with opened(mcp_answer_cache_bytes=1 << 20) as world:
        for number in range(200):
            await world.call("get-forecast", {"latitude": 40 + number / 1000, "longitude": -100})
        assert 0.9 * (7 << 17) < world.answers._cache.currsize <= 7 << 17
        assert world.answers._building == {}


async def test_what_is_remembered_of_calls_takes_no_more_memory_than_set():
    async with opened(mcp_answer_cache_bytes=1 << 20) as world:
        answers = world.answers
        keys = [("get-forecast", b"x" * 500 + b"%d" % number) for number in range(1000)]
        for _ in range(2):
            for key in keys:
                answers.parse("get-forecast", SEATTLE, key)
                kept = answers._queries_by_key
                assert sum(1024 + len(name) + len(text) for name, text in kept) == answers._keys_bytes <= 1 << 17
        await world.call()
        assert answers.lookup_key(keys[-1])
        assert answers.lookup_key(keys[0]) is None


@pytest.mark.parametrize(("length", "kept"), [(1012, True), (1013, False), (60_000, False)])
async def test_a_call_of_unusual_length_is_not_remembered(world, length, kept):
    key = ("get-forecast", b"x" * length)
    world.answers.parse("get-forecast", SEATTLE, key)
    await world.call()
    assert (world.answers.lookup_key(key) is not None) == kept
    assert world.ready()


async def test_an_answer_larger_than_the_cache_is_given_and_not_kept():
    """7 descriptions of 12,000 characters that take 12 bytes each, twice, are more than the 1 MiB allowed."""
    async with opened(mcp_answer_cache_bytes=1 << 20) as world:
        world.faults.alerts_features = 12
        world.edit = lengthen
        arguments = {"state": "CA", "limit": 200}
        assert not (await world.call("get-alerts", arguments)).isError
        assert world.ready("get-alerts", arguments) is None


async def test_an_unforeseen_error_is_logged_and_answered_without_internals(world, caplog):
    class Broken(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request):
            raise KeyError("secret")

    world.nws.host.transport = Broken()
    result = await world.call()
    assert result.isError
    assert text(result) == "Something went wrong in this server; its log has the details. Trying again may help."
    assert "secret" in caplog.text
    assert (world.answers._building, world.nws.upstream._flights) == ({}, {})
    assert tallied(world.metrics) == {("get-forecast", "error"): 1}


# The MCP server


@asynccontextmanager
async def session(world, **options):
    """The SDK's client of a session in memory."""
    sessions = Sessions(world.settings, world.metrics, world.answers)
    streams = [anyio.create_memory_object_stream(10) for _ in range(4)]
    (to_app, receive), (send, from_app), (to_client, read), (write, from_client) = streams
    admitted = Session(
        sessions, Admission(SUBPROTOCOL, None), {"type": "websocket", "headers": []}, receive.receive, send.send
    )

    async def up():
        async for sent in from_client:
            text = sent.message.model_dump_json(by_alias=True, exclude_none=True)
            await to_app.send({"type": "websocket.receive", "text": text})

    async def down():
        async for event in from_app:
            if event["type"] == "websocket.send":
                await to_client.send(SessionMessage(types.JSONRPCMessage.model_validate_json(event["text"])))

    async with AsyncExitStack() as stack:
        for stream in (stream for pair in streams for stream in pair):
            await stack.enter_async_context(stream)
        tasks = await stack.enter_async_context(anyio.create_task_group())
        stack.callback(tasks.cancel_scope.cancel)
        await to_app.send({"type": "websocket.connect"})
        for task in (admitted.run, up, down):
            tasks.start_soon(task)
        client = await stack.enter_async_context(ClientSession(read, write, **options))
        await client.initialize()
        yield client


class Notes(list):
    async def __call__(self, progress, total, message):
        self.append((progress, message))


async def test_progress_names_each_wait_to_those_who_asked_for_it(world):
    notes = Notes()
    async with session(world) as client:
        result = await client.call_tool("get-forecast", SEATTLE, progress_callback=notes)
        assert not result.isError
        again = Notes()
        await client.call_tool("get-forecast", SEATTLE, progress_callback=again)
    assert notes == [(1, "Resolving the place"), (2, "Asking for the forecast")]
    assert again == []


async def test_without_a_token_there_is_no_progress(world):
    seen = []

    async def keep(message):
        seen.append(message)

    async with session(world, message_handler=keep) as client:
        await client.call_tool("get-forecast", SEATTLE)
    assert seen == []


async def test_progress_names_retries(world):
    notes, world.broken = Notes(), "alerts"
    async with session(world) as client:
        await client.call_tool("get-alerts", {"state": "CA"}, progress_callback=notes)
    assert [step for step, _ in notes] == [1, 2, 3]
    assert notes[0][1] == "Asking for the alerts"
    assert all(re.search(r"did not answer; retrying in [01]\.\d s$", note) for _, note in notes[1:])


async def test_a_later_caller_is_notified_of_the_current_wait(world):
    world.hold()
    notes = Notes()
    async with session(world) as client, anyio.create_task_group() as callers:
        callers.start_soon(client.call_tool, "get-forecast", SEATTLE)
        await settled()
        callers.start_soon(lambda: client.call_tool("get-forecast", SEATTLE, progress_callback=notes))
        await settled()
        world.gate.set()
    assert notes == [(1, "Resolving the place"), (2, "Asking for the forecast")]
    assert world.asked() == {"point": 1, "forecast": 1}


async def test_progress_that_is_stuck_or_breaks_is_the_trouble_of_its_caller_alone():
    async with opened() as world:
        world.hold()
        got = {}

        async def stuck(note):
            await anyio.sleep_forever()

        async def broken(note):
            raise ValueError(note)

        async def call(name, **options):
            got[name] = (await world.call(**options)).isError

        async with anyio.create_task_group() as callers:
            world.answers.settings = Settings(nws_deadline_seconds=0.3)
            callers.start_soon(lambda: call("stuck", progress=stuck))
            await settled()
            world.answers.settings = world.settings  # time enough for the others
            callers.start_soon(lambda: call("broken", progress=broken))
            callers.start_soon(lambda: call("plain"))
            await settled()
            world.gate.set()
    assert got == {"stuck": True, "broken": True, "plain": False}
    assert world.asked() == {"point": 1, "forecast": 1}


async def test_an_unknown_tool_is_an_error_that_names_the_tools(world):
    async with session(world) as client:
        with pytest.raises(McpError) as raised:
            await client.call_tool("get-tides", {})
    assert raised.value.error.code == types.INVALID_PARAMS
    assert raised.value.error.message == (
        "Unknown tool 'get-tides'; the tools are get-weather, get-forecast, get-alerts."
    )


async def test_there_is_one_page_of_tools(world):
    async with session(world) as client:
        listed = await client.list_tools()
        with pytest.raises(McpError, match="send no cursor"):
            await client.list_tools(params=types.PaginatedRequestParams(cursor="2"))
    assert [tool.name for tool in listed.tools] == ["get-weather", "get-forecast", "get-alerts"]
    for tool in listed.tools:
        assert tool.title
        assert tool.annotations.readOnlyHint
        assert tool.annotations.idempotentHint
        assert tool.annotations.openWorldHint
        assert tool.annotations.destructiveHint is False


def test_input_schemas_carry_ranges_and_codes():
    place, forecast, area = (tool["inputSchema"] for tool in DEFINITIONS)
    for schema in (place, forecast, area):
        fields = schema["properties"]
        assert [(fields[name]["minimum"], fields[name]["maximum"]) for name in SEATTLE] == [(-90, 90), (-180, 180)]
        assert schema["additionalProperties"] is False
        assert schema["type"] == "object"
        assert not schema.keys() & {"anyOf", "oneOf", "allOf", "not", "required", "$defs"}
        assert all(field["type"] in ("string", "number", "integer", "boolean") for field in fields.values())
        assert all(field["description"] for field in fields.values())
    assert place["properties"]["units"]["enum"] == ["us", "si"]
    assert (place["properties"]["units"]["default"], forecast["properties"]["hourly"]["default"]) == ("us", False)
    assert area["properties"]["severity"]["enum"] == ["Extreme", "Severe", "Moderate", "Minor", "Unknown"]
    assert "default" not in area["properties"]["severity"]
    assert set(AREAS) <= set(re.findall(r"\b[A-Z]{2}\b", area["properties"]["state"]["description"]))
    schemas = json.dumps([place, forecast, area])
    assert not any(word in schemas for word in ("anyOf", "oneOf", "allOf", "$ref", '"null"'))
    limit = area["properties"]["limit"]
    assert (limit["default"], limit["minimum"], limit["maximum"]) == (25, 1, 200)


@pytest.mark.parametrize(
    ("base", "source"),
    [
        ("simulator", "The weather is simulated"),
        ("https://api.weather.gov", "The weather is live"),
        ("http://127.0.0.1:1", "Each result's source says"),
    ],
)
def test_instructions_are_three_sentences_and_say_where_the_weather_is_from(base, source):
    sentences = instructions(Settings(nws_api_base=base))
    assert sentences.count(".") == 3
    assert source in sentences
    assert "United States" in sentences


@pytest.mark.parametrize("event", ["\ud800", "\x00", "\u2028", "é ß", "%s {x}", "---"], ids=ascii)
async def test_any_words_of_an_event_are_answered(world, event):
    result = await world.call("get-alerts", {"state": "CA", "event": event})
    assert result.isError == (event in ("\ud800", "\x00", "---"))
    assert "Something went wrong" not in text(result)
