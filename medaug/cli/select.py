"""`medaug select`: admission by rule."""

from __future__ import annotations

import json
import math
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import AsJson, app
from medaug.errors import counted

if TYPE_CHECKING:
    from medaug.review.selection import Selection


class StratumChoice(StrEnum):
    """Strata of a selection."""

    label = "label"
    source = "source"
    patient = "patient"
    modality = "modality"
    strength = "strength"


Most = Annotated[int | None, typer.Option(min=1, help="At most so many of each.")]


@app.command("select")
def select_command(  # noqa: PLR0913 - one parameter per option
    output: Annotated[Path, typer.Argument(help="A folder that `medaug run` made.", show_default=False)],
    keep: Annotated[int | None, typer.Option(min=1, help="At most so many; all that fit if left out.")] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option("--limit", help="CHECK=LEAST..GREATEST, either may be left out; may be given several times."),
    ] = None,
    least_change: Annotated[
        float, typer.Option(min=0, max=1, help="Share in which it differs from its source, and from others of it.")
    ] = 0.05,
    least_bits: Annotated[
        int, typer.Option(min=0, max=240, help="Bits of 240 in which it differs from other sources' variants.")
    ] = 11,
    per_source: Most = None,
    per_label: Most = None,
    per_patient: Most = None,
    balance: Annotated[
        list[StratumChoice] | None, typer.Option(help="Strata that take turns; may be given several times.")
    ] = None,
    scores: Annotated[Path | None, typer.Option(help="CSV with unit and score: the greater come first.")] = None,
    judge: Annotated[
        Path | None, typer.Option(help="What it was made from: a judge of realism scores, the hardest to tell first.")
    ] = None,
    report: Annotated[Path | None, typer.Option(help="Write the admission report to this new file, as JSON.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Record nothing.")] = False,
    as_json: AsJson = False,
) -> None:
    """Admit variants by rule; what it leaves out leaves every list and stays on disk; recorded like a reader's word."""
    from medaug.execution.output.open import attach
    from medaug.review.admission import Rules
    from medaug.review.catalogue import catalogue
    from medaug.review.selection import read_scores, select, write_report

    most = {StratumChoice.source: per_source, StratumChoice.label: per_label, StratumChoice.patient: per_patient}
    rules = Rules(
        keep,
        dict(map(_limit, limit or ())),
        least_change,
        least_bits,
        {kind.value: number for kind, number in most.items() if number is not None},
        tuple(kind.value for kind in balance or ()),
    )
    store = attach(output)
    if scores and judge:
        raise typer.BadParameter("give --scores or --judge: one order is enough")
    known = read_scores(scores, catalogue(output)) if scores else {}
    if judge:
        from medaug.review.judged import judge_scores

        known = judge_scores(output, judge)
    done = select(store, rules, known, dry=dry_run)
    if report is not None:
        write_report(done, report)
    if as_json:
        say(json.dumps(done.report(), indent=2))
    else:
        _show(done, dry=dry_run)


def _show(done: Selection, *, dry: bool) -> None:
    told = done.report()
    refused = f"; {done.refused} more that readers rejected" if done.refused else ""
    say(f"{told['admitted']} of {counted(told['candidates'], 'variant')} admitted{refused}")
    for reason, number in told["left_out"].items():
        say(f"  {reason}: {number}")
    for label, number in told["admitted_by"]["label"].items():
        say(f"  admitted with label {label}: {number}")
    say("nothing was recorded" if dry else f"{counted(len(done.decisions), 'decision')} recorded")


def _limit(text: str) -> tuple[str, tuple[float, float]]:
    name, _, span = text.partition("=")
    low, dots, high = span.partition("..")
    try:
        limit = float(low or -math.inf), float(high or math.inf)
    except ValueError:
        dots = ""
    if not (name and dots):
        raise typer.BadParameter("--limit: expected CHECK=LEAST..GREATEST, such as seam=..1.5")
    return name, limit
