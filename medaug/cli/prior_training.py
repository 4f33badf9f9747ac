"""`medaug prior train`: a prior from scratch, or from another one."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from medaug.cli.console import say
from medaug.cli.options import Identity, ProfileName, prior_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from medaug.training.finetuning.recipe import FinetuneRecipe
    from medaug.training.image_pool import Pool
    from medaug.training.own_images import PriorSquares


@prior_app.command("train")
def prior_train(  # noqa: PLR0913 - one parameter per option
    output: Annotated[Path, typer.Option("--output", "-o", help="Folder for checkpoints, log and the finished prior.")],
    input: Annotated[  # noqa: A002 - the word in the help
        Path | None, typer.Argument(help="Folder of DICOM and NIfTI; never changed.", show_default=False)
    ] = None,
    data: Annotated[Path | None, typer.Option(help="Folder of JPEG and PNG images, in place of INPUT.")] = None,
    recipe: Annotated[
        Path | None, typer.Option(help="Recipe file; recipes/yours-256.yaml or finetune.yaml if left out.")
    ] = None,
    profile: ProfileName = "bone-xray",
    base: Annotated[
        str | None, typer.Option("--from", help="A prior to start from: medaug's, or a model in diffusers' layout.")
    ] = None,
    annotations: Annotated[
        list[Path] | None, typer.Option("--annotations", "-a", help="Boxes of the lesions, for --ambient and --token.")
    ] = None,
    ambient: Annotated[bool, typer.Option("--ambient", help="Learn without seeing what is boxed.")] = False,
    tokens: Annotated[
        list[str] | None, typer.Option("--token", help="A box's label to learn a token for; --from a prompted model.")
    ] = None,
    lora: Annotated[bool, typer.Option("--lora/--no-lora", help="Off: only the tokens learn.")] = True,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda, for --from a model in diffusers' layout.")] = "auto",
    identity_reason: Identity = None,
) -> None:
    """Train a prior; the same command again resumes from the last checkpoint."""
    from medaug.inverse.priors.library.lookup import folder_of
    from medaug.inverse.priors.loaders.layout import layout_of
    from medaug.training.own_images import presented

    _check_given(input, data, others=bool(base or ambient or annotations or tokens))
    if (ambient or tokens) and not annotations:
        raise typer.BadParameter("--ambient and --token need --annotations: the boxes are what they are about")
    if input is None:
        _train_on_pictures(data, recipe, output)
        return
    read = partial(
        presented, input, profile, annotations=annotations or [], identity_reason=identity_reason, limit=None
    )
    folder = folder_of(base) if base else None
    if folder is not None and layout_of(folder) == "diffusers":
        if ambient:
            raise typer.BadParameter("--ambient trains from scratch or from medaug's own priors, not with LoRA")
        _finetune(folder, recipe, tuple(tokens or ()), read, output, lora=lora, device=device)
        return
    if tokens or not lora:
        raise typer.BadParameter("--token and --no-lora need --from a model in diffusers' layout that takes prompts")
    _train(folder, recipe, read, output, ambient=ambient)


def _check_given(input: Path | None, data: Path | None, *, others: bool) -> None:  # noqa: A002 - the word in the help
    if (input is None) == (data is None):
        raise typer.BadParameter("give INPUT, a folder of DICOM and NIfTI, or --data, a folder of JPEG and PNG")
    if data is not None and others:
        raise typer.BadParameter("--from, --ambient, --token and --annotations need INPUT, not --data")


def _train_on_pictures(data: Path | None, recipe: Path | None, output: Path) -> None:
    from medaug.training.from_prior import yours
    from medaug.training.train import train

    assert data is not None
    train(recipe or yours(), data, output, resume=True)


def _train(
    base: Path | None, path: Path | None, read: Callable[[int], PriorSquares], output: Path, *, ambient: bool
) -> None:
    from medaug.training.from_prior import ambient_recipe, pool_of, started_from, yours
    from medaug.training.recipe import read_recipe
    from medaug.training.train import train_on

    recipe = read_recipe(path or yours())
    recipe = recipe if base is None else started_from(recipe, base)
    recipe = ambient_recipe(recipe) if ambient else recipe

    def pool() -> Pool:
        return pool_of(read(recipe.data.size), recipe.data.validation, hide=ambient)

    _done(output, train_on(recipe, pool, output, base=base).sha256)


def _finetune(
    base: Path,
    path: Path | None,
    labels: tuple[str, ...],
    read: Callable[[int], PriorSquares],
    output: Path,
    *,
    lora: bool,
    device: str,
) -> None:
    from medaug.inverse.device import resolve_device
    from medaug.training.finetuning.finetune import finetune_on
    from medaug.training.finetuning.learner import prompt_of, tuned_from
    from medaug.training.finetuning.recipe import finetuning, read_finetune_recipe
    from medaug.training.from_prior import pool_of

    recipe = tuned_from(_chosen(read_finetune_recipe(path or finetuning()), labels, lora=lora), base)

    def pool() -> Pool:
        return pool_of(read(recipe.data.size), recipe.data.validation, hide=False)

    card = finetune_on(recipe, pool, output, base, resolve_device(device))
    _done(output, card.sha256)
    for label in recipe.tokens.labels if recipe.tokens else ():
        say(f"in a profile, prompt: {{{label}: {prompt_of(recipe, [label])}}}")


def _chosen(recipe: FinetuneRecipe, labels: tuple[str, ...], *, lora: bool) -> FinetuneRecipe:
    if labels and recipe.tokens is None:
        raise typer.BadParameter("--token needs a recipe with tokens; see recipes/finetune.yaml")
    tokens = recipe.tokens.model_copy(update={"labels": labels}) if recipe.tokens and labels else recipe.tokens
    return recipe.model_copy(update={"tokens": tokens, "lora": recipe.lora if lora else None})


def _done(output: Path, sha256: str) -> None:
    say(f"{output.name}/prior, sha256 {sha256}; `medaug prior add` stores it under a name")
