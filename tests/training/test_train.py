from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from PIL import Image
from safetensors.torch import load_file

from medaug.errors import PriorError
from medaug.inverse.priors.card import digest_of
from medaug.inverse.priors.loaders.trained import load_trained
from medaug.inverse.priors.rectified_flow import flow_schedule
from medaug.training import diffusion
from medaug.training.diffusion import CHECKPOINT, batch
from medaug.training.export import export, logged_psnr
from medaug.training.image_pool import read_pool
from medaug.training.latents import AUTOENCODER, LATENTS
from medaug.training.next_cycle import begin_last_cycle
from medaug.training.recipe import TrainingRecipe, read_recipe
from medaug.training.train import LOG, PRIOR, train
from tests.support.training import RECIPE


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("images")
    draw = np.random.default_rng(1)
    for index in range(16):
        folder = root / ("a" if index < 12 else "b")
        folder.mkdir(exist_ok=True)
        cells = Image.fromarray(draw.integers(0, 256, (12, 9), dtype=np.uint8))
        cells.resize((48, 64), Image.Resampling.BICUBIC).save(folder / f"{index}.png")
    return root


@pytest.fixture(scope="module")
def recipe_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("recipe") / "tiny.yaml"
    path.write_text(yaml.safe_dump(RECIPE))
    return path


@pytest.fixture(scope="module")
def run(images: Path, recipe_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("run")
    train(recipe_path, images, out)
    return out


class _InterruptedError(Exception):
    pass


def test_an_interrupted_run_equals_an_uninterrupted_one(
    run: Path, images: Path, recipe_path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(diffusion, "diffusion_loss", _failing_at(3, diffusion.diffusion_loss))
        with pytest.raises(_InterruptedError):
            train(recipe_path, images, tmp_path)
    assert (tmp_path / CHECKPOINT).read_bytes() != (run / CHECKPOINT).read_bytes()
    train(recipe_path, images, tmp_path)
    for name in (AUTOENCODER, LATENTS, CHECKPOINT):
        assert (tmp_path / name).read_bytes() == (run / name).read_bytes(), name


def test_a_recipe_of_a_rectified_flow_gives_a_prior_of_one(run: Path, images: Path, tmp_path: Path) -> None:
    plan = {**RECIPE["diffusion"], "predicts": "flow"}  # type: ignore[dict-item]
    (tmp_path / "flow.yaml").write_text(yaml.safe_dump({**RECIPE, "diffusion": plan}))
    train(tmp_path / "flow.yaml", images, tmp_path / "run")
    prior = load_trained(tmp_path / "run" / PRIOR)
    assert prior.card.prediction_type == "flow"
    assert torch.equal(prior.alphas_cumprod, flow_schedule(1000))
    assert (tmp_path / "run" / LATENTS).read_bytes() == (run / LATENTS).read_bytes()
    assert (tmp_path / "run" / CHECKPOINT).read_bytes() != (run / CHECKPOINT).read_bytes()


def test_the_loss_of_a_flow_is_of_its_velocity_in_its_states() -> None:
    z0, noise = torch.randn((2, 3, 1, 4, 4), generator=torch.Generator().manual_seed(1))
    t, seen = torch.tensor([99, 499, 899]), []

    def network(x: torch.Tensor, time: torch.Tensor, **_: bool) -> tuple[torch.Tensor]:
        seen.append((x, time))
        return (noise - z0,)

    loss = diffusion.diffusion_loss(network, (z0, t, noise), flow_schedule(1000), torch.ones(1), "flow")  # type: ignore[arg-type]
    s = ((t + 1) / 1000).reshape(-1, 1, 1, 1)
    assert loss == 0
    assert torch.allclose(seen[0][0], (1 - s) * z0 + s * noise, atol=1e-6)
    assert torch.equal(seen[0][1], t + 1)


@pytest.mark.parametrize("drop", [None, 3], ids=["whole", "interrupted after the restart"])
def test_a_second_cycle_goes_on_from_the_exported_prior_of_the_first(
    run: Path, images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop: int | None
) -> None:
    """So weights that shipped can be trained on, and what comes of it is still what one recipe gives."""
    plan = {**RECIPE["diffusion"], "steps": 7, "restarts": [4]}  # type: ignore[dict-item]
    (tmp_path / "long.yaml").write_text(yaml.safe_dump({**RECIPE, "diffusion": plan}))
    recipe = read_recipe(tmp_path / "long.yaml")
    went_on = tmp_path / "went on"
    begin_last_cycle(recipe, lambda: read_pool(images, recipe.data), went_on, run / PRIOR)
    if drop:
        with monkeypatch.context() as patch:
            patch.setattr(diffusion, "diffusion_loss", _failing_at(drop, diffusion.diffusion_loss))
            with pytest.raises(_InterruptedError):
                train(tmp_path / "long.yaml", images, went_on)
    train(tmp_path / "long.yaml", images, went_on)
    train(tmp_path / "long.yaml", images, tmp_path / "anew")
    assert (went_on / CHECKPOINT).read_bytes() == (tmp_path / "anew" / CHECKPOINT).read_bytes()
    assert (went_on / CHECKPOINT).read_bytes() != (run / CHECKPOINT).read_bytes()


def _failing_at(call: int, function: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    calls = iter(range(call))

    def failing(*args: Any) -> torch.Tensor:
        if next(calls) == call - 1:
            raise _InterruptedError
        return function(*args)

    return failing


def test_the_log_is_json_lines_with_the_loss_by_noise_level(run: Path) -> None:
    lines = [json.loads(line) for line in (run / LOG).read_text().splitlines()]
    validation = [line for line in lines if line["stage"] == "validation"]
    assert [line["step"] for line in validation] == [2, 4]
    assert all(line[f"loss_{level}"] > 0 for line in validation for level in (50, 400, 950))
    assert all("seconds" in line for line in lines)


def test_an_exported_run_is_a_prior(run: Path, recipe_path: Path, tmp_path: Path) -> None:
    card = export(read_recipe(recipe_path), run, tmp_path, logged_psnr(run / LOG))
    prior = load_trained(tmp_path)
    assert prior.card == card
    assert card.autoencoder_psnr_db is not None
    z = prior.encode(torch.zeros(1, 1, 64, 64))
    assert prior.denoise(z, torch.tensor([500])).shape == (1, 4, 8, 8)


def test_a_finished_run_holds_its_prior(run: Path, recipe_path: Path, tmp_path: Path) -> None:
    assert load_trained(run / PRIOR).card == export(read_recipe(recipe_path), run, tmp_path, logged_psnr(run / LOG))


def test_exporting_again_keeps_the_calibration(run: Path, recipe_path: Path, tmp_path: Path) -> None:
    recipe = read_recipe(recipe_path)
    export(recipe, run, tmp_path, None)
    data = json.loads((tmp_path / "card.json").read_text())
    data["weights"] = [{"solver": "psld", "steps": 25, "start": 0.6, "omega": 1.0, "gamma": 0.1}]
    (tmp_path / "card.json").write_text(json.dumps(data))
    card = export(recipe, run, tmp_path, None)
    assert card.weights_for("psld", 25, 0.6).gamma == 0.1
    assert card.sha256 == data["sha256"]


def test_exporting_again_keeps_what_was_measured_of_the_same_weights(
    run: Path, recipe_path: Path, tmp_path: Path
) -> None:
    recipe = read_recipe(recipe_path)
    export(recipe, run, tmp_path, None)
    data = json.loads((tmp_path / "card.json").read_text()) | {"quality": {"medaug": {"distance": 0.1}}}
    (tmp_path / "card.json").write_text(json.dumps(data))
    assert export(recipe, run, tmp_path, None).quality == {"medaug": {"distance": 0.1}}
    data["files"]["unet.safetensors"] = "0" * 64
    data["sha256"] = digest_of(data["files"])
    (tmp_path / "card.json").write_text(json.dumps(data))
    assert export(recipe, run, tmp_path, None).quality == {}


@pytest.mark.parametrize(("part", "key"), [("autoencoder", "width"), ("diffusion", "batch")])
def test_a_folder_of_another_recipe_is_refused(run: Path, images: Path, tmp_path: Path, part: str, key: str) -> None:
    changed = json.loads(json.dumps(RECIPE))
    changed[part][key] = 4
    (tmp_path / "other.yaml").write_text(yaml.safe_dump(changed))
    before = (run / CHECKPOINT).read_bytes()
    with pytest.raises(PriorError, match="start in an empty folder"):
        train(tmp_path / "other.yaml", images, run)
    assert (run / CHECKPOINT).read_bytes() == before


def test_a_batch_in_parts_gives_the_same_weights_up_to_rounding(run: Path, images: Path, tmp_path: Path) -> None:
    changed = json.loads(json.dumps(RECIPE))
    changed["diffusion"] |= {"accumulate": 3, "precision": "float32"}
    whole = json.loads(json.dumps(changed))
    whole["diffusion"]["accumulate"] = 1
    weights = []
    for name, data in (("parts", changed), ("whole", whole)):
        (tmp_path / f"{name}.yaml").write_text(yaml.safe_dump(data))
        train(tmp_path / f"{name}.yaml", images, tmp_path / name)
        weights.append(load_file(tmp_path / name / CHECKPOINT))
    parts, once = ({k: v for k, v in w.items() if k.startswith("net.")} for w in weights)
    other = load_file(run / CHECKPOINT)  # which ran in bfloat16
    assert _apart(parts, once) < 1e-6 < 0.1 * _apart(parts, other)


def _apart(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> float:
    return float(torch.cat([(one[name] - other[name]).abs().flatten() for name in one]).mean())


def test_a_batch_hangs_on_its_step_alone_and_keeps_the_shares() -> None:
    recipe = TrainingRecipe.model_validate({**RECIPE, "diffusion": {**RECIPE["diffusion"], "batch": 400}})  # type: ignore[dict-item]
    folder = torch.tensor([0] * 2 + [1] * 90 + [-1] * 8)
    latents = {"train": torch.arange(100.0).reshape(100, 1, 1, 1, 1).expand(100, 2, 1, 1, 1), "folder": folder}
    z0, t, noise, masks = batch(recipe, latents, 5, 1000)
    assert masks is None
    again = batch(recipe, latents, 5, 1000)
    other = batch(recipe, latents, 6, 1000)
    assert all(torch.equal(a, b) for a, b in zip((z0, t, noise), again[:3], strict=True))
    assert not torch.equal(noise, other[2])
    drawn = folder[z0.flatten().long()]
    assert (drawn >= 0).all()  # outside the shares: never
    assert 0.65 < (drawn == 0).float().mean() < 0.85  # 0.75 asked for, 2 % of the images
    assert t.sort().values.equal(t)  # spread evenly: one per 1/400 of the schedule
    assert t.diff().max() <= 5
