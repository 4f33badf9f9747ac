from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from medaug.imaging.resample import (
    block_means,
    coverage,
    coverage_matrix,
    cubic_matrix,
    low_pass_matrix,
    resize,
    resized_rows,
)
from medaug.imaging.volume import STRIP


@pytest.mark.parametrize("shape", [(24, 36), (25, 38), (3, 50), (1, 1)])
@pytest.mark.parametrize("side", [1, 2, 3, 8, 13, 300])
@pytest.mark.parametrize("kind", [np.bool_, np.uint8, np.uint16, np.int16, np.float32])
def test_block_means_are_those_of_the_image_with_its_last_row_and_column_repeated(
    shape: tuple[int, int], side: int, kind: type
) -> None:
    draw = np.random.default_rng(3)
    image = draw.random(shape) < 0.4 if kind is np.bool_ else draw.integers(0, 200, shape).astype(kind)
    padded = np.pad(image.astype(np.float64), [(0, -n % side) for n in shape], mode="edge")
    rows, columns = (n // side for n in padded.shape)
    found = block_means(image, side)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, padded.reshape(rows, side, columns, side).mean(axis=(1, 3)), rtol=1e-6)


@pytest.mark.parametrize(("kind", "ends"), [(np.uint16, (0, 65535)), (np.int16, (-32768, 32767)), (np.uint8, (0, 255))])
def test_block_means_hold_the_greatest_numbers(kind: type, ends: tuple[int, int]) -> None:
    image = np.full((16, 16), ends[1], dtype=kind)
    image[:8] = ends[0]
    assert block_means(image, 8).tolist() == [[ends[0]] * 2, [ends[1]] * 2]


@pytest.mark.parametrize(
    ("before", "after"),
    [((50, 41), (5, 4)), ((97, 60), (13, 9)), ((23, 8), (7, 3)), ((40, 6), (8, 9)), ((700, 5), (2, 2))],
)
def test_coverage_is_the_products_however_it_is_counted(before: tuple[int, int], after: tuple[int, int]) -> None:
    masks = np.random.default_rng(5).random((2, *before)) < 0.6
    masks[1, : before[0] // 2] = True  # more whole rows in one than a byte counts
    along_rows, along_columns = (coverage_matrix(n, m).astype(np.float64) for n, m in zip(before, after, strict=True))
    expected = along_rows @ masks.astype(np.float64) @ along_columns.T
    np.testing.assert_allclose(coverage(masks, after), expected, rtol=0, atol=5e-7)
    np.testing.assert_allclose(coverage(masks[:, :, ::-1], after), expected[:, :, ::-1], rtol=0, atol=5e-7)


def dense_cubic(n_in: int, n_out: int) -> npt.NDArray[np.float32]:
    """Every weight by the formula, those that are 0, too."""
    ratio = n_in / n_out
    centre = (np.arange(n_out) + 0.5) * ratio - 0.5
    distance = np.abs(np.arange(n_in)[None, :] - centre[:, None]) / max(1.0, ratio)
    near = 1.5 * distance**3 - 2.5 * distance**2 + 1
    far = -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
    weights = np.where(distance < 1, near, np.where(distance < 2, far, 0.0))
    return (weights / weights.sum(axis=1, keepdims=True)).astype(np.float32)


def dense_coverage(n_in: int, n_out: int) -> npt.NDArray[np.float32]:
    ratio = n_in / n_out
    low, index = np.arange(n_out)[:, None] * ratio, np.arange(n_in)[None, :]
    overlap = np.minimum(index + 1, low + ratio) - np.maximum(index, low)
    return (np.clip(overlap, 0.0, None) / ratio).astype(np.float32)


@pytest.mark.parametrize("n_in", [1, 2, 5, 97, 205, 256, 611])
@pytest.mark.parametrize("n_out", [1, 2, 7, 96, 205, 256, 640])
def test_a_matrix_is_that_of_all_its_weights_bit_for_bit(n_in: int, n_out: int) -> None:
    np.testing.assert_array_equal(cubic_matrix(n_in, n_out), dense_cubic(n_in, n_out))
    np.testing.assert_array_equal(coverage_matrix(n_in, n_out), dense_coverage(n_in, n_out))


def test_rows_come_in_strips_as_they_come_at_once() -> None:
    image = np.random.default_rng(4).random((40, 30)).astype(np.float32)
    for shape in ((300, 200), (40, 30), (17, 90)):
        whole = resize(image, shape)
        strips = dict.fromkeys(range(shape[0]))
        for rows, values in resized_rows(image, shape):
            assert rows.stop - rows.start <= STRIP
            # a strip may round otherwise than the whole, by a few last digits of the greatest terms: those are about 1
            np.testing.assert_allclose(values, whole[rows], rtol=0, atol=5e-7)
            for row in range(rows.start, rows.stop):
                del strips[row]
        assert not strips, "every row comes once"


@pytest.mark.parametrize(("period", "kept"), [(4.0, 0.21), (6.0, 0.5), (12.0, 0.841), (48.0, 0.989)])
def test_a_low_pass_of_six_px_halves_waves_of_six_px_and_keeps_longer_ones(period: float, kept: float) -> None:
    wave = np.cos(2 * np.pi * np.arange(192) / period)
    middle = slice(72, 120)
    passed = low_pass_matrix(192, 6.0) @ wave
    assert np.linalg.norm(passed[middle]) / np.linalg.norm(wave[middle]) == pytest.approx(kept, abs=0.01)


def test_a_low_pass_keeps_constants_at_the_ends_and_one_of_nothing_keeps_all() -> None:
    np.testing.assert_allclose(low_pass_matrix(32, 6.0).sum(axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(low_pass_matrix(32, 0), np.eye(32, dtype=np.float32))
