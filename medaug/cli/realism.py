"""`medaug realism`: can a judge that learns tell generated regions from real ones?"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import app

if TYPE_CHECKING:
    from medaug.execution.planning.request import RunRequest


@app.command("realism")
def realism_command(
    output: Annotated[Path, typer.Argument(help="OUTPUT of a run; only read.", show_default=False)],
    source: Annotated[Path, typer.Option("--source", help="What it was made from.", show_default=False)],
    seed: Annotated[int, typer.Option(min=0, help="Of places, folds and weights.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="All figures as JSON.")] = False,
) -> None:
    """Train a small judge on patches of real and generated regions, patients apart, and say how often it is right."""
    from medaug.benchmark.realism.realism import realism

    judged = realism(output, source, seed, _trained)
    say(judged.to_json() if json else "\n".join(judged.sentences()), nl=not json)


def judge_export(request: RunRequest, bench: Path) -> None:
    """`medaug benchmark --realism`: one variant of each image in BENCH/realism, or what is there of them, judged."""
    from medaug.benchmark.realism.realism import realism
    from medaug.execution.execute import execute
    from medaug.execution.planning.plan import plan_for
    from medaug.storage.atomic import replace_file

    output = bench / "realism"
    execute(plan_for(replace(request, variants=1)), output)
    judged = realism(output, request.input, on_fold=_trained)
    replace_file(bench / "realism.json", judged.to_json().encode())
    say("\n".join(judged.sentences()))


def _trained(done: int, of: int) -> None:
    say(f"judge {done}/{of} trained", err=True)
