"""All comparisons of docs/explanation/does-it-help.md in one table: what was declared, and what stands beside it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from medaug.benchmark.report.tables import signed

SAYS = """Every comparison, newest first; differences of AP50 with their 95 % intervals, those that exclude 0 in bold.
*Over naive*: the best arm of variants and naive copies together, over naive copies alone."""
Contrast = Mapping[str, Any]


def section(comparisons: Sequence[Mapping[str, Any]], titles: Sequence[str]) -> list[str]:
    """Lines of Markdown.

    Args:
        comparisons: as does-it-help.json has them, newest first.
        titles: a data set's name for each.
    """
    head = ("data", "real", "ratio", "detector", "declared", "over duplicates", "`naive`", "over naive")
    rows = [_row(title, one["results"]) for title, one in zip(titles, comparisons, strict=True)]
    return [
        "## At a glance",
        "",
        SAYS,
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
    ]


def _row(title: str, results: Mapping[str, Any]) -> tuple[str, ...]:
    primary, others = results["primary"], results["others"]
    naive = [one for one in others if one["arm"]["arm"] == "naive" and _control(one) == "duplicates"]
    mixed = [one for one in others if _control(one) == "naive"]
    best = max(mixed, key=lambda one: one["estimate"], default=None)
    return (
        title,
        str(results["real"][0]),
        f"{primary['arm']['ratio']:g}",
        f"`{results['design']['detector']}`",
        f"`{primary['arm']['arm']}`",
        _marked(primary),
        _marked(naive[0]) if naive else "–",
        f"`{best['arm']['arm']}`: {_marked(best)}" if best else "–",
    )


def _control(contrast: Contrast) -> str:
    return str(contrast["control"]["arm"])


def interval(found: Contrast) -> str:
    """An estimate with its interval, as in ``.031 (−.004 to .066)``."""
    return f"{signed(found['estimate'])} ({signed(found['low'])} to {signed(found['high'])})"


def _marked(found: Contrast) -> str:
    return f"**{interval(found)}**" if found["low"] > 0 or found["high"] < 0 else interval(found)
