"""Quantities as api.weather.gov sends them → whole numbers in the units that Americans read.

A quantity is `{unitCode, value}` (`QuantitativeValue` in https://api.weather.gov/openapi.json). `what` names the object
that holds it in the text of `BadAnswer`, which is raised for what cannot be read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from weather.errors import BadAnswer

Conversions = Mapping[str, Callable[[float], float]]

# From WMO's names of units and UCUM's; a prefix as in "wmoUnit:degC" is cut before.
TEMPERATURE: Conversions = {
    **dict.fromkeys(("degC", "Cel"), lambda celsius: celsius * 9 / 5 + 32),
    **dict.fromkeys(("degF", "[degF]"), float),
}
SPEED: Conversions = {
    **dict.fromkeys(("km_h-1", "km/h"), lambda kmh: kmh / 1.609344),
    **dict.fromkeys(("m_s-1", "m/s"), lambda ms: ms * 3.6 / 1.609344),
    **dict.fromkeys(("mi_h-1", "[mi_i]/h", "mph"), float),
}
PERCENT: Conversions = dict.fromkeys(("percent", "%"), float)
ANGLE: Conversions = dict.fromkeys(("degree_(angle)", "deg"), float)
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def measured(raw: Mapping[str, Any], key: str, units: Conversions, what: str) -> int | None:
    """None for a null, and for what quality control rejects: flags X and B."""
    quantity = raw.get(key)
    if quantity is None:
        return None
    if not isinstance(quantity, dict):
        raise BadAnswer(f"{key} of {what} is not a JSON object")
    value = _converted(quantity, "value", units, f"{key} of {what}")
    return None if value is None or quantity.get("qualityControl") in ("X", "B") else whole(value)


def wind_text(wind: object, what: str) -> Any:
    """`{value}` or `{minValue, maxValue}` in the words of the older answers, "5 to 10 mph"; words as they are."""
    if not isinstance(wind, dict):
        return wind
    values = [_converted(wind, key, SPEED, what) for key in ("minValue", "value", "maxValue")]
    speeds = sorted({whole(value) for value in values if value is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} mph" if len(speeds) > 1 else f"{speeds[0]} mph"


def compass(degrees: float) -> str:
    return _WINDS[whole(degrees / 22.5) % 16]


def number(value: object, what: str, key: str) -> float:
    # The bound also refuses NaN, infinity, and integers that no float can hold.
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) < 1e9:
        raise BadAnswer(f"{what} has no readable {key}")
    return value


def whole(value: float) -> int:
    """The nearest integer; halves go up, where `round()` takes them to the even neighbour."""
    return math.floor(value + 0.5)


def _converted(quantity: Mapping[str, Any], key: str, units: Conversions, what: str) -> float | None:
    if quantity.get(key) is None:
        return None
    convert = units.get(str(quantity.get("unitCode")).rpartition(":")[2])
    if convert is None:
        raise BadAnswer(f"{what} has no known unit")
    return convert(number(quantity[key], what, key))
