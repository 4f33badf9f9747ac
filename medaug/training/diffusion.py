"""Train the UNet on the latents: what a batch is, what the loss is, what is validated. The loop is in `loop`."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from torch import Tensor, nn

from medaug.imaging.seeds import seed_for
from medaug.inverse.priors.card import PredictionType
from medaug.inverse.priors.latent_prior import asked, target_of
from medaug.inverse.priors.loaders.trained import telling_all
from medaug.inverse.priors.networks.unet import SCHEDULERS, schedule
from medaug.training.ambient_diffusion import ambient_loss, further
from medaug.training.autoencoder import Log
from medaug.training.recipe import TrainingRecipe
from medaug.training.recipe_unet import fresh_network
from medaug.training.train_loop import Trainee, part_of, train_loop

CHECKPOINT = "diffusion.safetensors"
LEVELS = (50, 200, 400, 600, 800, 950)  # times at which the held-out loss is reported


def train_diffusion(
    recipe: TrainingRecipe,
    latents: dict[str, Tensor],
    amplitudes: Tensor,
    out: Path,
    log: Log,
    *,
    resume: bool,
    start: Callable[[nn.Module], None] | None = None,
) -> nn.Module:
    """Train until ``recipe.diffusion.steps`` and return the network with the averaged (EMA) weights.

    Args:
        recipe: what to do.
        latents: of `stages.first_stage`.
        amplitudes: (c,) how strongly each latent channel shows, mean 1.
        out: folder of the checkpoint.
        log: takes key=value.
        resume: go on from the checkpoint in ``out`` where there is one.
        start: sets the first weights; None leaves them random.
    """
    plan, kind = recipe.diffusion, recipe.diffusion.predicts
    alphas = schedule(SCHEDULERS[kind])
    net = fresh_network(recipe, latents["train"].shape[-1])
    if start:
        start(net)

    def loss(step: int, part: int) -> Tensor:
        z0, t, noise, masks = batch(recipe, latents, step, len(alphas))
        rows = part_of(len(z0), plan.accumulate, part)
        if masks is None:
            return diffusion_loss(net, (z0[rows], t[rows], noise[rows]), alphas, amplitudes, kind)
        return ambient_loss(net, z0[rows], t[rows], noise[rows], alphas, amplitudes, *(mask[rows] for mask in masks))

    seeing = telling_all(net, latents["train"].shape[2])
    check = partial(validate, lambda z, t, _: seeing(z, t), latents["held_out"], alphas, amplitudes, recipe.seed, kind)
    trainee = Trainee(dict(net.named_parameters()), loss, check, recipe.before_decay)
    train_loop(plan, trainee, out / CHECKPOINT, log, resume=resume)
    return net


def batch(
    recipe: TrainingRecipe, latents: dict[str, Tensor], step: int, times: int
) -> tuple[Tensor, Tensor, Tensor, tuple[Tensor, Tensor] | None]:
    """(z0, t, noise, masks) of a step: folders by their shares, views alike (mirrored or not), times spread evenly.

    The masks say which cells are known and which the network sees; None where nothing is hidden.
    """
    draw = torch.Generator().manual_seed(seed_for(recipe.seed, "diffusion", step))
    size, folder = recipe.diffusion.batch_at(step), latents["folder"]
    shares = torch.tensor([share for _, share in sorted(recipe.data.shares.items())] or [1.0])
    counts = torch.bincount(folder[folder >= 0], minlength=len(shares))
    weight = torch.where(folder >= 0, (shares / counts.clamp(min=1))[folder.clamp(min=0)], 0.0)
    index = torch.multinomial(weight, size, replacement=True, generator=draw)
    view = torch.randint(0, latents["train"].shape[1], (size,), generator=draw)
    z0 = latents["train"][index, view].float()
    t = ((torch.arange(size) + torch.rand(size, generator=draw)) / size * times).long().clamp(max=times - 1)
    noise = torch.randn(z0.shape, generator=draw)
    if recipe.ambient is None:
        return z0, t, noise, None
    known = latents["known"][index, view]
    return z0, t, noise, (known, further(known, recipe.ambient, draw))


def diffusion_loss(
    net: nn.Module, drawn: tuple[Tensor, Tensor, Tensor], alphas: Tensor, weight: Tensor, kind: PredictionType
) -> Tensor:
    """Mean square of the error of what ``kind`` predicts, channels weighted by ``weight`` (c,).

    Args:
        net: the network.
        drawn: z0 (B, c, h, w), t (B,), noise as z0.
        alphas: (T,) abar.
        weight: (c,).
        kind: see `latent_prior.target_of`.
    """
    z0, t, noise = drawn
    a = alphas[t].reshape(-1, 1, 1, 1)
    state, time = asked(kind, a.sqrt() * z0 + (1 - a).sqrt() * noise, t, a)
    output: Tensor = net(state, time, return_dict=False)[0]
    return ((output.float() - target_of(kind, z0, noise, a)).square() * weight[:, None, None]).mean()


@torch.no_grad()
def validate(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor],
    held_out: Tensor,
    alphas: Tensor,
    amplitudes: Tensor,
    seed: int,
    kind: PredictionType = "v_prediction",
    count: int = 64,
) -> dict[str, float]:
    """The loss on the same held-out images and noise at each of `LEVELS`, their mean, and their mean in the image.

    The last weights channels by the square of their amplitude: it is what the eye sees of the error.

    Args:
        predict: (z_t, t, which held-out images they are) → what ``kind`` says.
        held_out: (N, 2, c, h, w).
        alphas: (T,) abar.
        amplitudes: (c,).
        seed: of the noise.
        kind: what is predicted.
        count: images used, at most.
    """
    every = max(1, len(held_out) // count)
    chosen = torch.arange(0, len(held_out), every)[:count]
    z0 = held_out[chosen, 0].float()
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(seed_for(seed, "validation")))
    chunks = list(zip(*(torch.split(part, 16) for part in (z0, noise, chosen)), strict=True))
    by_level = []
    for level in LEVELS:
        a = alphas[level]
        squares = []
        for clean, white, which in chunks:
            times = torch.full((len(clean),), level)
            output = predict(*asked(kind, a.sqrt() * clean + (1 - a).sqrt() * white, times, a), which)
            squares.append((output - target_of(kind, clean, white, a)).square().mean(dim=(2, 3)))
        by_level.append(torch.cat(squares).mean(dim=0))
    errors = torch.stack(by_level)  # (levels, channels)
    shown = (errors * amplitudes.square()).sum() / amplitudes.square().sum() / len(LEVELS)
    levels = {f"loss_{level}": row.mean().item() for level, row in zip(LEVELS, errors, strict=True)}
    return {"loss": errors.mean().item(), "image_loss": shown.item(), **levels}
