"""Features that learned nothing: the control that says what ImageNet's are worth, and a detector without an extra."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

CHANNELS = (16, 16, 16)


class RandomFeatures(nn.Module):
    """Grey images to maps at strides of 8, 16 and 32, by fixed random filters."""

    def __init__(self) -> None:
        super().__init__()
        drawn = torch.Generator().manual_seed(8)
        sides = ((1, 16, 8), (16, 16, 2), (16, 16, 2))
        for n, (into, out, side) in enumerate(sides):
            self.register_buffer(f"filter{n}", torch.randn(out, into, side, side, generator=drawn) / side)

    def forward(self, grey: Tensor) -> tuple[Tensor, ...]:
        """(B, 1, H, W) in [0, 255] → three maps."""
        x, maps = grey / 128.0 - 1.0, []
        for kernel in self.buffers():
            x = functional.relu(functional.conv2d(x, kernel, stride=kernel.shape[-1]))
            maps.append(x)
        return tuple(maps)
