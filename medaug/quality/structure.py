"""What a person sees at a glance and single pixels don't show: edges, clouds, blobs, and whether anything changed.

Taken on the slices of `reduced`, in shares of the window. Limits and what they catch: docs/explanation/gate.md.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from medaug.imaging.volume import Float32, Mask
from medaug.quality.figures import Pair
from medaug.quality.reduced import Slice

STEEPEST = 85  # percentile of the slopes of the free region: above it lie edges
FLAT = 0.5 / 255  # a slope per px that is none
NOISE_SLOPE = 0.36  # 4 standard deviations of the slope of white noise of 1 behind that Gaussian
HALF = 0.5  # of a slope, along its own direction: with less of it an edge is gone
BLOCK, CALM = 16, 25  # px, percentile: the calmest blocks of the source
GREY = 1 / 255
BLOBS = (2.0, 3.0, 4.0)  # px: radii over √2
RARE = 99.5  # percentile: the strongest blobs
SEEN = 1.0  # px: width of the Gaussian behind which changes are seen
SEEN_NOISE = 0.282  # standard deviation of white noise of 1 behind it
FEW = 64  # free pixels below which nothing can be said


def structure_lost(pair: Pair) -> float:
    """Share of the source's edges in the free region that are gone: less than half of their slope is left."""
    return _without(pair.seen, lost=True)


def structure_new(pair: Pair) -> float:
    """Share of the variant's edges in the free region that weren't there: doubled outlines, ghosts, strands."""
    return _without(pair.seen, lost=False)


def clouding(pair: Pair) -> float:
    """What is added in a band of blotches where the source is calmest, over what is there; root mean squares."""
    powers = [np.zeros((2, 0))]
    for one in pair.seen:
        whole = block_means(one.free.astype(np.float32)) == 1
        there, added = (block_means(np.square(of))[whole] for of in (one.source.band, one.added_band))
        powers.append(np.stack([there, added]))
    before, change = np.concatenate(powers, axis=1)
    if not before.size:
        return 0.0
    calm = before <= np.percentile(before, CALM)
    return float(np.sqrt(change[calm].mean())) / max(float(np.sqrt(before[calm].mean())), GREY)


def blobs(pair: Pair) -> float:
    """The strongest blobs that came or went: normalised Laplacian of Gaussian of the change, its 99.5th percentile.

    Source: Lindeberg, Feature detection with automatic scale selection, 1998.
    """
    from scipy import ndimage

    if _few(pair.seen):
        return 0.0
    energies = []
    for scale in BLOBS:
        sizes = [np.abs(scale**2 * ndimage.gaussian_laplace(one.change, scale))[one.free] for one in pair.seen]
        energies.append(np.percentile(np.concatenate(sizes), RARE))
    return float(max(energies))


def changed_share(pair: Pair) -> float:
    """Share of the free region that differs, to the eye, by more than the source's noise and a grey level of 255."""
    from scipy import ndimage

    if _few(pair.seen):
        free = ~pair.protected
        return int(np.count_nonzero(pair.differs & free)) / max(1, int(np.count_nonzero(free)))
    total = count = 0
    for one in pair.seen:
        limit = max(SEEN_NOISE * one.noise, GREY)
        total += int(np.count_nonzero(np.abs(ndimage.gaussian_filter(one.change, SEEN))[one.free] > limit))
        count += int(np.count_nonzero(one.free))
    return total / count


def _without(seen: Iterable[Slice], *, lost: bool) -> float:
    gone = edges = 0
    for one in seen:
        before, after = one.slopes
        own, other = (before, after) if lost else (after, before)
        where = _edges(own, one.free, max(FLAT, NOISE_SLOPE * one.noise))
        along = (own * other).sum(axis=0)[where]
        gone += int(np.count_nonzero(along < HALF * np.square(own).sum(axis=0)[where]))
        edges += int(np.count_nonzero(where))
    return gone / edges if edges >= FEW else 0.0


def _edges(slopes: Float32, free: Mask, least: float) -> Mask:
    size = np.sqrt(np.square(slopes).sum(axis=0))
    return np.asarray(free & (size >= max(least, float(np.percentile(size[free], STEEPEST)))))


def block_means(x: Float32) -> Float32:
    """Of whole blocks; what is left over at the end of an axis is dropped."""
    rows, columns = (n // BLOCK for n in x.shape)
    blocks = x[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK)
    return np.asarray(blocks.mean(axis=(1, 3)))


def _few(seen: Iterable[Slice]) -> bool:
    return sum(int(np.count_nonzero(one.free)) for one in seen) < FEW
