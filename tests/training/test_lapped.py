from __future__ import annotations

import pytest
import torch

from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder
from medaug.training import lapped


@pytest.mark.parametrize("stride", [4, 8])
@pytest.mark.parametrize("shape", [(64, 64), (32, 96)])
def test_the_passes_are_the_autoencoders_own(stride: int, shape: tuple[int, int]) -> None:
    draw = torch.Generator().manual_seed(3)
    with torch.random.fork_rng(devices=[]):
        net = LappedAutoencoder(6, 8, stride)
    with torch.no_grad():
        for value in (*net.parameters(), net.mean):
            value.copy_(0.2 * torch.randn(value.shape, generator=draw))
        net.std.copy_(torch.rand(net.std.shape, generator=draw) + 0.5)
        x = torch.rand((2, 1, *shape), generator=draw)
        z = net.encode(x)
        assert torch.allclose(lapped.encode(net, x), z, atol=1e-4)
        assert torch.allclose(lapped.decode(net, z), net.decode(z), atol=1e-4)
        assert not torch.allclose(lapped.decode(net, z), net.decode(z.flip(-1)), atol=1e-2)
