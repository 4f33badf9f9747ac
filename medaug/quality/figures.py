"""The figures themselves, taken on the native grid from stored numbers.

Grey levels are in shares of the window's width. Ratios compare a variant with its own source, so that 1 means "as in
the source", whatever the modality. A slice is an image; only `through_plane` compares across slices.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Mask, Volume, Window

Levels = npt.NDArray[np.floating]

BLOCK = 8  # px: side of the blocks that noise is measured in
QUIET = 25  # percentile of the blocks by their fine detail: flat places, where detail is noise
DARK = 10  # percentile of the blocks by brightness: air, where there is any
CALM = 75  # percentile of those blocks by their scatter: above it, they hold edges
TILE = 64  # px: side of the tiles that seams are judged in, so that one bad box among long clean borders shows
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
    """

    source: Volume
    variant: Volume
    protected: Mask
    window: Window

    def __post_init__(self) -> None:
        if not self.source.stored.shape == self.variant.stored.shape == self.protected.shape:
            raise ValueError(f"variant {self.variant.stored.shape} isn't on the grid {self.source.stored.shape}")
        if self.source.stored.dtype != self.variant.stored.dtype or self.source.rescale != self.variant.rescale:
            raise ValueError("the variant's stored numbers don't mean what the source's mean")

    @cached_property
    def differs(self) -> Mask:
        """Where the stored numbers differ, bit for bit: a NaN equals itself."""
        before, after = (np.ascontiguousarray(volume.stored) for volume in (self.source, self.variant))
        bits = np.dtype(f"u{before.dtype.itemsize}")
        return np.asarray(before.view(bits) != after.view(bits))

    @cached_property
    def before(self) -> Levels:
        """The source: 0 at the window's low end, 1 at its high one, not cut."""
        return _levels(self.source, self.window)

    @cached_property
    def after(self) -> Levels:
        """The variant, likewise."""
        return _levels(self.variant, self.window)

    @cached_property
    def step(self) -> float:
        """The coarsest step of the stored numbers; next to nothing for floats."""
        if not np.issubdtype(self.source.stored.dtype, np.integer):
            return 1e-6
        return self.source.coarsest / self.window.width

    @cached_property
    def slices(self) -> tuple[tuple[Levels, Levels, Mask], ...]:
        """(before, after, free) of every slice with free voxels, cut to their bounding box and a voxel around it."""
        return tuple(_cut(*one) for one in zip(self.before, self.after, ~self.protected, strict=True) if one[2].any())

    @cached_property
    def detail(self) -> tuple[Levels, Levels]:
        """Fine detail of the free region, before and after: the Laplacian's root mean square in wholly free blocks.

        Where the region is too small for blocks, its size at every voxel. Empty where not even that can be taken.
        """
        for side in (BLOCK, 1):
            found = [_detail(before, after, free, side) for before, after, free in self.slices]
            if sum(len(one) for one, _ in found):
                break
        empty = [np.zeros(0)]
        return np.concatenate([b for b, _ in found] or empty), np.concatenate([a for _, a in found] or empty)

    @property
    def least(self) -> float:
        """What is added to both sides of a ratio of detail: a quarter of a stored step, so that constants compare."""
        return 0.25 * self.step


def protected_identity(pair: Pair) -> float:
    """How many protected voxels hold another stored number. Anything but 0 is a bug, not a matter of degree."""
    return float(np.count_nonzero(pair.differs & pair.protected))


def value_range(pair: Pair) -> float:
    """Share of altered voxels outside the window or on the padding value. Half a stored step is left for rounding."""
    altered = np.count_nonzero(pair.differs)
    if not altered:
        return 0.0
    room = 0.5 * pair.step + 1e-6
    fine = (pair.after >= -room) & (pair.after <= 1 + room)
    if pair.variant.padding is not None:
        fine &= ~pair.variant.padded
    return float(np.count_nonzero(pair.differs & ~fine) / altered)


def seam(pair: Pair) -> float:
    """How much steeper the variant is than its source across protected | free borders, in the worst tile.

    Mean step between the neighbours on both sides, over the source's; a source that is calmer than one grey level
    counts as one, so that up to 1 no seam can be seen. 1 where there is no border.
    """
    found = [_steps(*one) for one in pair.slices]
    before, after, count = (np.concatenate([one[n] for one in found] or [np.zeros(0)]) for n in range(3))
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
    """Fine detail of the *flat* places of the free region over the source's: what is left there is noise."""
    before, after = pair.detail
    if not before.size:
        return float("nan")
    return _ratio(float(np.percentile(before, QUIET)), float(np.percentile(after, QUIET)), pair.least)


def air_noise(pair: Pair) -> float:
    """Scatter in the darkest blocks of the source without edges, in the variant over in the source.

    They are the air, where there is any, whatever the domain took for air; 1.0 exactly when they are untouched.
    """
    valid = [_block_sums(padded, BLOCK) == 0 for padded in pair.source.padded]
    level = [_block_sums(x, BLOCK) / BLOCK**2 for x in pair.before]
    known = np.concatenate([x[ok] for x, ok in zip(level, valid, strict=True)])
    if not known.size:
        return 1.0
    side = -1 if pair.source.inverted else 1
    limit = np.percentile(side * known, DARK)
    dark = [ok & (side * x <= limit) for x, ok in zip(level, valid, strict=True)]
    before = [_scatter(x, where) for x, where in zip(pair.before, dark, strict=True)]
    quiet = np.percentile(np.concatenate(before), CALM)
    after = [_scatter(x, where)[spread <= quiet] for x, where, spread in zip(pair.after, dark, before, strict=True)]
    calm = np.concatenate([spread[spread <= quiet] for spread in before])
    return _ratio(_rms(calm), _rms(np.concatenate(after)), pair.least)


def change(pair: Pair) -> float:
    """Mean difference over the free voxels: a variant that changes nothing is none."""
    total = sum(float(np.abs(after - before).sum(where=free, dtype=np.float64)) for before, after, free in pair.slices)
    count = np.count_nonzero(~pair.protected)
    return total / count if count else float("nan")


def through_plane(pair: Pair) -> float:
    """How much neighbouring slices differ where both are free, over how much they do in the source.

    Root mean squares over all such voxels; below 1 neighbours were made too alike, above 1 they don't fit. 1 where no
    voxel is free in two neighbouring slices, as in a radiograph.
    """
    free = ~pair.protected
    both = free[1:] & free[:-1]
    if not both.any():
        return 1.0
    before, after = (_rms(np.diff(levels, axis=0)[both]) for levels in (pair.before, pair.after))
    return _ratio(before, after, pair.least)


def _levels(volume: Volume, window: Window) -> Levels:
    """float64 where float32 can't hold every stored number."""
    wide = volume.stored.dtype.itemsize > 2
    values = volume.stored if volume.lut is None else volume.lut.apply(volume.stored)
    levels: Levels = values.astype(np.float64) if wide else values.astype(np.float32)
    for k, rescale in enumerate(volume.rescale):
        levels[k] *= rescale.slope / window.width
        levels[k] += (rescale.intercept - window.low) / window.width
    return levels


def _cut(before: Levels, after: Levels, free: Mask) -> tuple[Levels, Levels, Mask]:
    rows, columns = (_span(np.asarray(free.any(axis=axis))) for axis in (1, 0))
    return before[rows, columns], after[rows, columns], free[rows, columns]


def _span(line: npt.NDArray[np.bool_]) -> slice:
    hits = np.flatnonzero(line)
    return slice(max(0, int(hits[0]) - 1), int(hits[-1]) + 2)


def _detail(before: Levels, after: Levels, free: Mask, side: int) -> tuple[Levels, Levels]:
    if min(free.shape) < 3:
        return np.zeros(0), np.zeros(0)
    middle = free[1:-1, 1:-1]
    whole = middle & free[:-2, 1:-1] & free[2:, 1:-1] & free[1:-1, :-2] & free[1:-1, 2:]
    inside = _block_sums(whole, side) == side * side
    old, new = (np.sqrt(_block_sums(_laplacian(x) ** 2, side)[inside]) / side for x in (before, after))
    return old, new


def _laplacian(x: Levels) -> Levels:
    found = 4 * x[1:-1, 1:-1]
    for beside in (x[:-2, 1:-1], x[2:, 1:-1], x[1:-1, :-2], x[1:-1, 2:]):
        found -= beside
    return np.asarray(found)


def _block_sums(x: npt.NDArray[np.generic], side: int) -> Levels:
    """Sums over whole side × side blocks; what is left over at the end of an axis is dropped."""
    rows, columns = (n // side for n in x.shape)
    cut = x[: rows * side, : columns * side]
    along_rows = cut.reshape(rows, side, columns * side).sum(axis=1, dtype=np.float32)
    return np.asarray(along_rows.reshape(rows, columns, side).sum(axis=2))


def _scatter(x: Levels, where: Mask) -> Levels:
    """Standard deviation of the blocks at ``where``, (rows, columns) of blocks, in their order."""
    rows, columns = where.shape
    cut = x[: rows * BLOCK, : columns * BLOCK]
    blocks = cut.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)[where]
    mean = blocks.sum(axis=1, dtype=np.float32).sum(axis=1) / BLOCK**2
    centred = blocks - mean[:, None, None]
    np.square(centred, out=centred)
    return np.asarray(np.sqrt(centred.sum(axis=1, dtype=np.float32).sum(axis=1) / BLOCK**2))


def _steps(before: Levels, after: Levels, free: Mask) -> tuple[Levels, Levels, Levels]:
    """Per tile: the sum of steps across the border, before and after, and how many there are."""
    across = free.shape[1] // TILE + 1
    tiles = (free.shape[0] // TILE + 1) * across
    totals = np.zeros((3, tiles))
    for axis in (0, 1):
        i, j = np.nonzero(free[1:] ^ free[:-1] if axis == 0 else free[:, 1:] ^ free[:, :-1])
        tile = (i // TILE) * across + j // TILE
        beyond = (i + 1, j) if axis == 0 else (i, j + 1)
        for n, x in enumerate((before, after)):
            totals[n] += np.bincount(tile, np.abs(x[i, j] - x[beyond]), minlength=tiles)
        totals[2] += np.bincount(tile, minlength=tiles)
    return totals[0], totals[1], totals[2]


def _rms(x: Levels) -> float:
    return float(np.sqrt(np.mean(np.square(x, dtype=np.float64)))) if x.size else float("nan")


def _ratio(before: float, after: float, least: float) -> float:
    return (after + least) / (before + least)
