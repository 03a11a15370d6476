"""The answers of the tools: built once per refresh, turned into bytes once, and kept ready until they expire."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import anyio
from cachetools import LRUCache

from weather import report
from weather.config import SECONDS, Settings
from weather.errors import BadArgument, TooSlow, WeatherError
from weather.metrics import Metrics
from weather.nws import NWS, REFRESH_AHEAD, Document, Flight, Progress, silent
from weather.questions import TAKES, Area, Place, Question, understood
from weather.report import Answer, Freshness

RETRY_REFRESH_S = 5 * SECONDS
OBSERVATION_PATIENCE_S = 1 * SECONDS
NO_OBSERVATION_S = 60 * SECONDS
ENTRY_BYTES = 1024
MOST_KNOWN = 10_000

Key = tuple[Any, ...]

log = logging.getLogger(__name__)


@dataclass
class Ready:
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
    """A question; `key` is the same for all its spellings."""

    key: Key
    tool: str
    question: Question


class Answers:
    def __init__(self, nws: NWS, settings: Settings, metrics: Metrics) -> None:
        self.nws, self.settings, self.metrics = nws, settings, metrics
        self.clock = nws.clock
        self._ready: LRUCache[Key, Ready] = LRUCache(settings.mcp_answer_cache_bytes, getsizeof=_size)
        self._building: dict[Key, Flight[Ready]] = {}
        self._known: dict[Key, Asked] = {}
        self._observation_patience_s = min(OBSERVATION_PATIENCE_S, 0.1 * settings.nws_deadline_seconds)

    def known(self, key: Key) -> Ready | None:
        """The answer to a call that came with this key before, when it needs no waiting."""
        asked = self._known.get(key)
        return None if asked is None else self._fresh(asked)

    def ready(self, tool: str, arguments: Mapping[str, Any], key: Key | None = None) -> Ready | None:
        """The answer, when it needs no waiting; from now on it is known by `key`, if any."""
        if tool not in TAKES:
            return None
        try:
            asked = self._asked(tool, arguments)
        except BadArgument:  # for `answer` to refuse
            return None
        if key:
            if len(self._known) >= MOST_KNOWN:
                self._known.clear()
            self._known[key] = asked
        return self._fresh(asked)

    async def answer(self, tool: str, arguments: Mapping[str, Any], progress: Progress = silent) -> Ready:
        """Raises WeatherError, within the deadline."""
        asked = self._asked(tool, arguments)
        if ready := self._fresh(asked):
            return ready
        deadline_s = self.settings.nws_deadline_seconds
        try:
            with anyio.fail_after(deadline_s):
                return await self._build(asked).wait(progress)
        except TimeoutError:
            raise TooSlow(deadline_s) from None

    def _asked(self, tool: str, arguments: Mapping[str, Any]) -> Asked:
        question = understood(tool, arguments)
        return Asked((tool, *question.__dict__.values()), tool, question)

    def _fresh(self, asked: Asked) -> Ready | None:
        """An entry in use is refreshed before it expires."""
        ready = self._ready.get(asked.key)
        if ready is None:
            return None
        now = self.clock()
        if now >= ready.expires_at:
            return None
        if now >= ready.refresh_at:
            ready.refresh_at = now + RETRY_REFRESH_S
            self._build(asked, ahead=True)
        return ready

    def _build(self, asked: Asked, *, ahead: bool = False) -> Flight[Ready]:
        building = self._building.get(asked.key)
        if building and not building.stopped:
            return building
        flight: Flight[Ready] = self.nws.start(lambda: self._built(asked, flight, ahead), kept=ahead)
        self._building[asked.key] = flight
        return flight

    async def _built(self, asked: Asked, flight: Flight[Ready], ahead: bool) -> Ready:
        async def progress(note: str) -> None:
            flight.tell(note)

        try:
            ready = await self._ask(asked, ahead, progress)
        finally:
            if self._building.get(asked.key) is flight:
                del self._building[asked.key]
        if _size(ready) <= self._ready.maxsize:
            self._ready[asked.key] = ready
        return ready

    async def _ask(self, asked: Asked, ahead: bool, progress: Progress) -> Ready:
        tool = asked.tool
        match tool, asked.question:
            case "get-alerts", Area(state=area, limit=limit):
                alerts = await self.nws.alerts(area, ahead=ahead, progress=progress)
                answer = report.alerts_answer(area, alerts.digest, limit, self._freshness(alerts))
                return self._kept(tool, answer, alerts)
            case "get-forecast", Place(latitude=latitude, longitude=longitude):
                point, forecast = await self.nws.forecast(latitude, longitude, ahead=ahead, progress=progress)
                answer = report.forecast_answer(point.digest, forecast.digest, self._freshness(forecast))
                return self._kept(tool, answer, forecast, point)
            case _, Place(latitude=latitude, longitude=longitude):
                return await self._weather(tool, latitude, longitude, ahead, progress)
        raise AssertionError(tool)

    async def _weather(self, tool: str, latitude: float, longitude: float, ahead: bool, progress: Progress) -> Ready:
        point = await self.nws.point(latitude, longitude, ahead=ahead, progress=progress)
        observing = self.nws.start(lambda: self.nws.observation(point, ahead=ahead))
        try:
            point, forecast = await self.nws.forecast(latitude, longitude, point=point, ahead=ahead, progress=progress)
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
        answer = report.weather_answer(
            point.digest,
            forecast.digest,
            observation.digest if observation else None,
            self._freshness(forecast),
        )
        if observation:
            return self._kept(tool, answer, forecast, point, observation)
        ready, now = self._kept(tool, answer, forecast, point), self.clock()
        again_s = RETRY_REFRESH_S if patience.cancelled_caught else REFRESH_AHEAD * NO_OBSERVATION_S
        ready.refresh_at = min(ready.refresh_at, now + again_s)
        ready.expires_at = min(ready.expires_at, now + NO_OBSERVATION_S)
        return ready

    def _freshness(self, document: Document[Any]) -> Freshness:
        source: report.Source = "simulated" if document.simulated else "live"
        return Freshness(source, document.fetched, document.stale, self.nws.now())

    def _kept(self, tool: str, answer: Answer, document: Document[Any], *others: Document[Any]) -> Ready:
        """The answer for as long as all that it was made of lives; it is stale when `document` is."""
        content = [{"type": "text", "text": text} for text in (answer.text, *answer.notes)]
        structured = answer.structured.model_dump_json(exclude_none=True, ensure_ascii=True)
        return Ready(
            f'{{"content":{json.dumps(content)},"structuredContent":{structured},"isError":false}}',
            tool,
            "stale" if document.stale else "ok",
            refresh_at=min(part.refresh_at for part in (document, *others)),
            expires_at=min(part.expires_at for part in (document, *others)),
        )


def _size(ready: Ready) -> int:
    return len(ready.json) + ENTRY_BYTES
