"""Begin a recipe's last cycle where only the prior of the cycles before it is left, as it shipped.

A restart forgets everything but the averaged weights in 16 bits (`medaug.training.train_loop`), and those are what
ships. So the run that begins here gives the bytes of one that went through all cycles.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.training.diffusion import CHECKPOINT
from medaug.training.from_prior import started_from
from medaug.training.image_pool import Pool
from medaug.training.latents import first_stage, write_tensors
from medaug.training.recipe import TrainingRecipe
from medaug.training.train import LOG, log_to


def begin_last_cycle(recipe: TrainingRecipe, read: Callable[[], Pool], out: Path, shipped: Path) -> None:
    """Make ``out`` a run that stands at the recipe's last restart; training goes on from there.

    Args:
        recipe: with ``restarts``.
        read: gives the images, for the latents.
        out: the run's folder.
        shipped: folder of the prior that the recipe gave when it ended at that restart.

    Raises:
        PriorError: the recipe has one cycle, the prior's networks aren't the recipe's, or ``out`` holds a run.
    """
    step = _last_restart(recipe)
    if (out / CHECKPOINT).exists():
        raise PriorError(
            "training folder: expected no checkpoint before a cycle begins, found one; go on without --shipped",
            code="training-folder",
        )
    _fits(recipe, shipped)
    out.mkdir(parents=True, exist_ok=True)
    first_stage(recipe, read, out, log_to(out / LOG), shipped)
    write_tensors(as_checkpoint(shipped, step), out / CHECKPOINT, recipe.before_decay)


def as_checkpoint(shipped: Path, step: int) -> dict[str, Tensor]:
    """A prior's network in the place of the checkpoint that gave it; of the optimiser nothing is known."""
    tensors = {"step": torch.tensor(step)}
    for name, value in load_tensors(shipped / "unet.safetensors").items():
        weight, nothing = value.float(), torch.zeros(value.shape)
        tensors |= {f"net.{name}": weight, f"average.{name}": weight.clone()}
        tensors |= {f"first.{name}": nothing, f"second.{name}": nothing.clone()}
    return tensors


def _last_restart(recipe: TrainingRecipe) -> int:
    if not recipe.diffusion.restarts:
        raise PriorError(
            f"recipe {recipe.name}: expected diffusion.restarts, and found one cycle alone",
            code="prior-unsuitable",
        )
    return recipe.diffusion.restarts[-1]


def _fits(recipe: TrainingRecipe, shipped: Path) -> None:
    same = started_from(recipe, shipped).model_copy(update={"base": recipe.base})
    if same != recipe:
        raise PriorError(
            f"recipe {recipe.name}: expected a prior of its own autoencoder and network, found another's sizes",
            code="prior-unsuitable",
        )
