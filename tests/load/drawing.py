"""The pictures of the benchmarks, as SVG: calls per second beside yardsticks and other servers, and latency on the way
to the ceiling.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import TypedDict

WEBSOCKET, HTTP = "WebSocket", "HTTP"


class Bar(TypedDict):
    what: str
    transport: str
    share: float  # in percent of the raw WebSocket echo
    calls_per_s: float


class Point(TypedDict):
    transport: str
    connections: int
    calls_per_s: float
    p99_ms: float


WIDTH, ROW, TOP = 860, 44, 74
BARS, BARS_WIDTH = 20, 290  # where the left half begins, and its axis of 100 percent
PLOT, PLOT_WIDTH = 505, 325
PEERS_WIDTH = 660
STYLE = """
text { font: 13px system-ui, -apple-system, "Segoe UI", "DejaVu Sans", sans-serif; fill: #1f2328 }
.title { font-size: 16px; font-weight: 600 }
.small { font-size: 12px; fill: #59636e }
.end { text-anchor: end } .middle { text-anchor: middle }
.page { fill: #ffffff } .halo { stroke: #ffffff; stroke-width: 4px; paint-order: stroke }
.grid { stroke: #d1d9e0 } .axis { stroke: #818b98 }
.WebSocket { fill: #0969da; stroke: #0969da } .HTTP { fill: #bc4c00; stroke: #bc4c00 }
.WebSocket.pale { fill: #a5c9ee } .HTTP.pale { fill: #e8c4aa }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc } .small { fill: #9198a1 }
  .page { fill: #0d1117 } .halo { stroke: #0d1117 }
  .grid { stroke: #30363d } .axis { stroke: #656c76 }
  .WebSocket { fill: #4493f8; stroke: #4493f8 } .HTTP { fill: #f0883e; stroke: #f0883e }
  .WebSocket.pale { fill: #1f416e } .HTTP.pale { fill: #663c1c }
}
rect { stroke: none !important } path { fill: none !important } .line { stroke-width: 2px }
"""


def picture(bars: Sequence[Bar], points: Sequence[Point]) -> str:
    """Readable on light and dark pages."""
    bottom = TOP + ROW * len(bars) + 6
    title = "Calls per second, and latency, beside what they are measured against"
    return _page(title, bottom, [*_rates(bars, bottom, BARS_WIDTH), *_latencies(points, bottom)])


def peers_picture(bars: Sequence[Bar]) -> str:
    """The left half of the other picture, with other servers, and as wide as all of it."""
    bottom = TOP + ROW * len(bars) + 6
    return _page("Calls per second beside other servers", bottom, _rates(bars, bottom, PEERS_WIDTH))


def _page(title: str, bottom: int, parts: Iterable[str]) -> str:
    height = bottom + 52
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}">',
        f"<title>{title}</title>",
        f"<style>{STYLE}</style>",
        '<rect class="page" width="100%" height="100%" rx="6"/>',
        *parts,
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _rates(bars: Sequence[Bar], bottom: int, wide: int) -> Iterator[str]:
    bars = sorted(bars, key=lambda bar: bar["transport"] != WEBSOCKET)
    ticks = _ticks(max(100.0, *(bar["share"] for bar in bars)))
    scale = wide / max(100.0, ticks[-1])
    yield _text(BARS, 28, "Calls per second, 16 connections", "title")
    yield from _legend(BARS, 50)
    for tick in ticks:
        yield _path(f"M{BARS + tick * scale:.1f} {TOP}V{bottom}", "grid")
        yield _text(BARS + tick * scale, bottom + 18, f"{tick:,.0f}", "small middle")
    yield _text(BARS, bottom + 38, "calls per second, where hypercorn's raw echo over WebSocket makes 100", "small")
    for number, bar in enumerate(bars):
        y, width = TOP + ROW * number, max(2.0, bar["share"] * scale)
        kind = bar["transport"] + ("" if bar["what"].startswith("this server") else " pale")
        shown = f"{bar['share']:.0f}" if bar["share"] >= 1 else f"{bar['share']:.1g}"
        rate = f'<tspan class="small" dx="6">{bar["calls_per_s"]:,.0f} calls/s</tspan>'
        yield _text(BARS + 5, y + 17, f"{bar['what']}, {bar['transport']}", "halo")
        yield f'<rect class="{kind}" x="{BARS}" y="{y + 24}" width="{width:.1f}" height="15"/>'
        yield f'<text class="halo" x="{BARS + width + 6:.1f}" y="{y + 36}">{shown}{rate}</text>'
    yield _path(f"M{BARS} {TOP}V{bottom}", "axis")


def _legend(x: float, y: float) -> Iterator[str]:
    for transport, wide in ((WEBSOCKET, 92), (HTTP, 62)):
        yield f'<rect class="{transport}" x="{x}" y="{y - 10}" width="11" height="11"/>'
        yield _text(x + 16, y, transport, "small")
        x += wide
    yield _text(x, y, "pale: what it is measured against", "small")


def _latencies(points: Sequence[Point], bottom: int) -> Iterator[str]:
    across = _ticks(max(point["calls_per_s"] for point in points))
    upward = _log_ticks([point["p99_ms"] for point in points])
    x_scale, y_scale = PLOT_WIDTH / across[-1], (bottom - TOP) / math.log(upward[-1] / upward[0])

    def place(point: Point) -> tuple[float, float]:
        return PLOT + point["calls_per_s"] * x_scale, bottom - math.log(point["p99_ms"] / upward[0]) * y_scale

    yield _text(PLOT - 40, 28, "Latency of a cached get-weather", "title")
    yield _text(PLOT - 40, 50, "p99 in ms, logarithmic; the number at each point: connections", "small")
    for tick in upward:
        y = bottom - math.log(tick / upward[0]) * y_scale
        yield _path(f"M{PLOT} {y:.1f}h{PLOT_WIDTH}", "axis" if y == bottom else "grid")
        yield _text(PLOT - 8, y + 4, f"{tick:g}", "small end")
    for tick in across:
        yield _path(f"M{PLOT + tick * x_scale:.1f} {TOP}V{bottom}", "axis" if tick == 0 else "grid")
        yield _text(PLOT + tick * x_scale, bottom + 18, f"{tick:,.0f}", "small middle")
    yield _text(PLOT + PLOT_WIDTH / 2, bottom + 38, "calls per second", "small middle")
    for transport in (WEBSOCKET, HTTP):
        curve = [(point["connections"], *place(point)) for point in points if point["transport"] == transport]
        yield _path("M" + "L".join(f"{x:.1f} {y:.1f}" for _, x, y in curve), f"{transport} line")
        for connections, x, y in curve:
            yield f'<circle class="{transport}" cx="{x:.1f}" cy="{y:.1f}" r="3"/>'
            # Each curve has its numbers on a side of its own.
            beside = (x + 7, y + 4, "small halo") if transport == WEBSOCKET else (x - 6, y - 5, "small halo end")
            yield _text(*beside[:2], str(connections), beside[2])


def _ticks(most: float) -> list[float]:
    """Round numbers from 0 to one that is not less."""
    power = 10 ** math.floor(math.log10(most / 5))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power * 6 >= most)
    return [step * number for number in range(math.ceil(most / step) + 1)]


def _log_ticks(values: Sequence[float]) -> list[float]:
    """1, 2, 5, 10 … from one that is not above the least to one that is not below the greatest."""
    ticks = [float(f"{factor}e{power}") for power in range(-6, 7) for factor in (1, 2, 5)]
    first = max(tick for tick in ticks if tick <= min(values))
    last = min(tick for tick in ticks if tick >= max(values) and tick > first)
    return [tick for tick in ticks if first <= tick <= last]


def _text(x: float, y: float, text: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(text)}</text>'


def _path(line: str, kind: str) -> str:
    return f'<path class="{kind}" d="{line}"/>'
