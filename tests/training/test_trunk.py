from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import torch

from medaug.errors import PriorError
from medaug.inverse.aligned import load_tensors
from medaug.inverse.priors.card import EMBEDDED
from medaug.inverse.priors.loaders.trained import load_trained
from medaug.training.from_prior import base_autoencoder, start_network, started_from
from medaug.training.image_pool import Pool
from medaug.training.recipe import TrainingRecipe
from medaug.training.recipe_unet import fresh_network
from medaug.training.train import train_on
from medaug.training.trunk import between, named_prior, start_trunk
from tests.support.training import RECIPE


def _recipe(**changes: object) -> TrainingRecipe:
    data = {**RECIPE, "data": {"size": 64, "validation": 0.3}}
    return TrainingRecipe.model_validate({**data, **changes})


@pytest.fixture(scope="module")
def pool() -> Pool:
    draw = np.random.default_rng(2)
    images = np.repeat(np.repeat(draw.integers(0, 256, (12, 16, 16), dtype=np.uint8), 4, axis=1), 4, axis=2)
    names = tuple(f"{index}.png" for index in range(12))
    return Pool(names, images, np.full((12, 2), 64), np.arange(12) < 3)


@pytest.fixture(scope="module")
def trunk(pool: Pool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("trunk")
    train_on(_recipe(), lambda: pool, out)
    return out / "prior"


def test_a_linear_map_between_latents_is_found_both_ways() -> None:
    draw = torch.Generator().manual_seed(1)
    old, map_ = torch.randn((5, 3, 8, 8), generator=draw), torch.linalg.qr(torch.randn((6, 3), generator=draw)).Q
    new = torch.einsum("ij,njkl->nikl", map_, old)
    there, back = between(new, old)
    assert torch.allclose(back, map_, atol=1e-5)
    assert torch.allclose(there @ map_, torch.eye(3), atol=1e-5)


def test_on_the_trunks_own_latents_the_network_is_the_trunks(trunk: Path) -> None:
    prior = load_trained(trunk)
    draw = torch.Generator().manual_seed(1)
    net, z, t = fresh_network(_recipe(), 8), 0.3 * torch.randn((8, 1, 4, 8, 8), generator=draw), torch.tensor([300])
    start_trunk(net, trunk, base_autoencoder(trunk), z)
    with torch.no_grad():
        expected, found = prior.network(z[:, 0], t), net(z[:, 0], t).sample
        assert (found - expected).abs().mean() < 0.2 * expected.abs().mean()
        assert (found - expected.flip(0)).abs().mean() > 0.5 * expected.abs().mean()


def test_other_latents_start_from_it_and_the_card_says_so(trunk: Path, pool: Pool, tmp_path: Path) -> None:
    wide = {**RECIPE["autoencoder"], "channels": 6}  # type: ignore[dict-item]
    recipe = _recipe(autoencoder=wide, trunk=load_trained(trunk).card.sha256)
    card = train_on(recipe, lambda: pool, tmp_path, trunk=trunk)
    assert card.latent_channels == 6
    assert f"from the network of {recipe.trunk[:16]}" in card.recipe  # type: ignore[index]
    assert recipe.before_decay != _recipe(autoencoder=wide).before_decay
    assert recipe.first_stage == _recipe(autoencoder=wide).first_stage


@pytest.mark.parametrize("key", ["base", "trunk"])
def test_another_prior_than_the_recipes_is_refused(key: Literal["base", "trunk"], trunk: Path) -> None:
    embedded, other = (load_trained(folder).card.sha256 for folder in (EMBEDDED, trunk))
    assert named_prior(_recipe(**{key: embedded}), key, None) == EMBEDDED
    assert named_prior(_recipe(**{key: other}), key, trunk) == trunk
    for folder, found in ((None, embedded), (trunk, other)):
        with pytest.raises(
            PriorError, match=f"{key}: expected the folder of prior 0000000000000000, found {found[:16]}"
        ):
            named_prior(_recipe(**{key: "0" * 64}), key, folder)


def test_a_deeper_network_begins_as_its_base_and_learns_in_every_layer(trunk: Path, pool: Pool, tmp_path: Path) -> None:
    diffusion = {**RECIPE["diffusion"], "mid_layers": 3}  # type: ignore[dict-item]
    recipe = _recipe(diffusion=diffusion, base=load_trained(trunk).card.sha256)
    net, shallow = fresh_network(recipe, 8), fresh_network(_recipe(), 8)
    for one in (net, shallow):
        start_network(one, trunk)
    z, t = torch.randn((3, 4, 8, 8), generator=torch.Generator().manual_seed(1)), torch.tensor([10, 300, 900])
    with torch.no_grad():
        assert torch.equal(net(z, t).sample, shallow(z, t).sample)
    before = {name: value.half() for name, value in net.state_dict().items() if name not in shallow.state_dict()}
    assert {name.split(".")[1] for name in before} == {"resnets", "attentions"}

    train_on(recipe, lambda: pool, tmp_path, base=trunk)
    load_trained(tmp_path / "prior")
    after = load_tensors(tmp_path / "prior" / "unet.safetensors")
    assert not [name for name, value in before.items() if torch.equal(after[name], value)]


def test_the_middles_depth_is_told_by_digest_and_taken_over_from_a_base(
    trunk: Path, pool: Pool, tmp_path: Path
) -> None:
    diffusion = {**RECIPE["diffusion"], "mid_layers": 2}  # type: ignore[dict-item]
    deep = _recipe(diffusion=diffusion)
    assert deep.before_decay != _recipe().before_decay
    train_on(deep, lambda: pool, tmp_path)
    assert started_from(_recipe(), tmp_path / "prior").diffusion.mid_layers == 2
    assert started_from(deep, trunk).diffusion.mid_layers == 1
