from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from medaug.errors import PriorError, ReadError
from medaug.inverse.priors.card import EMBEDDED
from medaug.inverse.priors.loaders.trained import load_trained
from medaug.storage.archive import sha256_of
from medaug.training import diffusion, from_prior
from medaug.training.ambient_diffusion import REACH, further, known_cells, without_lesions
from medaug.training.diffusion import train_diffusion
from medaug.training.from_prior import ambient_recipe, pool_of, started_from, yours
from medaug.training.image_pool import Pool
from medaug.training.latents import LATENTS
from medaug.training.own_images import PriorSquares, presented
from medaug.training.recipe import AmbientRecipe, TrainingRecipe, read_recipe
from medaug.training.recipe_unet import fresh_network
from medaug.training.train import train_on
from tests.support import make
from tests.support.small_runs import boxes, small_profile
from tests.support.training import RECIPE

SIZE = 64


def _recipe(**changes: object) -> TrainingRecipe:
    merged = json.loads(json.dumps(RECIPE))
    merged["data"]["shares"] = {}
    for key, value in changes.items():
        merged[key] = {**merged[key], **value} if isinstance(value, dict) and key in merged else value
    return TrainingRecipe.model_validate(merged)


@pytest.fixture(scope="module")
def export(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("in")
    for number in (1, 2, 3, 4):
        make.radiograph(folder / "xray", name=f"x{number}.dcm", rows=120, columns=100, seed=number)
    return folder


@pytest.fixture(scope="module")
def found(export: Path, tmp_path_factory: pytest.TempPathFactory) -> PriorSquares:
    other = tmp_path_factory.mktemp("other")
    return presented(export, small_profile(other), SIZE, annotations=[boxes(other / "boxes.json")])


def test_images_are_presented_as_a_run_presents_them(found: PriorSquares) -> None:
    assert found.images.shape == (4, SIZE, SIZE)
    assert found.images.dtype == np.float32
    assert -1 <= found.images.min() < found.images.max() <= 1
    assert sorted(found.lesions.any(axis=(1, 2)).tolist()) == [False, False, True, True]
    assert found.extents.tolist() == [[64, 53]] * 4
    assert [bool(labels) for labels in found.labels] == found.lesions.any(axis=(1, 2)).tolist()
    assert len(set(found.patients)) == 4
    assert not any("x1" in name for name in found.names)


def test_a_limit_takes_one_slice_of_each_source_first(tmp_path: Path) -> None:
    make.series(tmp_path / "in" / "ct", slices=6, seed=9)
    make.radiograph(tmp_path / "in" / "xray", name="x.dcm", rows=120, columns=100, seed=1)
    some = presented(tmp_path / "in", small_profile(tmp_path), SIZE, limit=2)
    assert len({name.split("/")[0] for name in some.names}) == 2
    assert len(presented(tmp_path / "in", small_profile(tmp_path), SIZE).images) == 7


def test_nothing_usable_says_why(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x.dcm", identity_removed=None)
    with pytest.raises(ReadError, match="identity"):
        presented(tmp_path / "in", small_profile(tmp_path), SIZE)


def _presented(patients: str, lesions: bool = False) -> PriorSquares:
    count = len(patients)
    draw = np.random.default_rng(3)
    images = draw.uniform(-1, 1, (count, SIZE, SIZE)).astype(np.float32)
    mask = np.zeros((count, SIZE, SIZE), dtype=np.bool_)
    mask[:, 20:30, 40:52] = lesions
    names = tuple(f"{index:02}/0" for index in range(count))
    return PriorSquares(images, mask, np.full((count, 2), SIZE), tuple(patients), names)


def test_a_patients_images_are_on_one_side() -> None:
    pool = pool_of(_presented("aabbbcdddd"), 0.25, hide=False)
    sides = {patient: set(pool.held_out[[p == patient for p in "aabbbcdddd"]].tolist()) for patient in "abcd"}
    assert all(len(side) == 1 for side in sides.values())
    assert sum(side == {True} for side in sides.values()) == 1
    assert pool.hidden is None
    with pytest.raises(PriorError, match="at least two patients"):
        pool_of(_presented("aaa"), 0.25, hide=False)


def test_what_is_boxed_never_reaches_the_training() -> None:
    one, other = _presented("abcd", lesions=True), _presented("abcd", lesions=True)
    other.images[other.lesions] = 0.77
    assert not np.array_equal(one.images, other.images)
    first, second = pool_of(one, 0.25, hide=True), pool_of(other, 0.25, hide=True)
    assert np.array_equal(first.images, second.images)
    assert not np.array_equal(pool_of(one, 0.25, hide=False).images, pool_of(other, 0.25, hide=False).images)


def test_a_cell_that_a_lesion_reaches_is_unknown() -> None:
    lesions = np.zeros((1, 128, 128), dtype=np.bool_)
    lesions[0, 64, 64] = True
    known = known_cells(lesions, 8)[0, 0]
    assert known.shape == (16, 16)
    unknown = (~known).nonzero()
    assert (unknown.min(0).values.tolist(), unknown.max(0).values.tolist()) == ([8 - REACH] * 2, [8 + REACH] * 2)


def test_no_lesion_changes_a_known_latent() -> None:
    prior = load_trained(EMBEDDED)
    images = np.random.default_rng(2).integers(0, 256, (1, 128, 128), dtype=np.uint8)
    lesions = np.zeros((1, 128, 128), dtype=np.bool_)
    lesions[0, 50:70, 61:80] = True

    def latents(shown: np.ndarray) -> torch.Tensor:
        return prior.encode(torch.from_numpy(shown).float()[:, None] / 127.5 - 1)

    seen, hidden = latents(images), latents(without_lesions(images, lesions))
    known = known_cells(lesions, 8).expand_as(seen)
    assert torch.equal(seen[known], hidden[known])
    assert not torch.allclose(seen[~known], hidden[~known], atol=1e-2)


def test_what_the_network_sees_is_less_than_what_is_known() -> None:
    known = torch.ones(50, 1, 16, 16, dtype=torch.bool)
    known[:, :, 3:6, 3:6] = False
    seen = further(known, AmbientRecipe(rate=0.1, side=0.25), torch.Generator().manual_seed(1))
    assert not (seen & ~known).any()
    share = seen.sum() / known.sum()
    assert 0.9 * (1 - 1 / 16) - 0.03 < share < 0.9 * (1 - 1 / 16) + 0.03
    assert (~seen).float().mean(0).min() > 0  # each cell is hidden in some


@pytest.mark.slow  # 150 steps of training
def test_a_network_learns_what_it_never_sees_whole(tmp_path: Path) -> None:
    """Each toy "image" has one level all over, and garbage in a square that hides what was there."""
    recipe = _recipe(
        ambient={"rate": 0.1, "side": 0.25},
        autoencoder={"channels": 1},
        diffusion={
            "channels": [16, 16],
            "steps": 150,
            "batch": 16,
            "rate": 3e-3,
            "warmup": 10,
            "decay": 50,
            "ema": 0.9,
            "precision": "float32",
            "validate_every": 1000,
            "checkpoint_every": 1000,
        },
    )
    draw = torch.Generator().manual_seed(1)
    level = torch.randint(0, 2, (64, 1, 1, 1, 1), generator=draw) * 2.0 - 1
    truth = level.expand(64, 2, 1, 8, 8).clone()
    known = torch.ones(64, 2, 1, 8, 8, dtype=torch.bool)
    for index in range(64):
        top, left = torch.randint(0, 5, (2,), generator=draw).tolist()
        known[index, :, :, top : top + 4, left : left + 4] = False
    shown = torch.where(known, truth, 9.0)
    latents = {"train": shown, "held_out": truth[:8], "folder": torch.zeros(64, dtype=torch.long), "known": known}
    net = train_diffusion(recipe, latents, torch.ones(1), tmp_path, lambda **_: None, resume=False)
    alphas = diffusion.schedule()
    t = 500
    a = alphas[t]
    noise = torch.randn((32, 1, 8, 8), generator=draw)
    z_t = a.sqrt() * truth[:32, 0] + (1 - a).sqrt() * noise
    with torch.no_grad():
        v = diffusion.telling_all(net, 1)(z_t, torch.full((32,), t))
    error = (a.sqrt() * z_t - (1 - a).sqrt() * v - truth[:32, 0]).square()
    hidden = ~known[:32, 0]
    assert error[hidden].mean().sqrt() < 0.35  # knowing nothing: 1.0; painting the garbage: 8.0
    assert error[hidden].mean() < 2 * error[~hidden].mean() + 0.02  # as well as where it was seen


def test_ones_own_images_become_a_prior_and_the_next_starts_from_it(found: PriorSquares, tmp_path: Path) -> None:
    pool = pool_of(found, 0.25, hide=True)
    calls: list[int] = []

    def read() -> Pool:
        calls.append(1)
        return pool

    first = train_on(_recipe(), read, tmp_path / "one")
    train_on(_recipe(), read, tmp_path / "one")
    assert calls == [1]  # the latents were there
    base = tmp_path / "one" / "prior"
    recipe = ambient_recipe(started_from(_recipe(name="next", autoencoder={"width": 32}), base))
    assert (recipe.base, recipe.autoencoder.width) == (first.sha256, 8)
    second = train_on(recipe, read, tmp_path / "two", base=base)
    prior = load_trained(tmp_path / "two" / "prior")
    assert prior.card == second
    assert second.files["autoencoder.safetensors"] == sha256_of(base / "autoencoder.safetensors")
    assert second.latent_channels == first.latent_channels == 4
    z = prior.encode(torch.zeros(1, 1, SIZE, SIZE))
    assert prior.denoise(z, torch.tensor([500])).shape == z.shape
    assert (tmp_path / "two" / LATENTS).exists()
    with pytest.raises(PriorError, match="add --ambient"):
        train_on(
            started_from(_recipe(), tmp_path / "two" / "prior"),
            read,
            tmp_path / "three",
            base=tmp_path / "two" / "prior",
        )


def test_a_start_is_where_the_base_ended(found: PriorSquares, tmp_path: Path) -> None:
    pool = pool_of(found, 0.25, hide=True)
    train_on(_recipe(), lambda: pool, tmp_path / "one")
    base = tmp_path / "one" / "prior"
    plain, wide = (fresh_network(recipe, 8) for recipe in (_recipe(), ambient_recipe(_recipe())))
    from_prior.start_network(plain, base)
    from_prior.start_network(wide, base)
    z, t = torch.ones(1, 4, 8, 8), torch.tensor([300])
    expected = load_trained(base).network(z, t)
    with torch.no_grad():
        assert torch.allclose(plain(z, t).sample, expected, atol=1e-6)
        assert torch.allclose(diffusion.telling_all(wide, 4)(z, t), expected, atol=1e-6)


def test_the_embedded_prior_can_be_started_from() -> None:
    recipe = started_from(read_recipe(yours()), EMBEDDED)
    assert recipe.base == load_trained(EMBEDDED).card.sha256


def test_what_may_be_left_out_of_a_recipe_changes_no_digest() -> None:
    """A run that began before these keys were there can be taken up again."""
    plain = _recipe()
    assert ambient_recipe(plain).before_decay != plain.before_decay
    assert ambient_recipe(plain).first_stage != plain.first_stage
    old = plain.model_dump(exclude={"base", "ambient", "trunk", "card"})
    lengths = {"steps", "decay", "validate_every", "checkpoint_every"}
    for name in (
        *lengths,
        "accumulate",
        "restarts",
        "later",
        "predicts",
        "earlier_decay",
        "mid_layers",
    ):  # as it was before they could be said
        del old["diffusion"][name]
    import hashlib

    text = json.dumps(old, separators=(",", ":"))
    assert plain.before_decay == hashlib.sha256(text.encode()).hexdigest()


def test_the_recipe_for_users_is_a_recipe() -> None:
    assert yaml.safe_load(yours().read_text())["name"] == read_recipe(yours()).name == "yours-256"
