"""A scatter plot as SVG: logarithmic across, plain up. No library is needed for one picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

WIDTH, HEIGHT, LEFT, BOTTOM, TOP, RIGHT = 760, 460, 70, 60, 30, 150
COLOURS = ("#1b6ca8", "#c1440e", "#2e7d32", "#7b1fa2", "#757575", "#a67c00")
Point = tuple[str, str, float, float, float]


def scatter(points: Sequence[Point], across: str, up: str, note: str) -> str:
    """Points (series, label, log10 of x, y, weight ≥ 0) → an SVG document. Marks get an area by weight."""
    xs, ys = [p[2] for p in points], [p[3] for p in points]
    room = 0.1 * (max(ys) - min(ys)) or 0.1 * abs(ys[0]) or 1.0
    low_x, high_x, low_y, high_y = min(xs) - 0.08, max(xs) + 0.08, min(ys) - room, max(ys) + room
    most = max(p[4] for p in points) or 1.0
    series = list(dict.fromkeys(p[0] for p in points))

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            LEFT + (x - low_x) / (high_x - low_x) * (WIDTH - LEFT - RIGHT),
            HEIGHT - BOTTOM - (y - low_y) / (high_y - low_y) * (HEIGHT - BOTTOM - TOP),
        )

    parts = [*_axes(at, (low_x, high_x), (low_y, high_y)), _text(WIDTH - RIGHT + 12, TOP + 16 * len(series) + 8, note)]
    parts += [_text((WIDTH - RIGHT) / 2, HEIGHT - 12, across), _text(6, TOP - 8, up)]
    for name, label, x, y, weight in points:
        left, top = at(x, y)
        radius, colour = 2 + 6 * math.sqrt(weight / most), COLOURS[series.index(name) % len(COLOURS)]
        parts.append(
            f'<circle cx="{left:.1f}" cy="{top:.1f}" r="{radius:.1f}" fill="{colour}" fill-opacity="0.65">'
            f"<title>{escape(name)} {escape(label)}: {10**x:.4f}, {y:.4f}</title></circle>"
        )
        parts.append(_text(left + radius + 1, top + 3, label, size=8, colour=colour))
    for number, name in enumerate(series):
        place = TOP + 16 * number
        parts.append(f'<circle cx="{WIDTH - RIGHT + 18}" cy="{place}" r="5" fill="{COLOURS[number % len(COLOURS)]}"/>')
        parts.append(_text(WIDTH - RIGHT + 28, place + 4, name))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _axes(at, span_x: tuple[float, float], span_y: tuple[float, float]) -> list[str]:
    (low_x, high_x), (low_y, high_y) = span_x, span_y
    parts = []
    for exponent in range(math.floor(low_x), math.ceil(high_x) + 1):
        for factor in (1, 2, 5):
            x = exponent + math.log10(factor)
            if low_x <= x <= high_x:
                parts += _line(at(x, low_y), at(x, high_y))
                parts.append(_text(at(x, low_y)[0] - 10, HEIGHT - BOTTOM + 16, f"{10**x:g}"))
    step = 10 ** math.floor(math.log10(high_y - low_y))
    step = step / 2 if (high_y - low_y) / step < 4 else step
    digits = max(3, math.ceil(-math.log10(step)))
    for number in range(math.ceil(low_y / step), math.floor(high_y / step) + 1):
        parts += _line(at(low_x, number * step), at(high_x, number * step))
        parts.append(_text(LEFT - 44, at(low_x, number * step)[1] + 4, f"{number * step:.{digits}f}"))
    return parts


def _line(start: tuple[float, float], stop: tuple[float, float]) -> list[str]:
    (x1, y1), (x2, y2) = start, stop
    return [f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="#ddd"/>']


def _text(x: float, y: float, text: str, size: int = 11, colour: str = "#222") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{colour}">{escape(text)}</text>'
