"""The results of the tools: built and serialized once per refresh, and cached until they expire."""

import json
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, NamedTuple

import anyio
from cachetools import LRUCache

from weather import report
from weather.config import SECONDS, Settings
from weather.errors import NoForecast, Rejected, TooSlow, UpstreamError, WeatherError
from weather.inputs import AlertsArgs, ForecastArgs, ToolInput, WeatherArgs, located, understood
from weather.metrics import Metrics
from weather.nws import NWS, REFRESH_AHEAD, AlertsData, Document, Flight, Flights, Options, Progress, Where, silent
from weather.places import Places
from weather.report import Freshness, Rendered
from weather.results import Source

RETRY_REFRESH_S = 5 * SECONDS
OBSERVATION_PATIENCE_S = 1 * SECONDS
NO_OBSERVATION_S = 60 * SECONDS
ENTRY_BYTES = 1024
KEYS_SHARE = 8
MOST_KEY_BYTES = 1024
FEW_ALERTS = 100

Key = tuple[Any, ...]

log = logging.getLogger(__name__)


@dataclass
class CachedResult:
    """A `CallToolResult` as JSON in ASCII. `outcome` is its label in the metrics: "ok" or "stale".

    `refresh_at` and `expires_at` are in seconds on `NWS.clock`.
    """

    json: str
    tool: str
    outcome: str
    refresh_at: float
    expires_at: float

    @cached_property
    def text(self) -> str:
        """The structured content as a JSON string that holds JSON, for the text of a resource."""
        structured = self.json.partition(',"structuredContent":')[2].rpartition(',"isError":')[0]
        return json.dumps(structured)


class Query(NamedTuple):
    """A validated call. `key` is the same for all spellings of the arguments; `note` says what place was assumed."""

    key: Key
    tool: str
    input: ToolInput
    note: str = ""


class Answers:
    """Answers tool calls from a cache of finished results, or builds a result from NWS's data.

    Concurrent calls for the same thing share one build. A result expires as soon as a document of NWS that it is made
    of expires, or a period or alert in it ends. A call in the last tenth of that time gets the cached result and starts
    a refresh. At most `MCP_ANSWER_CACHE_BYTES` are cached: seven eighths for results, least recently used out first,
    and the rest for the keys of calls.
    """

    def __init__(self, nws: NWS, settings: Settings, metrics: Metrics) -> None:
        self.nws, self.settings, self.metrics = nws, settings, metrics
        self.clock = nws.clock
        self.places = Places()
        self._most_keys_bytes = settings.mcp_answer_cache_bytes // KEYS_SHARE
        most_bytes = settings.mcp_answer_cache_bytes - self._most_keys_bytes
        self._cache: LRUCache[Key, CachedResult] = LRUCache(most_bytes, getsizeof=_size)
        metrics.answer_cache_bytes.set_function(lambda: self._cache.currsize + self._keys_bytes)
        self._building: Flights[Key, CachedResult] = Flights(nws.start)
        self._queries_by_key: dict[Key, Query] = {}
        self._keys_bytes = 0
        self._rendering = anyio.Lock()  # One long result at a time: between two, the loop runs other tasks.

    def lookup_key(self, key: Key, *, in_task: bool = True) -> CachedResult | None:
        """The cached result of a call whose very bytes were sent before: `parse` stored its key. Else None."""
        query = self._queries_by_key.get(key)
        return None if query is None else self.lookup(query, in_task=in_task)

    def parse(self, tool: str, arguments: Mapping[str, Any], key: Key | None = None) -> Query:
        """Validates a call. Raises BadArgument. `tool` must be a key of `TAKES`. All spellings make the same query.

        Stores the query for `lookup_key`, unless `key` has more than MOST_KEY_BYTES: nobody sends such a call twice.
        """
        args, note = understood(tool, arguments), ""
        if args.place is not None:
            args, note = located(args, self.places)
        query = Query((tool, note, *args.__dict__.values()), tool, args, note)
        key_bytes = sum(map(len, key or ()))
        if key and key_bytes <= MOST_KEY_BYTES and key not in self._queries_by_key:
            self._keys_bytes += ENTRY_BYTES + key_bytes
            if self._keys_bytes > self._most_keys_bytes:
                self._queries_by_key.clear()
                self._keys_bytes = ENTRY_BYTES + key_bytes
            self._queries_by_key[key] = query
        return query

    async def answer(self, query: Query, progress: Progress = silent) -> CachedResult:
        """Waits at most NWS_DEADLINE_SECONDS; `progress` gets a note for each wait. Raises WeatherError."""
        deadline_s = self.settings.nws_deadline_seconds
        try:
            with anyio.fail_after(deadline_s):
                return self.lookup(query) or await self._build(query).wait(progress)
        except TimeoutError:
            raise TooSlow(deadline_s) from None

    def forget_alerts(self, state: str) -> None:
        """Drops the cached alerts of a state, so that the next call builds them from the current documents."""
        for key in [key for key in self._cache if key[0] == "get-alerts" and state in key]:
            del self._cache[key]

    def lookup(self, query: Query, *, in_task: bool = True) -> CachedResult | None:
        """The cached result, else None. Starts a refresh if the result expires soon; outside a task, returns None."""
        result = self._cache.get(query.key)
        if result is None:
            return None
        now = self.clock()
        if now >= result.expires_at:
            return None
        if now >= result.refresh_at:
            if not in_task:
                return None
            result.refresh_at = now + RETRY_REFRESH_S
            self._build(query, refresh_ahead=True)
        return result

    def _build(self, query: Query, *, refresh_ahead: bool = False) -> Flight[CachedResult]:
        return self._building.join(query.key, partial(self._run_build, query, refresh_ahead), kept=refresh_ahead)

    async def _run_build(self, query: Query, refresh_ahead: bool, flight: Flight[CachedResult]) -> CachedResult:
        until = anyio.current_time() + self.nws.upstream.patience_s
        options = Options(refresh_ahead=refresh_ahead, progress=flight.progress, patience_until=until)
        match query.input:
            case AlertsArgs() as args:
                result = await self._alerts(query, args, options)
            case ForecastArgs() as args:
                result = await self._forecast(query, args, options)
            case WeatherArgs() as args:
                result = await self._weather(query, args, options)
        if _size(result) <= self._cache.maxsize:
            self._cache[query.key] = result
        return result

    async def _forecast(self, query: Query, args: ForecastArgs, options: Options) -> CachedResult:
        point, forecast = await self.nws.forecast(args.latitude, args.longitude, hourly=args.hourly, **options)
        async with self._rendering:
            freshness = self._freshness(forecast)
            answer = report.forecast_answer(args, point.data, forecast.data, freshness, query.note)
            return self._result(query.tool, answer, forecast, point)

    async def _alerts(self, query: Query, args: AlertsArgs, options: Options) -> CachedResult:
        """Requests the alerts of a place by its zones, or by its coordinates if NWS gives or accepts no zones."""
        where: Where = args.state or (args.latitude, args.longitude)
        zones, others = None, []
        if args.place:
            with suppress(NoForecast, UpstreamError):
                point = await self.nws.point(args.latitude, args.longitude, **options)
                zones, others = point.data.zones or None, [point]
        try:
            alerts = await self.nws.alerts(zones or where, **options)
        except Rejected:
            if not zones:
                raise
            zones, alerts = None, await self.nws.alerts(where, **options)

        def render(data: AlertsData) -> CachedResult:
            answer = report.alerts_answer(args, data, self._freshness(alerts), zones, query.note)
            return self._result(query.tool, answer, alerts, *others)

        async with self._rendering:
            return await self.nws.worker.run(render, alerts.data, long=len(alerts.data.alerts) > FEW_ALERTS)

    async def _weather(self, query: Query, args: WeatherArgs, options: Options) -> CachedResult:
        point = await self.nws.point(args.latitude, args.longitude, **options)
        observing = self.nws.start(partial(self.nws.observation, point, refresh_ahead=options["refresh_ahead"]))
        try:
            point, forecast = await self.nws.forecast(args.latitude, args.longitude, point=point, **options)
        except BaseException:  # also cancellation: nobody waits for the observation now
            observing.stop()
            raise
        observation, deadline_s = None, self.settings.nws_deadline_seconds
        observing.kept = True
        try:
            left_s = options["patience_until"] - anyio.current_time()
            with anyio.move_on_after(min(left_s, OBSERVATION_PATIENCE_S, 0.1 * deadline_s)) as patience:
                observation = await observing.wait()
        except WeatherError:
            log.debug("no observation", exc_info=True)
        observed, freshness = observation.data if observation else None, self._freshness(forecast)
        answer = report.weather_answer(args, point.data, forecast.data, observed, freshness, query.note)
        if observation:
            return self._result(query.tool, answer, forecast, point, observation)
        result, now = self._result(query.tool, answer, forecast, point), self.clock()
        retry_s = RETRY_REFRESH_S if patience.cancelled_caught else REFRESH_AHEAD * NO_OBSERVATION_S
        result.refresh_at = min(result.refresh_at, now + retry_s)
        result.expires_at = min(result.expires_at, now + NO_OBSERVATION_S)
        return result

    def _freshness(self, document: Document[Any]) -> Freshness:
        source: Source = "simulated" if document.simulated else "live"
        return Freshness(source, document.fetched, document.stale, self.nws.now())

    def _result(self, tool: str, answer: Rendered, document: Document[Any], *others: Document[Any]) -> CachedResult:
        """Expires with the first of the documents, or at `answer.until`. `document` says whether it is stale."""
        content = [{"type": "text", "text": text} for text in (answer.text, answer.words)]
        until_s = (answer.until - self.nws.now()).total_seconds() if answer.until else math.inf
        return CachedResult(
            f'{{"content":{json.dumps(content)},"structuredContent":{answer.json()},"isError":false}}',
            tool,
            "stale" if document.stale else "ok",
            refresh_at=min(used.refresh_at for used in (document, *others)),
            expires_at=min(self.clock() + until_s, *(used.expires_at for used in (document, *others))),
        )


def _size(result: CachedResult) -> int:
    return len(result.json) + ENTRY_BYTES
