"""What the figures need of the source and of what must stay: the same for every variant, so taken once.

Grey levels are in shares of the window's width: 0 at its low end, 1 at its high one, not cut. They are worked out where
they are needed, a strip of rows at a time, so that no second copy of a volume is held.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import STRIP, Area, Mask, Volume, Window
from medaug.quality.levels import Indices, Levels, graded, levels
from medaug.quality.reduced import Before, befores

BLOCK = 8  # px: side of the blocks that noise is measured in
DARK = 10  # percentile of the blocks by brightness: air, where there is any
CALM = 75  # percentile of those blocks by their scatter: above it, they hold edges
TILE = 64  # px: side of the tiles that seams are judged in, so that one bad box among long clean borders shows


@dataclass(frozen=True, eq=False)
class Border:
    """The neighbours on both sides of protected | free borders, along one axis of one slice.

    Attributes:
        slice: number of the slice.
        near: (rows, columns) on one side.
        far: likewise on the other.
        tile: which tile each lies in.
        tiles: how many there are.
    """

    slice: int
    near: tuple[Indices, Indices]
    far: tuple[Indices, Indices]
    tile: Indices
    tiles: int


@dataclass(frozen=True, eq=False)
class Baseline:
    """The source's side of every comparison; a thirtieth of a byte to half a byte per voxel.

    Attributes:
        areas: slice → the bounding box of its free voxels and a voxel around it; slices without any are left out.
        borders: of every such slice, along both axes.
        steps: (tiles) sums of steps across the borders, slice after slice.
        counts: (tiles) how many they are.
        side: of the blocks that fine detail is taken in; 1 where the free region is too small for `BLOCK`.
        inside: of every such slice, (rows, columns) of blocks: which are free as a whole.
        detail: of those blocks, see `detail_of`.
        air: of every slice, (rows, columns) of blocks: the darkest without edges; None where padding is everywhere.
        air_kept: whether all of those blocks are protected as a whole.
        scatter: of those blocks, see `scatter_of`.
        seen: at the size in which a person takes it in.
    """

    areas: dict[int, Area]
    borders: tuple[Border, ...]
    steps: Levels
    counts: Levels
    side: int
    inside: tuple[Mask, ...]
    detail: Levels
    air: tuple[Mask, ...] | None
    air_kept: bool
    scatter: Levels
    seen: tuple[Before, ...]

    @classmethod
    def of(cls, source: Volume, protected: Mask, window: Window) -> Baseline:
        """The baseline of a source whose ``protected`` voxels, (k, i, j), must stay."""
        areas = {k: _area(~kept) for k, kept in enumerate(protected) if not kept.all()}
        borders = tuple(one for k, area in areas.items() for one in _borders(k, area, ~protected[k][area]))
        with np.errstate(invalid="ignore", over="ignore"):  # what comes of it is no finite number, and fails
            side, inside = _blocks(areas, protected)
            detail = detail_of(source, window, areas, inside, side)
            air, scatter = _air(source, window)
            air_kept = air is None or all(
                _whole_blocks(kept, where)[where].all() for kept, where in zip(protected, air, strict=True)
            )
            steps = steps_of(source, window, borders)
            seen = befores(source, protected, window)
        counts = _tiled([(one, np.bincount(one.tile, minlength=one.tiles)) for one in borders])
        return cls(areas, borders, steps, counts, side, inside, detail, air, air_kept, scatter, seen)


def strips(area: Area) -> Iterator[Area]:
    """An area, `STRIP` rows at a time: what is worked on stays in the processor's cache."""
    for first in range(area[0].start, area[0].stop, STRIP):
        yield slice(first, min(first + STRIP, area[0].stop)), area[1]


def spanned(where: Mask) -> slice | None:
    """The columns of a mask (rows, columns) from the first that holds a True to the last; None without any."""
    hits = np.flatnonzero(where.any(axis=0))
    return slice(int(hits[0]), int(hits[-1]) + 1) if hits.size else None


def steps_of(volume: Volume, window: Window, borders: tuple[Border, ...]) -> Levels:
    """Per tile: the sum of steps across the borders."""
    sums = []
    for one in borders:
        near, far = (levels(volume, window, one.slice, side) for side in (one.near, one.far))
        sums.append((one, np.bincount(one.tile, np.abs(near - far), minlength=one.tiles)))
    return _tiled(sums)


def detail_of(volume: Volume, window: Window, areas: dict[int, Area], inside: tuple[Mask, ...], side: int) -> Levels:
    """Fine detail: the Laplacian's root mean square in the blocks ``inside``, or its size at every voxel of them.

    Args:
        volume: the source or a variant.
        window: the unit of grey levels.
        areas: of the baseline.
        inside: likewise.
        side: likewise.
    """
    details: list[Levels] = [np.zeros(0)]
    for (k, area), blocks in zip(areas.items(), inside, strict=True):
        sums = np.zeros(blocks.shape, dtype=np.float32)
        at_once = max(1, STRIP // side)
        for first in range(0, len(blocks), at_once):
            here = blocks[first : first + at_once]
            if span := spanned(here):
                top, left = area[0].start + first * side, area[1].start + span.start * side
                rows = slice(top, top + len(here) * side + 2)
                columns = slice(left, left + (span.stop - span.start) * side + 2)
                curved = _laplacian(levels(volume, window, k, (rows, columns)))
                sums[first : first + len(here), span] = _block_sums(np.square(curved, out=curved), side)
        details.append(np.sqrt(sums[blocks]) / side)
    return np.concatenate(details[1:] or details)


def scatter_of(volume: Volume, window: Window, air: tuple[Mask, ...]) -> Levels:
    """Standard deviation of the blocks of air, in their order."""
    scatters: list[Levels] = [np.zeros(0)]
    for k, where in enumerate(air):
        if where.any():
            scatters.append(_scatter(graded(_whole_blocks(volume.stored[k], where)[where], volume, window, k)))
    return np.concatenate(scatters[1:] or scatters)


def _whole_blocks(plane: npt.NDArray[Any], of: Mask) -> npt.NDArray[Any]:
    """A slice as (rows, columns) of blocks, (`BLOCK`, `BLOCK`) each; a view."""
    rows, columns = of.shape
    return plane[: rows * BLOCK, : columns * BLOCK].reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2)


def _area(free: Mask) -> Area:
    rows, columns = (np.flatnonzero(free.any(axis=axis)) for axis in (1, 0))
    height, width = free.shape
    return (
        slice(max(0, int(rows[0]) - 1), min(height, int(rows[-1]) + 2)),
        slice(max(0, int(columns[0]) - 1), min(width, int(columns[-1]) + 2)),
    )


def _borders(k: int, area: Area, free: Mask) -> Iterator[Border]:
    """Along rows, then along columns; ``free`` is cut to the area, and tiles are counted from its corner."""
    top, left = area[0].start, area[1].start
    across = free.shape[1] // TILE + 1
    tiles = (free.shape[0] // TILE + 1) * across
    for step in ((1, 0), (0, 1)):
        rows, columns = free.shape[0] - step[0], free.shape[1] - step[1]
        across_it = free[:rows, :columns] ^ free[step[0] :, step[1] :]
        i, j = np.divmod(np.flatnonzero(across_it), columns)  # a fifth of the time of `nonzero`
        tile = (i // TILE) * across + j // TILE
        yield Border(k, (i + top, j + left), (i + top + step[0], j + left + step[1]), tile, tiles)


def _tiled(per_border: Sequence[tuple[Border, npt.NDArray[Any]]]) -> Levels:
    """What both axes of a slice give, added up; slice after slice."""
    sums: dict[int, Levels] = {}
    for one, per_tile in per_border:
        sums[one.slice] = sums.get(one.slice, np.zeros(one.tiles)) + per_tile
    return np.concatenate([*sums.values()] or [np.zeros(0)])


def _blocks(areas: dict[int, Area], protected: Mask) -> tuple[int, tuple[Mask, ...]]:
    """The side of the blocks, and which of each slice are free as a whole, their neighbours included."""
    side, inside = 1, tuple[Mask, ...]()
    for side in (BLOCK, 1):
        inside = tuple(_whole(~protected[k][area], side) for k, area in areas.items())
        if any(blocks.any() for blocks in inside):
            break
    return side, inside


def _whole(free: Mask, side: int) -> Mask:
    if min(free.shape) < 3:
        return np.zeros((0, 0), dtype=np.bool_)
    middle = free[1:-1, 1:-1]
    whole = middle & free[:-2, 1:-1] & free[2:, 1:-1] & free[1:-1, :-2] & free[1:-1, 2:]
    for _ in range(2):  # along rows, then along columns
        lines = whole[: len(whole) // side * side]
        whole = reduce(np.logical_and, (lines[first::side] for first in range(side))).T
    return np.asarray(whole)


def _air(source: Volume, window: Window) -> tuple[tuple[Mask, ...] | None, Levels]:
    """The darkest blocks without padding and without edges, of each slice, and their scatter."""
    slices = range(len(source.stored))
    level = [_brightness(source, window, k) for k in slices]
    if source.padding is None:
        valid = [np.ones(blocks.shape, dtype=np.bool_) for blocks in level]
    else:
        valid = [_block_sums(padded, BLOCK) == 0 for padded in source.padded]
    known = np.concatenate([x[ok] for x, ok in zip(level, valid, strict=True)])
    if not known.size:
        return None, np.zeros(0)
    side = -1 if source.inverted else 1
    limit = np.percentile(side * known, DARK)
    dark = tuple(np.asarray(ok & (side * x <= limit)) for x, ok in zip(level, valid, strict=True))
    scatter = scatter_of(source, window, dark)
    calm = scatter <= np.percentile(scatter, CALM) if scatter.size else np.zeros(0, dtype=np.bool_)
    first = 0
    for where in dark:
        count = int(np.count_nonzero(where))
        where[where] = calm[first : first + count]
        first += count
    return dark, scatter[calm]


def _brightness(source: Volume, window: Window, k: int) -> Levels:
    """Means of all whole blocks of a slice; (rows, columns) of blocks."""
    _, rows, columns = source.stored.shape
    parts = strips((slice(0, rows), slice(0, columns)))
    return np.concatenate([_block_sums(levels(source, window, k, part), BLOCK) for part in parts]) / BLOCK**2


def _laplacian(x: Levels) -> Levels:
    laplacian = 4 * x[1:-1, 1:-1]
    for beside in (x[:-2, 1:-1], x[2:, 1:-1], x[1:-1, :-2], x[1:-1, 2:]):
        laplacian -= beside
    return np.asarray(laplacian)


def _block_sums(x: npt.NDArray[np.generic], side: int) -> Levels:
    """Sums over whole side × side blocks; what is left over at the end of an axis is dropped."""
    rows, columns = (n // side for n in x.shape)
    cut = x[: rows * side, : columns * side]
    along_rows = cut.reshape(rows, side, columns * side).sum(axis=1, dtype=np.float32)
    return np.asarray(along_rows.reshape(rows, columns, side).sum(axis=2))


def _scatter(blocks: Levels) -> Levels:
    mean = blocks.sum(axis=1, dtype=np.float32).sum(axis=1) / BLOCK**2
    centred = blocks - mean[:, None, None]
    np.square(centred, out=centred)
    return np.asarray(np.sqrt(centred.sum(axis=1, dtype=np.float32).sum(axis=1) / BLOCK**2))
