"""Noise by sample: one generator each, drawn in float32 on the CPU, then moved."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from medaug.inverse.device import sent


class SampleNoise:
    """Standard normal draws whose row b depends on ``seeds[b]`` alone (a `protocols.Noise`).

    Batch-mates, batch size and device can't change a sample's noise, since each has a generator of its own on the CPU.

    Args:
        seeds: one 64-bit seed per sample.
        device: where draws are wanted.
    """

    def __init__(self, seeds: Sequence[int], device: torch.device | str = "cpu") -> None:
        self._generators = [torch.Generator("cpu").manual_seed(seed) for seed in seeds]
        self._device = torch.device(device)

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """Draw (B, …); B must be the number of seeds.

        Raises:
            ValueError: the batch isn't as long as the list of seeds.
        """
        return sent(self._drawn(shape), self._device)

    def ahead(self, shape: tuple[int, ...], draws: int) -> list[Tensor]:
        """What as many calls would give, in one copy to the device.

        Raises:
            ValueError: as a call does.
        """
        drawn = [self._drawn(shape) for _ in range(draws)]
        if self._device.type == "cpu":
            return drawn
        return list(sent(torch.stack(drawn), self._device).unbind())

    def _drawn(self, shape: tuple[int, ...]) -> Tensor:
        if shape[0] != len(self._generators):
            raise ValueError(f"noise for {len(self._generators)} samples was asked for a batch of {shape[0]}")
        return torch.stack([torch.randn(shape[1:], generator=generator) for generator in self._generators])
