"""The whole: a real hypercorn, real sockets, the clients that people use."""

import datetime
import json
import os
import re
import signal
import ssl
import subprocess
import sys
from collections import Counter
from contextlib import asynccontextmanager
from email.utils import formatdate
from pathlib import Path

import anyio
import anyio.to_thread
import httpx
import jsonschema
import pytest
from mcp import ClientSession, McpError, types
from mcp.client.websocket import websocket_client
from mcp.shared.version import SUPPORTED_PROTOCOL_VERSIONS
from websockets.asyncio.client import connect as open_websocket
from websockets.exceptions import ConnectionClosed
from websockets.typing import Subprotocol

from tests.raw import IN_FLIGHT, TIMEOUT_S, gated, gauges
from weather import __version__
from weather.areas import AREAS
from weather.client import connect, main

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.filterwarnings("ignore:The WebSocket client transport is deprecated:DeprecationWarning"),
]

ROOT = Path(__file__).parent.parent
PLACE = {"latitude": 38.8977, "longitude": -77.0365}
HERE = [f"{name}={value}" for name, value in PLACE.items()]
TOOLS = ["get-weather", "get-forecast", "get-alerts"]


@pytest.fixture(autouse=True)
def _direct(monkeypatch):
    monkeypatch.setenv("no_proxy", "127.0.0.1")


def frame(method, request_id, **params):
    return json.dumps({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params})


def initialize(version="2025-11-25"):
    client = {"name": "http-test-client", "version": "1.0"}
    return frame("initialize", 1, protocolVersion=version, capabilities={}, clientInfo=client)


def call(request_id, name, **arguments):
    return frame("tools/call", request_id, name=name, arguments=arguments)


async def ask(socket, text):
    await socket.send(text)
    return json.loads(await socket.recv())


@asynccontextmanager
async def raw(url, **options):
    """An initialized session of the `websockets` library."""
    async with open_websocket(url, subprotocols=[Subprotocol("mcp")], proxy=None, **options) as socket:
        await ask(socket, initialize())
        yield socket


@asynccontextmanager
async def session_with(url):
    """A session of the SDK's own client, not initialized yet."""
    async with websocket_client(url) as streams, ClientSession(*streams) as session:
        yield session


async def get(server, path):
    async with httpx.AsyncClient(trust_env=False, timeout=TIMEOUT_S) as http:
        return await http.get(server.http + path)


async def metric(server, name):
    return (await anyio.to_thread.run_sync(gauges, server.port))[name]


async def reach(server, name, value):
    """Waits until the metric has this value."""
    with anyio.fail_after(TIMEOUT_S):
        while await metric(server, name) != value:  # noqa: ASYNC110  (it changes in another process)
            await anyio.sleep(0.02)


async def validators(session):
    """Tool name → what raises for structured content that does not fit its outputSchema."""
    tools = (await session.list_tools()).tools
    return {tool.name: jsonschema.Draft202012Validator(tool.outputSchema).validate for tool in tools}


# The platform's client page


async def as_the_page_does(url, **options):
    headers = {"Authorization": "Bearer token", "Date": formatdate(usegmt=True), "ssl": False}
    with anyio.fail_after(TIMEOUT_S):
        async with open_websocket(
            url, additional_headers=headers, subprotocols=[Subprotocol("mcp")], proxy=None, **options
        ) as socket:
            return [
                socket.subprotocol,
                await ask(socket, initialize("2024-11-05")),
                await ask(socket, json.dumps({"jsonrpc": "2.0", "id": 2, "method": "tools/list"})),
                await ask(socket, call(3, "get-alerts", state="CA")),
            ]


def check_page(subprotocol, initialized, listed, called):
    assert subprotocol == "mcp"
    assert initialized["id"] == 1
    assert initialized["result"]["protocolVersion"] == "2024-11-05"
    assert initialized["result"]["serverInfo"] == {"name": "weather", "title": "US weather", "version": __version__}
    assert listed["id"] == 2
    assert [tool["name"] for tool in listed["result"]["tools"]] == TOOLS
    assert called["id"] == 3
    assert called["result"]["isError"] is False
    assert re.match("Event: |No active alerts for California", called["result"]["content"][0]["text"])


async def test_platforms_client_page_works_as_it_stands(server):
    check_page(*await as_the_page_does(server.url))


async def test_platforms_client_page_and_the_client_work_over_tls(serve, certificate):
    server = serve("--certfile", str(certificate), "--keyfile", str(certificate))
    url = f"wss://127.0.0.1:{server.port}/ws"
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    check_page(*await as_the_page_does(url, ssl=context))
    with anyio.fail_after(TIMEOUT_S):
        async with connect(url, insecure=True) as session:
            assert not (await session.call_tool("get-alerts", {"state": "CA"})).isError
    assert server.stop() == 0
    assert "Traceback" not in server.log


@pytest.mark.parametrize("subprotocols", [None, ["other", "mcp"]])
async def test_session_opens_without_a_subprotocol_or_with_one_of_several(server, subprotocols):
    with anyio.fail_after(TIMEOUT_S):
        async with open_websocket(server.url, subprotocols=subprotocols, proxy=None) as socket:
            assert socket.subprotocol == (subprotocols and "mcp")
            assert (await ask(socket, initialize()))["id"] == 1


# The SDK's client


def initialize_request(version):
    client = types.Implementation(name="test", version="1")
    params = types.InitializeRequestParams(
        protocolVersion=version, capabilities=types.ClientCapabilities(), clientInfo=client
    )
    return types.ClientRequest(types.InitializeRequest(params=params))


@pytest.mark.parametrize(
    ("asked", "answered"),
    [
        *((version, version) for version in SUPPORTED_PROTOCOL_VERSIONS),
        ("1999-01-01", "2025-11-25"),
        ("", "2025-11-25"),
    ],
)
async def test_known_protocol_version_is_answered_with_itself(server, asked, answered):
    async with session_with(server.url) as session:
        result = await session.send_request(initialize_request(asked), types.InitializeResult)
    assert result.protocolVersion == answered


async def test_server_says_who_it_is_and_what_for(server):
    async with session_with(server.url) as session:
        result = await session.initialize()
    assert (result.serverInfo.name, result.serverInfo.title) == ("weather", "US weather")
    assert result.serverInfo.version == __version__
    assert result.instructions == (
        "Answers questions about current weather, forecasts and weather alerts."
        " Coverage is the United States, its territories and adjacent waters."
        " The weather is simulated, for trying and testing, and says nothing about the real weather."
    )
    assert result.capabilities.tools is not None


async def test_tools_are_described_for_a_model(server):
    async with session_with(server.url) as session:
        await session.initialize()
        listed = await session.list_tools()
    assert listed.nextCursor is None
    assert [tool.name for tool in listed.tools] == TOOLS
    for tool in listed.tools:
        assert tool.title
        assert len(tool.description) > 60
        hints = tool.annotations
        assert (hints.readOnlyHint, hints.idempotentHint, hints.openWorldHint) == (True, True, True)
        assert hints.destructiveHint is False
        assert tool.inputSchema["additionalProperties"] is False
        jsonschema.Draft202012Validator.check_schema(tool.inputSchema)
        jsonschema.Draft202012Validator.check_schema(tool.outputSchema)
    *places, alerts = (tool.inputSchema for tool in listed.tools)
    for place in places:
        assert "required" not in place
        ranges = [(place["properties"][name]["minimum"], place["properties"][name]["maximum"]) for name in PLACE]
        assert ranges == [(-90, 90), (-180, 180)]
    assert "required" not in alerts
    assert alerts["properties"]["state"]["type"] == "string"
    assert ", ".join(sorted(AREAS)) in alerts["properties"]["state"]["description"]
    limit = alerts["properties"]["limit"]
    assert (limit["default"], limit["minimum"], limit["maximum"]) == (25, 1, 200)


PERIOD = r'  \{\n    "name": "[^"]+",\n    "temperature": -?\d+,\n    "temperatureUnit": "F",\n'
PERIOD += r'    "shortForecast": "[^"]+"\n  \}'
ALERT = r"Event: [^\n]+\nArea: [^\n]+\nSeverity: (Extreme|Severe|Moderate|Minor|Unknown)"
ALERT += r"\nStarts: [^\n]+(\nEnds: [^\n]+)?\nHeadline: [^\n]+\nSender: [^\n]+"
ALERT += r"(\nDescription: ((?!\n---\n)[\s\S])+?)?(\nInstructions: ((?!\n---\n)[\s\S])+?)?"


@pytest.mark.parametrize(
    ("tool", "arguments", "text"),
    [
        (
            "get-weather",
            {"latitude": 40.0150, "longitude": -105.2705},
            r"Weather forecast for [^\n]+:\nTemperature: -?\d+°F\nConditions: [^\n]+\nWind: \d[^\n]*\S"
            r"(\nObserved at [^\n]+ \d\d:\d\d [A-Z]+: [^\n]+)?",
        ),
        ("get-forecast", {"latitude": 48.7519, "longitude": -122.4787}, rf"\[\n{PERIOD}(,\n{PERIOD})*\n\]"),
        ("get-forecast", {"place": "Fargo, ND", "hourly": True}, rf"\[\n{PERIOD}(,\n{PERIOD}){{47}}\n\]"),
        (
            "get-alerts",
            {"place": "02108"},
            rf"No active alerts for Boston, MA 02108 \([^)]+\)\.|{ALERT}(\n---\n{ALERT})*",
        ),
        ("get-alerts", {"state": "WY", "limit": 7}, rf"No active alerts for Wyoming\.|{ALERT}(\n---\n{ALERT})*"),
    ],
)
async def test_tool_answers_the_same_when_asked_and_when_ready(server, tool, arguments, text):
    """The first call goes through the SDK's session, the second is answered from ready bytes."""
    async with session_with(server.url) as session:
        await session.initialize()
        before = await metric(server, "mcp_answer_cache_hits_total")
        asked = await session.call_tool(tool, arguments)
        assert await metric(server, "mcp_answer_cache_hits_total") == before
        ready = await session.call_tool(tool, arguments)
        assert await metric(server, "mcp_answer_cache_hits_total") == before + 1
        validate = (await validators(session))[tool]
    assert asked == ready
    assert asked.isError is False
    assert [block.type for block in asked.content] == ["text", "text"]
    assert re.fullmatch(text, asked.content[0].text)
    validate(asked.structuredContent)
    assert asked.structuredContent["source"] == "simulated"
    assert asked.structuredContent["stale"] is False


async def test_every_area_is_answered_and_some_have_alerts(server):
    async with session_with(server.url) as session:
        await session.initialize()
        validate = (await validators(session))["get-alerts"]
    texts = []
    async with raw(server.url) as socket:
        for code, name in AREAS.items():
            result = (await ask(socket, call(2, "get-alerts", state=code)))["result"]
            validate(result["structuredContent"])
            assert result["structuredContent"]["stateName"] == name
            texts.append(result["content"][0]["text"])
            assert re.fullmatch(rf"No active alerts for {re.escape(name)}\.|{ALERT}(\n---\n{ALERT})*", texts[-1])
    silent = sum(text.startswith("No active alerts") for text in texts)
    assert 0 < silent < len(texts)


async def test_structured_forecast_has_place_and_time(server):
    async with session_with(server.url) as session:
        await session.initialize()
        forecast = (await session.call_tool("get-forecast", PLACE)).structuredContent
        weather = (await session.call_tool("get-weather", PLACE)).structuredContent
    assert set(forecast["location"]) == {"latitude", "longitude", "city", "state", "timeZone"}
    assert datetime.datetime.fromisoformat(forecast["issued"]).tzinfo is not None
    assert weather["period"].items() >= forecast["periods"][0].items()


NORTH = "degrees north, a number from -90 to 90"
EAST = "degrees east, a number from -180 to 180 (negative in the United States)"
NAMED = "a US city with its state, such as Boston, MA, or a five-digit ZIP code"
STATE = "a two-letter code of a US state, territory or marine area, such as CA, or its full name"
LIMIT = "how many alerts at most, from 1 to 200"


@pytest.mark.parametrize(
    ("tool", "arguments", "argument", "got", "expected"),
    [
        ("get-weather", {}, "place", "missing", f"{NAMED}; or else give latitude and longitude"),
        ("get-weather", {"latitude": 1}, "longitude", "missing", EAST),
        ("get-forecast", {"latitude": "38.9N", "longitude": -77}, "latitude", '"38.9N"', NORTH),
        ("get-forecast", {"latitude": True, "longitude": -77}, "latitude", "true", NORTH),
        ("get-forecast", {"latitude": 38.9, "longitude": None}, "longitude", "missing", EAST),
        ("get-weather", {"latitude": [38.9], "longitude": -77}, "latitude", "[38.9]", NORTH),
        ("get-weather", {"latitude": 90.001, "longitude": -77}, "latitude", "90.001", NORTH),
        ("get-weather", {"latitude": 38.9, "longitude": -180.1}, "longitude", "-180.1", EAST),
        (
            "get-weather",
            PLACE | {"hourly": True},
            "hourly",
            "not known",
            "left out: get-weather takes place, latitude, longitude, units",
        ),
        ("get-alerts", {}, "state", "missing", f"{STATE}; or else give place or latitude and longitude"),
        ("get-alerts", {"state": None}, "state", "missing", f"{STATE}; or else give place or latitude and longitude"),
        ("get-alerts", {"state": 6}, "state", "6", STATE),
        ("get-alerts", {"state": "XX"}, "state", '"XX"', f"{STATE}; or else, for a city, give place"),
        ("get-alerts", {"state": "Californication"}, "state", '"Californication"', f"{STATE}, such as California"),
        ("get-alerts", {"state": "CA", "limit": 0}, "limit", "0", LIMIT),
        ("get-alerts", {"state": "CA", "limit": 201}, "limit", "201", LIMIT),
        ("get-alerts", {"state": "CA", "limit": 1.5}, "limit", "1.5", LIMIT),
        ("get-alerts", {"state": "CA", "limit": "five"}, "limit", '"five"', LIMIT),
        ("get-alerts", {"state": "CA", "limit": True}, "limit", "true", LIMIT),
        (
            "get-alerts",
            {"state": "CA", "days": 3},
            "days",
            "not known",
            "left out: get-alerts takes place, latitude, longitude, state, severity, event, limit",
        ),
        (
            "get-forecast",
            {"place": "Qqqqq, Sea"},
            "place",
            '"Qqqqq, Sea", which is not known',
            f"{NAMED}; or else give latitude and longitude",
        ),
    ],
)
async def test_wrong_argument_is_named_in_one_sentence(server, tool, arguments, argument, got, expected):
    async with raw(server.url) as socket:
        answer = await ask(socket, call(2, tool, **arguments))
    text = f"Argument '{argument}' is {got}; it should be {expected}."
    assert answer == {
        "jsonrpc": "2.0",
        "id": 2,
        "result": {"content": [{"type": "text", "text": text}], "isError": True},
    }


async def test_place_outside_the_coverage_is_an_error_that_says_so(server):
    async with connect(server.url) as session:
        result = await session.call_tool("get-weather", {"latitude": 48.8566, "longitude": 2.3522})
    assert result.isError
    assert result.content[0].text.startswith("The National Weather Service has no data for 48.8566, 2.3522: ")


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("CA", "CA"),
        ("ca", "CA"),
        ("California", "CA"),
        ("california", "CA"),
        ("NEW YORK", "NY"),
        ("District of columbia", "DC"),
        ("puerto rico", "PR"),
        ("gm", "GM"),
    ],
)
async def test_area_goes_by_code_or_name_in_any_case(server, state, code):
    async with connect(server.url) as session:
        result = await session.call_tool("get-alerts", {"state": state})
    assert (result.structuredContent["state"], result.structuredContent["stateName"]) == (code, AREAS[code])


async def test_unknown_tool_is_an_error_that_names_the_tools(server):
    async with session_with(server.url) as session:
        await session.initialize()
        with pytest.raises(McpError) as error:
            await session.call_tool("get-tides", {})
    assert error.value.error.code == types.INVALID_PARAMS
    assert error.value.error.message == f"Unknown tool 'get-tides'; the tools are {', '.join(TOOLS)}."


# The project's client


async def test_connect_gives_python_an_initialized_session(server):
    with anyio.fail_after(TIMEOUT_S):
        async with connect(server.url, token="of no use here") as session:
            assert [tool.name for tool in (await session.list_tools()).tools] == TOOLS
            result = await session.call_tool("get-weather", PLACE)
    assert result.content[0].text.startswith("Weather forecast for ")


@pytest.mark.parametrize(
    ("argv", "code", "out", "err"),
    [
        ([], 0, r"get-weather \[place=…\] \[latitude=…\] \[longitude=…\] \[units=…\]\n[\s\S]+", ""),
        (["get-weather", *HERE], 0, r"Weather forecast for [\s\S]+", r"(\w.+\n)*"),
        (["get-forecast", *HERE], 0, r"\[\n  \{\n[\s\S]+\]\nForecast for [\s\S]+\n", r"(\w.+\n)*"),
        (["get-weather", "place=98101", "units=si"], 0, r"[\s\S]+°C\n[\s\S]+Seattle, WA 98101[\s\S]+", r"(\w.+\n)*"),
        (["get-alerts", "state=california", "limit=1"], 0, r"(Event: |No active alerts for Cal)[\s\S]+", r"(\w.+\n)*"),
        (["get-alerts", "state=nowhere"], 1, "", r"Argument 'state' is \"nowhere\"; it should be .+\.\n"),
    ],
)
async def test_command_line_asks_the_server(server, capsys, argv, code, out, err):
    with anyio.fail_after(TIMEOUT_S):
        ended = await anyio.to_thread.run_sync(main, [server.url, *argv], abandon_on_cancel=True)
    printed, complained = capsys.readouterr()
    assert re.fullmatch(err, complained)
    assert re.fullmatch(out, printed)
    assert ended == code


# Sessions that end


async def drop(url, number):
    """One session in a way of its own: closed, cut, cut during a call, closed during one, never initialized."""
    socket = await open_websocket(url, subprotocols=[Subprotocol("mcp")], proxy=None)
    way = number % 5
    if way < 4:
        await ask(socket, initialize())
    if way in (2, 3):
        await socket.send(call(2, "get-forecast", latitude=30 + number / 10, longitude=-100))
    if way in (1, 2):
        socket.transport.abort()
    await socket.close()


async def test_dropped_sessions_leave_nothing_behind_but_a_line_each_in_the_log(serve):
    with gated() as (gate, settings):
        server = serve(LOG_FORMAT="json", **settings)
        with anyio.fail_after(TIMEOUT_S):
            async with raw(server.url) as socket:
                await socket.send(call(2, "get-alerts", state="CA"))
                await reach(server, IN_FLIGHT, 1)
                socket.transport.abort()
                await reach(server, "mcp_sessions_open", 0)
            async with anyio.create_task_group() as tasks:
                for number in range(50):
                    tasks.start_soon(drop, server.url, number)
        await reach(server, "mcp_sessions_open", 0)
        await reach(server, IN_FLIGHT, 0)
        assert (await get(server, "/ready")).status_code == 200
        gate.open()
        async with connect(server.url) as session:
            assert not (await session.call_tool("get-alerts", {"state": "CA"})).isError
        assert server.stop() == 0
    assert "Traceback" not in server.log
    loggers = Counter(json.loads(line)["logger"] for line in server.log.splitlines())
    assert loggers.pop("weather.session") == 52
    assert set(loggers.values()) == {1}  # of the server's own start and end


# Starting and stopping


@pytest.mark.parametrize(
    ("flags", "code"),
    [
        (["--config", "hypercorn.toml"], 1),
        (["--workers", "0"], 1),
        ([], 0),  # with a worker process, as hypercorn has by default, 0.18 loses the worker's exit code
    ],
    ids=["configured", "bare-in-process", "bare"],
)
@pytest.mark.parametrize(
    ("application", "variable"), [("app:app", "MCP_MAX_SESSIONS"), ("weather.simulator:app", "SIMULATOR_SEED")]
)
def test_bad_setting_ends_the_process_with_one_sentence(application, variable, flags, code):
    environment = {"PATH": os.environ["PATH"], variable: "none"}
    command = [sys.executable, "-m", "hypercorn", *flags, "--bind", "127.0.0.1:0", application]
    ended = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=TIMEOUT_S, check=False
    )
    sentence = f"{variable} is 'none', and should be a whole number.\n"
    assert (ended.returncode, ended.stdout, ended.stderr) == (code, "", sentence)


def test_start_line_says_what_matters_and_unknown_variables_are_named(serve):
    strange = {"MCP_MAX_SESION": "3", "NWS_QXZ": "", "SIMULATOR_LATENCY": "s3cret", "MCP_TOKEN": "s3cret"}
    log = serve(MCP_AUTH_TOKENS="s3cret", mcp_max_sessions="30", **strange).log
    started = "MCP at /ws and /mcp, weather from the simulator, tokens checked, at most 30 sessions"
    assert log.count(f" INFO weather weather {__version__}: {started}\n") == 1
    assert re.findall(r" WARNING weather (.*)", log) == [
        "MCP_MAX_SESION is no setting of this server; MCP_MAX_SESSIONS is",
        "NWS_QXZ is no setting of this server",
        "SIMULATOR_LATENCY is no setting of this server; SIMULATOR_LATENCY_MS is",
    ]
    assert "s3cret" not in log


async def test_without_any_setting_the_weather_is_live(serve):
    """No tool is called: nothing is asked of the real service."""
    server = serve(config=None, NWS_API_BASE="")
    async with session_with(server.url) as session:
        result = await session.initialize()
    assert result.instructions.endswith(" The weather is live, from the National Weather Service.")
    assert (await get(server, "/ready")).json() == {"status": "ready"}
    asked = re.findall(r"^nws_requests_total{.*} (.*)", (await get(server, "/metrics")).text, re.MULTILINE)
    assert set(asked) == {"0.0"}


async def test_simulator_on_a_port_of_its_own_serves_as_nws(serve):
    simulator = serve(application="weather.simulator:app", config=None)
    server = serve(NWS_API_BASE=simulator.http)
    async with session_with(server.url) as session:
        initialized = await session.initialize()
        validate = await validators(session)
        for tool, arguments in (("get-weather", PLACE), ("get-forecast", PLACE), ("get-alerts", {"state": "CA"})):
            result = await session.call_tool(tool, arguments)
            assert not result.isError
            assert result.structuredContent["source"] == "simulated"
            validate[tool](result.structuredContent)
    assert initialized.instructions.endswith(" Each result's source says whether the weather is live or simulated.")
    assert (server.stop(), simulator.stop()) == (0, 0)
    assert "Traceback" not in server.log + simulator.log


async def closed(socket):
    with pytest.raises(ConnectionClosed):
        await socket.recv()
    return socket.close_code, socket.close_reason


@pytest.mark.parametrize(
    ("sign", "config", "flags"),
    [
        (signal.SIGTERM, "hypercorn.toml", []),
        (signal.SIGINT, "hypercorn.toml", []),
        (signal.SIGTERM, None, ["--graceful-timeout", "0"]),
        (signal.SIGINT, None, ["--graceful-timeout", "0", "--workers", "0"]),
    ],
    ids=["configured-sigterm", "configured-sigint", "bare-sigterm", "bare-in-process-sigint"],
)
async def test_signal_lets_the_call_in_flight_end_and_then_closes_every_session(serve, sign, config, flags):
    with gated() as (gate, settings):
        server = serve(*flags, config=config, MCP_GRACE_SECONDS=str(TIMEOUT_S), **settings)
        async with raw(server.url) as busy, raw(server.url) as idle:
            await busy.send(call(2, "get-alerts", state="CA"))
            await reach(server, IN_FLIGHT, 1)
            server.process.send_signal(sign)
            assert await closed(idle) == (1012, "the server is going down")
            gate.open()
            answer = json.loads(await busy.recv())
            assert (answer["id"], answer["result"]["isError"]) == (2, False)
            assert await closed(busy) == (1012, "the server is going down")
            assert await anyio.to_thread.run_sync(server.process.wait, TIMEOUT_S) == 0
    assert "Traceback" not in server.log
