"""The endpoints of api.weather.gov. Source: https://api.weather.gov/openapi.json."""

import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Self, Unpack
from urllib.parse import urlsplit

import httpx
from anyio import AsyncContextManagerMixin
from cachetools import TTLCache
from pydantic_core import from_json

from weather.config import HOURS, MINUTES, Settings
from weather.errors import BadAnswer, NoForecast, NotCovered, Unavailable, WeatherError, Withdrawn
from weather.metrics import Metrics
from weather.nws.exchange import UpstreamRequest
from weather.nws.host import Clock, Host
from weather.nws.readers import (
    decode_features,
    decode_hours,
    read_alerts,
    read_forecast,
    read_hourly,
    read_observation,
    read_point,
    read_stations,
)
from weather.nws.shapes import AlertsData, ForecastData, Observation, Point
from weather.nws.upstream import MOST_REMEMBERED, Document, Options, Upstream

OBSERVATION_FRESH = timedelta(hours=2)
# An area's code, codes of zones and counties, or latitude and longitude in degrees.
Where = str | tuple[str, ...] | tuple[float, float]


class NWS(AsyncContextManagerMixin):
    """Fetches points, forecasts, observations and alerts. All of these methods raise WeatherError.

    `clock` is monotonic, in seconds; `now()` is the UTC time by it; `start` is `Upstream.start`.
    """

    def __init__(
        self,
        settings: Settings,
        metrics: Metrics,
        transport: httpx.AsyncBaseTransport | None = None,
        clock: Clock = time.monotonic,
    ) -> None:
        self.settings, self.clock = settings, clock
        self.host = Host(settings, metrics, transport, clock)
        self.upstream = Upstream(self.host)
        self.now, self.start, self.worker = self.host.now, self.upstream.start, self.host.worker
        self._base = "https://simulator.invalid" if settings.simulated else settings.nws_api_base
        self._withdrawn: TTLCache[str, bool] = TTLCache(MOST_REMEMBERED, MINUTES, clock)

    @asynccontextmanager
    async def __asynccontextmanager__(self) -> AsyncGenerator[Self]:
        async with self.upstream.opened():
            yield self

    async def point(self, latitude: float, longitude: float, **options: Unpack[Options]) -> Document[Point]:
        """The grid cell of a place, from `/points`. Coordinates are in degrees, with at most four decimals."""
        url = f"{self._base}/points/{_decimal(latitude)},{_decimal(longitude)}"
        read = partial(read_point, latitude, longitude)
        refusal = partial(_not_covered, (latitude, longitude))
        request = UpstreamRequest(url, "point", read, (5 * MINUTES, 24 * HOURS), 48 * HOURS, refusal)
        return await self.upstream.get(request, **options)

    async def forecast(
        self,
        latitude: float,
        longitude: float,
        *,
        hourly: bool = False,
        point: Document[Point] | None = None,
        **options: Unpack[Options],
    ) -> tuple[Document[Point], Document[ForecastData]]:
        """The point (`point` if given) and its forecast, in half days or hours.

        Fetches the point again once if its link gives 404. If the new link gives 404 too, uses the last good forecast,
        and requests neither link for a minute.
        """
        point = point or await self.point(latitude, longitude, **options)
        first = request = self._forecast(point, hourly)
        if request.url not in self._withdrawn:
            try:
                return point, await self.upstream.get(request, **options)
            except Withdrawn:
                point = await self.point(latitude, longitude, **Options(**options, bypass_cache=True))
            request = self._forecast(point, hourly)
            if request.url != first.url:
                with suppress(Withdrawn):
                    return point, await self.upstream.get(request, **options)
            self._withdrawn[request.url] = self._withdrawn[first.url] = True
        if stale_copy := self.upstream.stale_copy(first):
            return point, stale_copy
        raise Withdrawn

    async def observation(self, point: Document[Point], *, refresh_ahead: bool = False) -> Document[Observation] | None:
        """The latest observation of the nearest station that has a fresh temperature; None if no station has."""
        if point.data.stations is None:
            return None
        link = self._here(point.data.stations)
        stations = UpstreamRequest(link, "stations", read_stations, (HOURS, 24 * HOURS), 48 * HOURS, optional=True)
        for station in (await self.upstream.get(stations, refresh_ahead=refresh_ahead)).data:
            link = self._here(f"{station}/observations/latest")
            latest = UpstreamRequest(link, "observation", read_observation, (MINUTES, 5 * MINUTES), 0, optional=True)
            with suppress(WeatherError):
                observation = await self.upstream.get(latest, refresh_ahead=refresh_ahead)
                measured = observation.data
                fresh_s = (measured.time + OBSERVATION_FRESH - self.now()).total_seconds()
                if measured.temperature_f is not None and fresh_s > 0:
                    return replace(observation, expires_at=min(observation.expires_at, self.clock() + fresh_s))
        return None

    async def alerts(self, where: Where, **options: Unpack[Options]) -> Document[AlertsData]:
        """The active alerts for an area, any of several zones, or a point.

        Raises NotCovered for a point without alerts that NWS does not cover.
        """
        point, read = None, read_alerts
        match where:
            case (float() | int() as latitude, float() | int() as longitude):
                point = latitude, longitude
                query = f"point={_decimal(latitude)},{_decimal(longitude)}"
            case str():
                query, read = f"area={where}", partial(read_alerts, requested=lambda zone: zone.startswith(where))
            case _:
                query, read = f"zone={','.join(map(str, where))}", partial(read_alerts, requested=where.__contains__)
        url, stale_s = f"{self._base}/alerts/active?{query}&status=actual", self.settings.nws_alerts_stale_seconds
        ttl_bounds_s = self.settings.nws_alerts_fresh_seconds, MINUTES
        request = UpstreamRequest(
            url, "alerts", read, ttl_bounds_s, stale_s, partial(_not_covered, point), decode=decode_features
        )
        alerts = await self.upstream.get(request, **options)
        if point and not alerts.data.alerts:
            with suppress(NoForecast):
                await self.point(*point, **options)
        return alerts

    def _forecast(self, point: Document[Point], hourly: bool) -> UpstreamRequest[ForecastData]:
        link = point.data.hourly if hourly else point.data.forecast
        if link is None:
            raise NoForecast("NWS gives no link to one by the hour; ask without hourly")
        read, decode = (partial(read_hourly, self.now()), decode_hours) if hourly else (read_forecast, from_json)
        stale_s = self.settings.nws_forecast_stale_seconds
        link = self._here(link)
        return UpstreamRequest(link, "forecast", read, (MINUTES, HOURS), stale_s, _no_forecast, decode=decode)

    def _here(self, link: str) -> str:
        """The link on the configured host: a mirror or a caching proxy does not rewrite the links of NWS."""
        try:
            parts = urlsplit(link)
        except ValueError:
            raise BadAnswer("a link in it leads nowhere") from None
        # Without the slash, a path that begins with "@" would name another host.
        return f"{self._base}/{parts.path.lstrip('/')}" + (f"?{parts.query}" if parts.query else "")


def _decimal(degrees: float) -> str:
    """At most four decimals and no trailing zero: NWS redirects other forms."""
    return f"{degrees + 0.0:.4f}".rstrip("0").rstrip(".")


def _not_covered(point: tuple[float, float] | None, status: int, problem: str) -> WeatherError | None:
    outside = {(404, "InvalidPoint"), (400, "InvalidParameter")}  # from /points, and from /alerts at a point
    return NotCovered(*point) if point and (status, problem) in outside else None


def _no_forecast(status: int, problem: str) -> WeatherError | None:
    match status, problem:
        case 404, "MarineForecastNotSupported":
            return NoForecast("it is on the water, and NWS makes no point forecast there; ask for its alerts")
        case 503, "ForecastGridExpired":
            expired = "its forecast for this area has expired, and a new one is not out yet"
            return Unavailable(expired, again="Try again in an hour.")
    return Withdrawn() if status == 404 and problem else None  # The CDN's own 404 is not a JSON problem.
