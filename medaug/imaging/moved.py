"""A slice fetched along motions: six weights along each axis, in whole numbers, so that the result is exact.

What lies beyond its borders was never exposed: `lost_of` says where that is. There the slice is mirrored; where its
border is one line of air, a shutter or a film's edge, that line alone is, to and fro, so that it goes on. Or it has one
number there, where the motions say so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.imaging.motion import SHARE, STEP, Motions, Whole, lost, positions
from medaug.imaging.volume import Area, Mask, Stored

TAPS = 6
LINE = 0.06  # of the slice's range: levels of a line along the border are as close to each other as this
THIN = 0.02  # of a side's depth: what an export's line along the border has at most
SPREAD = (0.5, 99.5)  # percentiles of a line, between which that holds
GRAIN = 4  # medians of the finest detail: 2.7 standard deviations of noise
STRIP = 16  # rows: what is worked on stays in the processor's cache
BITS = STEP.bit_length() - 1
BEFORE = TAPS // 2 - 1  # taps on the near side of a position's pixel


@dataclass(frozen=True, eq=False)
class MovedStrip:
    """A strip of rows of the moved slice, and where each of its pixels is fetched from.

    Attributes:
        area: the rows and columns.
        down: `motion.positions` along rows, brought back inside the source.
        along: along columns.
        lost: True where a position lay outside.
    """

    area: Area
    down: Whole
    along: Whole
    lost: Mask

    @property
    def nearest(self) -> tuple[Whole, Whole]:
        """Row and column of the source's pixel that lies nearest."""
        return (self.down + STEP // 2) >> BITS, (self.along + STEP // 2) >> BITS

    @property
    def whole(self) -> Mask:
        """True where a position is a pixel's centre, as wherever nothing moves."""
        return np.asarray((self.down | self.along) & (STEP - 1) == 0)


def fetched(motions: Motions, shape: tuple[int, int]) -> Iterator[MovedStrip]:
    """All strips in which anything moves; the rest of the slice is the source's, pixel by pixel."""
    if not motions.parts:
        return
    reach = [motion.reach(shape) for motion in motions.parts]
    columns = slice(min(c.start for _, c in reach), max(c.stop for _, c in reach))
    first, last = min(r.start for r, _ in reach), max(r.stop for r, _ in reach)
    along = np.arange(columns.start, columns.stop, dtype=np.int64)
    for start in range(first, last, STRIP):
        rows = slice(start, min(start + STRIP, last))
        down, across = positions(motions, shape, np.arange(rows.start, rows.stop), along)
        outside = lost(down, across, shape, motions.trim)
        (top, bottom, left, right), trim = motions.strips, motions.trim
        down = _inside(down, (trim[0], shape[0] - trim[1]), top, bottom)
        across = _inside(across, (trim[2], shape[1] - trim[3]), left, right)
        yield MovedStrip((rows, columns), down, across, outside)


@dataclass(frozen=True, eq=False)
class MovedSlice:
    """What a slice becomes, (rows, columns) each.

    Attributes:
        plane: stored numbers, as of `moved_plane`.
        mask: as of `moved_mask`.
        lost: as of `lost_of`.
    """

    plane: Stored
    mask: Mask
    lost: Mask

    @classmethod
    def of(cls, plane: Stored, mask: Mask, motions: Motions) -> MovedSlice:
        """A slice and a mask of it; the three in one walk, whose positions cost as much as what is fetched there."""
        source, made = (
            _Fetchable.of(plane, motions),
            cls(plane.copy(), mask.copy(), np.zeros(mask.shape, dtype=np.bool_)),
        )
        for strip in fetched(motions, (plane.shape[0], plane.shape[1])):
            nearest = strip.nearest
            made.plane[strip.area] = source.at(strip, nearest)
            made.mask[strip.area] = mask[nearest]
            made.lost[strip.area] = strip.lost
        return made


def moved_plane(plane: Stored, motions: Motions) -> Stored:
    """The moved slice, in the source's kind of number, never beyond its least and greatest value.

    Whole numbers are exact: every product and sum is a whole number, and the one rounding is to nearest, halves up.

    Args:
        plane: (rows, columns), stored numbers.
        motions: of the slice.
    """
    result, source = plane.copy(), _Fetchable.of(plane, motions)
    for strip in fetched(motions, (plane.shape[0], plane.shape[1])):
        result[strip.area] = source.at(strip, strip.nearest)
    return result


def grain(plane: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """What is noise of a slice by its size: what a 3 × 3 binomial leaves, cut at `GRAIN` medians of what isn't 0.

    Interpolation would smooth it, and a smooth film is no exposure's. So it is taken whole from the nearest pixel, and
    edges, which are larger, are interpolated.

    Args:
        plane: (rows, columns), int64 or float64.

    Returns:
        likewise; whole numbers stay whole.
    """
    padded = np.pad(plane, 1, mode="symmetric")
    rows = 2 * padded[1:-1]
    rows += padded[:-2]
    rows += padded[2:]
    smooth = 2 * rows[:, 1:-1]
    smooth += rows[:, :-2]
    smooth += rows[:, 2:]
    fine = plane - (smooth / 16 if plane.dtype.kind == "f" else (smooth + 8) >> 4)
    limit = _median(np.abs(fine)) * GRAIN
    if plane.dtype.kind != "f":
        limit = int(limit)
    return np.asarray(np.clip(fine, -limit, limit, out=fine))


def _median(sizes: npt.NDArray[Any]) -> float:
    """Of what isn't 0, or 0: air without noise would make it nothing."""
    if sizes.dtype != np.int32:
        some = sizes[sizes != 0]
        return float(np.nanmedian(some)) if some.size else 0.0
    counts = np.bincount(sizes.ravel())  # of 16 bits there are few, and counting is quicker than sorting
    upto = np.cumsum(counts) - counts[0]
    first, second = np.searchsorted(upto, ((upto[-1] + 1) // 2, upto[-1] // 2 + 1))
    return float(first + second) / 2 if upto[-1] else 0.0


def trim_of(plane: Stored) -> tuple[int, int, int, int]:
    """(top, bottom, left, right): how many thin lines along each border are of another level than what lies behind.

    At most `THIN` of the side's depth; what is thicker is a shutter or a film's edge, and goes on beyond the border.
    """
    near = LINE * (float(plane.max()) - float(plane.min()))
    top, left = (_thin(lines, near) for lines in (plane, plane.T))
    bottom, right = (_thin(lines, near) for lines in (plane[::-1], plane.T[::-1]))
    return top, bottom, left, right


def _thin(lines: Stored, near: float) -> int:
    most = int(THIN * len(lines))
    if most < 1:
        return 0
    level = np.median(lines[: 3 * most].astype(np.float64), axis=1)
    other = np.flatnonzero(np.abs(level[: most + 1] - np.median(level[most:])) > near)
    deep = int(other[-1]) + 1 if other.size else 0
    return 0 if deep > most else deep and deep + 1  # and the line's blur


def strips_of(plane: Stored) -> tuple[int, int, int, int]:
    """(top, bottom, left, right): how deep the lines along each border are of one level; all of it where none is.

    The strip ends where a line isn't of one level, or isn't of the level of the first.
    """
    low, high = float(plane.min()), float(plane.max())
    near, (rows, columns) = LINE * (high - low), plane.shape
    top, left = (_depth(lines, near) for lines in (plane, plane.T))
    bottom, right = (_depth(lines, near) for lines in (plane[::-1], plane.T[::-1]))
    return top or rows, bottom or rows, left or columns, right or columns


def _depth(lines: Stored, near: float) -> int:
    middle = None
    for n, line in enumerate(lines):
        first, last = np.percentile(line, SPREAD)
        middle = (first + last) / 2 if middle is None else middle
        if last - first > near or abs((first + last) / 2 - middle) > near:
            return n
    return len(lines)


def moved_mask(mask: Mask, motions: Motions) -> Mask:
    """A mask (rows, columns) by the nearest pixel, beyond the borders as `moved_plane`."""
    result = mask.copy()
    for strip in fetched(motions, (mask.shape[0], mask.shape[1])):
        result[strip.area] = mask[strip.nearest]
    return result


def lost_of(motions: Motions, shape: tuple[int, int]) -> Mask:
    """(rows, columns), True where the source has no data."""
    result = np.zeros(shape, dtype=np.bool_)
    for strip in fetched(motions, shape):
        result[strip.area] = strip.lost
    return result


@dataclass(frozen=True, eq=False)
class _Fetchable:
    """A slice from which strips are fetched: without its noise mirrored as far as taps reach, flat, and its noise.

    Attributes:
        plane: (rows, columns), as it is.
        noise: likewise, of `grain`; in the kind of number that is calculated in.
        flat: of the plane without noise.
        width: of the rows in ``flat``.
        ends: least and greatest value of the plane.
        beyond: what lies beyond its borders; None where it is mirrored.
    """

    plane: Stored
    noise: npt.NDArray[Any]
    flat: npt.NDArray[Any]
    width: int
    ends: tuple[Any, Any]
    beyond: Any = None

    @classmethod
    def of(cls, plane: Stored, motions: Motions) -> _Fetchable:
        real = np.issubdtype(plane.dtype, np.floating)
        narrow: Any = np.float64 if real else np.int32 if plane.dtype.itemsize <= 2 else np.int64
        wide = plane.astype(narrow)  # 16 bits times a row's and a binomial's weights stay below 2³¹
        noise = grain(wide)
        padded = np.pad(wide - noise, TAPS, mode="symmetric")
        least, greatest = plane.min(), plane.max()
        beyond = {"mirrored": None, "least": least, "greatest": greatest}[motions.beyond]
        return cls(plane, noise, padded.ravel(), padded.shape[1], (least, greatest), beyond)

    def at(self, strip: MovedStrip, nearest: tuple[Whole, Whole]) -> npt.NDArray[Any]:
        """The values at a strip's positions."""
        values = np.clip(self._between(strip) + self.noise[nearest], *self.ends)
        values = np.where(strip.whole, self.plane[nearest], values)  # real numbers lose no digit there
        return values if self.beyond is None else np.where(strip.lost, self.beyond, values)

    def _between(self, strip: MovedStrip) -> npt.NDArray[Any]:
        """What the taps give of the slice without noise."""
        real = self.flat.dtype.kind == "f"
        where = ((strip.down >> BITS) + (TAPS - BEFORE)) * self.width + (strip.along >> BITS) + (TAPS - BEFORE)
        by_row, by_column = _weights(strip.down, self.flat.dtype), _weights(strip.along, self.flat.dtype)
        total = np.zeros(where.shape, dtype=np.float64 if real else np.int64)
        row, term = np.empty(where.shape, self.flat.dtype), np.empty(where.shape, self.flat.dtype)
        for a in range(TAPS):
            row[:] = 0
            for b in range(TAPS):
                # "clip" never has to; it spares a check and a copy
                self.flat[a * self.width + b :].take(where, out=term, mode="clip")
                row += np.multiply(term, by_column[b], out=term)
            total += np.multiply(row, by_row[a], dtype=total.dtype)
        return _real(total) if real else _rounded(total)


def _weights(at: Whole, kind: Any) -> list[npt.NDArray[Any]]:
    """Of each tap, at each position."""
    part = at & (STEP - 1)
    return [tap.take(part, mode="clip") for tap in kernel().astype(kind)]


@cache
def kernel() -> Whole:
    """(taps, 64) weights in 1/4096 at each part of a pixel: a sinc under a sinc three pixels wide (Lanczos 3).

    They add up to 1 at every part, and at 0 the pixel itself has all of it. Source: Duchon, Journal of Applied
    Meteorology 18, 1979.
    """
    part = np.arange(STEP) / STEP
    away = part[None, :] + BEFORE - np.arange(TAPS)[:, None]
    weights = np.sinc(away) * np.sinc(away / (TAPS // 2))
    whole: Whole = np.rint(weights / weights.sum(axis=0) * SHARE).astype(np.int64)
    left = SHARE - whole.sum(axis=0)
    nearest = np.where(part < 0.5, BEFORE, BEFORE + 1)
    whole[nearest, np.arange(STEP)] += left
    return whole


def _inside(at: Whole, ends: tuple[int, int], first: int, last: int) -> Whole:
    """Positions beyond a border brought back into the strip along it, to and fro."""
    low, high = ends[0] * STEP - STEP // 2, ends[1] * STEP - STEP // 2 - 1
    if low <= at.min() and at.max() <= high:  # as most strips are
        return at
    before = _to_and_fro(np.maximum(low - at, 0), first * STEP)
    after = _to_and_fro(np.maximum(at - high, 0), last * STEP)
    return np.asarray(np.where(at < low, low + before, np.where(at > high, high - after, at)))


def _to_and_fro(away: Whole, depth: int) -> Whole:
    return np.asarray(depth - np.abs(away % (2 * depth) - depth))


def _rounded(total: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray((total + SHARE * SHARE // 2) >> (2 * (SHARE.bit_length() - 1)))


def _real(total: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(total / (SHARE * SHARE))
