"""Fine-tune a model in diffusers' layout on the user's images: LoRA, a learned token for each class, or both."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from medaug.errors import PriorError
from medaug.imaging.seeds import seed_for
from medaug.inverse.aligned import from_array
from medaug.inverse.priors.card import PredictionType, PriorCard
from medaug.inverse.priors.latent_prior import asked, target_of
from medaug.inverse.priors.loaders.diffusers import autoencoder, load_network, scheduler_config
from medaug.inverse.priors.loaders.layout import layout_of
from medaug.inverse.priors.loaders.load import card_of, rehash
from medaug.inverse.priors.loaders.text_encoder import null_embedding
from medaug.inverse.priors.networks.unet import schedule
from medaug.training.autoencoder import to_tensor
from medaug.training.diffusion import validate
from medaug.training.finetuning.lora import put_in
from medaug.training.finetuning.recipe import FinetuneRecipe
from medaug.training.finetuning.textual_inversion import TokenEncoder, token_of, words
from medaug.training.image_pool import Pool, UInt8
from medaug.training.latents import LATENTS, read_tensors, write_tensors
from medaug.training.train_loop import Trainee, part_of

CHECKPOINT = "finetune.safetensors"


@dataclass(frozen=True, eq=False)
class Learner:
    """What a fine-tuning changes.

    Attributes:
        unet: with the additions in it, where there are any.
        words: with the new tokens, None where there are none.
        trainee: what the loop sees of both.
    """

    unet: Any
    words: TokenEncoder | None
    trainee: Trainee


def tuned_from(recipe: FinetuneRecipe, base: Path) -> FinetuneRecipe:
    """The recipe with the digest of ``base`` as a part of it.

    Raises:
        PriorError: ``base`` isn't in diffusers' layout, can't be loaded, takes no text though tokens are asked for, or
            doesn't take images of the recipe's size.
    """
    card = card_of(base)
    if layout_of(base) != "diffusers":
        raise PriorError(
            f"prior {card.name}: expected diffusers' layout for LoRA and tokens, found another; a prior that medaug "
            "trained goes on with a recipe like yours-256.yaml, a MONAI bundle can't be trained on",
            code="prior-unsuitable",
        )
    rehash(base, card)
    if recipe.data.size % card.multiple:
        raise PriorError(
            f"recipe {recipe.name}: data.size: expected a multiple of {card.multiple} for prior {card.name}, found "
            f"{recipe.data.size}; its own size is {card.size}",
            code="training-data",
        )
    return recipe.model_copy(update={"base": card.sha256})


def encoded(recipe: FinetuneRecipe, read: Callable[[], Pool], out: Path, base: Path, device: str) -> dict[str, Tensor]:
    """The images as latents, or those that this recipe already made in ``out``.

    Returns:
        ``train`` and ``held_out`` (N, 2, c, h, w) float16, each as it is and flipped; ``train_shows`` and
        ``held_out_shows`` (N, labels), True where an image shows a label that gets a token.

    Raises:
        PriorError: ``out`` holds another recipe's, or no image shows one of the labels.
    """
    if (out / LATENTS).exists():
        return read_tensors(out / LATENTS, recipe.images)
    pool, labels = read(), _labels(recipe)
    encode, _ = autoencoder(load_network(base, "vae", device))
    shows = torch.tensor([[label in of for label in labels] for of in pool.labels or [()] * len(pool.names)])
    shows = shows.reshape(len(pool.names), len(labels))
    latents: dict[str, Tensor] = {}
    for side, chosen in (("train", ~pool.held_out), ("held_out", pool.held_out)):
        latents[side] = _latents(encode, pool.images[chosen], device)
        latents[f"{side}_shows"] = shows[from_array(chosen)]
    unseen = [label for label, seen in zip(labels, latents["train_shows"].any(dim=0), strict=True) if not seen]
    if unseen:
        known = ", ".join(sorted({label for of in pool.labels for label in of})) or "none"
        raise PriorError(
            f"training data: expected images with a box of {unseen[0]!r} in the training part, found none; the labels "
            f"there are: {known}",
            code="training-data",
        )
    write_tensors(latents, out / LATENTS, recipe.images)
    return latents


def learner(recipe: FinetuneRecipe, base: Path, latents: dict[str, Tensor], device: str) -> Learner:
    """The network and the words ready to learn.

    Raises:
        PriorError: a package is missing, or the network takes no text though tokens are asked for.
    """
    unet = load_network(base, "unet", device)
    conditional = unet.config["_class_name"] == "UNet2DConditionModel"
    labels = _labels(recipe)
    if labels and not conditional:
        raise PriorError(
            "prior: unet: expected a UNet2DConditionModel, which takes a prompt, to learn a token for; found an "
            "unconditional one; leave --token out",
            code="prior-unsuitable",
        )
    null = null_embedding(base, unet.config["cross_attention_dim"]).to(device) if conditional else None
    spoken = words(base, labels, device) if labels else None
    parameters: dict[str, nn.Parameter] = {"tokens": spoken.vectors} if spoken else {}
    if recipe.lora:
        parameters |= put_in(unet, recipe.lora, seed_for(recipe.seed, "lora"))
    if not parameters:
        raise PriorError(
            "training: expected something to learn, found neither LoRA nor a label; give --token LABEL",
            code="training-data",
        )
    alphas, kind = schedule(scheduler_config(base)), scheduler_config(base)["prediction_type"]

    def predict(z_t: Tensor, t: Tensor, shows: Tensor) -> Tensor:
        context = () if null is None else (_contexts(recipe, spoken, null, shows),)
        output: Tensor = unet(z_t.to(device), t.to(device), *context, return_dict=False)[0]
        return output.float().cpu()

    def loss(step: int, part: int) -> Tensor:
        z0, t, noise, shows = batch(recipe, latents, step, len(alphas))
        rows = part_of(recipe.training.batch, recipe.training.accumulate, part)
        return _loss(predict, (z0[rows], t[rows], noise[rows], shows[rows]), alphas, kind)

    held = _held_out(recipe, latents)
    ones = torch.ones(latents["train"].shape[2])

    def check() -> dict[str, float]:
        return validate(lambda z, t, which: predict(z, t, held[1][which]), held[0], alphas, ones, recipe.seed, kind)

    return Learner(unet, spoken, Trainee(parameters, loss, check, recipe.before_decay, torch.device(device).type))


def batch(
    recipe: FinetuneRecipe, latents: dict[str, Tensor], step: int, times: int
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """(z0, t, noise, shows) of a step: half of the images flipped, times spread evenly, labels by their share.

    ``shows`` (B, labels) says which tokens stand in the prompt; none of them: the empty prompt.
    """
    draw = torch.Generator().manual_seed(seed_for(recipe.seed, "finetune", step))
    size, shows = recipe.training.batch, latents["train_shows"]
    labelled = shows.any(dim=1)
    weight = torch.ones(len(labelled))
    if recipe.tokens and labelled.any() and not labelled.all():
        share = recipe.tokens.share if recipe.lora else 1.0
        weight = torch.where(labelled, share / labelled.sum(), (1 - share) / (~labelled).sum())
    index = torch.multinomial(weight, size, replacement=True, generator=draw)
    flip = torch.randint(0, 2, (size,), generator=draw)
    z0 = latents["train"][index, flip].float()
    t = ((torch.arange(size) + torch.rand(size, generator=draw)) / size * times).long().clamp(max=times - 1)
    noise = torch.randn(z0.shape, generator=draw)
    silent = torch.rand(size, generator=draw) < (recipe.tokens.empty if recipe.tokens and recipe.lora else 0.0)
    return z0, t, noise, shows[index] & ~silent[:, None]


def prompt_of(recipe: FinetuneRecipe, labels: Sequence[str]) -> str:
    """The prompt of an image that shows these labels: as `assemble` joins a profile's prompts by label."""
    assert recipe.tokens is not None
    return ", ".join(recipe.tokens.template.replace("{token}", token_of(label)) for label in sorted(labels))


def trained_card(recipe: FinetuneRecipe, base: PriorCard) -> dict[str, Any]:
    """What the new prior's card says in words."""
    learned = [f"LoRA of rank {recipe.lora.rank}"] if recipe.lora else []
    learned += [f"tokens {', '.join(map(token_of, _labels(recipe)))}"] if _labels(recipe) else []
    return {
        "name": recipe.name,
        "licence": base.licence if recipe.card.licence == "the base's" else recipe.card.licence,
        "attribution": " ".join(filter(None, (recipe.card.attribution, base.attribution))),
        "trained_on": f"{recipe.card.trained_on}; before that, as {base.name}: {base.trained_on}",
        "not_for": recipe.card.not_for,
        "recipe": f"{' and '.join(learned)} on prior {base.name}, sha256 {base.sha256}: "
        f"{recipe.training.steps} steps of {recipe.training.batch} images, seed {recipe.seed}",
    }


def _loss(
    predict: Callable[[Tensor, Tensor, Tensor], Tensor],
    drawn: tuple[Tensor, Tensor, Tensor, Tensor],
    alphas: Tensor,
    kind: PredictionType,
) -> Tensor:
    z0, t, noise, shows = drawn
    a = alphas[t].reshape(-1, 1, 1, 1)
    state, time = asked(kind, a.sqrt() * z0 + (1 - a).sqrt() * noise, t, a)
    output = predict(state, time, shows)
    return (output - target_of(kind, z0, noise, a)).square().mean()


def _contexts(recipe: FinetuneRecipe, spoken: TokenEncoder | None, null: Tensor, shows: Tensor) -> Tensor:
    """(B, tokens, width): the embedding of each row's prompt; each prompt goes through the encoder once."""
    if spoken is None:
        return null.expand(len(shows), -1, -1)
    combinations, place = torch.unique(shows, dim=0, return_inverse=True)
    labels = np.array(_labels(recipe))
    rows = [
        spoken.embed([prompt_of(recipe, labels[row.numpy()].tolist())])[0] if row.any() else null[0]
        for row in combinations
    ]
    return torch.stack(rows)[place.to(null.device)]


def _held_out(recipe: FinetuneRecipe, latents: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """The held-out latents and what they show; where nothing but tokens learns, those that show one, if any does."""
    z0, shows = latents["held_out"], latents["held_out_shows"]
    chosen = shows.any(dim=1)
    return (z0, shows) if recipe.lora or not chosen.any() else (z0[chosen], shows[chosen])


@torch.no_grad()
def _latents(encode: Callable[[Tensor], Tensor], images: UInt8, device: str) -> Tensor:
    parts = []
    for image in images:
        x = to_tensor(image[None]).to(device)
        parts.append(encode(torch.cat([x, x.flip(-1)])).half().cpu())
    return torch.stack(parts)


def _labels(recipe: FinetuneRecipe) -> tuple[str, ...]:
    return recipe.tokens.labels if recipe.tokens else ()
