"""How much of an image is new: a generator that changes nothing would fool every judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from medaug.benchmark.realism.patches import SlicePair
from medaug.quality.reduced import Before, Slice

LEVELS = 255


@dataclass(frozen=True)
class Variety:
    """Means over images.

    Attributes:
        change: mean absolute change in the free region, in grey levels of 255.
        share: of the free region that changed by more than twice its source's noise.
    """

    change: float
    share: float


def variety(pairs: Iterable[SlicePair]) -> Variety:
    """How far generated images are from their sources.

    Raises:
        ValueError: no image has a free region.
    """
    rows = [(change_of(one), share_of(one)) for one in pairs if one.free.any()]
    if not rows:
        raise ValueError("realism: no image has a free region")
    change, share = np.mean(rows, axis=0)
    return Variety(float(change), float(share))


def change_of(pair: SlicePair) -> float:
    """Mean absolute change in the free region, in grey levels of 255."""
    return float(np.abs(pair.made - pair.real)[pair.free].mean() * LEVELS)


def share_of(pair: SlicePair) -> float:
    """Share of the free region that changed by more than twice the source's noise there, at least one grey level."""
    seen = Slice(Before(pair.real, pair.free), pair.made)
    return float((np.abs(seen.change)[pair.free] > max(2 * seen.noise, 1 / LEVELS)).mean())
