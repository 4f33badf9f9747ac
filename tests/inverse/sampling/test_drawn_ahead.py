from __future__ import annotations

import pytest
import torch

from medaug.inverse.noise import SampleNoise
from medaug.inverse.sampling.drawn_ahead import DrawnAhead


@pytest.mark.parametrize("draws", [0, 1, 5, 40])
def test_noise_that_is_drawn_ahead_is_the_noise(draws: int) -> None:
    shape = (2, 1, 3, 3)
    ahead, plain = DrawnAhead(SampleNoise([1, 2]), draws), SampleNoise([1, 2])
    for _ in range(42):
        assert torch.equal(ahead(shape), plain(shape))
