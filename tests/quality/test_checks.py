"""Each check against a variant with the fault it is for, and against a good one."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from scipy import ndimage

from medaug.imaging.volume import Mask, Rescale, Volume, Window
from medaug.quality import DEFAULT_LIMITS, Baseline, Check, failing, inspect, judged
from medaug.quality.figures import (
    Pair,
    air_noise,
    change,
    noise,
    protected_identity,
    seam,
    sharpness,
    through_plane,
    value_range,
)
from tests.support import make

SHAPE = (1, 320, 256)
WINDOW = Window.spanning(0, 4095)
Values = npt.NDArray[np.floating]


def source(**fields: object) -> Volume:
    return make.volume(SHAPE, **fields)


def protected(shape: tuple[int, int, int] = SHAPE) -> Mask:
    """A box, and 46 px at the sides, which hold the air."""
    found = np.zeros(shape, dtype=np.bool_)
    found[:, 100:160, 90:130] = True
    found[:, :, :46] = found[:, :, -46:] = True
    return found


def smooth(seed: int = 1, size: float = 12, shape: tuple[int, int, int] = SHAPE) -> Values:
    draw = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), (0, size, size))
    return np.asarray(draw / draw.std())


def taper() -> Values:
    return np.asarray(np.clip(ndimage.distance_transform_edt(~protected()[0]) / 10, 0, 1)[None])


def variant(values: Values, of: Volume | None = None, where: Mask | None = None) -> Volume:
    return (of or source()).with_modality(np.clip(values, 0, 4095), ~protected() if where is None else where)


def good() -> Volume:
    """Another low band, and the source's own detail; nothing at the borders."""
    return variant(source().modality + 150 * taper() * smooth())


def pair(made: Volume, of: Volume | None = None) -> Pair:
    return Pair(of or source(), made, protected(), WINDOW)


def checks(made: Volume, **limits: tuple[float | None, float | None]) -> dict[str, Check]:
    found = inspect(source(), made, protected(), WINDOW, {"observed_residual": 0.1, "domain_share": 0.5}, limits)
    return {check.name: check for check in found}


def test_a_good_variant_passes_every_check() -> None:
    found = checks(good())
    assert set(found) == set(DEFAULT_LIMITS)
    assert failing(tuple(found.values())) == ()
    assert not failing(tuple(found.values()))
    for name in ("sharpness", "noise"):
        assert found[name].value == pytest.approx(1, abs=0.05)
    assert found["seam"].value < 1.5
    assert found["air_noise"].value == 1.0
    assert found["protected_identity"].value == 0


def test_the_source_itself_is_no_variant() -> None:
    found = checks(source())
    assert [check.name for check in found.values() if not check.passed] == ["change", "changed_share"]
    assert found["change"].value == 0
    assert found["sharpness"].value == found["noise"].value == found["air_noise"].value == 1.0
    assert found["seam"].value <= 1


def test_one_protected_voxel_off_by_one_fails() -> None:
    stored = good().stored.copy()
    stored[0, 120, 100] += 1
    check = checks(replace(good(), stored=stored))["protected_identity"]
    assert check.value == 1
    assert not check.passed


def test_identity_is_bit_for_bit_for_floats_too() -> None:
    stored = source().stored.astype(np.float32)
    stored[0, 120, 100] = np.nan
    before = source(dtype=np.uint16, stored=stored)
    same = replace(before, stored=stored.copy())
    assert protected_identity(Pair(before, same, protected(), WINDOW)) == 0
    nudged = stored.copy()
    nudged[0, 121, 100] = np.nextafter(stored[0, 121, 100], np.float32(np.inf))
    assert protected_identity(Pair(before, replace(before, stored=nudged), protected(), WINDOW)) == 1


def test_values_outside_the_window_are_counted() -> None:
    made = variant(source().modality + 150 * taper() * smooth())
    narrow = Window.spanning(500, 3000)
    found = value_range(Pair(source(), made, protected(), narrow))
    altered = made.stored != source().stored
    wrong = altered & ((made.stored < 500) | (made.stored > 3000))
    assert found == pytest.approx(wrong.sum() / altered.sum())
    assert found > 0
    assert value_range(pair(made)) == 0


def test_rounding_to_a_stored_step_is_not_out_of_range() -> None:
    volume = source(rescale=(Rescale(0.3, 0.0),))
    window = Window.spanning(200.1, 900.1)
    values = np.clip(volume.modality + 40 * smooth(), window.low, window.high)
    made = volume.with_modality(values, ~protected())
    assert (made.modality.max() > window.high) or (made.modality[~protected()].min() < window.low)
    assert value_range(Pair(volume, made, protected(), window)) == 0


def test_a_generated_padding_value_is_out_of_range() -> None:
    stored = good().stored.copy()
    before = source(padding=(77.0, 77.0))
    stored[0, 200, 60] = 77
    assert value_range(Pair(before, replace(before, stored=stored), protected(), WINDOW)) > 0


@pytest.mark.parametrize("jump", [200, -400])
def test_a_pasted_step_is_a_seam(jump: float) -> None:
    assert seam(pair(variant(source().modality + jump))) > DEFAULT_LIMITS["seam"][1]


def test_a_seam_around_one_box_is_not_diluted_by_long_clean_borders() -> None:
    around = np.zeros(SHAPE)
    around[0, 90:170, 80:140] = 400
    clean = 150 * taper() * smooth()
    assert seam(pair(variant(source().modality + clean))) < 1.5
    assert seam(pair(variant(source().modality + clean + around))) > 2.5


def test_a_seam_below_a_grey_level_is_none() -> None:
    flat = source(stored=np.full(SHAPE, 2000, dtype=np.uint16))
    for jump, expected in ((10, 0.63), (160, 10.0)):  # 16 of 4095 are one grey level
        found = seam(Pair(flat, variant(flat.modality + jump, flat), protected(), WINDOW))
        assert found == pytest.approx(expected, rel=0.05)


def test_without_a_border_there_is_no_seam() -> None:
    everything = np.zeros(SHAPE, dtype=np.bool_)
    assert seam(Pair(source(), source(), everything, WINDOW)) == 1.0


@pytest.mark.parametrize("width", [0.8, 2.0])
def test_blur_lowers_sharpness_and_noise(width: float) -> None:
    blurred = ndimage.gaussian_filter(source().modality, (0, width, width))
    made = pair(variant(blurred))
    assert sharpness(made) < 0.6
    assert noise(made) < 0.5


def test_blurred_structure_under_fresh_noise_is_still_seen() -> None:
    stripes = 300 * (np.arange(SHAPE[2]) % 16 < 2)[None, None, :] * np.ones(SHAPE)
    before = source(stored=np.clip(source().stored + stripes, 0, 4095).astype(np.uint16))
    soft = ndimage.gaussian_filter(before.modality, (0, 2, 2)) + np.random.default_rng(3).normal(0, 33, SHAPE)
    made = Pair(before, variant(soft, before), protected(), WINDOW)
    assert noise(made) == pytest.approx(1, abs=0.35)
    assert sharpness(made) < 0.75


def test_added_noise_raises_noise() -> None:
    noisy = source().modality + np.random.default_rng(2).normal(0, 150, SHAPE)
    assert noise(pair(variant(noisy))) > 2
    assert sharpness(pair(variant(noisy))) > 1.6


def test_noise_in_the_air_is_seen_even_when_the_domain_took_it_for_body() -> None:
    everything = np.zeros(SHAPE, dtype=np.bool_)
    everything[:, 100:160, 90:130] = True
    noisy = variant(source().modality + np.random.default_rng(2).normal(0, 80, SHAPE), where=~everything)
    assert air_noise(Pair(source(), noisy, everything, WINDOW)) > 2
    assert air_noise(pair(variant(source().modality + np.random.default_rng(2).normal(0, 80, SHAPE)))) == 1.0


def test_air_is_the_bright_end_of_a_monochrome1_image() -> None:
    before = source(stored=(4095 - source().stored).astype(np.uint16), inverted=True)
    stored = before.stored.copy()
    stored[:, :, :30] -= np.random.default_rng(0).integers(0, 300, stored[:, :, :30].shape, dtype=np.uint16)
    spoiled = replace(before, stored=stored)
    assert air_noise(Pair(before, spoiled, protected(), WINDOW)) > 2
    upright = replace(before, inverted=False)
    assert air_noise(Pair(upright, replace(spoiled, inverted=False), protected(), WINDOW)) == 1.0


def test_change_is_in_shares_of_the_window() -> None:
    made = variant(np.minimum(source().modality, 3000) + 41)
    before = variant(np.minimum(source().modality, 3000))
    assert change(Pair(before, made, protected(), WINDOW)) == pytest.approx(41 / 4095, rel=1e-3)
    narrow = Window.spanning(0, 410)
    assert change(Pair(before, made, protected(), narrow)) == pytest.approx(0.1, rel=1e-3)


def test_a_stack_is_measured_slice_by_slice_with_its_own_rescale() -> None:
    shape = (3, 64, 64)
    before = make.volume(shape, rescale=tuple(Rescale(1.0 + k, -1024.0 * (1 + k), "HU") for k in range(3)))
    kept = np.zeros(shape, dtype=np.bool_)
    kept[:, :20] = True
    kept[1] = True
    stored = before.stored.copy()
    stored[~kept] += 1
    found = change(Pair(before, replace(before, stored=stored), kept, Window(40, 400)))
    assert found == pytest.approx((1 + 3) / 2 / 400, rel=1e-3)


@pytest.mark.parametrize("figure", [seam, sharpness, noise, air_noise, change, value_range])
def test_an_infinite_or_missing_value_fails(figure: Callable[[Pair], float]) -> None:
    before = source(stored=source().stored.astype(np.float32))
    for wrong in (np.nan, np.inf):
        stored = before.stored.copy()
        stored[:, 160:300, 46:200] = wrong
        stored[:, 20:60, :16] = wrong
        with np.errstate(invalid="ignore"):
            value = figure(Pair(before, replace(before, stored=stored), protected(), WINDOW))
        if figure is value_range:
            assert value > 0
        else:
            assert not math.isfinite(value)
            assert not judged("x", value, (None, None)).passed


def test_a_variant_with_missing_values_is_rejected_without_a_warning() -> None:
    before = source(stored=source().stored.astype(np.float32))
    stored = before.stored.copy()
    stored[:, 160:170, 90:110] = np.nan
    stored[:, 180:190, 60:70] = np.inf
    found = inspect(before, replace(before, stored=stored), protected(), WINDOW, {}, {})
    assert {"seam", "sharpness", "change", "range"} <= {check.name for check in found if not check.passed}
    assert failing(found)


def test_a_tiny_free_region_still_has_figures() -> None:
    kept = np.ones(SHAPE, dtype=np.bool_)
    kept[0, 200:205, 100:105] = False
    made = source().with_modality(source().modality + 100 * smooth(size=1), ~kept)
    figures = [figure(Pair(source(), made, kept, WINDOW)) for figure in (seam, sharpness, noise, change)]
    assert all(math.isfinite(figure) for figure in figures)


def test_with_nothing_free_the_gate_is_shut() -> None:
    kept = np.ones(SHAPE, dtype=np.bool_)
    found = inspect(source(), source(), kept, WINDOW, {}, {})
    assert failing(found)


@pytest.mark.parametrize(
    ("value", "limit", "passed"),
    [
        (1.0, (1.0, 1.0), True),
        (1.0, (None, None), True),
        (0.99, (1.0, None), False),
        (1.01, (None, 1.0), False),
        (math.nan, (None, None), False),
        (math.inf, (0.0, None), False),
    ],
)
def test_limits_are_inclusive_and_only_numbers_pass(
    value: float, limit: tuple[float | None, float | None], passed: bool
) -> None:
    assert judged("seam", value, limit).passed is passed


def test_a_callers_limit_replaces_the_default() -> None:
    assert checks(good(), change=(0.5, None))["change"].passed is False
    assert checks(good(), seam=(None, 0.1))["seam"].limit == (None, 0.1)


def test_an_unknown_check_is_refused() -> None:
    with pytest.raises(ValueError, match="found sharpnes"):
        checks(good(), sharpnes=(None, 1.0))
    with pytest.raises(ValueError, match="found residual"):
        inspect(source(), good(), protected(), WINDOW, {"residual": 0.1}, {})


def test_failures_are_told_in_a_sentence_and_json_holds_the_figures() -> None:
    found = tuple(checks(good(), change=(0.5, None)).values())
    assert len(failing(found)) == 1
    assert failing(found)[0].startswith("change: 0.0")
    assert "expected 0.5" in failing(found)[0]
    json.dumps([[check.name, check.value, check.limit, check.passed] for check in found], allow_nan=False)


def test_another_grid_or_other_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="grid"):
        Pair(source(), make.volume((1, 64, 64)), protected(), WINDOW)
    with pytest.raises(ValueError, match="mean"):
        Pair(source(), source(rescale=(Rescale(2.0),)), protected(), WINDOW)


@pytest.mark.slow
def test_a_large_radiograph_is_checked_in_time() -> None:
    before = make.volume((1, 2500, 2000))
    kept = np.zeros(before.geometry.shape, dtype=np.bool_)
    kept[:, 800:1000, 900:1100] = True
    made = before.with_modality(before.modality + 30.0, ~kept)
    started = time.perf_counter()
    inspect(before, made, kept, WINDOW, {}, {})
    assert time.perf_counter() - started < 1.5  # 0.15 s on two idle cores


def volume_pair(values: Callable[[Values], Values]) -> Pair:
    shape = (5, 64, 64)
    of = make.volume(shape)
    kept = np.zeros(shape, dtype=np.bool_)
    kept[:, 20:30, 20:30] = True
    made = of.with_modality(values(of.modality), ~kept)
    return Pair(of, made, kept, WINDOW)


def test_slices_that_change_together_agree_and_slices_that_change_alone_do_not() -> None:
    def draw(seed: int, slices: int) -> Values:
        return 100 * smooth(seed, 6, (slices, 64, 64))

    together = volume_pair(lambda x: x + draw(1, 1))
    alone = volume_pair(lambda x: x + draw(1, 5))
    flat = volume_pair(lambda x: np.broadcast_to(x[:1], x.shape))
    assert through_plane(together) == pytest.approx(1, abs=0.05)  # some air is cut at the least stored number
    assert through_plane(alone) > 1.2
    assert through_plane(flat) < 0.8


def test_a_radiograph_has_no_neighbouring_slices() -> None:
    assert through_plane(pair(good())) == 1.0


def test_protected_voxels_do_not_count_through_the_plane() -> None:
    plain = volume_pair(lambda x: x)
    assert through_plane(plain) == 1.0
    assert through_plane(replace(plain, protected=np.ones_like(plain.protected))) == 1.0


@pytest.mark.parametrize("shape", [SHAPE, (3, 90, 70), (2, 40, 40)])
def test_a_known_baseline_changes_no_figure_and_another_ones_would(shape: tuple[int, int, int]) -> None:
    before, kept = make.volume(shape), np.zeros(shape, dtype=np.bool_)
    kept[:, 10:30, 10:30] = True
    rough = 40 * np.random.default_rng(3).normal(size=shape)
    made = before.with_modality(np.clip(before.modality + rough, 0, 4095), ~kept)
    known = Baseline.of(before, kept, WINDOW)
    anew = inspect(before, made, kept, WINDOW, {}, {})
    assert inspect(before, made, kept, WINDOW, {}, {}, known) == anew
    other = Baseline.of(made, kept, WINDOW)
    assert inspect(before, made, kept, WINDOW, {}, {}, other) != anew


def test_the_change_is_that_of_the_free_voxels_whatever_the_protected_ones_hold() -> None:
    """Not a number among the protected ones, as around a brain in float files, plays no part; a free one does."""
    whole = source()
    stored = whole.stored.astype(np.float32)
    stored[:, 110:120, 100:110] = np.nan
    of = replace(whole, stored=stored, padding=None, stored_range=(-math.inf, math.inf))
    made = variant(of.modality + 150 * taper().astype(np.float32) * smooth().astype(np.float32), of)
    assert change(pair(made, of)) == pytest.approx(change(pair(good())), rel=0.01)
    stored = stored.copy()
    stored[:, 2:4, 60:62] = np.nan
    of = replace(of, stored=stored)
    same = replace(made, stored=np.where(np.isnan(stored), stored, made.stored))
    assert math.isnan(change(pair(same, of)))


def test_a_protected_voxel_that_differs_is_no_change() -> None:
    made = good()
    stored = made.stored.copy()
    stored[:, 110:140, 95:120] += 500
    assert change(pair(replace(made, stored=stored))) == pytest.approx(change(pair(made)), rel=1e-6)
