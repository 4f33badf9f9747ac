from __future__ import annotations

import torch

from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.inverse.priors.networks.attention_guidance import half_inattentive, pushed_apart
from medaug.inverse.priors.networks.unet import unet

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
    twin = half_inattentive(net)
    attentive, other = twin(torch.cat([z, z]), torch.cat([t, t]), return_dict=False)[0].chunk(2)
    torch.testing.assert_close(attentive, before)
    assert torch.equal(net(z, t, return_dict=False)[0], before)  # it is left as it is
    for name, weight in net.named_parameters():  # where all attention adds nothing, the halves are one
        if ".to_v." in name or ".to_out." in name:
            weight.zero_()
    same = twin(torch.cat([z, z]), torch.cat([t, t]), return_dict=False)[0].chunk(2)
    torch.testing.assert_close(same[0], same[1])  # the weights are shared
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
    pushed = load_embedded(attention_guidance=1.0).denoise(z, t)
    alone = load_embedded(attention_guidance=1.0).denoise(z[1:], t[1:])
    assert (plain - pushed).abs().mean() > 1e-3
    torch.testing.assert_close(alone, pushed[1:])
