from __future__ import annotations

import pytest
import torch

from medaug.inverse.sampling.unconditional import draw
from tests.support.analytic import GaussianPrior, PixelPrior


@pytest.mark.parametrize("eta", [0.0, 1.0])
def test_draws_have_the_priors_own_distribution(eta: float) -> None:
    drawn = draw(PixelPrior(), [1, 2, 3, 4], 200, eta=eta)
    assert drawn.shape == (4, 1, 64, 64)
    assert abs(drawn.mean().item()) < 0.02
    assert abs(drawn.std().item() - 0.5) < 0.02  # independent N(0, 0.5²)
    neighbours = (drawn[..., 1:] * drawn[..., :-1]).mean().item() / 0.25
    assert abs(neighbours) < 0.03


def test_a_draw_hangs_on_its_seed_alone() -> None:
    both = draw(PixelPrior(), [1, 2], 5, size=16, eta=1.0)
    assert torch.equal(both[1:], draw(PixelPrior(), [2], 5, size=16, eta=1.0))
    assert not torch.equal(both[0], both[1])


def test_the_network_is_called_once_a_step() -> None:
    class Counted(GaussianPrior):
        card = PixelPrior().card

    prior = Counted()
    draw(prior, [1], 7, size=8)
    assert prior.calls == {"denoise": 7, "decode": 1}
