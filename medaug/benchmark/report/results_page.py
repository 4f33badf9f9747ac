"""The report as one HTML file with its curves and pictures inside; no script, nothing loaded from anywhere."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from medaug.benchmark.report import tables
from medaug.benchmark.report.curves import curves

FIGURES = {
    "ap50": ("AP50 on validation, by gradient step", "AP50"),
    "box_loss": ("Loss of the boxes, by gradient step", "box loss"),
    "objectness_loss": ("Loss of being a lesion, by gradient step", "objectness loss"),
}


def page(results: Mapping[str, Any], examples: bytes | None = None) -> str:
    """The HTML of results.json.

    Args:
        results: its content.
        examples: a PNG of what each arm adds, if there is one.
    """
    drawn = [(name, curves(results, figure, up)) for figure, (name, up) in FIGURES.items()]
    return _template().render(
        sentence=tables.sentence(results),
        facts=[_plain(fact.removeprefix("* ")) for fact in tables.facts(results)],
        tables=[
            ("Every arm", _cells(tables.arms_table(results))),
            ("Contrasts", _cells(tables.contrasts_table(results))),
        ],
        power=tables.power(results),
        examples=examples and base64.b64encode(examples).decode(),
        curves=[(name, Markup(svg)) for name, svg in drawn if svg],  # noqa: S704 - labels are escaped in `curves`
    )


def _cells(lines: Sequence[str]) -> list[list[str]]:
    """Of a table in Markdown; its cells hold no bar."""
    rows = [line for line in lines if line.startswith("|") and not line.startswith("|---")]
    return [[_plain(cell.strip()) for cell in row.strip("|").split("|")] for row in rows]


def _plain(text: str) -> str:
    return text.replace("`", "")


@cache
def _template() -> Template:
    text = resources.files("medaug.benchmark.report").joinpath("page.html.jinja").read_text(encoding="utf-8")
    return Environment(autoescape=True, undefined=StrictUndefined).from_string(text)
