from __future__ import annotations

import gc
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch
from scipy import ndimage

from medaug.assemble import tools
from medaug.augmentation.augment import augment, present, solve
from medaug.augmentation.case import Case, Variant
from medaug.augmentation.recipe import boxes_digest, kept_digest
from medaug.augmentation.restore import observed_residual, restore_delta, restore_replace
from medaug.augmentation.tools import Tools
from medaug.errors import PriorError, ProfileError, RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.resample import low_pass_matrix, spread_matrix
from medaug.imaging.volume import Volume, Window
from medaug.inverse.sampling.guided_ddim import Guidance
from medaug.profile import profile as profiles
from medaug.profile.components import Inside, Margin, Outside
from medaug.profile.digest import profile_digest
from medaug.profile.load import load_profile
from medaug.profile.solvers import Levers
from tests.support import make
from tests.support.analytic import PixelPrior
from tests.support.cases import BOX, PROFILE, _pinned, case, changed, recipe


def bench(**changes: object) -> Tools:
    built = tools(
        PROFILE.model_copy(update={"prior": PROFILE.prior.model_copy(update={"sha256": "0" * 64})}), "cpu", PixelPrior()
    )
    return changed(built, **changes)


def made(of: Case, seed: int = 7, **changes: object) -> Variant:
    return augment(of, recipe(of, seed), bench(**changes))


def test_protected_voxels_are_the_stored_numbers_and_free_ones_change() -> None:
    source = case()
    variant = made(source)
    kept = variant.regions.protected
    np.testing.assert_array_equal(variant.volume.stored[kept], source.volume.stored[kept])
    assert kept[BOX.slices].all()
    assert kept[0, 27:30, 40:60].all()  # the margin: 0.04 · 120 px, rounded up
    assert variant.changed[variant.regions.free].mean() > 0.3
    assert not (variant.changed & kept).any()
    assert variant.volume.stored.dtype == source.volume.stored.dtype


def test_same_recipe_same_bytes_other_seed_or_variant_other_bytes() -> None:
    source = case()
    first = made(source).volume.stored
    np.testing.assert_array_equal(first, made(source).volume.stored)
    assert (first != made(source, seed=8).volume.stored).any()
    other = augment(source, recipe(source, variant=1), bench())
    assert (first != other.volume.stored).any()


def test_the_batch_size_does_not_decide_pixels() -> None:
    source = Case(make.volume((5, 64, 64)), (Box((1, 20, 20), (3, 40, 40), "x"),))
    alone, together = made(source, batch_size=1), made(source, batch_size=5)
    difference = np.abs(alone.volume.stored.astype(np.int64) - together.volume.stored.astype(np.int64))
    assert difference.max() <= 1  # the last bit of float32


def test_generated_values_stay_in_the_window() -> None:
    variant = made(case())
    values = variant.volume.modality[variant.changed]
    assert values.min() >= variant.window.low - 1
    assert values.max() <= variant.window.high + 1


def test_monochrome1_gives_the_same_picture_in_flipped_numbers() -> None:
    plain = case(dtype=np.uint16)
    top = 4095
    flipped_stored = (top - plain.volume.stored.astype(np.int64)).astype(np.uint16)
    window = bench().present.window(plain.volume)
    flipped = Case(replace(plain.volume, stored=flipped_stored, inverted=True), plain.boxes)
    mirrored = type(window).spanning(top - window.high, top - window.low)
    a = made(plain, window=lambda _: window).volume.stored.astype(np.int64)
    b = made(flipped, window=lambda _: mirrored).volume.stored.astype(np.int64)
    assert np.abs(a - (top - b)).max() <= 1


def test_inside_regenerates_the_lesion_and_nothing_else() -> None:
    law = PROFILE.model_copy(update={"regions": Inside(kind="inside", margin=Margin(value=0)), "prior": _pinned()})
    source = case()
    variant = augment(source, recipe(source), tools(law, "cpu", PixelPrior()))
    outside = np.ones(source.volume.stored.shape, dtype=bool)
    outside[BOX.slices] = False
    assert not variant.changed[outside].any()
    assert variant.changed[BOX.slices].any()


def test_the_part_around_the_free_pixels_is_solved_alone_and_nothing_else_changes() -> None:
    inside = Inside(kind="inside", margin=Margin(value=0))
    law = PROFILE.model_copy(update={"regions": inside, "prior": _pinned(), "levers": Levers(crop=6)})
    source, seen = case(), []

    class Watched(PixelPrior):
        def denoise(self, z_t: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(z_t.shape[-2:]))
            return super().denoise(z_t, t)

    prior = Watched()
    prior.card = replace(prior.card, multiple=8)
    built = tools(law, "cpu", prior)
    variant = augment(source, recipe(source), built)
    assert set(seen) == {(32, 32)}  # of 64: 11 of the prior's px are free, with 6 on each side, on a grid of 8
    outside = np.ones(source.volume.stored.shape, dtype=bool)
    outside[BOX.slices] = False
    assert not variant.changed[outside].any()
    assert variant.changed[BOX.slices].mean() > 0.5
    # observed pixels outside the part were never asked for, and must not thin the residual out
    presented = present(source, recipe(source), built)
    solution = solve(presented, built)
    error = (solution.solved - solution.presented)[0][presented.on_grid.observed[0]]
    solved = error[error != 0]
    assert 0 < len(solved) < 0.5 * len(error)
    assert observed_residual(solution, presented.on_grid) == pytest.approx(float(np.sqrt(np.mean(solved**2))), rel=0.01)


def test_levers_reach_the_solver_and_change_the_digest_only_when_pulled() -> None:
    pulled = Levers(guide_every=2, noise_budget=0.1, fast_autoencoder=0.2, closing=3)
    solver = tools(PROFILE.model_copy(update={"prior": _pinned(), "levers": pulled}), "cpu", PixelPrior()).solve.solver
    assert solver.keywords["guidance"] == Guidance(2, 0.1, 0.2, 3)
    digests = {load_profile("bone-xray").model_copy(update={"levers": levers}).sha256 for levers in (
        Levers(), Levers(compiled=True), Levers(channels_last=True), Levers(precision="bfloat16"), Levers(crop=0),
        Levers(guide_every=2), Levers(noise_budget=0.1), Levers(fast_autoencoder=0.0), Levers(closing=1),
    )}  # fmt: skip
    assert len(digests) == 9
    keys = load_profile("paper").model_dump(mode="json")  # with no lever pulled
    before = {name: value for name, value in keys.items() if name != "levers"}  # as a profile of yesterday
    assert profile_digest(before) == load_profile("paper").sha256


def test_a_lever_that_the_prior_lacks_is_refused() -> None:
    shipped = load_profile("bone-xray")
    with pytest.raises(PriorError, match="has no small autoencoder"):
        tools(shipped.model_copy(update={"levers": Levers(fast_autoencoder=0.2)}), "cpu")
    cropped = PROFILE.model_copy(update={"prior": _pinned(), "size": 72, "levers": Levers(crop=8)})
    with pytest.raises(ProfileError, match="multiple of 16"):
        tools(cropped, "cpu", _with_card(multiple=16))


def test_replace_puts_the_decoded_image_in() -> None:
    source = case()
    replaced, added = made(source, restore=restore_replace), made(source)
    assert (replaced.volume.stored != added.volume.stored).any()
    kept = replaced.regions.protected
    np.testing.assert_array_equal(replaced.volume.stored[kept], source.volume.stored[kept])


def test_deblocking_changes_the_change_and_no_protected_voxel() -> None:
    source, spread = case(), spread_matrix(PROFILE.size, 8)
    plain, even = (made(source, restore=one) for one in (restore_delta, partial(restore_delta, spread=spread)))
    assert (plain.volume.stored != even.volume.stored).any()
    same = made(source, restore=partial(restore_delta, spread=np.eye(PROFILE.size, dtype=np.float32)))
    np.testing.assert_array_equal(plain.volume.stored, same.volume.stored)
    kept = even.regions.protected
    np.testing.assert_array_equal(even.volume.stored[kept], source.volume.stored[kept])


def test_detail_finer_than_asked_stays_the_sources_and_no_protected_voxel_changes() -> None:
    source = case()
    whole, coarse = (
        made(source, restore=partial(restore_delta, spread=low_pass_matrix(PROFILE.size, px))) for px in (0, 8)
    )
    before = source.volume.stored[0].astype(float)
    rough, smooth = (
        np.abs(ndimage.laplace(one.volume.stored[0] - before)[one.regions.free[0]]).mean() for one in (whole, coarse)
    )
    assert smooth < 0.5 * rough
    kept = coarse.regions.protected
    np.testing.assert_array_equal(coarse.volume.stored[kept], source.volume.stored[kept])


def test_lost_contrast_comes_back_and_no_protected_voxel_changes() -> None:
    source = case()
    flat, full = (made(source, restore=partial(restore_delta, contrast=contrast)) for contrast in (False, True))
    assert (flat.volume.stored != full.volume.stored).any()
    kept = full.regions.protected
    np.testing.assert_array_equal(full.volume.stored[kept], source.volume.stored[kept])


def test_variants_of_a_volume_share_their_domain_and_no_other_volume_does(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Volume] = []

    def domain(volume: Volume, _: Window, **__: object) -> np.ndarray:
        asked.append(volume)
        return np.ones(volume.stored.shape, dtype=np.bool_)

    monkeypatch.setattr("medaug.assemble.domains.domain", domain)
    shared, one, other = bench(), case(), case(seed=1)
    for number, of in enumerate((one, one, other, one)):
        augment(of, recipe(of, variant=number), shared)
    assert asked == [one.volume, other.volume, one.volume]
    asked.clear()
    for window in (Window(10, 20), Window(10, 20), Window(11, 20)):
        shared.present.domain(one.volume, window)
    assert len(asked) == 2
    with pytest.raises(ValueError, match="read-only"):
        shared.present.domain(one.volume, Window(11, 20))[0, 0, 0] = False


@pytest.mark.parametrize("seed", range(4))
def test_a_box_is_3d_and_its_margin_in_mm_reaches_into_neighbouring_slices_of_an_oblique_series(seed: int) -> None:
    draw = np.random.default_rng(seed)
    turn, _ = np.linalg.qr(draw.normal(size=(3, 3)))
    steps = draw.uniform((2.0, 0.5, 0.5), (4.0, 1.0, 1.0))
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = turn * steps, draw.normal(size=3) * 50
    volume = make.volume((9, 64, 64))
    volume = replace(volume, geometry=Geometry((9, 64, 64), affine, "patient", "1.2.3"))
    profile = PROFILE.model_copy(
        update={
            "regions": Outside(kind="outside", margin=Margin(value=5.0, unit="mm")),
            "domain": (),
            "prior": _pinned(),
        }
    )
    box = Box((4, 24, 26), (6, 34, 40), "lesion")
    of = Case(volume, (box,))
    protected = augment(of, recipe(of), tools(profile, "cpu", PixelPrior())).regions.protected
    centres = volume.geometry.to_world(np.argwhere(np.ones((9, 64, 64))))
    inside = volume.geometry.to_world(np.argwhere(np.isin(np.arange(9), (4, 5))[:, None, None] & _plane(box)))
    away = np.abs((centres[:, None] - inside[None, [0, -1]]) @ turn)  # mm along the grid's axes from two corners
    between = np.abs((inside[-1] - inside[0]) @ turn)
    near = (away.sum(axis=1) <= between + 2 * 5.0 + 1e-6).all(axis=1).reshape(9, 64, 64)
    assert protected[near].all()  # whatever lies within 5 mm of the box's voxels along each axis
    reach = np.ceil(5.0 / steps).astype(int)
    wide = box.grown((int(reach[0]), int(reach[1]), int(reach[2])), (9, 64, 64))
    exact = np.zeros((9, 64, 64), dtype=np.bool_)
    exact[wide.slices] = True
    np.testing.assert_array_equal(protected, exact)  # and no voxel more than rounding up asks for
    assert 1 <= reach[0] <= 3
    assert not protected[0].any() or wide.start[0] == 0


def _plane(box: Box) -> np.ndarray:
    plane = np.zeros((1, 64, 64), dtype=np.bool_)
    plane[0, box.slices[1], box.slices[2]] = True
    return plane


OPERATORS = [
    {"kind": "gaussian-blur", "sigma": 1.5},
    {"kind": "motion-blur", "length": 5, "angle": 30},
    {"kind": "down-sampling", "factor": 4},
    {"kind": "jpeg", "quality": 20},
]


@pytest.mark.parametrize("operator", OPERATORS, ids=lambda spec: spec["kind"])
@pytest.mark.parametrize("solver", ["ddnm", "project"])
def test_an_operator_ties_the_variant_to_the_degraded_source_and_keeps_the_boxes(operator: dict, solver: str) -> None:
    base = load_profile("degraded-xray").model_dump(mode="json")
    changes = {"size": 64, "domain": ["not-padding"], "area": "frame", "prior": _pinned().model_dump()}
    steps = {"solver": {"kind": solver, "steps": 8, "start": 0.6}}
    seen, unseen = (
        tools(profiles.Profile.model_validate({**base, **changes, **steps, **how}), "cpu", PixelPrior())
        for how in ({"operator": operator}, {"operator": {"kind": "none"}})
    )
    source = case()
    tied, loose = (augment(source, recipe(source), bench) for bench in (seen, unseen))
    kept = tied.regions.protected
    np.testing.assert_array_equal(tied.volume.stored[kept], source.volume.stored[kept])
    assert kept[BOX.slices].all()

    def far(variant: Variant) -> float:  # in the coarse image, of which each operator says something
        difference = (variant.volume.modality - source.volume.modality)[0, 20:, :].reshape(10, 10, 10, 10)
        return float(np.sqrt(np.mean(difference.mean(axis=(1, 3)) ** 2)))

    assert 0 < far(tied) < 0.6 * far(loose)


def test_a_domain_that_holds_nothing_is_an_error() -> None:
    nowhere = partial(lambda volume, _: np.zeros(volume.stored.shape, dtype=bool))
    with pytest.raises(RegionError, match="nothing may change"):
        made(case(), domain=nowhere)


def test_a_box_outside_the_grid_is_refused() -> None:
    with pytest.raises(RegionError, match="outside the grid"):
        Case(make.volume((1, 20, 20)), (BOX,))


def test_slices_without_free_voxels_are_left_alone() -> None:
    def only_the_first(volume: Volume, _: object) -> np.ndarray:
        domain = np.zeros(volume.stored.shape, dtype=bool)
        domain[0] = True
        return domain

    source = Case(make.volume((3, 64, 64)), (Box((0, 20, 20), (1, 30, 30), "x"),))
    variant = made(source, domain=only_the_first)
    assert variant.changed[0].any()
    assert not variant.changed[1:].any()


def test_a_box_beyond_the_domain_is_inside_the_crop() -> None:
    def upper_half(volume: Volume, _: object) -> np.ndarray:
        domain = np.zeros(volume.stored.shape, dtype=bool)
        domain[:, :40] = True
        return domain

    low = Case(make.volume((1, 120, 100)), (Box((0, 100, 40), (1, 110, 60), "x"),))
    cropped = tools(PROFILE.model_copy(update={"prior": _pinned(), "area": "domain"}), "cpu", PixelPrior())
    variant = augment(low, recipe(low), changed(cropped, domain=upper_half))
    assert variant.changed[0, :40].any()
    assert not variant.changed[0, 40:].any()


def test_a_recipe_for_another_source_or_other_boxes_is_refused() -> None:
    source = case()
    with pytest.raises(ValueError, match="source"):
        augment(source, replace(recipe(source), source="0" * 64), bench())
    with pytest.raises(ValueError, match="boxes"):
        augment(replace(source, boxes=()), recipe(source), bench())


def test_a_prior_that_can_not_do_what_the_profile_asks_is_refused_at_once() -> None:
    pinned = PROFILE.model_copy(update={"prior": _pinned()})
    with pytest.raises(ProfileError, match="size: expected a multiple"):
        tools(pinned.model_copy(update={"size": 72}), "cpu", _with_card(multiple=16))
    with pytest.raises(PriorError, match="plain ASCII"):
        tools(pinned, "cpu", _with_card(name="Präparat"))


def _with_card(**changes: object) -> PixelPrior:
    prior = PixelPrior()
    prior.card = replace(prior.card, **changes)
    return prior


def test_the_unit_key_follows_every_choice() -> None:
    source = case()
    base = recipe(source)
    others = [replace(base, **{name: "1" * 64 if isinstance(value, str) else 99}) for name, value in vars(base).items()]
    assert len({base.id, *(other.id for other in others)}) == len(others) + 1
    assert boxes_digest(source.boxes) == boxes_digest(tuple(reversed(source.boxes)))


def test_what_variants_share_is_found_once_and_never_for_another_case() -> None:
    source, built = case(), bench()
    first = present(source, recipe(source), built).prepared
    assert present(source, recipe(source, variant=1), built).prepared is first
    assert present(Case(source.volume, source.boxes), recipe(source), built).prepared is first
    wider = changed(built, feather=built.present.feather + 1)
    assert present(source, recipe(source), wider).prepared is not first
    smaller = Case(source.volume, (replace(BOX, stop=(1, 40, 60)),))
    again = present(smaller, recipe(smaller), built).prepared
    assert again is not first
    assert (again.protected != first.protected).any()
    kept = np.zeros(source.volume.stored.shape, dtype=np.bool_)
    kept[:, :20] = True
    fixed = Case(source.volume, source.boxes, kept)
    drawn = replace(recipe(source), kept=kept_digest(kept))
    assert present(fixed, drawn, built).prepared.protected[kept].all()
    other = case(stored=source.volume.stored[:, ::-1].copy())
    flipped = present(other, replace(recipe(other), source=other.volume.source.key), built).prepared
    np.testing.assert_array_equal(flipped.pixels, present(other, recipe(other), bench()).prepared.pixels)
    assert (flipped.pixels != first.pixels).any()


def test_a_variant_is_the_same_whatever_was_made_before_it() -> None:
    source, built = case(), bench()
    for variant in range(2):
        augment(source, recipe(source, variant=variant), built)
    kept = augment(source, recipe(source, variant=2), built)
    anew = augment(source, recipe(source, variant=2), bench())
    np.testing.assert_array_equal(kept.volume.stored, anew.volume.stored)
    assert kept.checks == anew.checks


def test_what_variants_share_is_let_go_of_with_its_volume() -> None:
    source, built = case(), bench()
    prepared = weakref.ref(present(source, recipe(source), built).prepared)
    assert prepared() is not None
    del source
    gc.collect()
    assert prepared() is None
