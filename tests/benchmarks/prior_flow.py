"""Rectified flow against v: ``python -m tests.benchmarks.prior_flow RUN --recipe FILE --steps 1200``.

RUN is a training folder whose latents are made. The recipe's network is trained twice from one random start, same
batches and noise, once to predict v of a diffusion and once the velocity of a rectified flow, the rate falling over the
last fifth. Held-out error, averaged weights, at the same noise levels for both: the mean square of v's error, as
`training.diffusion.validate` gives it, whatever the network predicts (v's error is that of z0 over sqrt(1 − abar)).
"""

from __future__ import annotations

import argparse
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from torch import Tensor, nn

from medaug.imaging.seeds import seed_for
from medaug.inverse.priors.card import PredictionType
from medaug.inverse.priors.latent_prior import asked, clean_from
from medaug.inverse.priors.networks.unet import SCHEDULERS, schedule
from medaug.training.diffusion import LEVELS, train_diffusion
from medaug.training.latents import first_stage
from medaug.training.recipe import TrainingRecipe, read_recipe

IMAGES = 64


def shortened(recipe: TrainingRecipe, steps: int, kind: PredictionType) -> TrainingRecipe:
    changes = {"steps": steps, "decay": steps // 5, "predicts": kind, "validate_every": steps}
    return recipe.model_copy(update={"diffusion": recipe.diffusion.model_copy(update=changes)})


@torch.no_grad()
def errors(net: nn.Module, kind: PredictionType, held_out: Tensor, amplitudes: Tensor, seed: int) -> list[float]:
    """At each of `LEVELS`, then their mean, then their mean weighted as the image shows it."""
    z0 = held_out[:: max(1, len(held_out) // IMAGES), 0][:IMAGES].float()
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(seed_for(seed, "validation")))
    own, found = schedule(SCHEDULERS[kind]), []
    for abar in schedule()[list(LEVELS)]:
        t = int((own - abar).abs().argmin())
        a = own[t]
        z_t = a.sqrt() * z0 + (1 - a).sqrt() * noise
        output = net(*asked(kind, z_t, torch.full((len(z0),), t), a), return_dict=False)[0]
        found.append(((clean_from(kind, output, z_t, a) - z0).square() / (1 - a)).mean(dim=(0, 2, 3)))
    by_level = torch.stack(found)
    shown = (by_level * amplitudes.square()).sum() / amplitudes.square().sum() / len(LEVELS)
    return [*by_level.mean(dim=1).tolist(), by_level.mean().item(), shown.item()]


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    recipe = read_recipe(options.recipe)
    autoencoder, latents = first_stage(recipe, no_images, options.run, print)
    print(f"| predicts | {' | '.join(f't = {t}' for t in LEVELS)} | mean | in the image |", flush=True)
    for kind in ("v_prediction", "flow"):
        short = shortened(recipe, options.steps, kind)
        with TemporaryDirectory() as out:
            train = partial(train_diffusion, out=Path(out), log=lambda **_: None, resume=False)
            net = train(short, latents, autoencoder.amplitudes())
        row = errors(net, kind, latents["held_out"], autoencoder.amplitudes(), recipe.seed)
        print(f"| {kind} | {' | '.join(f'{value:.3f}' for value in row)} |", flush=True)


def no_images() -> None:
    raise SystemExit("RUN holds no latents yet: train there first")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("--recipe", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=1200)
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args())
