"""What an arm is: from the real training images to the images that are added to them.

Every arm of a training adds as many images in each phase in which it adds any, and the n-th added image of a phase
stands for the same real image in every arm.
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


Adding = Callable[[Material], list[Picture]]


@dataclass(frozen=True)
class Arm:
    """A row of the table.

    Attributes:
        says: what is added, for the report.
        add: from the material to the images that the real ones are trained beside: ``count``, or none.
        first: from the material to ``count`` images, which the first half of the steps is for alone; None for an arm
            of one phase.
        making: what the package has to make for it beforehand.
        profile: takes the place of the user's; "" for the user's.
    """

    says: str
    add: Adding
    first: Adding | None = None
    making: Making = "none"
    profile: str = ""


def drawn_for(what: str, picture: Picture, number: int) -> np.random.Generator:
    """Random choices that depend on the real image and the turn alone: a copy is looked at once over all trainings."""
    return generator("arm", what, picture.source, number)
