from __future__ import annotations

import numpy as np
import pytest

from medaug.imaging.crop import WHOLE, free_part


@pytest.mark.parametrize("seed", range(8))
def test_a_part_holds_all_free_pixels_with_their_border_on_the_grid_of_cells(seed: int) -> None:
    draw = np.random.default_rng(seed)
    free = np.zeros((3, 96, 64), dtype=bool)
    low, high = np.sort(draw.integers(0, 65, (2, 2)), axis=0)
    free[draw.integers(3), low[0] : high[0] + 1, low[1] : high[1] + 1] = True
    border = int(draw.integers(0, 20))
    for part, line in zip(free_part(free, 16, border), (free.any((0, 2)), free.any((0, 1))), strict=True):
        hits = np.flatnonzero(line)
        assert part.start % 16 == 0
        assert part.stop % 16 == 0
        assert part.start <= max(0, hits[0] - border) < part.start + 16
        assert part.stop - 16 < min(len(line), hits[-1] + 1 + border) <= part.stop <= len(line)


def test_where_nothing_is_free_the_part_is_the_whole() -> None:
    assert free_part(np.zeros((2, 32, 32), dtype=bool), 16, 4) == WHOLE
