"""Quantities as NWS writes them, `{unitCode, value}`, → numbers in the units of Americans and in those of others.

Each number is converted once, from NWS's own. Names of units: https://codes.wmo.int/common/unit and UCUM's; a prefix as
in "wmoUnit:degC" is cut before.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any

from pydantic import BeforeValidator

KM_PER_MILE = 1.609344
PASCALS_PER_INCH = 3386.389  # of mercury
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")

Conversion = Callable[[float], float]
Conversions = Mapping[str, Conversion]

# To °C, km/h, hPa, km.
TEMPERATURE: Conversions = {
    **dict.fromkeys(("degC", "Cel"), float),
    **dict.fromkeys(("degF", "[degF]"), lambda fahrenheit: (fahrenheit - 32) / 1.8),
}
SPEED: Conversions = {
    **dict.fromkeys(("km_h-1", "km/h"), float),
    **dict.fromkeys(("m_s-1", "m/s"), lambda ms: ms * 3.6),
    **dict.fromkeys(("mi_h-1", "[mi_i]/h", "mph"), lambda mph: mph * KM_PER_MILE),
}
PRESSURE: Conversions = {"Pa": lambda pascals: pascals / 100, "hPa": float}
DISTANCE: Conversions = {"m": lambda metres: metres / 1000, "km": float}
PERCENT: Conversions = dict.fromkeys(("percent", "%"), float)
ANGLE: Conversions = dict.fromkeys(("degree_(angle)", "deg"), float)


def fahrenheit(celsius: float) -> float:
    return celsius * 9 / 5 + 32


def miles(km: float) -> float:
    return km / KM_PER_MILE


def inches(hectopascals: float) -> float:
    return hectopascals * 100 / PASCALS_PER_INCH


def _number(value: Any) -> float:
    """The bounds also refuse NaN, infinity, and integers that no float can hold."""
    if type(value) not in (int, float) or not -1e9 < value < 1e9:
        raise ValueError("not a number")
    return float(value)


def _whole(number: float) -> int:
    """The nearest integer; halves go up, where `round()` takes them to the even neighbour."""
    return math.floor(number + 0.5)


def _measured(
    units: Conversions, to: Conversion, quantity: Any, *, key: str = "value", digits: int = 0
) -> float | None:
    """None for null, and for what quality control rejects: flags X and B."""
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
    number = to(convert(_number(value)))
    return _whole(number * 10**digits) / 10**digits if digits else _whole(number)


def _bare_or_measured(temperature: Any) -> float | None:
    bare = isinstance(temperature, int | float)
    return _whole(_number(temperature)) if bare else _measured(TEMPERATURE, fahrenheit, temperature)


def _compass(direction: Any) -> str | None:
    degrees = _measured(ANGLE, float, direction)
    return None if degrees is None else _WINDS[_whole(degrees / 22.5) % 16]


def _words(unit: str, to: Conversion, wind: Any) -> Any:
    """`{value}` or `{minValue, maxValue}` in the words of the older answers, "5 to 10 mph". Words in mph stay, or come
    in another unit; other words stay.
    """
    if not isinstance(wind, dict):
        if wind == "":
            return None
        if unit == "mph" or not isinstance(wind, str) or not wind.endswith(" mph"):
            return wind
        in_km = re.sub(r"\d+", lambda found: str(_whole(int(found[0]) * KM_PER_MILE)), wind)
        return in_km.replace("mph", unit)
    found = [_measured(SPEED, to, wind, key=key) for key in ("minValue", "value", "maxValue")]
    speeds = sorted({speed for speed in found if speed is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} {unit}" if len(speeds) > 1 else f"{speeds[0]} {unit}"


def _read(units: Conversions, to: Conversion = float, digits: int = 0) -> BeforeValidator:
    return BeforeValidator(partial(_measured, units, to, digits=digits))


Fahrenheit = Annotated[int | None, _read(TEMPERATURE, fahrenheit)]
Celsius = Annotated[int | None, _read(TEMPERATURE)]
Temperature = Annotated[int | None, BeforeValidator(_bare_or_measured)]
Mph = Annotated[int | None, _read(SPEED, miles)]
Kmh = Annotated[int | None, _read(SPEED)]
InHg = Annotated[float | None, _read(PRESSURE, inches, 2)]
HPa = Annotated[int | None, _read(PRESSURE)]
Miles = Annotated[float | None, _read(DISTANCE, miles, 1)]
Km = Annotated[float | None, _read(DISTANCE, digits=1)]
Percent = Annotated[int | None, _read(PERCENT)]
Compass = Annotated[str | None, BeforeValidator(_compass)]
WindWords = Annotated[str | None, BeforeValidator(partial(_words, "mph", miles))]
WindWordsKmh = Annotated[str | None, BeforeValidator(partial(_words, "km/h", float))]
