"""The Prometheus series of this process, and what it costs to keep them.

Calls are recorded in plain integers, because a cached call has a budget of microseconds; they become series when
/metrics is read. No label takes a value from a client.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from itertools import accumulate

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CALL_BUCKETS_S = (
    1e-4,
    2.5e-4,
    5e-4,
    1e-3,
    2.5e-3,
    5e-3,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    5.0,
    10.0,
)
LAG_BUCKETS_S = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)
UPSTREAM_BUCKETS_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)


class Calls:
    """The calls of one tool with one outcome, by the bucket of their time."""

    __slots__ = ("seconds", "times")

    def __init__(self) -> None:
        self.times = [0] * (len(CALL_BUCKETS_S) + 1)
        self.seconds = 0.0

    def add(self, seconds: float) -> None:
        self.times[bisect_left(CALL_BUCKETS_S, seconds)] += 1
        self.seconds += seconds


class Metrics(Collector):
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.registry.register(self)
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.sessions_open: Callable[[], int] = lambda: 0
        self.in_flight: Callable[[], int] = lambda: 0
        self.tasks: Callable[[], int] = lambda: 0
        self.built = 0
        """Calls that went through the SDK; all others were answered from ready bytes."""
        self._calls: dict[tuple[str, str], Calls] = {}
        registry = self.registry
        self._ended = Counter("mcp_sessions", "Sessions by how they ended", ["ended"], registry=registry)
        self._refused = Counter("mcp_refusals", "Requests refused before a session", ["reason"], registry=registry)
        self._upstream = Counter(
            "nws_requests",
            "Requests to NWS by endpoint and status",
            ["endpoint", "status"],
            registry=registry,
        )
        self._upstream_seconds = Histogram(
            "nws_request_duration_seconds",
            "Time NWS took to answer",
            ["endpoint"],
            buckets=UPSTREAM_BUCKETS_S,
            registry=registry,
        )
        self._cache = Counter(
            "nws_cache", "Questions to the NWS cache by result", ["endpoint", "result"], registry=registry
        )
        self.loop_lag = Histogram(
            "event_loop_lag_seconds",
            "How late the event loop ran a timer, four times a second",
            buckets=LAG_BUCKETS_S,
            registry=registry,
        )

    def calls(self, tool: str, outcome: str) -> Calls:
        """Where tools/call is recorded. Outcomes: ok, stale, argument_error, upstream_error, error, cancelled."""
        return self._calls.setdefault((tool, outcome), Calls())

    def ended(self, how: str) -> None:
        self._ended.labels(how).inc()

    def refused(self, reason: str) -> None:
        self._refused.labels(reason).inc()

    def upstream(self, endpoint: str, status: str, seconds: float | None = None) -> None:
        """`status` is HTTP's, `error` or `cancelled`; `seconds` are known when there was an answer or a failure."""
        self._upstream.labels(endpoint, status).inc()
        if seconds is not None:
            self._upstream_seconds.labels(endpoint).observe(seconds)

    def cache(self, result: str, endpoint: str) -> None:
        self._cache.labels(endpoint, result).inc()

    def collect(self) -> Iterator[Metric]:
        yield GaugeMetricFamily("mcp_sessions_open", "Sessions open now", self.sessions_open())
        yield GaugeMetricFamily("mcp_requests_in_flight", "Requests at work now", self.in_flight())
        yield GaugeMetricFamily("asyncio_tasks", "Tasks of the event loop", self.tasks())
        total = sum(sum(recorded.times) for recorded in self._calls.values())
        yield CounterMetricFamily("mcp_ready_answers", "Calls answered from ready bytes", total - self.built)
        calls = CounterMetricFamily("mcp_calls", "Tool calls by outcome", labels=["tool", "outcome"])
        for labels, recorded in self._calls.items():
            calls.add_metric(labels, sum(recorded.times))
        yield calls
        times = HistogramMetricFamily(
            "mcp_call_duration_seconds", "Time from taking up a call to its answer", labels=["tool"]
        )
        bounds = [*(f"{bucket:g}" for bucket in CALL_BUCKETS_S), "+Inf"]
        for tool in sorted({tool for tool, _ in self._calls}):
            parts = [recorded for labels, recorded in self._calls.items() if labels[0] == tool]
            counts = accumulate(map(sum, zip(*(part.times for part in parts), strict=True)))
            times.add_metric([tool], list(zip(bounds, counts, strict=True)), sum(part.seconds for part in parts))
        yield times

    def exposition(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self.registry)
