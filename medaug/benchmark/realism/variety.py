"""How much of an image is new: a generator that changes nothing would fool every judge."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy.ndimage import convolve

from medaug.benchmark.realism.patches import Pair
from medaug.imaging.volume import Float32, Mask

LEVELS = 255
# Immerkær, Fast noise variance estimation, Computer Vision and Image Understanding 64, 1996, equation 2
KERNEL = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], dtype=np.float32)


@dataclass(frozen=True)
class Variety:
    """Means over images.

    Attributes:
        change: mean absolute change in the free region, in grey levels of 255.
        share: of the free region that changed by more than twice its source's noise.
    """

    change: float
    share: float


def variety(pairs: Iterable[Pair]) -> Variety:
    """How far generated images are from their sources.

    Raises:
        ValueError: no image has a free region.
    """
    rows = [(change_of(one), share_of(one)) for one in pairs if one.free.any()]
    if not rows:
        raise ValueError("realism: no image has a free region")
    change, share = np.mean(rows, axis=0)
    return Variety(float(change), float(share))


def change_of(pair: Pair) -> float:
    """Mean absolute change in the free region, in grey levels of 255."""
    return float(np.abs(pair.made - pair.real)[pair.free].mean() * LEVELS)


def share_of(pair: Pair) -> float:
    """Share of the free region that changed by more than twice the source's noise there, at least one grey level."""
    least = max(2 * noise_of(pair.real, pair.free), 1 / LEVELS)
    return float((np.abs(pair.made - pair.real)[pair.free] > least).mean())


def noise_of(image: Float32, where: Mask) -> float:
    """Standard deviation of an image's noise, from the median of what a plane leaves of each 3 × 3 px."""
    left = np.abs(convolve(image, KERNEL, mode="reflect"))[where]
    return float(np.median(left) / 0.6745 / 6) if left.size else 0.0
