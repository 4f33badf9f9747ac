"""A limb of two bones, and variants with a bone gone, doubled or clouded, or with nothing changed that is seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from medaug.imaging.arrays import from_array
from medaug.quality import DEFAULT_LIMITS
from medaug.quality.figures import Pair
from medaug.quality.reduced import befores, reduced
from medaug.quality.structure import blobs, changed_share, clouding, structure_lost, structure_new
from tests.support.limb import COLUMNS, ROWS, WINDOW, against, bone, kept, limb, noise


def test_a_bone_that_is_gone_is_lost_and_one_that_came_is_new() -> None:
    gone = against(limb(bones=(bone(50),)))
    assert structure_lost(gone) == pytest.approx(0.5, abs=0.03)  # one of two bones
    assert structure_new(gone) < 0.05
    came = against(limb(bones=(bone(50),)), limb())
    back = Pair(came.variant, came.source, kept(), WINDOW)
    assert structure_new(back) == pytest.approx(0.5, abs=0.03)
    assert structure_lost(back) < 0.05


def test_a_doubled_outline_is_new_and_a_faint_ghost_is_lost() -> None:
    doubled = against(limb(bones=(bone(50), bone(110), bone(28, 8))))
    assert structure_new(doubled) > DEFAULT_LIMITS["structure_new"][1]
    ghost = against(limb(bones=(bone(50), 0.3 * bone(110))))
    assert structure_lost(ghost) > DEFAULT_LIMITS["structure_lost"][1]


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_a_little_texture_lose_nothing(seed: int) -> None:
    same = against(limb(noise(seed + 5, 2.0), noise(seed + 9, 3.0, 8.0)))
    for figure in (structure_lost, structure_new, clouding, blobs):
        assert figure(same) <= DEFAULT_LIMITS[figure.__name__][1], figure.__name__
    assert changed_share(same) >= DEFAULT_LIMITS["changed_share"][0]


def test_an_image_without_edges_has_none_to_lose() -> None:
    flat = from_array((90 + noise(0)).astype(np.float32), spacing=(1.0, 1.0))
    other = replace(flat, stored=(90 + noise(1)).astype(np.float32)[None])
    assert structure_lost(against(other, flat)) == structure_new(against(other, flat)) == 0


def test_clouds_in_calm_tissue_are_told_in_units_of_its_texture() -> None:
    texture = noise(3, 2.0, 3.0)
    source = limb(texture)
    alike = clouding(against(limb(texture, noise(4, 2.0, 3.0)), source))
    assert alike == pytest.approx(0.75, abs=0.2)  # white noise adds to what is there
    assert clouding(against(limb(texture, noise(4, 10.0, 3.0)), source)) == pytest.approx(5 * alike, rel=0.05)
    assert 5 * alike > DEFAULT_LIMITS["clouding"][1]


def test_a_blob_of_its_own_scale_is_found_at_half_its_height() -> None:
    """s² Δ of a Gaussian of height h and width s, behind a Gaussian of width s, is −h / 2 at its middle."""
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    middles = [(i, j) for i in (30, 60, 160, 200) for j in (30, 80, 130)]
    blob = sum(np.exp(-((rows - i) ** 2 + (columns - j) ** 2) / (2 * 3.0**2)) for i, j in middles)
    for height in (60, -60):
        assert 0.7 * 30 / 255 < blobs(against(limb(height * blob))) < 30 / 255
    assert blobs(against(limb(60 * blob))) < DEFAULT_LIMITS["blobs"][1] < blobs(against(limb(140 * blob)))


def test_a_change_below_the_noise_is_none() -> None:
    assert changed_share(against(limb())) == 0
    specks = np.zeros((ROWS, COLUMNS))
    specks[20:30, 20:30] = 30
    few = changed_share(against(limb(specks)))
    assert 0 < few < DEFAULT_LIMITS["changed_share"][0]
    noisy = limb(noise(7, 20.0))
    assert changed_share(against(limb(noise(7, 20.0), noise(8, 4.0, 2.0)), noisy)) < 0.5
    assert changed_share(against(limb(noise(8, 4.0, 2.0)))) > 0.7


def test_large_slices_are_reduced_and_inverted_ones_shown_bright() -> None:
    large = np.kron(limb().stored[0], np.ones((4, 4), dtype=np.float32))
    source = replace(from_array(large, spacing=(1.0, 1.0)), inverted=True)
    protected = np.kron(kept(), np.ones((1, 4, 4), dtype=np.bool_)).astype(np.bool_)
    (one,) = reduced(source, WINDOW, befores(source, protected, WINDOW))
    assert one.after.shape == (ROWS, COLUMNS)
    assert np.array_equal(one.after, one.source.image)
    assert np.allclose(one.after, 1 - limb().stored[0] / 255, atol=1e-5)
    assert np.array_equal(one.free, ~kept()[0])
    assert one.noise == pytest.approx(1 / 255, rel=0.1)


def test_a_region_too_small_to_judge_passes_if_it_changed() -> None:
    almost = np.ones((1, ROWS, COLUMNS), dtype=np.bool_)
    almost[:, 40:44, 40:44] = False
    small = Pair(limb(), limb(noise(5)), almost, WINDOW)
    assert [f(small) for f in (structure_lost, structure_new, clouding, blobs, changed_share)] == [0, 0, 0, 0, 1]
