"""The answers of the tools: built once per refresh, turned into bytes once, and kept ready until they expire."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import anyio
from cachetools import LRUCache

from weather import report
from weather.config import SECONDS, Settings
from weather.errors import BadArgument, NoForecast, Rejected, TooSlow, UpstreamError, WeatherError
from weather.inputs import TAKES, AlertsArgs, ForecastArgs, ToolInput, WeatherArgs, located, understood
from weather.metrics import Metrics
from weather.nws import NWS, REFRESH_AHEAD, Document, Flight, Progress, Where, silent
from weather.places import Places
from weather.report import Freshness, Rendered

RETRY_REFRESH_S = 5 * SECONDS
OBSERVATION_PATIENCE_S = 1 * SECONDS
NO_OBSERVATION_S = 60 * SECONDS
ENTRY_BYTES = 1024
MOST_KNOWN = 10_000

Key = tuple[Any, ...]

log = logging.getLogger(__name__)


@dataclass
class CachedResult:
    """A result as JSON in ASCII, what its calls count as, and until when it may be sent, by the clock of NWS."""

    json: str
    tool: str
    outcome: str
    refresh_at: float
    expires_at: float

    @cached_property
    def text(self) -> str:
        """The structured content as a text, in JSON itself."""
        structured = self.json.partition(',"structuredContent":')[2].rpartition(',"isError":')[0]
        return json.dumps(structured)


class Asked(NamedTuple):
    """A args; `key` is the same for all its spellings. `note` says what was taken for the place."""

    key: Key
    tool: str
    input: ToolInput
    note: str = ""


class Answers:
    def __init__(self, nws: NWS, settings: Settings, metrics: Metrics) -> None:
        self.nws, self.settings, self.metrics = nws, settings, metrics
        self.clock = nws.clock
        self.places = Places()
        self._cache: LRUCache[Key, CachedResult] = LRUCache(settings.mcp_answer_cache_bytes, getsizeof=_size)
        metrics.answer_cache_bytes.set_function(lambda: self._cache.currsize)
        self._building: dict[Key, Flight[CachedResult]] = {}
        self._asked_by_key: dict[Key, Asked] = {}
        self._turn = anyio.Lock()  # Long answers are built one at a time; between two, the loop serves everybody else.
        self._observation_patience_s = min(OBSERVATION_PATIENCE_S, 0.1 * settings.nws_deadline_seconds)

    def lookup_key(self, key: Key) -> CachedResult | None:
        """The answer to a call that came with this key before, when it needs no waiting."""
        asked = self._asked_by_key.get(key)
        return None if asked is None else self._cached(asked)

    def lookup(self, tool: str, arguments: Mapping[str, Any], key: Key | None = None) -> CachedResult | None:
        """The answer, when it needs no waiting; from now on it is known by `key`, if any."""
        if tool not in TAKES:
            return None
        try:
            asked = self._asked(tool, arguments)
        except BadArgument:  # for `answer` to refuse
            return None
        if key:
            if len(self._asked_by_key) >= MOST_KNOWN:
                self._asked_by_key.clear()
            self._asked_by_key[key] = asked
        return self._cached(asked)

    async def answer(self, tool: str, arguments: Mapping[str, Any], progress: Progress = silent) -> CachedResult:
        """Raises WeatherError, within the deadline."""
        deadline_s = self.settings.nws_deadline_seconds
        try:
            with anyio.fail_after(deadline_s):
                asked = self._asked(tool, arguments)
                return self._cached(asked) or await self._build(asked).wait(progress)
        except TimeoutError:
            raise TooSlow(deadline_s) from None

    def forget_alerts(self, state: str) -> None:
        """What is ready of them; the next call builds it of the documents as they are now."""
        for key in [key for key in self._cache if key[0] == "get-alerts" and state in key]:
            del self._cache[key]

    def _asked(self, tool: str, arguments: Mapping[str, Any]) -> Asked:
        args, note = understood(tool, arguments), ""
        if args.place is not None:
            args, note = located(args, self.places)
        return Asked((tool, note, *args.__dict__.values()), tool, args, note)

    def _cached(self, asked: Asked) -> CachedResult | None:
        """An entry in use is refreshed before it expires."""
        ready = self._cache.get(asked.key)
        if ready is None:
            return None
        now = self.clock()
        if now >= ready.expires_at:
            return None
        if now >= ready.refresh_at:
            ready.refresh_at = now + RETRY_REFRESH_S
            self._build(asked, refresh_ahead=True)
        return ready

    def _build(self, asked: Asked, *, refresh_ahead: bool = False) -> Flight[CachedResult]:
        building = self._building.get(asked.key)
        if building and not building.stopped:
            return building
        flight: Flight[CachedResult] = self.nws.start(
            lambda: self._built(asked, flight, refresh_ahead), kept=refresh_ahead
        )
        self._building[asked.key] = flight
        return flight

    async def _built(self, asked: Asked, flight: Flight[CachedResult], refresh_ahead: bool) -> CachedResult:
        async def progress(note: str) -> None:
            flight.tell(note)

        try:
            ready = await self._ask(asked, refresh_ahead, progress)
        finally:
            if self._building.get(asked.key) is flight:
                del self._building[asked.key]
        if _size(ready) <= self._cache.maxsize:
            self._cache[asked.key] = ready
        return ready

    async def _ask(self, asked: Asked, refresh_ahead: bool, progress: Progress) -> CachedResult:
        match asked.input:
            case AlertsArgs() as args:
                return await self._alerts(asked, args, refresh_ahead, progress)
            case ForecastArgs() as args:
                return await self._forecast(asked, args, refresh_ahead, progress)
            case WeatherArgs() as args:
                return await self._weather(asked, args, refresh_ahead, progress)
        raise AssertionError(asked)

    async def _forecast(
        self, asked: Asked, args: ForecastArgs, refresh_ahead: bool, progress: Progress
    ) -> CachedResult:
        latitude, longitude, hourly = args.latitude, args.longitude, args.hourly
        point, forecast = await self.nws.forecast(
            latitude, longitude, hourly=hourly, refresh_ahead=refresh_ahead, progress=progress
        )
        async with self._turn:
            freshness = self._freshness(forecast)
            answer = report.forecast_answer(args, point.data, forecast.data, freshness, asked.note)
            return self._kept(asked.tool, answer, forecast, point)

    async def _alerts(self, asked: Asked, args: AlertsArgs, refresh_ahead: bool, progress: Progress) -> CachedResult:
        """Of a place in its zones; at its very point where NWS knows none, or does not say."""
        where: Where = args.state or (args.latitude, args.longitude)
        zones, others = None, []
        if args.place:
            with suppress(NoForecast, UpstreamError):
                point = await self.nws.point(
                    args.latitude, args.longitude, refresh_ahead=refresh_ahead, progress=progress
                )
                zones, others = point.data.zones or None, [point]
        try:
            alerts = await self.nws.alerts(zones or where, refresh_ahead=refresh_ahead, progress=progress)
        except Rejected:
            if not zones:
                raise
            zones, alerts = None, await self.nws.alerts(where, refresh_ahead=refresh_ahead, progress=progress)
        async with self._turn:
            answer = report.alerts_answer(args, alerts.data, self._freshness(alerts), zones, asked.note)
            return self._kept(asked.tool, answer, alerts, *others)

    async def _weather(self, asked: Asked, args: WeatherArgs, refresh_ahead: bool, progress: Progress) -> CachedResult:
        latitude, longitude = args.latitude, args.longitude
        point = await self.nws.point(latitude, longitude, refresh_ahead=refresh_ahead, progress=progress)
        observing = self.nws.start(lambda: self.nws.observation(point, refresh_ahead=refresh_ahead))
        try:
            point, forecast = await self.nws.forecast(
                latitude, longitude, point=point, refresh_ahead=refresh_ahead, progress=progress
            )
        except BaseException:  # cancellation too: nobody will wait for the observation
            observing.stop()
            raise
        observation = None
        observing.kept = True
        try:
            with anyio.move_on_after(self._observation_patience_s) as patience:
                observation = await observing.wait()
        except WeatherError:
            log.debug("no observation", exc_info=True)
        seen, freshness = observation.data if observation else None, self._freshness(forecast)
        answer = report.weather_answer(args, point.data, forecast.data, seen, freshness, asked.note)
        if observation:
            return self._kept(asked.tool, answer, forecast, point, observation)
        ready, now = self._kept(asked.tool, answer, forecast, point), self.clock()
        again_s = RETRY_REFRESH_S if patience.cancelled_caught else REFRESH_AHEAD * NO_OBSERVATION_S
        ready.refresh_at = min(ready.refresh_at, now + again_s)
        ready.expires_at = min(ready.expires_at, now + NO_OBSERVATION_S)
        return ready

    def _freshness(self, document: Document[Any]) -> Freshness:
        source: report.Source = "simulated" if document.simulated else "live"
        return Freshness(source, document.fetched, document.stale, self.nws.now())

    def _kept(self, tool: str, answer: Rendered, document: Document[Any], *others: Document[Any]) -> CachedResult:
        """The answer for as long as all that it was made of lives, and what it says holds; it is stale when `document`
        is.
        """
        content = [{"type": "text", "text": text} for text in (answer.text, answer.words)]
        structured = answer.structured.model_dump_json(exclude_none=True, ensure_ascii=True)
        ttl_bounds_s = (answer.until - self.nws.now()).total_seconds() if answer.until else math.inf
        return CachedResult(
            f'{{"content":{json.dumps(content)},"structuredContent":{structured},"isError":false}}',
            tool,
            "stale" if document.stale else "ok",
            refresh_at=min(part.refresh_at for part in (document, *others)),
            expires_at=min(self.clock() + ttl_bounds_s, *(part.expires_at for part in (document, *others))),
        )


def _size(ready: CachedResult) -> int:
    return len(ready.json) + ENTRY_BYTES
