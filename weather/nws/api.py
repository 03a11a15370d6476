"""Which URL of the National Weather Service answers a question. Source: https://api.weather.gov, OpenAPI 2.0."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from functools import partial
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

from cachetools import TTLCache

from weather.config import HOURS, MINUTES, SECONDS, Settings
from weather.errors import BadAnswer, NoForecast, NotCovered, Unavailable, WeatherError, Withdrawn
from weather.nws import digest
from weather.nws.document import Document, Endpoint, Question
from weather.nws.flight import Flight, Progress, silent
from weather.nws.upstream import Upstream

STATIONS_TRIED = 3
MOST_WITHDRAWN = 10_000
OBSERVATION_FRESH = timedelta(hours=2)


class NWS:
    """Every method raises WeatherError, with a text for the caller; fresh answers come from the cache."""

    def __init__(self, upstream: Upstream, settings: Settings) -> None:
        self.upstream = upstream
        self.base = "https://simulator.invalid" if settings.simulated else settings.nws_api_base
        self._forecast = Endpoint(
            "forecast",
            digest.read_forecast,
            MINUTES,
            HOURS,
            settings.nws_forecast_stale_seconds,
            _no_forecast,
            weight=3.5,  # many small values
        )
        self._stations = Endpoint("stations", digest.read_stations, HOURS, 24 * HOURS, 48 * HOURS, aside=True)
        self._observation = Endpoint("observation", digest.read_observation, MINUTES, 5 * MINUTES, 0, aside=True)
        self._alerts = Endpoint(
            "alerts", digest.read_alerts, 15 * SECONDS, MINUTES, settings.nws_alerts_stale_seconds, weight=2.0
        )
        self._withdrawn: TTLCache[str, bool] = TTLCache(MOST_WITHDRAWN, MINUTES, upstream.clock)

    async def point(
        self, latitude: float, longitude: float, *, ahead: bool = False, anew: bool = False, progress: Progress = silent
    ) -> Document[digest.Point]:
        """The grid cell of a place, whose coordinates have at most four decimals."""
        question = self._point_question(latitude, longitude)
        if anew or not self.upstream.cached(question):
            await progress("Resolving the place")
        return await self.upstream.get(question, ahead=ahead, anew=anew, progress=progress)

    async def forecast(
        self,
        latitude: float,
        longitude: float,
        *,
        point: Document[digest.Point] | None = None,
        ahead: bool = False,
        progress: Progress = silent,
    ) -> tuple[Document[digest.Point], Document[digest.ForecastDigest]]:
        """The place (`point`, when it is known already) and its forecast.

        A link that leads nowhere is resolved anew once. Where that leads nowhere either, the last good forecast
        serves, and the link is left alone for a minute.
        """
        point = point or await self.point(latitude, longitude, ahead=ahead, progress=progress)
        first = question = self._forecast_question(point)
        if question.url not in self._withdrawn:
            try:
                return point, await self._forecast_at(question, ahead, progress)
            except Withdrawn:
                point = await self.point(latitude, longitude, anew=True, progress=progress)
            question = self._forecast_question(point)
            if question.url != first.url:
                with suppress(Withdrawn):
                    return point, await self._forecast_at(question, ahead, progress)
            self._withdrawn[question.url] = self._withdrawn[first.url] = True
        if spare := self.upstream.spare(first):
            return point, spare.sound()
        raise Withdrawn

    def observing(self, point: Document[digest.Point], *, ahead: bool) -> Flight[Document[digest.Observation] | None]:
        """What the nearest station with a fresh observation measured, fetched apart from the caller."""
        return self.upstream.start(partial(self._observe, point, ahead))

    async def alerts(
        self, area: str, *, ahead: bool = False, progress: Progress = silent
    ) -> Document[digest.AlertDigest]:
        question = Question(f"{self.base}/alerts/active?area={area}&status=actual", self._alerts)
        if not self.upstream.cached(question):
            await progress("Asking for the alerts")
        return await self.upstream.get(question, ahead=ahead, progress=progress)

    def _point_question(self, latitude: float, longitude: float) -> Question[digest.Point]:
        refused = partial(_not_covered, latitude, longitude)
        endpoint = Endpoint(
            "point", digest.read_point, 5 * MINUTES, 24 * HOURS, 48 * HOURS, refused, passing=_without_forecast
        )
        return Question(f"{self.base}/points/{_decimal(latitude)},{_decimal(longitude)}", endpoint)

    def _forecast_question(self, point: Document[digest.Point]) -> Question[digest.ForecastDigest]:
        link = point.digest.forecast
        if link is None:
            raise NoForecast("NWS gives no forecast link for it")
        return Question(self._here(link), self._forecast)

    async def _forecast_at(
        self, question: Question[digest.ForecastDigest], ahead: bool, progress: Progress
    ) -> Document[digest.ForecastDigest]:
        if not self.upstream.cached(question):
            await progress("Asking for the forecast")
        return await self.upstream.get(question, ahead=ahead, progress=progress)

    async def _observe(self, point: Document[digest.Point], ahead: bool) -> Document[digest.Observation] | None:
        link = point.digest.stations
        if link is None:
            return None
        stations = await self.upstream.get(Question(self._here(link), self._stations), ahead=ahead)
        for station in stations.digest[:STATIONS_TRIED]:
            question = Question(self._here(f"{station.url}/observations/latest"), self._observation)
            try:
                observation = await self.upstream.get(question, ahead=ahead)
                measured = observation.digest
            except WeatherError:
                continue
            if measured.temperature_f is not None and self.upstream.now() - measured.time <= OBSERVATION_FRESH:
                return observation
        return None

    def _here(self, link: str) -> str:
        """A link of NWS's, on the host that is asked: a mirror or a caching proxy passes the links on as they are."""
        try:
            parts = urlsplit(link)
        except ValueError:
            raise BadAnswer("a link in it leads nowhere") from None
        # Without the slash, a path that begins with "@" would name another host.
        return f"{self.base}/{parts.path.lstrip('/')}" + (f"?{parts.query}" if parts.query else "")


def _decimal(degrees: float) -> str:
    """At most four decimals and no trailing zero: anything else is answered with a redirect."""
    return f"{degrees + 0.0:.4f}".rstrip("0").rstrip(".")


def _without_forecast(point: digest.Point) -> bool:
    return point.forecast is None


def _problem(problem: dict[str, Any]) -> str:
    return str(problem.get("type", "")).rpartition("/")[2]


def _not_covered(latitude: float, longitude: float, status: int, problem: dict[str, Any]) -> WeatherError | None:
    outside = status == HTTPStatus.NOT_FOUND and _problem(problem) == "InvalidPoint"
    return NotCovered(latitude, longitude) if outside else None


def _no_forecast(status: int, problem: dict[str, Any]) -> WeatherError | None:
    match status, _problem(problem):
        case HTTPStatus.NOT_FOUND, "MarineForecastNotSupported":
            return NoForecast("it is on the water, and NWS makes no point forecast there; ask for its alerts")
        case HTTPStatus.NOT_FOUND, _ if problem:  # the CDN's own 404 has none
            return Withdrawn()
        case HTTPStatus.SERVICE_UNAVAILABLE, "ForecastGridExpired":
            what = "its forecast for this area has expired, and a new one is not out yet"
            return Unavailable(what, again="Try again in an hour.")
        case _:
            return None
