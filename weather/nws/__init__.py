"""A client of the National Weather Service, api.weather.gov, with a cache, retries and a circuit breaker."""

from weather.nws.api import NWS, Where
from weather.nws.flights import Flight, Flights, Progress, silent
from weather.nws.lifecycle import SEVERITIES, is_civil, severity_rank
from weather.nws.quantities import Units
from weather.nws.shapes import Alert, AlertsData, ForecastData, Location, Observation, Period, Point, Severity
from weather.nws.upstream import REFRESH_AHEAD, Document, Options

__all__ = ["NWS", "REFRESH_AHEAD", "SEVERITIES", "Alert", "AlertsData", "Document", "Flight", "Flights", "ForecastData"]
__all__ += ["Location", "Observation", "Options", "Period", "Point", "Progress", "Severity", "Units", "Where"]
__all__ += ["is_civil", "severity_rank", "silent"]
