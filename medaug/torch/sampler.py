"""A sampler that keeps the ratio of synthetic to real images in each epoch."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal, assert_never

import torch
from torch.utils.data import Sampler

Schedule = Literal["mix", "pretrain"]


class RatioSampler(Sampler[int]):
    """Indices of one epoch: every real image once, and ``ratio`` times as many variants.

    Variants take turns: none comes again before all have come. ``mix`` shuffles both; ``pretrain`` gives variants alone
    in the first epochs, and real images alone after them. The order follows from seed and epoch; each pass over the
    sampler is the next epoch, unless `set_epoch` says which.

    Args:
        synthetic: of each item of the data set, whether it is a variant.
        ratio: variants for each real image.
        schedule: ``mix`` or ``pretrain``.
        pretrain_epochs: with variants alone.
        seed: of the order.
    """

    def __init__(
        self,
        synthetic: Sequence[bool],
        ratio: float = 1.0,
        schedule: Schedule = "mix",
        *,
        pretrain_epochs: int = 1,
        seed: int = 0,
    ) -> None:
        self.real = [n for n, made in enumerate(synthetic) if not made]
        self.variants = [n for n, made in enumerate(synthetic) if made]
        self.drawn = round(ratio * len(self.real)) if self.variants else 0
        self.schedule: Schedule = schedule
        self.pretrain_epochs, self.seed, self.epoch = pretrain_epochs, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Which epoch comes next, from 0."""
        self.epoch = epoch

    def __len__(self) -> int:
        return len(self._indices(self.epoch))

    def __iter__(self) -> Iterator[int]:
        indices = self._indices(self.epoch)
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + self.epoch)
        self.epoch += 1
        return iter([indices[n] for n in torch.randperm(len(indices), generator=generator).tolist()])

    def _indices(self, epoch: int) -> list[int]:
        match self.schedule:
            case "mix":
                return self.real + self._turn(epoch)
            case "pretrain":
                return self._turn(epoch) if epoch < self.pretrain_epochs else self.real
            case _:
                assert_never(self.schedule)

    def _turn(self, epoch: int) -> list[int]:
        """The variants of an epoch: they follow those of the one before, in an order that is drawn once."""
        if not self.drawn:
            return []
        order = torch.randperm(len(self.variants), generator=torch.Generator().manual_seed(self.seed)).tolist()
        first = epoch * self.drawn
        return [self.variants[order[n % len(order)]] for n in range(first, first + self.drawn)]
