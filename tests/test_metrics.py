"""/metrics, read as Prometheus reads it, after sessions that had every kind of call and of end."""

from __future__ import annotations

import re
from collections import defaultdict
from urllib.request import urlopen

import anyio
import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.conftest import serving
from tests.raw import (
    BINARY,
    IN_FLIGHT,
    INITIALIZE,
    PATIENCE,
    TIMEOUT_S,
    Gate,
    Raw,
    answering,
    call,
    configured,
    eventually,
    frame,
    gauges,
    request,
)
from weather import __version__
from weather.answers import Answers
from weather.config import Settings
from weather.metrics import Metrics
from weather.nws import NWS
from weather.tools import call as call_tool

TOOLS = "get-weather|get-forecast|get-alerts"
# Series → the labels that each of its samples has.
EXPECTED = {
    "weather_build_info": {"version"},
    "mcp_max_sessions": set(),
    "mcp_answer_cache_bytes": set(),
    "nws_cache_bytes": set(),
    "mcp_sessions_open": set(),
    "mcp_sessions_ended_total": {"ended"},
    "mcp_rejected_total": {"reason", "transport"},
    "mcp_calls_total": {"tool", "outcome", "transport"},
    "mcp_answer_cache_hits_total": set(),
    "mcp_call_duration_seconds_bucket": {"tool", "outcome", "transport", "le"},
    "mcp_call_duration_seconds_count": {"tool", "outcome", "transport"},
    "mcp_call_duration_seconds_sum": {"tool", "outcome", "transport"},
    "mcp_requests_in_flight": {"transport"},
    "nws_requests_total": {"endpoint", "status"},
    "nws_request_duration_seconds_bucket": {"endpoint", "le"},
    "nws_request_duration_seconds_count": {"endpoint"},
    "nws_cache_total": {"endpoint", "result"},
    "event_loop_lag_seconds_bucket": {"le"},
    "event_loop_lag_seconds_count": set(),
    "event_loop_lag_seconds_sum": set(),
    "asyncio_tasks": set(),
    "process_resident_memory_bytes": set(),
    "process_cpu_seconds_total": set(),
    "process_open_fds": set(),
}
# Label → a pattern for all that it may ever be.
VALUES = {
    "ended": "client|binary|dead|error|idle|not_initialized|not_reading|protocol|shutdown|token_expired|too_big",
    "reason": "accept|capacity|content_type|host|keys|method|origin|path|scope|slow|subprotocol|too_big"
    "|token_(invalid|missing)|upgrade|version",
    "tool": TOOLS,
    "transport": "websocket|http",
    "outcome": "ok|stale|argument_error|upstream_error|error|cancelled",
    "endpoint": "alerts|forecast|observation|point|stations",
    "status": r"\d{3}|error|cancelled",
    "result": "hit|miss|refresh",
    "le": r"[\d.e+-]+|\+Inf",
    "version": re.escape(__version__),
}


def read(text):
    """Name of a sample → its labels, as a frozen set of pairs → value."""
    series = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        assert family.documentation, family
        assert family.type != "unknown", family
        for sample in family.samples:
            series[sample.name][frozenset(sample.labels.items())] = sample.value
    return series


def scrape(server):
    with urlopen(f"{server.http}/metrics", timeout=TIMEOUT_S) as answer:
        assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        return answer.read().decode()


def value(series, name, **labels):
    return series[name].get(frozenset(labels.items()), 0)


def nonzero(series, name, *labels):
    """Values of these labels → what is above zero."""
    return {tuple(dict(sample)[label] for label in labels): number for sample, number in series[name].items() if number}


@pytest.fixture(scope="module")
def visited(tmp_path_factory):
    """A server after visits, with one more session and a call of it still open."""
    gate, folder = Gate(), tmp_path_factory.mktemp("metrics")

    def nws(path):
        if "area=TX" in path:
            return 500, {"title": "Unexpected Problem"}
        return gate(path) if "area=NY" in path else (200, {"features": []})

    with answering(nws) as url:
        settings = {"NWS_API_BASE": url, "NWS_MAX_RETRIES": "0", **PATIENCE}
        with serving(folder, config=configured(folder), **settings) as server:
            visit(server)
            with Raw(server.port) as raw:
                raw.initialize().send(call(1, state="NY"))
                eventually(lambda: gauges(server.port)[IN_FLIGHT] == 1, "in flight")
                yield server
        gate.open()


def visit(server):
    for origin in ("http://evil-origin.example", "http://evil-origin.example"):
        with Raw(server.port, Origin=origin) as refused:
            assert refused.answer.startswith("HTTP/1.1 403")
    with Raw(server.port) as raw:
        info = {"name": "evil-client", "version": "evil-version"}
        raw.send(request(0, "initialize", INITIALIZE | {"clientInfo": info}))
        assert "result" in raw.receive()
        for asked in (
            call(1, state="CA"),
            call(2, state="CA"),
            call(3, state="CA", limit=3),
            call(4, state="TX"),
            call(5, state="evil-state"),
            call(6, "get-forecast", latitude=91, longitude=0),
            call(7, "evil-tool"),
            request(8, "evil-method"),
        ):
            raw.send(asked)
            assert raw.receive()["id"] == asked["id"]
        raw.send(call(9, state="NY"))
        eventually(lambda: gauges(server.port)[IN_FLIGHT] == 1, "in flight")
        raw.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 9}})
        eventually(lambda: gauges(server.port)[IN_FLIGHT] == 0, "cancelled")
    with Raw(server.port) as raw:
        raw.initialize().socket.sendall(frame(BINARY, b"x"))
        assert raw.closed().code == 1003
    eventually(lambda: gauges(server.port)["mcp_sessions_open"] == 0, "sessions have ended")


def test_every_series_is_there_with_its_labels(visited):
    series = read(scrape(visited))
    for name, labels in EXPECTED.items():
        assert series[name], name
        assert all({label for label, _ in sample} == labels for sample in series[name]), name


def test_sessions_and_refusals_are_counted_by_how_they_ended(visited):
    series = read(scrape(visited))
    assert value(series, "mcp_sessions_open") == 1
    assert nonzero(series, "mcp_sessions_ended_total", "ended") == {("client",): 1, ("binary",): 1}
    assert value(series, "mcp_rejected_total", reason="origin", transport="websocket") == 2


def test_calls_are_counted_by_tool_and_outcome(visited):
    """What names no tool is no call of one."""
    series = read(scrape(visited))
    assert nonzero(series, "mcp_calls_total", "tool", "outcome") == {
        ("get-alerts", "ok"): 3,
        ("get-alerts", "upstream_error"): 1,
        ("get-alerts", "argument_error"): 1,
        ("get-alerts", "cancelled"): 1,
        ("get-forecast", "argument_error"): 1,
    }
    assert value(series, "mcp_answer_cache_hits_total") == 1
    assert value(series, "mcp_requests_in_flight", transport="websocket") == 1


def buckets(series, name, **labels):
    """(Bound, calls up to it), in the order of the bounds."""
    found = {}
    for sample, number in series[f"{name}_bucket"].items():
        rest = dict(sample)
        bound = float(rest.pop("le"))
        if rest == labels:
            found[bound] = number
    return sorted(found.items())


OK = {"outcome": "ok", "transport": "websocket"}


@pytest.mark.parametrize(
    ("name", "labels", "calls"),
    [
        ("mcp_call_duration_seconds", OK | {"tool": "get-alerts"}, 3),
        ("mcp_call_duration_seconds", OK | {"tool": "get-forecast", "outcome": "argument_error"}, 1),
        ("nws_request_duration_seconds", {"endpoint": "alerts"}, 2),
    ],
)
def test_histograms_count_upwards_to_all(visited, name, labels, calls):
    series = read(scrape(visited))
    bounds, counts = zip(*buckets(series, name, **labels), strict=True)
    assert list(counts) == sorted(counts)
    assert counts[-1] == value(series, f"{name}_count", **labels) == calls
    assert bounds[-2:] == (10.0, float("inf"))
    assert value(series, f"{name}_sum", **labels) > 0


def test_time_of_calls_has_buckets_from_a_tenth_of_a_millisecond_on(visited):
    bounds, _ = zip(
        *buckets(read(scrape(visited)), "mcp_call_duration_seconds", tool="get-alerts", **OK),
        strict=True,
    )
    assert bounds[0] == 1e-4
    assert len([bound for bound in bounds if bound < 0.01]) >= 5


def test_upstream_and_cache_are_counted_by_endpoint(visited):
    series = read(scrape(visited))
    assert value(series, "nws_requests_total", endpoint="alerts", status="200") == 1
    assert value(series, "nws_requests_total", endpoint="alerts", status="500") == 1
    assert value(series, "nws_cache_total", endpoint="alerts", result="hit") == 1
    assert value(series, "nws_cache_total", endpoint="alerts", result="miss") >= 3


KNOWN = {
    "mcp_sessions_ended_total": 11,
    "mcp_calls_total": 3 * 6 * 2,
    "mcp_rejected_total": 9 * 2,
    "nws_requests_total": 5 * 2,
    "nws_request_duration_seconds_count": 5,
    "nws_cache_total": 5 * 3,
}


@pytest.mark.parametrize("name", KNOWN)
def test_series_with_known_labels_begin_at_zero(name):
    samples = read(Metrics().exposition().decode())[name]
    assert list(samples.values()) == [0] * KNOWN[name]
    assert all(re.fullmatch(VALUES[label], shown) for sample in samples for label, shown in sample)


def test_version_and_limits_are_shown(visited):
    series = read(scrape(visited))
    assert value(series, "weather_build_info", version=__version__) == 1
    assert value(series, "mcp_max_sessions") == 2000
    ready = value(series, "mcp_answer_cache_bytes")
    assert 1024 < ready < 10_000  # two answers without an alert
    assert 2048 < value(series, "nws_cache_bytes") < ready * 10


def test_the_process_is_measured(visited):
    series = read(scrape(visited))
    assert value(series, "process_resident_memory_bytes") > 10_000_000
    assert value(series, "process_cpu_seconds_total") > 0


def test_the_lag_of_the_event_loop_is_measured_on_and_on(visited):
    before = gauges(visited.port)["event_loop_lag_seconds_count"]
    eventually(lambda: gauges(visited.port)["event_loop_lag_seconds_count"] >= before + 2, "measured twice more")
    series = read(scrape(visited))
    assert buckets(series, "event_loop_lag_seconds")[-1][1] > before


def test_no_label_is_made_up_by_a_client(visited):
    text = scrape(visited)
    assert "evil" not in text
    for name, samples in read(text).items():
        for label, shown in {pair for sample in samples for pair in sample}:
            if name != "python_info":
                assert re.fullmatch(VALUES[label], shown), (name, label, shown)


@pytest.mark.anyio
async def test_stale_answers_and_refreshes_are_counted():
    """By a clock that the test sets: alerts live for 15 seconds at least."""
    now, metrics, settings = 0.0, Metrics(), Settings(nws_max_retries=0)
    replies = [httpx.Response(200, json={"features": []}), httpx.Response(500), httpx.Response(500)]
    transport = httpx.MockTransport(lambda _: replies.pop(0))
    with anyio.fail_after(TIMEOUT_S):
        async with NWS(settings, metrics, transport, lambda: now) as nws:
            answers = Answers(nws, settings, metrics)
            await call_tool(answers, "get-alerts", answers.parse("get-alerts", {"state": "CA"}))
            now = 14.0
            await call_tool(answers, "get-alerts", answers.parse("get-alerts", {"state": "CA"}))
            await anyio.wait_all_tasks_blocked()
            now = 20.0
            await call_tool(answers, "get-alerts", answers.parse("get-alerts", {"state": "CA"}))
    series = read(metrics.exposition().decode())
    assert value(series, "mcp_calls_total", tool="get-alerts", outcome="ok", transport="websocket") == 2
    assert value(series, "mcp_calls_total", tool="get-alerts", outcome="stale", transport="websocket") == 1
    assert value(series, "nws_cache_total", endpoint="alerts", result="refresh") == 1
    assert value(series, "nws_cache_total", endpoint="alerts", result="miss") == 2
