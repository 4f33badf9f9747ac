"""The figures themselves, taken on the native grid from stored numbers.

Grey levels are in shares of the window's width. Ratios compare a variant with its own source, so that 1 means "as in
the source", whatever the modality. A slice is an image; only `through_plane` compares across slices.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from medaug.imaging.volume import Area, Mask, Volume, Window
from medaug.quality.baseline import (
    Baseline,
    detail_of,
    scatter_of,
    spanned,
    steps_of,
    strips,
)
from medaug.quality.levels import Levels, extremes, levels, moved
from medaug.quality.reduced import Slice, reduced

QUIET = 25  # percentile of the blocks by their fine detail: flat regions, where detail is noise
PAIRS = 24  # neighbours across a border below which a tile says too little
GREY = 1 / 256  # a step below one grey level of a display is no seam


@dataclass(frozen=True, eq=False)
class Pair:
    """A source, its variant, and what was to stay.

    Attributes:
        source: the real volume.
        variant: on the same grid.
        protected: (k, i, j), True where nothing may differ.
        window: the unit of all grey levels.
        known: the baseline of this source, these protected voxels and this window where it was taken before.
        differing: `differs`, where that was taken before.
    """

    source: Volume
    variant: Volume
    protected: Mask
    window: Window
    known: Baseline | None = None
    differing: Mask | None = None

    def __post_init__(self) -> None:
        if not self.source.stored.shape == self.variant.stored.shape == self.protected.shape:
            raise ValueError(f"variant {self.variant.stored.shape} isn't on the grid {self.source.stored.shape}")
        if self.source.stored.dtype != self.variant.stored.dtype or self.source.rescale != self.variant.rescale:
            raise ValueError("the variant's stored numbers don't mean what the source's mean")

    @cached_property
    def differs(self) -> Mask:
        """Where the stored numbers differ, bit for bit: a NaN equals itself."""
        if self.differing is not None:
            return self.differing
        before, after = (np.ascontiguousarray(volume.stored) for volume in (self.source, self.variant))
        bits = np.dtype(f"u{before.dtype.itemsize}")
        return np.asarray(before.view(bits) != after.view(bits))

    @property
    def whole(self) -> bool:
        """Whether the stored numbers are integers."""
        return bool(np.issubdtype(self.source.stored.dtype, np.integer))

    @cached_property
    def trespassed(self) -> int:
        """How many protected voxels differ."""
        return sum(int(np.count_nonzero(self.differs[k][at] & self.protected[k][at])) for k, at in _everywhere(self))

    @cached_property
    def base(self) -> Baseline:
        """The source's side of all comparisons."""
        return self.known or Baseline.of(self.source, self.protected, self.window)

    @cached_property
    def step(self) -> float:
        """The coarsest step of the stored numbers; next to nothing for floats."""
        if not self.whole:
            return 1e-6
        return self.source.coarsest / self.window.width

    @cached_property
    def detail(self) -> tuple[Levels, Levels]:
        """Fine detail of the free region, before and after; empty where not even that of one voxel can be taken."""
        base = self.base
        return base.detail, detail_of(self.variant, self.window, base.areas, base.inside, base.side)

    @cached_property
    def seen(self) -> tuple[Slice, ...]:
        """Both at the size in which a person takes them in."""
        return reduced(self.variant, self.window, self.base.seen)

    @property
    def least(self) -> float:
        """What is added to both sides of a ratio of detail: a quarter of a stored step, so that constants compare."""
        return 0.25 * self.step


def protected_identity(pair: Pair) -> float:
    """How many protected voxels hold another stored number. Anything but 0 is a bug, not a matter of degree."""
    return float(pair.trespassed)


def value_range(pair: Pair) -> float:
    """Share of altered voxels outside the window or on the padding value. Half a stored step is left for rounding."""
    altered = np.count_nonzero(pair.differs)
    if not altered:
        return 0.0
    slack, outside = 0.5 * pair.step + 1e-6, 0
    for k, (rows, _) in _everywhere(pair):
        span = spanned(pair.differs[k][rows])
        if span and not _within(extremes(pair.variant, pair.window, k, (rows, span)), slack).all():  # a NaN isn't
            after = levels(pair.variant, pair.window, k, (rows, span))
            outside += int(np.count_nonzero(pair.differs[k][rows, span] & ~_within(after, slack)))
    if pair.variant.padding is not None:
        outside += int(np.count_nonzero(pair.differs & pair.variant.padded))
    return float(outside / altered)


def seam(pair: Pair) -> float:
    """How much steeper the variant is than its source across protected | free borders, in the worst tile.

    Mean step between the neighbours on both sides, over the source's; a source that is calmer than one grey level
    counts as one, so that up to 1 no seam can be seen. 1 where there is no border.
    """
    before, count = pair.base.steps, pair.base.counts
    after = steps_of(pair.variant, pair.window, pair.base.borders)
    enough = count >= PAIRS
    if not enough.any():
        before, after, count = (np.array([x.sum()]) for x in (before, after, count))
        enough = count > 0
    if not enough.any():
        return 1.0
    old, new = before[enough] / count[enough], after[enough] / count[enough]
    return float(np.max(new / np.maximum(old, max(GREY, pair.step))))


def sharpness(pair: Pair) -> float:
    """Fine detail of the free region over the source's there: below 1 is blurred, above 1 is rougher."""
    before, after = pair.detail
    return _ratio(_rms(before), _rms(after), pair.least)


def noise(pair: Pair) -> float:
    """Fine detail of the *flat* parts of the free region over the source's: what is left there is noise."""
    before, after = pair.detail
    if not before.size:
        return float("nan")
    return _ratio(float(np.percentile(before, QUIET)), float(np.percentile(after, QUIET)), pair.least)


def air_noise(pair: Pair) -> float:
    """Scatter in the darkest blocks of the source without edges, in the variant over in the source.

    They are the air, where there is any, whatever the domain took for air; 1.0 exactly when they are untouched.
    """
    if pair.base.air is None:
        return 1.0
    untouched = pair.base.air_kept and not pair.trespassed
    after = pair.base.scatter if untouched else scatter_of(pair.variant, pair.window, pair.base.air)
    return _ratio(_rms(pair.base.scatter), _rms(after), pair.least)


def change(pair: Pair) -> float:
    """Mean difference over the free voxels: a variant that changes nothing is none."""
    total = 0.0
    for k, area in pair.base.areas.items():
        for rows, columns in strips(area):
            # whole numbers that stay don't differ, and needn't be looked at; a NaN that stays is
            span = spanned(pair.differs[k][rows]) if pair.whole else columns
            if span is not None:
                difference = moved(pair.source, pair.variant, pair.window, k, (rows, span))
                np.abs(difference, out=difference)
                if pair.trespassed or not pair.whole:  # what is protected is none of the free ones
                    np.copyto(difference, 0, where=pair.protected[k][rows, span])
                total += float(difference.sum(axis=1).sum(dtype=np.float64))
    count = pair.protected.size - np.count_nonzero(pair.protected)
    return total / count if count else float("nan")


def through_plane(pair: Pair) -> float:
    """How much neighbouring slices differ where both are free, over how much they do in the source.

    Root mean squares over all such voxels; below 1 neighbours were made too similar, above 1 they don't fit. 1 where no
    voxel is free in two neighbouring slices, as in a radiograph.
    """
    sums, count = np.zeros(2), 0
    for k in range(len(pair.protected) - 1):
        both = ~(pair.protected[k] | pair.protected[k + 1])
        if both.any():
            count += int(np.count_nonzero(both))
            for n, volume in enumerate((pair.source, pair.variant)):
                difference = (levels(volume, pair.window, k + 1) - levels(volume, pair.window, k))[both]
                sums[n] += np.square(difference, dtype=np.float64).sum()
    if not count:
        return 1.0
    before, after = np.sqrt(sums / count)
    return _ratio(float(before), float(after), pair.least)


def _everywhere(pair: Pair) -> Iterator[tuple[int, Area]]:
    slices, rows, columns = pair.protected.shape
    for k in range(slices):
        yield from ((k, part) for part in strips((slice(0, rows), slice(0, columns))))


def _within(grey: Levels, slack: float) -> Mask:
    return np.asarray((grey >= -slack) & (grey <= 1 + slack))


def _rms(x: Levels) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else float("nan")


def _ratio(before: float, after: float, least: float) -> float:
    return (after + least) / (before + least)
