from __future__ import annotations

import torch

from medaug.inverse.priors.networks.autoencoder import LappedAutoencoder


def _started(channels: int, patches: torch.Tensor) -> LappedAutoencoder:
    with torch.random.fork_rng(devices=[]):
        net = LappedAutoencoder(channels, width=4)
    net.start_from_patches(patches)
    return net.requires_grad_(False)


def _patches(count: int = 2000) -> torch.Tensor:
    """Planes: level, slope along rows, slope along columns; three dimensions in all."""
    a, b, c = torch.randn((3, count, 1, 1), generator=torch.Generator().manual_seed(3))
    ramp = torch.linspace(-1, 1, 8)
    return 0.1 + 0.3 * a + 0.2 * b * ramp[:, None] + 0.1 * c * ramp


def test_it_starts_as_the_patch_pca_with_unit_variance() -> None:
    patches = _patches()
    net = _started(3, patches)
    x = patches[:1024].reshape(4, 256, 8, 8).transpose(1, 2).reshape(4, 1, 8, 2048)  # a row of patches
    z = net.encode(x)
    assert z.shape == (4, 3, 1, 256)
    assert torch.allclose(net.decode(z), x, atol=1e-4)
    assert torch.allclose(z.std(dim=(0, 2, 3)), torch.ones(3), atol=0.1)


def test_too_few_channels_lose_something() -> None:
    net, x = _started(2, _patches()), _patches(1)[:, None]
    assert (net.decode(net.encode(x)) - x).abs().max() > 1e-3


def test_normalisation_cancels() -> None:
    net, x = _started(3, _patches()), _patches(1)[:, None]
    raw = net.encode(x)
    net.mean += 0.5
    net.std *= 2.0
    assert torch.allclose(net.encode(x), (raw - 0.5) / 2)
    assert torch.allclose(net.decode(net.encode(x)), x, atol=1e-4)
