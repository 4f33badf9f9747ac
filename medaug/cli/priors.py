"""`medaug prior`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from medaug.cli.app import prior_app


@prior_app.command("show")
def prior_show(
    folder: Annotated[Path | None, typer.Argument(help="A folder; the embedded prior if left out.")] = None,
) -> None:
    """A prior's card: who made it of what, its digest, its fidelity, what it is not for."""
    from medaug.assemble import card_of

    typer.echo(card_of(folder).to_json())


@prior_app.command("train")
def prior_train(
    recipe: Annotated[Path, typer.Option(help="Recipe file; the embedded prior's lies in medaug/training/recipes.")],
    data: Annotated[Path, typer.Option(help="Folder of training images.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints, log and the finished prior.")],
) -> None:
    """Train a prior; the same command again resumes from the last checkpoint."""
    from medaug.training.train import train

    train(recipe, data, output, resume=True)
