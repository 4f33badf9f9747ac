"""What an arm is: from the real training images to the images that are added to them.

Every arm of a training adds as many images, and its n-th added image stands for the same real image in every arm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from medaug.benchmark.images.dataset import Picture
from medaug.imaging.seeds import generator

Making = Literal["none", "run", "round-trip", "blur", "noise"]


@dataclass(frozen=True, eq=False)
class Material:
    """What an arm may draw on. Nothing of validation or test is in it.

    Attributes:
        real: the training images.
        count: how many images are to be added.
        seed: names the order in which real images are stood for, the same in every arm.
        made: image ``number`` that was made from a real one; None where none passed the gate.
    """

    real: Sequence[Picture]
    count: int
    seed: int
    made: Callable[[Picture, int], Picture | None]

    @property
    def turns(self) -> Iterator[tuple[Picture, int]]:
        """Which real image each added one stands for, and how many did before: all in drawn order, over and over."""
        order = generator("turns", self.seed).permutation(len(self.real))
        for n in range(self.count):
            yield self.real[order[n % len(order)]], n // len(order)


@dataclass(frozen=True)
class Arm:
    """A row of the table.

    Attributes:
        says: what is added, for the report.
        add: from the material to ``count`` images.
        making: what the package has to make for it beforehand.
        before: train on the added images first and on the real ones then, half of the steps each.
        profile: takes the place of the user's; "" for the user's.
    """

    says: str
    add: Callable[[Material], list[Picture]]
    making: Making = "none"
    before: bool = False
    profile: str = ""


def drawn_for(what: str, picture: Picture, number: int) -> np.random.Generator:
    """Random choices that depend on the real image and the turn alone: a copy is looked at once over all trainings."""
    return generator("arm", what, picture.source, number)
