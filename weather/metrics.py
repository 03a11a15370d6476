"""The Prometheus metrics of this process. No label has a value that a client chooses."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from itertools import product

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, PlatformCollector, ProcessCollector
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from weather import __version__

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
CALL = ("tool", "outcome", "transport")
SECONDS = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
CALL_SECONDS = (1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, *SECONDS)
LAG_SECONDS = (1e-3, 2.5e-3, 5e-3, *SECONDS[:7])
TOOLS = ("get-weather", "get-forecast", "get-alerts")
OUTCOMES = ("ok", "stale", "argument_error", "upstream_error", "error", "cancelled")
TRANSPORTS = ("websocket", "http")
ENDPOINTS = ("point", "forecast", "stations", "observation", "alerts")
ENDED = (
    *("binary", "client", "dead", "error", "idle", "not_initialized", "not_reading"),
    *("protocol", "shutdown", "token_expired", "too_big"),
)
REFUSED = ("capacity", "host", "keys", "method", "origin", "path", "scope", "token_invalid", "token_missing")


class Metrics(Collector):
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        registry.register(self)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("weather_build", "Which version this is", registry=registry).info({"version": __version__})
        self.max_sessions = Gauge("mcp_max_sessions", "Sessions that may be open", registry=registry)
        self.answer_cache_bytes = Gauge("mcp_answer_cache_bytes", "Size of the ready answers", registry=registry)
        self.nws_cache_bytes = Gauge("nws_cache_bytes", "Size of what is kept of NWS's answers", registry=registry)
        self.sessions_open = Gauge("mcp_sessions_open", "Sessions open now", registry=registry)
        self.in_flight = Gauge("mcp_requests_in_flight", "Requests at work now", ["transport"], registry=registry)
        self.tasks = Gauge("asyncio_tasks", "Tasks of the event loop", registry=registry)
        self.subscriptions = Gauge("mcp_subscriptions_open", "Subscriptions open now", registry=registry)
        self.streams = Gauge("mcp_streams_open", "subscriptions/listen open now", registry=registry)
        self.notifications = Counter("mcp_notifications", "Notifications of changed resources", registry=registry)
        self.notified = Histogram(
            "mcp_notification_seconds",
            "Time from a refresh that brought a change to its last notification",
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._calls = Histogram(
            "mcp_call_duration_seconds",
            "Time from taking up a call to its answer",
            CALL,
            buckets=CALL_SECONDS,
            registry=registry,
        )
        self._ended = Counter("mcp_sessions_ended", "Sessions by how they ended", ["ended"], registry=registry)
        self._refused = Counter(
            "mcp_rejected", "Requests refused by their headers", ["reason", "transport"], registry=registry
        )
        self._upstream = Counter(
            "nws_requests", "Requests to NWS by endpoint and status", ["endpoint", "status"], registry=registry
        )
        self._upstream_seconds = Histogram(
            "nws_request_duration_seconds", "Time NWS took to answer", ["endpoint"], buckets=SECONDS, registry=registry
        )
        self._cache = Counter(
            "nws_cache", "Questions to the NWS cache by result", ["endpoint", "result"], registry=registry
        )
        self.loop_lag = Histogram(
            "event_loop_lag_seconds",
            "How late the event loop ran a timer, four times a second",
            buckets=LAG_SECONDS,
            registry=registry,
        )
        for series, *labels in (  # rate() would miss an increment with which a series begins.
            (self._ended, ENDED),
            (self._refused, REFUSED, TRANSPORTS),
            (self._upstream, ENDPOINTS, ("200", "error")),
            (self._upstream_seconds, ENDPOINTS),
            (self._cache, ENDPOINTS, ("hit", "miss", "refresh")),
        ):
            for values in product(*labels):
                series.labels(*values)
        self._of = cache(self._calls.labels)
        self.built = 0
        """Calls that were not answered from the cache."""
        self.short_way = 0
        """Calls that were answered without waking a task."""

    def called(self, tool: str, outcome: str, transport: str, seconds: float) -> None:
        """Records a tools/call. `outcome` is one of OUTCOMES, `transport` one of TRANSPORTS."""
        self._of(tool, outcome, transport).observe(seconds)

    def ended(self, how: str) -> None:
        self._ended.labels(how).inc()

    def refused(self, reason: str, transport: str) -> None:
        self._refused.labels(reason, transport).inc()

    def upstream(self, endpoint: str, status: str, seconds: float | None = None) -> None:
        """Records a request to NWS. `status` is the HTTP status, "error" or "cancelled", which has no `seconds`."""
        self._upstream.labels(endpoint, status).inc()
        if seconds is not None:
            self._upstream_seconds.labels(endpoint).observe(seconds)

    def cache(self, result: str, endpoint: str) -> None:
        """Records a look-up in the cache of documents: "hit", "miss" or "refresh"."""
        self._cache.labels(endpoint, result).inc()

    def collect(self) -> Iterator[Metric]:
        counts = CounterMetricFamily("mcp_calls", "Tool calls by outcome", labels=CALL)
        (times,) = self._calls.collect()
        counted: dict[tuple[str, ...], float] = dict.fromkeys(product(TOOLS, OUTCOMES, TRANSPORTS), 0.0)
        for sample in times.samples:
            if sample.name.endswith("_count"):
                counted[tuple(sample.labels[label] for label in CALL)] = sample.value
        for labels, number in counted.items():
            counts.add_metric(labels, number)
        yield counts
        total = sum(counted.values())
        yield CounterMetricFamily("mcp_answer_cache_hits", "Calls answered from ready bytes", total - self.built)
        yield CounterMetricFamily("mcp_fast_path_replies", "Calls answered without waking a task", self.short_way)

    def exposition(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self.registry)
