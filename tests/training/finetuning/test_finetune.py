"""Fine-tuning a shrunk Stable Diffusion: the real architectures, a toy set of dark and bright "images"."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from torch import Tensor

from medaug.errors import PriorError, ProfileError
from medaug.inverse.priors.latent_prior import LatentPrior, target_of
from medaug.inverse.priors.loaders.diffusers import load_diffusers, load_network
from medaug.inverse.priors.loaders.text_encoder import prompt_embedding
from medaug.inverse.priors.networks.classifier_free_guidance import guided
from medaug.inverse.priors.networks.unet import schedule
from medaug.storage.archive import sha256_of
from medaug.training.diffusion import validate
from medaug.training.finetuning import learner
from medaug.training.finetuning.finetune import finetune_on
from medaug.training.finetuning.learner import CHECKPOINT, batch, tuned_from
from medaug.training.finetuning.recipe import FinetuneRecipe, finetuning, read_finetune_recipe
from medaug.training.finetuning.textual_inversion import token_of
from medaug.training.image_pool import Pool
from medaug.training.latents import LATENTS, write_tensors
from medaug.training.train_loop import Trainee, train_loop
from tests.support import prior_models as models

LOOP: dict[str, Any] = {
    "steps": 40,
    "batch": 8,
    "accumulate": 1,
    "rate": 0.02,
    "warmup": 5,
    "decay": 15,
    "precision": "float32",
    "ema": 0.8,
    "validate_every": 40,
    "checkpoint_every": 20,
}
DARK, BRIGHT = -1.0, 1.0


def recipe_of(base: Path, *, lora: bool = True, labels: tuple[str, ...] = (), **loop: Any) -> FinetuneRecipe:
    data = {
        "schema_version": 1,
        "name": "tuned",
        "seed": 3,
        "data": {"size": 16, "validation": 0.25},
        "lora": {"rank": 4, "alpha": 8.0} if lora else None,
        "tokens": {"labels": list(labels), "template": "{token}", "share": 0.5, "empty": 0.1},
        "training": {**LOOP, **loop},
        "card": {"licence": "the base's", "attribution": "us", "trained_on": "levels", "not_for": "anything"},
    }
    return tuned_from(FinetuneRecipe.model_validate(data), base)


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shrunk Stable Diffusion that learned what "dark" and "bright" mean; the empty prompt is dark to it."""
    path = models.speaking(models.colour(tmp_path_factory.mktemp("base") / "toy", prediction_type="v_prediction"))
    unet = load_network(path, "unet", "cpu").requires_grad_(True)
    said = torch.cat([prompt_embedding(path, text, models.WIDTH) for text in ("dark", "bright", "")])
    shown, alphas = torch.tensor([DARK, BRIGHT, DARK]), schedule({"beta_start": 8.5e-4, "beta_end": 0.012})

    def loss(step: int, _: int) -> Tensor:
        draw = torch.Generator().manual_seed(step)
        which = torch.arange(24) % 3
        z0 = shown[which].reshape(-1, 1, 1, 1).expand(-1, 4, 8, 8)
        t, noise = torch.randint(0, 1000, (24,), generator=draw), torch.randn(z0.shape, generator=draw)
        a = alphas[t].reshape(-1, 1, 1, 1)
        output = unet(a.sqrt() * z0 + (1 - a).sqrt() * noise, t, said[which], return_dict=False)[0]
        return (output - target_of("v_prediction", z0, noise, a)).square().mean()

    plan = LOOP | {"steps": 90, "rate": 0.015}
    trainee = Trainee(dict(unet.named_parameters()), loss, dict, "toy")
    train_loop(finetune_loop(plan), trainee, path.with_name("toy.safetensors"), lambda **_: None, resume=False)
    unet.save_pretrained(path / "unet", safe_serialization=True)
    return path


def finetune_loop(plan: dict[str, Any]) -> Any:
    from medaug.training.finetuning.recipe import LoopRecipe

    return LoopRecipe.model_validate(plan)


def shown_as(level: float, labelled: bool = False, count: int = 12) -> dict[str, Tensor]:
    shows = torch.full((count, 1 if labelled else 0), labelled)
    images = torch.full((count, 2, 4, 8, 8), level).half()
    held = {"held_out": images[:4].clone(), "held_out_shows": shows[:4].clone()}
    return {"train": images, "train_shows": shows, **held}


def tune(recipe: FinetuneRecipe, base: Path, out: Path, latents: dict[str, Tensor]) -> LatentPrior:
    out.mkdir(exist_ok=True)
    write_tensors(latents, out / LATENTS, recipe.images)
    finetune_on(recipe, _not_read, out, base)
    return load_diffusers(out / "prior")


def _not_read() -> Pool:
    raise AssertionError("the latents were there")


def losses(out: Path) -> list[float]:
    lines = [json.loads(line) for line in (out / "log.jsonl").read_text().splitlines()]
    return [line["loss"] for line in lines if line["stage"] == "validation"]


def floor(base: Path, prompt: str, level: float) -> float:
    """The loss of the base under words that it knows: no token can do better than the right one."""
    return loss_under(guided(load_diffusers(base), prompt, 1.0), level)


def loss_under(prior: LatentPrior, level: float) -> float:
    held, alphas = shown_as(level)["held_out"], prior.alphas_cumprod
    return validate(lambda z, t, _: prior.network(z, t), held, alphas, torch.ones(4), 3)["loss"]


def seen_in_noise(prior: LatentPrior) -> float:
    """The level that the network makes of almost pure noise."""
    z = torch.randn((8, 4, 8, 8), generator=torch.Generator().manual_seed(9))
    with torch.no_grad():
        return prior.denoise(z, torch.full((8,), 950)).mean().item()


@pytest.fixture(scope="module")
def adapted(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lora")
    tune(recipe_of(base), base, out, shown_as(BRIGHT))
    return out


def test_the_toy_base_knows_its_words(base: Path) -> None:
    prior = load_diffusers(base)
    assert seen_in_noise(prior) < -0.7
    assert seen_in_noise(guided(prior, "dark", 1.0)) < -0.7
    assert seen_in_noise(guided(prior, "bright", 1.0)) > 0.7


def test_lora_learns_what_it_is_shown(adapted: Path) -> None:
    before, after = losses(adapted)
    assert after < 0.25 * before
    assert seen_in_noise(load_diffusers(adapted / "prior")) > 0.7


def test_lora_leaves_all_but_the_network_as_it_was(base: Path, adapted: Path) -> None:
    was, now = load_diffusers(base).card, load_diffusers(adapted / "prior").card
    changed = {name for name in {*was.files, *now.files} if was.files.get(name) != now.files.get(name)}
    assert changed == {"unet/diffusion_pytorch_model.safetensors"}
    assert was.sha256 in now.recipe
    assert now.sha256 != was.sha256
    assert (now.name, now.attribution, now.licence) == ("tuned", "us", was.licence)
    assert now.weights == ()


def test_a_token_learns_its_class_and_nothing_else_changes(base: Path, tmp_path: Path) -> None:
    recipe = recipe_of(base, lora=False, labels=("odd blob",), rate=0.05)
    prior = tune(recipe, base, tmp_path, shown_as(BRIGHT, labelled=True))
    before, after = losses(tmp_path)
    least = floor(base, "bright", BRIGHT)
    assert after - least < 0.1 * (before - least)
    was = load_diffusers(base)
    prompt = learner.prompt_of(recipe, ["odd blob"])
    assert prompt == "<odd-blob>"
    assert seen_in_noise(guided(prior, prompt, 1.0)) > 0.7
    dark = tune(recipe, base, tmp_path / "dark", shown_as(DARK, labelled=True))
    assert seen_in_noise(guided(dark, prompt, 1.0)) < -0.7  # the same start, another class
    assert seen_in_noise(prior) == seen_in_noise(was)  # the empty prompt
    assert seen_in_noise(guided(prior, "bright", 1.0)) == seen_in_noise(guided(was, "bright", 1.0))
    assert sha256_of(_unet(tmp_path / "prior")) == sha256_of(_unet(base))


@pytest.mark.slow  # another 40 steps of training
def test_a_prior_with_a_token_can_be_tuned_again_from_where_it_is(base: Path, tmp_path: Path) -> None:
    tune(recipe_of(base, lora=False, labels=("blob",), rate=0.05), base, tmp_path / "a", shown_as(BRIGHT, True))
    first = tmp_path / "a" / "prior"
    tune(recipe_of(first, lora=False, labels=("blob",), steps=1), first, tmp_path / "b", shown_as(BRIGHT, True))
    assert losses(tmp_path / "b")[0] == pytest.approx(losses(tmp_path / "a")[-1], rel=0.05)


@pytest.mark.slow  # another 40 steps of training
def test_lora_and_tokens_learn_together(base: Path, tmp_path: Path) -> None:
    dark, bright = shown_as(DARK, True), shown_as(BRIGHT, True)
    latents = {key: torch.cat([dark[key], bright[key]]) for key in dark}
    latents["train_shows"][:12] = latents["held_out_shows"][:4] = False
    prior = tune(recipe_of(base, labels=("blob",)), base, tmp_path, latents)
    before, after = losses(tmp_path)
    least = (floor(base, "bright", BRIGHT) + floor(base, "dark", DARK)) / 2
    assert after - least < 0.1 * (before - least)
    assert seen_in_noise(guided(prior, "<blob>", 1.0)) > 0.7
    assert loss_under(prior, DARK) < 1.2 * floor(base, "dark", DARK)  # the empty prompt: without the label, still dark


class _InterruptedError(Exception):
    pass


@pytest.mark.parametrize("labels", [pytest.param((), marks=pytest.mark.slow), ("blob",)])
def test_an_interrupted_run_equals_an_uninterrupted_one(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, labels: tuple[str, ...]
) -> None:
    recipe = recipe_of(base, labels=labels, steps=3, checkpoint_every=1, decay=1)
    tune(recipe, base, tmp_path / "whole", shown_as(BRIGHT, bool(labels)))
    with monkeypatch.context() as patch:
        patch.setattr(learner, "batch", _failing_at(2, learner.batch))
        with pytest.raises(_InterruptedError):
            tune(recipe, base, tmp_path / "cut", shown_as(BRIGHT, bool(labels)))
    assert not (tmp_path / "cut" / "prior").exists()
    tune(recipe, base, tmp_path / "cut", shown_as(BRIGHT, bool(labels)))
    for name in (CHECKPOINT, *(f"prior/{part}" for part in load_diffusers(tmp_path / "whole" / "prior").card.files)):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes(), name


def _failing_at(call: int, function: Callable[..., Any]) -> Callable[..., Any]:
    calls = iter(range(call))

    def failing(*args: Any) -> Any:
        if next(calls) == call - 1:
            raise _InterruptedError
        return function(*args)

    return failing


def test_a_batch_in_parts_gives_the_same_weights_up_to_rounding(base: Path, tmp_path: Path) -> None:
    weights = []
    for parts in (1, 4):
        recipe = recipe_of(base, steps=2, accumulate=parts)
        out = tmp_path / str(parts)
        tune(recipe, base, out, shown_as(BRIGHT))
        weights.append(load_network(out / "prior", "unet", "cpu").state_dict())
    one, four = weights
    start = load_network(base, "unet", "cpu").state_dict()
    moved = max((one[name] - start[name]).abs().max().item() for name in one)
    assert max((one[name] - four[name]).abs().max().item() for name in one) < 0.01 * moved


@pytest.mark.slow  # another 40 steps of training
def test_mixed_precision_learns_too(base: Path, tmp_path: Path) -> None:
    tune(recipe_of(base, precision="bfloat16", steps=40), base, tmp_path, shown_as(BRIGHT))
    before, after = losses(tmp_path)
    assert after < 0.5 * before


def test_a_step_hangs_on_its_number_alone_and_keeps_the_share(base: Path) -> None:
    recipe = recipe_of(base, labels=("blob",), batch=400)
    latents = shown_as(DARK, True, count=100)
    latents["train_shows"] = (torch.arange(100) < 5)[:, None]
    z0, t, noise, shows = batch(recipe, latents, 5, 1000)
    assert all(torch.equal(a, b) for a, b in zip((z0, t, noise, shows), batch(recipe, latents, 5, 1000), strict=True))
    assert not torch.equal(noise, batch(recipe, latents, 6, 1000)[2])
    assert 0.38 < shows.float().mean() < 0.52  # 0.5, of which a tenth under the empty prompt
    alone = batch(recipe.model_copy(update={"lora": None}), latents, 5, 1000)[3]
    assert alone.all()


def test_latents_come_from_the_models_own_encoder_with_their_labels(base: Path, tmp_path: Path) -> None:
    import numpy as np

    images = np.random.default_rng(1).integers(0, 256, (4, 16, 16), dtype=np.uint8)
    held = np.array([False, False, False, True])
    labels = (("blob", "other"), (), ("blob",), ())
    pool = Pool(tuple("abcd"), images, np.full((4, 2), 16), held, None, labels)
    recipe = recipe_of(base, labels=("blob",))
    latents = learner.encoded(recipe, lambda: pool, tmp_path, base, "cpu")
    prior = load_diffusers(base)
    x = torch.from_numpy(images[:1]).float().div(127.5).sub(1)[:, None]
    assert torch.allclose(latents["train"][0, 1].float(), prior.encode(x.flip(-1))[0], atol=1e-3)
    assert not torch.allclose(latents["train"][0, 0].float(), prior.encode(x.flip(-1))[0], atol=1e-2)
    assert latents["train_shows"].flatten().tolist() == [True, False, True]
    assert latents["held_out"].shape == (1, 2, 4, 8, 8)
    other = recipe_of(base, labels=("nodule",))
    with pytest.raises(PriorError, match=r"a box of 'nodule' .* found none; the labels there are: blob, other"):
        learner.encoded(other, lambda: pool, tmp_path / "other", base, "cpu")
    with pytest.raises(PriorError, match="another recipe's"):
        learner.encoded(other, lambda: pool, tmp_path, base, "cpu")


def test_an_unconditional_model_takes_lora_and_no_token(tmp_path: Path) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        blocks = {
            "down_block_types": ("DownBlock2D", "AttnDownBlock2D"),
            "up_block_types": ("AttnUpBlock2D", "UpBlock2D"),
        }
        plain = models.folder(tmp_path / "plain", models.vae(1), models.unet("UNet2DModel", **blocks))
    tune(recipe_of(plain, steps=2), plain, tmp_path / "out", shown_as(BRIGHT))
    assert load_diffusers(tmp_path / "out" / "prior").card.sha256 != load_diffusers(plain).card.sha256
    with pytest.raises(PriorError, match="expected a UNet2DConditionModel"):
        tune(recipe_of(plain, labels=("blob",)), plain, tmp_path / "no", shown_as(BRIGHT, True))
    with pytest.raises(PriorError, match="expected something to learn"):
        tune(recipe_of(plain, lora=False), plain, tmp_path / "nothing", shown_as(BRIGHT))


def test_what_cant_be_tuned_is_refused(base: Path, tmp_path: Path) -> None:
    from medaug.inverse.priors.card import EMBEDDED

    recipe = recipe_of(base)
    with pytest.raises(PriorError, match="expected diffusers' layout for LoRA"):
        tuned_from(recipe, EMBEDDED)
    with torch.random.fork_rng(devices=[]):
        deep = {
            "block_out_channels": (8,) * 4,
            "down_block_types": ("DownBlock2D",) * 4,
            "up_block_types": ("UpBlock2D",) * 4,
        }
        plain = models.folder(tmp_path / "deep", models.vae(1), models.unet("UNet2DModel", **deep))
    with pytest.raises(PriorError, match=r"data\.size: expected a multiple of 16 for prior deep, found 24"):
        tuned_from(recipe.model_copy(update={"data": recipe.data.model_copy(update={"size": 24})}), plain)
    quiet = models.null(models.colour(tmp_path / "quiet"))
    with pytest.raises(PriorError, match="found no text_encoder/ and tokenizer/"):
        tune(recipe_of(quiet, labels=("blob",)), quiet, tmp_path / "no", shown_as(BRIGHT, True))


def test_tokens_are_plain_and_differ() -> None:
    assert token_of("Femoral fracture (left)") == "<femoral-fracture-left>"
    with pytest.raises(PriorError, match="expected a letter or digit"):
        token_of("骨折")


def test_two_labels_with_one_token_are_refused(base: Path, tmp_path: Path) -> None:
    recipe = recipe_of(base, labels=("a b", "a-b"))
    latents = shown_as(BRIGHT, True) | {"train_shows": torch.ones(12, 2, dtype=torch.bool)}
    with pytest.raises(PriorError, match="the same twice"):
        tune(recipe, base, tmp_path / "no", latents)


@pytest.mark.parametrize(
    ("part", "key", "value", "message"),
    [
        ("training", "accumulate", 3, r"batch \(8\) must be a multiple of accumulate \(3\)"),
        ("tokens", "template", "an x-ray", "pattern"),
        ("training", "stepss", 3, r"training\.stepss: Extra inputs"),
    ],
)
def test_a_malformed_recipe_is_refused(tmp_path: Path, part: str, key: str, value: object, message: str) -> None:
    data = yaml.safe_load(finetuning().read_text())
    assert read_finetune_recipe(finetuning()).name == "yours-tuned"
    data[part][key] = value
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ProfileError, match=message):
        read_finetune_recipe(tmp_path / "r.yaml")


def test_a_recipe_that_learns_nothing_is_refused(tmp_path: Path) -> None:
    data = yaml.safe_load(finetuning().read_text()) | {"lora": None, "tokens": None}
    (tmp_path / "r.yaml").write_text(yaml.safe_dump(data))
    with pytest.raises(ProfileError, match="nothing would learn"):
        read_finetune_recipe(tmp_path / "r.yaml")


def _unet(folder: Path) -> Path:
    return folder / "unet" / "diffusion_pytorch_model.safetensors"
