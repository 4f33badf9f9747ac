"""From a fine-tuning to a prior's folder in diffusers' layout, which needs neither peft nor its base."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import save_file

from medaug.inverse.aligned import load_dtype
from medaug.inverse.priors.card import CARD, PriorCard
from medaug.inverse.priors.loaders.layout import parts_of
from medaug.inverse.priors.loaders.load import card_of
from medaug.storage.atomic import new_folder
from medaug.training.finetuning.learner import CHECKPOINT, Learner, encoded, learner, trained_card
from medaug.training.finetuning.lora import added_up
from medaug.training.finetuning.recipe import FinetuneRecipe
from medaug.training.image_pool import Pool
from medaug.training.train import LOG, PRIOR, log_to
from medaug.training.train_loop import train_loop

UNET = "unet/diffusion_pytorch_model.safetensors"


def finetune_on(
    recipe: FinetuneRecipe, read: Callable[[], Pool], out: Path, base: Path, device: str = "cpu"
) -> PriorCard:
    """Fine-tune, and write the prior to ``out/prior``; call it again to go on after an interruption.

    Args:
        recipe: with the digest of ``base`` in it (`finetune.tuned_from`).
        read: gives the images; not called when their latents are already in ``out``.
        out: folder for the latents, the checkpoint, ``log.jsonl`` and ``prior``.
        base: folder of the model, in diffusers' layout; left as it is.
        device: where it learns.

    Raises:
        PriorError: the data or ``out`` don't fit the recipe, or a package is missing.
    """
    out.mkdir(parents=True, exist_ok=True)
    log = log_to(out / LOG)
    found = learner(recipe, base, encoded(recipe, read, out, base, device), device)
    if not (out / CHECKPOINT).exists():
        log(stage="validation", step=0, **found.trainee.validate())
    train_loop(recipe.training, found.trainee, out / CHECKPOINT, log, resume=True)
    return write_tuned(recipe, found, base, out / PRIOR)


def write_tuned(recipe: FinetuneRecipe, found: Learner, base: Path, folder: Path) -> PriorCard:
    """Write the base with what was learned in it: LoRA added to the weights, tokens in the table of words.

    Weights are stored as precisely as the base's. The folder appears by one rename, in place of an earlier one.
    """
    with new_folder(folder) as staged:
        replaced = [*(["unet/"] if recipe.lora else []), *(["tokenizer/", "text_encoder/"] if found.words else [])]
        for name, path in parts_of(base, "diffusers").items():
            if name == "unet/config.json" or not name.startswith(tuple(replaced)):
                (staged / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, staged / name)
        if recipe.lora:
            kind = load_dtype(min((base / "unet").glob("*.safetensors")))  # of the base
            weights = {name: value.cpu().to(kind).contiguous() for name, value in added_up(found.unet).items()}
            save_file(weights, staged / UNET, metadata={"format": "pt"})
        if found.words:
            found.words.write(staged)
        (staged / CARD).write_text(json.dumps(trained_card(recipe, card_of(base))), encoding="utf-8")
        card = card_of(staged)  # loads it once, as a proof
        (staged / CARD).write_text(card.to_json(), encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
    return card
