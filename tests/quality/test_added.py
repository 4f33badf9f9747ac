"""A limb of two bones, and variants with a second set of outlines, plugs, or a texture in what was calm."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy import ndimage

from medaug.imaging.arrays import from_array
from medaug.imaging.volume import Volume
from medaug.quality import DEFAULT_LIMITS
from medaug.quality.added import blobs_new, calm_texture, ghosting
from medaug.quality.figures import Pair
from tests.support.limb import COLUMNS, ROWS, WINDOW, Values, against, blurred, bone, kept, limb, noise

FIGURES = (blobs_new, ghosting, calm_texture)


def ends() -> Values:
    """Two shafts that end, so that a copy aside along them is seen, too."""
    rows = np.arange(ROWS)[:, None]
    return np.asarray(bone(50) * (rows > 60) + bone(110) * (rows < 170))


def discs(height: float, radius: float = 6) -> Values:
    rows, columns = np.mgrid[:ROWS, :COLUMNS]
    middles = [(30, 80), (160, 80), (200, 130)]
    return np.asarray(sum(height * (np.hypot(rows - i, columns - j) <= radius) for i, j in middles))


def limit(figure: object) -> float:
    return float(DEFAULT_LIMITS[figure.__name__][1])  # type: ignore[attr-defined]


@pytest.mark.parametrize(("down", "aside"), [(0, 8), (6, -6), (12, 5)])
@pytest.mark.parametrize("contrast", [0.4, 0.8])
def test_a_ghost_has_the_contrast_that_it_was_given(down: int, aside: int, contrast: float) -> None:
    source = limb(bones=(ends(),))
    detail = source.stored[0] - ndimage.gaussian_filter(source.stored[0], 6)
    made = replace(source, stored=source.stored + contrast * ndimage.shift(detail, (down, aside), order=1)[None])
    found = ghosting(against(made, source))
    assert found == pytest.approx(contrast, rel=0.35)
    assert found > limit(ghosting)


def test_what_moves_a_little_or_fades_is_no_ghost() -> None:
    source = limb(bones=(ends(),))
    moved = replace(source, stored=ndimage.shift(source.stored, (0, 1, 0), order=1, mode="nearest"))
    assert ghosting(against(moved, source)) < limit(ghosting)
    assert ghosting(against(limb(bones=(0.4 * ends(),)), source)) < limit(ghosting)


@pytest.mark.parametrize("height", [-40, 40])
def test_a_plug_is_found_and_its_like_in_the_source_is_none(height: float) -> None:
    plugged = limb(blurred(discs(height)))
    assert blobs_new(against(plugged)) == pytest.approx(0.7 * 40 / 255, rel=0.2)
    assert blobs_new(against(plugged)) > limit(blobs_new)
    elsewhere = replace(plugged, stored=ndimage.shift(plugged.stored, (0, 2, 2), order=1, mode="nearest"))
    assert blobs_new(against(elsewhere, plugged)) < limit(blobs_new) / 2
    assert blobs_new(against(limb(), plugged)) < limit(blobs_new) / 2  # one that goes is `structure_lost`, and `blobs`


def test_calm_tissue_that_gets_a_texture_is_told_and_one_with_another_isnt() -> None:
    source = limb(noise(3, 2.0, 3.0))
    assert calm_texture(against(limb(noise(4, 2.0, 3.0)), source)) == pytest.approx(1, abs=0.15)
    assert calm_texture(against(limb(noise(4, 6.0, 3.0)), source)) > 1.5 > limit(calm_texture)
    assert calm_texture(against(source, limb(noise(4, 6.0, 3.0)))) < 0.7


@pytest.mark.parametrize("seed", range(3))
def test_noise_and_a_little_texture_add_nothing(seed: int) -> None:
    texture = noise(seed, 2.0, 3.0)
    same = against(limb(texture, noise(seed + 5, 2.0), noise(seed + 9, 3.0, 8.0)), limb(texture))
    for figure in FIGURES:
        assert figure(same) <= limit(figure), figure.__name__


def test_a_volume_has_what_most_of_its_slices_stay_below() -> None:
    """One slice of forty says nothing, since the greatest of many sound ones is beyond any limit for one; four do."""
    source, plugged = limb(), limb(blurred(discs(60)))
    kept_in_all = np.concatenate([kept()] * 40)
    for figure in FIGURES[:2]:
        alone = figure(against(plugged, source))
        few, more = (
            figure(Pair(stack(*[source] * 40), stack(*[plugged] * n, *[source] * (40 - n)), kept_in_all, WINDOW))
            for n in (1, 4)
        )
        assert few < 0.1 * alone <= 0.9 * alone < more <= alone, figure.__name__


def stack(*slices: Volume) -> Volume:
    stored = np.concatenate([one.stored for one in slices])
    return from_array(stored, affine=np.eye(4))


def test_a_region_too_small_to_judge_has_nothing_added() -> None:
    none = Pair(limb(), limb(noise(5)), np.ones((1, ROWS, COLUMNS), dtype=np.bool_), WINDOW)
    assert [figure(none) for figure in FIGURES] == [0, 0, 1]
    almost = np.ones((1, ROWS, COLUMNS), dtype=np.bool_)
    almost[:, 40:90, 40:90] = False
    assert ghosting(Pair(limb(), limb(noise(5)), almost, WINDOW)) == 0


def test_a_slice_without_detail_has_no_ghosts() -> None:
    flat = replace(limb(), stored=np.full((1, ROWS, COLUMNS), 90, dtype=np.float32))
    assert ghosting(Pair(flat, flat, kept(), WINDOW)) == 0
