"""A bar chart as SVG."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape
from typing import Any

ROW, LEFT, WIDTH, RIGHT = 30, 400, 260, 110
HOLDS, MISSED = "#2a7f62", "#b3403a"


def bars(title: str, results: Sequence[dict[str, Any]]) -> str:
    """One bar per result, on a logarithmic scale from 0.01 to 1,000, a line where its target is."""
    height = 50 + ROW * len(results)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{LEFT + WIDTH + RIGHT}" height="{height}"'
        ' font-family="sans-serif" font-size="13">',
        '<rect width="100%" height="100%" fill="#fff"/>',
        f'<text x="10" y="24" font-size="15" font-weight="bold">{escape(title)}</text>',
    ]
    for number, result in enumerate(results):
        parts += _bar(40 + ROW * number, result)
    return "\n".join([*parts, "</svg>"]) + "\n"


def _bar(top: int, result: dict[str, Any]) -> list[str]:
    length, value = _x(result["value"]), result["value"]
    colour = MISSED if result["holds"] is False else HOLDS
    shown = f"{value:,.0f}" if value >= 100 else f"{value:.2f}"
    target = f'<tspan fill="#777">({escape(result["target"])})</tspan>'
    parts = [
        f'<text x="{LEFT - 8}" y="{top + 15}" text-anchor="end">{escape(result["what"])}</text>',
        f'<rect x="{LEFT}" y="{top + 3}" width="{length:.0f}" height="16" fill="{colour}"/>',
        f'<text x="{LEFT + WIDTH + 8}" y="{top + 15}">{shown} {target}</text>',
    ]
    if result["target"]:
        goal = LEFT + _x(float(result["target"].split()[-1]))
        parts.append(f'<path d="M{goal:.0f} {top}v22" stroke="#222" stroke-dasharray="3 2"/>')
    return parts


def _x(value: float) -> float:
    return WIDTH * min(1.0, max(0.0, (math.log10(max(value, 1e-9)) + 2) / 5))
