"""Converts quantities of NWS, `{unitCode, value}`, to numbers in US or SI units.

Unit codes are those of https://codes.wmo.int/common/unit and of UCUM, without a prefix such as "wmoUnit:".
"""

import math
import re
from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

Units = Literal["us", "si"]
Scale = tuple[float, float]  # factor and offset
Scales = Mapping[str, Scale]
Conversion = Callable[[str, float], float]  # takes the unit and the value

AS_IS, FAHRENHEIT, MILES, INCHES = (1.0, 0.0), (1.8, 32.0), (1 / 1.609344, 0.0), (1 / 33.86389, 0.0)
# To °C, km/h, hPa, km.
TEMPERATURE = {"degC": AS_IS, "Cel": AS_IS, "degF": (1 / 1.8, -32 / 1.8), "[degF]": (1 / 1.8, -32 / 1.8)}
SPEED = dict.fromkeys(("km_h-1", "km/h"), AS_IS) | dict.fromkeys(("m_s-1", "m/s"), (3.6, 0.0))
SPEED |= dict.fromkeys(("mi_h-1", "[mi_i]/h", "mph"), (1.609344, 0.0))
PRESSURE, DISTANCE = {"Pa": (0.01, 0.0), "hPa": AS_IS}, {"m": (0.001, 0.0), "km": AS_IS}
PERCENT, ANGLE = dict.fromkeys(("percent", "%"), AS_IS), dict.fromkeys(("degree_(angle)", "deg"), AS_IS)
MOST_WIND = 60  # characters
_WINDS = ("N", "NNE", "NE", "ENE", "E", "ESE", "SE", "SSE", "S", "SSW", "SW", "WSW", "W", "WNW", "NW", "NNW")


def _whole(number: float) -> int:
    """The nearest integer. Rounds halves up, where `round()` would take the even neighbour."""
    return math.floor(round(number, 6) + 0.5)


def _conversion(units: Scales, to: Scale = AS_IS, digits: int = 0) -> Conversion:
    @lru_cache(1000)  # Hours repeat their values.
    def convert(unit: str, value: float) -> float:
        if unit not in units:
            raise ValueError("not of a known unit")
        factor, offset = units[unit]
        number = value * (factor * to[0]) + (offset * to[0] + to[1])
        return _whole(number * 10**digits) / 10**digits if digits else _whole(number)

    return convert


def _measured(convert: Conversion, quantity: Any, key: str = "value") -> float | None:
    """None for null, and for values that quality control rejects (X and B). Raises ValueError.

    The bounds also reject NaN, infinity, and integers that no float can hold.
    """
    if quantity is None:
        return None
    if not isinstance(quantity, dict):
        raise ValueError("not a quantity")
    value = quantity.get(key)
    if value is None or quantity.get("qualityControl") in ("X", "B"):
        return None
    if type(value) not in (int, float) or not -1e9 < value < 1e9:
        raise ValueError("not a number")
    return convert(str(quantity.get("unitCode")).rpartition(":")[2], value)


def _compass(convert: Conversion, direction: Any) -> str | None:
    degrees = _measured(convert, direction)
    return None if degrees is None else _WINDS[_whole(degrees / 22.5) % 16]


def _words(unit: str, convert: Conversion, wind: Any) -> Any:
    """`{value}` or `{minValue, maxValue}` in the older string form, "5 to 10 mph". Raises ValueError."""
    if isinstance(wind, str):
        if len(wind) > MOST_WIND:
            raise ValueError("too long")
        return _in_kmh(wind) if unit != "mph" and wind.endswith(" mph") else wind or None
    if not isinstance(wind, dict):
        return wind
    values = [_measured(convert, wind, key) for key in ("minValue", "value", "maxValue")]
    speeds = sorted({speed for speed in values if speed is not None})
    if not speeds:
        return None
    return f"{speeds[0]} to {speeds[-1]} {unit}" if len(speeds) > 1 else f"{speeds[0]} {unit}"


@lru_cache(1000)
def _in_kmh(wind: str) -> str:
    return re.sub(r"\d+", lambda mph: f"{_whole(int(mph[0]) * 1.609344)}", wind.replace("mph", "km/h"))


def _read(units: Scales, to: Scale = AS_IS, digits: int = 0) -> BeforeValidator:
    return BeforeValidator(partial(_measured, _conversion(units, to, digits)))


def _wind(unit: str, to: Scale) -> BeforeValidator:
    return BeforeValidator(partial(_words, unit, _conversion(SPEED, to)))


Fahrenheit = Annotated[int | None, _read(TEMPERATURE, FAHRENHEIT)]
Celsius = Annotated[int | None, _read(TEMPERATURE)]
Mph = Annotated[int | None, _read(SPEED, MILES)]
Kmh = Annotated[int | None, _read(SPEED)]
InHg = Annotated[float | None, _read(PRESSURE, INCHES, 2)]
HPa = Annotated[int | None, _read(PRESSURE)]
Miles = Annotated[float | None, _read(DISTANCE, MILES, 1)]
Km = Annotated[float | None, _read(DISTANCE, digits=1)]
Percent = Annotated[int | None, _read(PERCENT)]
Compass = Annotated[str | None, BeforeValidator(partial(_compass, _conversion(ANGLE)))]
WindWords = Annotated[str | None, _wind("mph", MILES)]
WindWordsKmh = Annotated[str | None, _wind("km/h", AS_IS)]
