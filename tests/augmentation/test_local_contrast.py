from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medaug.augmentation.local_contrast import MOST, lost_contrast
from medaug.imaging.volume import Float32

SIDE = 128
EVERYWHERE = np.ones((SIDE, SIDE), dtype=np.float32)


def texture(seed: int, sigma: float) -> Float32:
    """Of power 1, around waves of some 4 sigma px."""
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE))
    band = ndimage.gaussian_filter(noise, sigma) - ndimage.gaussian_filter(noise, 2 * sigma)
    return (band / band.std()).astype(np.float32)


@pytest.mark.parametrize("sigma", [1.5, 3.0, 6.0])
@pytest.mark.parametrize("share", [0.8, 0.9])
def test_a_flattened_texture_of_its_own_gets_the_sources_power(sigma: float, share: float) -> None:
    source, other = texture(1, sigma), share * texture(2, sigma)  # the solve put structures elsewhere
    full = other + lost_contrast(source, other, EVERYWHERE)
    assert other.std() == pytest.approx(share, abs=0.01)
    assert full.std() == pytest.approx(1, abs=0.05)
    assert np.corrcoef(full.ravel(), other.ravel())[0, 1] > 0.98  # and it left them there


def test_only_the_half_that_was_flattened_is_strengthened() -> None:
    source = texture(1, 3.0)
    made = source.copy()
    made[:, SIDE // 2 :] *= 0.8
    added = np.abs(lost_contrast(source, made, EVERYWHERE))
    assert added[:, : SIDE // 4].mean() < 0.1 * added[:, 3 * SIDE // 4 :].mean()


def test_what_has_its_contrast_is_left_as_it_is() -> None:
    source = texture(1, 3.0)
    for made in (source, 1.3 * source, source + 0.5, np.full_like(source, -1)):
        np.testing.assert_allclose(lost_contrast(source, made, EVERYWHERE), 0, atol=1e-3)


def test_a_band_that_is_gone_is_not_made_up() -> None:
    source = texture(1, 3.0)
    faint = 0.1 * source
    assert (faint + lost_contrast(source, faint, EVERYWHERE)).std() <= 1.01 * MOST * faint.std()


def test_power_where_nothing_was_generated_does_not_count() -> None:
    source = texture(1, 3.0)
    source[:, : SIDE // 2] *= 8  # a bright lesion that is kept
    made, weight = source.copy(), EVERYWHERE.copy()
    made[:, SIDE // 2 :] *= 0.8
    weight[:, : SIDE // 2] = 0
    full = made + lost_contrast(source, made, weight)
    beside = slice(SIDE // 2 + 8, SIDE // 2 + 32)
    assert full[:, beside].std() == pytest.approx(source[:, beside].std(), rel=0.08)


@pytest.mark.parametrize("shape", [(64, 64), (50, 37), (9, 9)])
def test_any_square_of_a_prior_will_do(shape: tuple[int, int]) -> None:
    source = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    added = lost_contrast(source, 0.8 * source, np.ones(shape, dtype=np.float32))
    assert added.shape == shape
    assert added.dtype == np.float32
    assert np.isfinite(added).all()
