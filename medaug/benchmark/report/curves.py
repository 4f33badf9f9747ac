"""Training curves as SVG: a figure by gradient step, a line for each arm. No library is needed for a few lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 760, 340, 56, 220, 26, 44
COLOURS = ("#1b6ca8", "#c1440e", "#2e7d32", "#7b1fa2", "#757575", "#a67c00", "#00838f", "#ad1457")
LINES = 4  # of the grid
Line = tuple[str, Sequence[tuple[float, float]]]


def curves(results: Mapping[str, Any], figure: str, up: str) -> str:
    """An SVG document of one figure of `results["curves"]`; "" where no detector told it.

    Args:
        results: results.json.
        figure: ``ap50``, ``box_loss`` or ``objectness_loss``.
        up: what is drawn upward, in words.
    """
    lines = [
        (_name(one), [(p["step"], p[figure]) for p in one["points"] if p[figure] is not None])
        for one in results["curves"]
    ]
    lines = [(name, points) for name, points in lines if points]
    return _document(lines, up) if lines else ""


def _name(one: Mapping[str, Any]) -> str:
    ratio = f", ratio {one['ratio']:g}" if one["ratio"] else ""
    return f"{one['arm']}, {100 * one['fraction']:g} %{ratio}"


def _document(lines: Sequence[Line], up: str) -> str:
    last = max(x for _, points in lines for x, _ in points)
    highest = 1.08 * max(1e-6, *(y for _, points in lines for _, y in points))

    def at(x: float, y: float) -> str:
        across = LEFT + x / last * (WIDTH - LEFT - RIGHT)
        return f"{across:.1f},{HEIGHT - BOTTOM - y / highest * (HEIGHT - BOTTOM - TOP):.1f}"

    parts = [_text(6, TOP - 10, up), _text(LEFT, HEIGHT - 10, "gradient steps")]
    for n in range(LINES + 1):
        y = highest * n / LINES
        level = at(0, y).split(",")[1]
        parts.append(f'<line x1="{LEFT}" y1="{level}" x2="{WIDTH - RIGHT}" y2="{level}" stroke="#ddd"/>')
        parts.append(_text(8, float(level) + 4, f"{y:.3f}"))
    steps = sorted({x for _, points in lines for x, _ in points})
    parts += [_text(float(at(x, 0).split(",")[0]) - 10, HEIGHT - BOTTOM + 16, f"{x:g}") for x in steps]
    for n, (name, points) in enumerate(lines):
        colour, row = COLOURS[n % len(COLOURS)], TOP + 18 * n
        way = " ".join(at(x, y) for x, y in points)
        parts.append(f'<polyline points="{way}" fill="none" stroke="{colour}" stroke-width="2"/>')
        parts.append(f'<rect x="{WIDTH - RIGHT + 12}" y="{row - 6}" width="14" height="4" fill="{colour}"/>')
        parts.append(_text(WIDTH - RIGHT + 32, row, name))
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif">\n'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n{body}\n</svg>\n'
    )


def _text(x: float, y: float, text: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" font-size="11" fill="#222">{escape(text)}</text>'
