"""The Prometheus metrics of this process. No label has a value that a client chooses."""

from collections.abc import Iterator
from functools import cache, partial
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
ENDED = ["binary", "client", "dead", "error", "idle", "not_initialized", "not_reading", "protocol", "shutdown"]
ENDED += ["token_expired", "too_big"]
REFUSED = ("capacity", "host", "keys", "method", "origin", "path", "scope", "token_invalid", "token_missing")


class Metrics(Collector):
    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        counter, gauge = partial(Counter, registry=registry), partial(Gauge, registry=registry)
        histogram = partial(Histogram, registry=registry)
        registry.register(self)
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        Info("weather_build", "Which version this is", registry=registry).info({"version": __version__})
        self.max_sessions = gauge("mcp_max_sessions", "Sessions that may be open")
        self.answer_cache_bytes = gauge("mcp_answer_cache_bytes", "Size of the cached results")
        self.nws_cache_bytes = gauge("nws_cache_bytes", "Size of the cached responses of NWS")
        self.sessions_open = gauge("mcp_sessions_open", "Sessions open now")
        self.in_flight = gauge("mcp_requests_in_flight", "Requests in flight", ["transport"])
        self.tasks = gauge("asyncio_tasks", "Tasks of the event loop")
        self.subscriptions = gauge("mcp_subscriptions_open", "Subscriptions open now")
        self.streams = gauge("mcp_streams_open", "subscriptions/listen open now")
        self.notifications = counter("mcp_notifications", "Notifications of changed resources")
        self.notified = histogram(
            "mcp_notification_seconds", "Time from a change at NWS to its last notification", buckets=CALL_SECONDS
        )
        self._calls = histogram("mcp_call_duration_seconds", "Time a tool call took", CALL, buckets=CALL_SECONDS)
        self.ended = counter("mcp_sessions_ended", "Sessions by how they ended", ["ended"])
        self.refused = counter("mcp_rejected", "Requests refused by their headers", ["reason", "transport"])
        self._upstream = counter("nws_requests", "Requests to NWS by endpoint and status", ["endpoint", "status"])
        self._upstream_seconds = histogram(
            "nws_request_duration_seconds", "Time NWS took to answer", ["endpoint"], buckets=SECONDS
        )
        self.cache = counter("nws_cache", "Look-ups in the cache of NWS responses", ["endpoint", "result"])
        self.loop_lag = histogram(
            "event_loop_lag_seconds", "How late the event loop ran a timer, four times a second", buckets=LAG_SECONDS
        )
        for series, *labels in (  # rate() would miss an increment with which a series begins.
            (self.ended, ENDED),
            (self.refused, REFUSED, TRANSPORTS),
            (self._upstream, ENDPOINTS, ("200", "error")),
            (self._upstream_seconds, ENDPOINTS),
            (self.cache, ENDPOINTS, ("hit", "miss", "refresh")),
        ):
            for values in product(*labels):
                series.labels(*values)
        self._of = cache(self._calls.labels)
        self.built = 0  # calls without a cached result
        self.short_way = 0  # calls that woke no task

    def called(self, tool: str, outcome: str, transport: str, seconds: float) -> None:
        """Records a tools/call. `outcome` is one of OUTCOMES, `transport` one of TRANSPORTS."""
        self._of(tool, outcome, transport).observe(seconds)

    def upstream(self, endpoint: str, status: str, seconds: float | None = None) -> None:
        """Records a request to NWS. `status` is the HTTP status, "error" or "cancelled", which has no `seconds`."""
        self._upstream.labels(endpoint, status).inc()
        if seconds is not None:
            self._upstream_seconds.labels(endpoint).observe(seconds)

    def collect(self) -> Iterator[Metric]:
        """Counters made from the histogram of calls, so that a call records one metric only."""
        (times,) = self._calls.collect()
        counts: dict[tuple[str, ...], float] = dict.fromkeys(product(TOOLS, OUTCOMES, TRANSPORTS), 0.0)
        counts |= {tuple(one.labels.values()): one.value for one in times.samples if one.name.endswith("_count")}
        calls = CounterMetricFamily("mcp_calls", "Tool calls by outcome", labels=CALL)
        for labels, count in counts.items():
            calls.add_metric(labels, count)
        yield calls
        yield CounterMetricFamily(
            "mcp_answer_cache_hits", "Calls with a cached result", sum(counts.values()) - self.built
        )
        yield CounterMetricFamily("mcp_fast_path_replies", "Calls answered without waking a task", self.short_way)

    def exposition(self) -> bytes:
        """The text format of Prometheus, version 0.0.4."""
        return generate_latest(self.registry)
