from __future__ import annotations

import json
import math
import shutil
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

import medaug.training
from medaug.errors import PriorError
from medaug.inverse.priors.card import EMBEDDED, read_card
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.trained import FILES, load_embedded, load_trained
from medaug.training.export import described
from medaug.training.recipe import read_recipe
from tests.support.far_device import DEVICE, lies_whole


@pytest.fixture(scope="module")
def prior() -> LatentPrior:
    return load_embedded()


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    return Path(shutil.copytree(EMBEDDED, tmp_path / "prior"))


def _radiograph(side: int = 256) -> torch.Tensor:
    """A limb: soft tissue with a brighter shaft that has a denser rim, on black."""
    rows, columns = torch.meshgrid(torch.linspace(-1, 1, side), torch.linspace(-1, 1, side), indexing="ij")
    across = columns - 0.2 * rows + 0.05 * torch.sin(5 * rows)
    tissue = torch.sigmoid((0.6 - across.abs()) * 30)
    bone = torch.sigmoid((0.25 - across.abs()) * 40)
    rim = torch.exp(-(((across.abs() - 0.22) / 0.04) ** 2))
    return (-0.95 + 0.6 * tissue + 0.5 * bone + 0.3 * rim)[None, None]


def _psnr(a: torch.Tensor, b: torch.Tensor) -> float:
    return 10 * math.log10(4 / (a - b).square().mean().item())


def test_all_of_it_lies_on_the_device_that_was_asked_for() -> None:
    assert lies_whole(load_embedded(DEVICE), 64)


def test_it_is_small_and_what_its_card_says(prior: LatentPrior) -> None:
    card = prior.card
    assert (card.name, card.size, card.channels, card.stride) == ("radiograph-256", 256, 1, 8)
    assert sorted(card.files) == sorted(FILES)
    assert card.attribution
    assert card.licence
    assert card.not_for
    assert card.autoencoder_psnr_db is not None
    assert card.autoencoder_psnr_db > 36
    assert sum(p.stat().st_size for p in EMBEDDED.iterdir()) < 12e6


def test_its_card_says_all_that_must_be_known_of_a_prior(prior: LatentPrior) -> None:
    card = prior.card
    recipe = read_recipe(Path(medaug.training.__file__).parent / "recipes" / "radiograph-256.yaml")
    assert card.recipe == described(recipe)
    scale = 1 / load_file(EMBEDDED / "autoencoder.safetensors")["std"].flatten()
    assert torch.allclose(torch.tensor(card.latent_scale), scale, rtol=1e-3)
    assert {(w.solver, w.steps) for w in card.weights} == {("psld", 25), ("psld", 50)}
    controls = {name: row for name, row in card.quality.items() if name not in {"medaug", "two seeds"}}
    assert len(controls) == 3
    for name, row in controls.items():
        for judged in ("distance", "sharpness off", "noise off", "seam off"):
            assert card.quality["medaug"][judged] < row[judged], (name, judged)
    assert card.quality["two seeds"]["least"] > 0.02
    copies, drawn = card.copying["whole, copies"], card.copying["whole, generated"]
    assert copies["median"] < 0.1 * drawn["least"]
    assert card.copying["regions, generated"]["median"] > 0.9 * card.copying["regions, held out"]["median"]
    assert all(abs(card.autoencoder_spectrum[band] - 1) < 0.1 for band in ("32-45 px", "16-23 px", "11-16 px"))


def test_the_schedule_falls_from_one_to_zero(prior: LatentPrior) -> None:
    abar = prior.alphas_cumprod
    assert abar.dtype == torch.float32
    assert abar.shape == (1000,)
    assert (abar.diff() < 0).all()
    assert abar[0] > 0.99
    assert 0 < abar[-1] < 0.01


def test_the_autoencoder_keeps_a_radiograph(prior: LatentPrior) -> None:
    x = _radiograph()
    z = prior.encode(x)
    assert z.shape == (1, prior.card.latent_channels, 32, 32)
    assert 0.1 < z.std() < 3
    assert _psnr(prior.decode(z), x) > 38


def test_encoding_is_no_sample(prior: LatentPrior) -> None:
    assert torch.equal(prior.encode(_radiograph()), prior.encode(_radiograph()))


def test_a_little_noise_is_removed_and_much_is_not(prior: LatentPrior) -> None:
    z0 = prior.encode(_radiograph())
    noise = torch.randn(z0.shape, generator=torch.Generator().manual_seed(5))

    def error(t: int) -> float:
        a = prior.alphas_cumprod[t]
        found = prior.denoise(a.sqrt() * z0 + (1 - a).sqrt() * noise, torch.tensor([t]))
        return (found - z0).square().mean().sqrt().item()

    assert error(5) < 0.05
    assert error(950) > 0.2


def test_weights_are_frozen_and_gradients_reach_the_input(prior: LatentPrior) -> None:
    z = prior.encode(_radiograph(64)).requires_grad_(True)
    loss = prior.decode(prior.denoise(z, torch.tensor([300]))).square().sum()
    (gradient,) = torch.autograd.grad(loss, z)
    assert gradient.abs().sum() > 0
    assert not prior.encode(_radiograph(64)).requires_grad


@pytest.mark.parametrize("name", FILES)
def test_a_changed_file_is_refused_before_it_is_parsed(copied: Path, name: str) -> None:
    content = bytearray((copied / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copied / name).write_bytes(content)
    with pytest.raises(PriorError, match=f"{name}: expected sha256 {read_card(EMBEDDED).files[name]}, found"):
        load_trained(copied)


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(copied: Path, name: str) -> None:
    (copied / name).unlink()
    with pytest.raises(PriorError, match=f"expected {name} with sha256"):
        load_trained(copied)


def test_a_file_that_the_card_omits_is_refused(copied: Path) -> None:
    data = json.loads((copied / "card.json").read_text())
    data["files"] = {}
    (copied / "card.json").write_text(json.dumps(data))
    with pytest.raises(PriorError, match="no digest on the card"):
        load_trained(copied)


def test_a_folder_without_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(PriorError, match=r"expected a readable card\.json"):
        load_trained(tmp_path)
