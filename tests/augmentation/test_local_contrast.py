from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from medaug.augmentation.local_contrast import MASKED, contrast_of_source
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
def test_a_flattened_texture_gets_the_sources_power(sigma: float, share: float) -> None:
    source = texture(1, sigma)
    made = share * source + 0.1 * texture(2, sigma)  # and the solve put some structures elsewhere
    full = made + contrast_of_source(source, made, EVERYWHERE)
    assert abs(full.std() - 1) < 0.3 * abs(made.std() - 1)
    assert np.corrcoef(full.ravel(), made.ravel())[0, 1] > 0.99  # and it left them there


def test_only_the_half_that_was_flattened_is_strengthened() -> None:
    source = texture(1, 3.0)
    made = source.copy()
    made[:, SIDE // 2 :] *= 0.8
    added = np.abs(contrast_of_source(source, made, EVERYWHERE))
    assert added[:, : SIDE // 4].mean() < 0.1 * added[:, 3 * SIDE // 4 :].mean()


def test_what_has_the_sources_contrast_is_left_as_it_is() -> None:
    source = texture(1, 3.0)
    for made in (source, source + 0.5, 1.2 * source):
        np.testing.assert_allclose(contrast_of_source(source, made, EVERYWHERE), 0, atol=1e-3)


def test_clouds_are_held_to_a_share_of_calm_tissue_and_left_among_texture() -> None:
    source = texture(1, 3.0)
    source[:, : SIDE // 2] *= 0.1
    clouds = 0.2 * texture(2, 3.0)
    made = source + clouds
    change = clouds + contrast_of_source(source, made, EVERYWHERE)
    calm, textured = np.s_[:, 8 : SIDE // 2 - 24], np.s_[:, SIDE // 2 + 24 :]
    assert np.abs(change[calm]).mean() < 1.6 * MASKED * np.abs(source[calm]).mean()  # bands overlap
    assert np.abs(change[calm]).mean() < 0.3 * np.abs(clouds[calm]).mean()
    assert np.abs(change[textured]).mean() > 0.9 * np.abs(clouds[textured]).mean()


def test_shading_is_left_as_it_is() -> None:
    source = texture(1, 3.0)
    shading = np.linspace(-0.4, 0.4, SIDE, dtype=np.float32)[:, None] * np.ones(SIDE, dtype=np.float32)
    inner = np.s_[24:-24, 24:-24]
    added = contrast_of_source(source, source + shading, EVERYWHERE)
    assert np.abs(added[inner]).max() < 0.03


def test_power_where_nothing_was_generated_does_not_count() -> None:
    source = texture(1, 3.0)
    source[:, : SIDE // 2] *= 8  # a bright lesion that is kept
    made, weight = source.copy(), EVERYWHERE.copy()
    made[:, SIDE // 2 :] *= 0.8
    weight[:, : SIDE // 2] = 0
    full = made + contrast_of_source(source, made, weight)
    beside = slice(SIDE // 2 + 8, SIDE // 2 + 32)
    assert full[:, beside].std() == pytest.approx(source[:, beside].std(), rel=0.08)


@pytest.mark.parametrize("shape", [(64, 64), (50, 37), (9, 9)])
def test_any_square_of_a_prior_will_do(shape: tuple[int, int]) -> None:
    source = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    added = contrast_of_source(source, 0.8 * source, np.ones(shape, dtype=np.float32))
    assert added.shape == shape
    assert added.dtype == np.float32
    assert np.isfinite(added).all()
