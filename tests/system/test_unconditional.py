"""Draws of a prior from pure noise, for the demo's images (examples/unconditional.py)."""

from __future__ import annotations

import copy

import pytest
import torch

from examples.unconditional import draw, half_inattentive, pushed_apart, with_attention_guidance
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.unet import unet
from tests.support.analytic import GaussianPrior, PixelPrior

CONFIG = {
    "sample_size": 8,
    "in_channels": 2,
    "out_channels": 2,
    "block_out_channels": [8, 16],
    "layers_per_block": 1,
    "down_block_types": ["DownBlock2D", "AttnDownBlock2D"],
    "up_block_types": ["AttnUpBlock2D", "UpBlock2D"],
    "norm_num_groups": 4,
    "attention_head_dim": 8,
}


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


@torch.no_grad()
def test_one_half_is_the_network_and_the_other_is_without_attention() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        net = unet(CONFIG).eval()
        for name, weight in net.named_parameters():
            if ".to_" in name:  # a fresh network hardly attends
                torch.nn.init.normal_(weight, std=1.0)
        z, t = torch.randn(1, 2, 8, 8), torch.tensor([500])
    before = net(z, t, return_dict=False)[0]
    twin = half_inattentive(copy.deepcopy(net))
    attentive, other = twin(torch.cat([z, z]), torch.cat([t, t]), return_dict=False)[0].chunk(2)
    torch.testing.assert_close(attentive, before)
    for name, weight in twin.named_parameters():  # where all attention adds nothing, the halves are one
        if ".to_v." in name or ".to_out." in name:
            weight.zero_()
    same = twin(torch.cat([z, z]), torch.cat([t, t]), return_dict=False)[0].chunk(2)
    torch.testing.assert_close(same[0], same[1])
    assert (attentive - other).abs().max() > 1e-3


def test_the_push_is_linear_in_its_strength() -> None:
    def half(z: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        return torch.cat([z[: len(t) // 2] * 3, z[len(t) // 2 :]])

    z, t = torch.ones(2, 1, 1, 1), torch.tensor([1, 1])
    assert pushed_apart(half, 0.0)(z, t).flatten().tolist() == [3, 3]
    assert pushed_apart(half, 2.0)(z, t).flatten().tolist() == [7, 7]


@torch.no_grad()
def test_the_embedded_prior_is_pushed_where_asked() -> None:
    z, t = torch.randn(2, 8, 32, 32, generator=torch.Generator().manual_seed(1)), torch.tensor([900, 900])
    plain = load_embedded().denoise(z, t)
    pushed = with_attention_guidance().denoise(z, t)
    alone = with_attention_guidance().denoise(z[1:], t[1:])
    assert (plain - pushed).abs().mean() > 1e-3
    torch.testing.assert_close(alone, pushed[1:])
