from __future__ import annotations

import numpy as np
import pytest

from medaug.imaging.resample import block_means, low_pass_matrix, resize, resized_rows
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
