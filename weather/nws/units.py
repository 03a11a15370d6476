"""Quantities as api.weather.gov sends them → whole numbers in the units that Americans read, as types of a field.

A quantity is `{unitCode, value}` (`QuantitativeValue` in https://api.weather.gov/openapi.json). Null is None, and so is
what quality control rejects: flags X and B.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, TypeAdapter

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

# The bounds also refuse NaN, infinity, and integers that no float can hold.
_number = TypeAdapter(Annotated[float, Field(strict=True, gt=-1e9, lt=1e9)]).validate_python


def _whole(value: object) -> int:
    """The nearest integer; halves go up, where `round()` takes them to the even neighbour."""
    return math.floor(_number(value) + 0.5)


def _measured(units: Conversions, quantity: Any, *, key: str = "value") -> int | None:
    if quantity is None:
        return None
    if not isinstance(quantity, dict):
        raise ValueError("not a quantity")
    value = quantity.get(key)
    if value is None or quantity.get("qualityControl") in ("X", "B"):
        return None
    convert = units.get(str(quantity.get("unitCode")).rpartition(":")[2])
    if convert is None:
        raise ValueError("an unknown unit")
    return _whole(convert(_number(value)))


def _bare_or_measured(temperature: Any) -> int | None:
    if temperature is None or isinstance(temperature, dict):
        return _measured(TEMPERATURE, temperature)
    return _whole(temperature)


def _compass(direction: Any) -> str | None:
    degrees = _measured(ANGLE, direction)
    return None if degrees is None else _WINDS[_whole(degrees / 22.5) % 16]


def _words(wind: Any) -> Any:
    """`{value}` or `{minValue, maxValue}` in the words of the older answers, "5 to 10 mph"; words as they are."""
    if not isinstance(wind, dict):
        return None if wind == "" else wind
    found = [_measured(SPEED, wind, key=key) for key in ("minValue", "value", "maxValue")]
    speeds = sorted({speed for speed in found if speed is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} mph" if len(speeds) > 1 else f"{speeds[0]} mph"


Fahrenheit = Annotated[int | None, BeforeValidator(partial(_measured, TEMPERATURE))]
Temperature = Annotated[int | None, BeforeValidator(_bare_or_measured)]
Mph = Annotated[int | None, BeforeValidator(partial(_measured, SPEED))]
Percent = Annotated[int | None, BeforeValidator(partial(_measured, PERCENT))]
Compass = Annotated[str | None, BeforeValidator(_compass)]
WindWords = Annotated[str | None, BeforeValidator(_words)]
