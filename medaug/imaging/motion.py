"""Smooth motions of a slice in whole numbers: the same on every machine, however many cores it has.

A motion says, for each pixel (i, j) of the moved slice, where in the source it is fetched from. Everything is an
integer of a stated unit, so a record can hold it and anybody can follow it exactly; `docs/reference/moved.md` writes
the arithmetic out. Several motions of a slice add up.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from medaug.imaging.boxes import Box
from medaug.imaging.volume import Area, Mask

Whole = npt.NDArray[np.int64]

PIXEL = 1 << 16  # units of a shift, and of an elastic displacement, to a pixel
MATRIX = 1 << 24  # units of a matrix's entry to 1
STEP = 1 << 6  # positions are rounded to this part of a pixel
SHARE = 1 << 12  # units of a weight to 1
UNBENT = ", bent by up to 0 px"
COARSE = 16  # px: step of the grid on which a moved box is looked for


@dataclass(frozen=True)
class Motion:
    """One motion: source position - position = matrix · position + shift + elastic, times a weight in [0, 1].

    Attributes:
        matrix: rows (i by i, i by j, j by i, j by j), in 1/2²⁴.
        shift: (i, j), in 1/2¹⁶ px.
        elastic: control points of a uniform cubic B-spline over the slice, or over ``area`` with its falloff; rows of
            (i, j) displacements in 1/2¹⁶ px, as many rows as columns, at least four; or none.
        area: (first row, stop row, first column, stop column) in which the weight is 1; None for everywhere.
        falloff: px beyond the area over which the weight falls to 0 by 1 - 3t² + 2t³, along each axis.
    """

    matrix: tuple[int, int, int, int]
    shift: tuple[int, int]
    elastic: tuple[tuple[tuple[int, int], ...], ...] = ()
    area: tuple[int, int, int, int] | None = None
    falloff: int = 0

    def __post_init__(self) -> None:
        side = len(self.elastic)
        if side and (side < 4 or any(len(row) != side for row in self.elastic)):
            raise ValueError(f"motion: expected a square of at least 4 × 4 control points, got {side} rows")
        if self.area is not None and self.falloff < 1:
            raise ValueError(f"motion: expected a falloff of at least 1 px around an area, got {self.falloff}")

    @classmethod
    def about(
        cls,
        centre: tuple[float, float],
        *,
        degrees: float,
        scale: float,
        shift: tuple[float, float] = (0.0, 0.0),
        flips: tuple[bool, bool] = (False, False),
        aspect: float = 1.0,
    ) -> Motion:
        """Flips, then a turn and a scaling about a point (i, j), in px, and then a shift.

        Args:
            centre: what stays where it is but for the shift.
            degrees: counterclockwise as the picture is seen (rows go down).
            scale: above 1 enlarges.
            shift: (i, j) in px.
            flips: (upside down, left to right).
            aspect: height of a pixel over its width.
        """
        cos, sin = (f(math.radians(degrees)) / scale for f in (math.cos, math.sin))
        up, left = (-1 if flipped else 1 for flipped in flips)
        # the way back: positions are fetched, not sent
        entries = (up * cos - 1, up * sin / aspect, left * -sin * aspect, left * cos - 1)
        matrix = tuple(round(entry * MATRIX) for entry in entries)
        i, j = (c + s for c, s in zip(centre, shift, strict=True))
        at = (matrix[0] * i + matrix[1] * j, matrix[2] * i + matrix[3] * j)
        back = tuple(round(-s * PIXEL - x * PIXEL / MATRIX) for s, x in zip(shift, at, strict=True))
        return cls((matrix[0], matrix[1], matrix[2], matrix[3]), (back[0], back[1]))

    @property
    def mirrored(self) -> bool:
        """Whether the linear part mirrors: left to right, and then turns; upside down is that and half a turn."""
        ii, ij, ji, jj = self.matrix
        return (MATRIX + ii) * (MATRIX + jj) < ij * ji

    @property
    def degrees(self) -> float:
        """The turn, counterclockwise as the picture is seen; of the linear part, after it was mirrored if it is."""
        ii, ij, ji, jj = self.matrix
        if self.mirrored:
            ji, jj = -ji, -jj - 2 * MATRIX
        return math.degrees(math.atan2(ij - ji, ii + jj + 2 * MATRIX))

    @property
    def scale(self) -> float:
        """The scaling; above 1 enlarges."""
        ii, ij, ji, jj = (x / MATRIX for x in self.matrix)
        return float(1 / math.sqrt(abs((1 + ii) * (1 + jj) - ij * ji)))

    def shifted_at(self, centre: tuple[float, float]) -> tuple[float, float]:
        """How far (i, j) a point goes, in px, by the linear part."""
        ii, ij, ji, jj = (x / MATRIX for x in self.matrix)
        i, j = centre
        di, dj = ii * i + ij * j + self.shift[0] / PIXEL, ji * i + jj * j + self.shift[1] / PIXEL
        determinant = (1 + ii) * (1 + jj) - ij * ji  # p + M p + s = centre is solved for p
        return (-(1 + jj) * di + ij * dj) / determinant, (ji * di - (1 + ii) * dj) / determinant

    def reach(self, shape: tuple[int, int]) -> Area:
        """The rows and columns in which anything moves."""
        if self.area is None:
            return slice(0, shape[0]), slice(0, shape[1])
        top, bottom, left, right = self.area
        rows, columns = (top - self.falloff, bottom + self.falloff), (left - self.falloff, right + self.falloff)
        return slice(max(0, rows[0]), min(shape[0], rows[1])), slice(max(0, columns[0]), min(shape[1], columns[1]))


@dataclass(frozen=True)
class Motions:
    """All that moves a slice.

    Attributes:
        parts: which add up; none leave the slice as it is.
        strips: (top, bottom, left, right): px along each border that are mirrored to and fro beyond it; the slice's
            own size mirrors it as a whole.
        held: (first row, stop row, first column, stop column) of areas in which nothing moves, whatever the parts say.
        yielding: px beyond each held area over which the motion rises to its whole, as a part's falloff.
        trim: (top, bottom, left, right): px along each border that are no image, such as an export's thin line, and
            count as lying beyond it.
        beyond: what is shown there: the slice ``mirrored``, or its ``least`` or ``greatest`` stored number.
    """

    parts: tuple[Motion, ...]
    strips: tuple[int, int, int, int]
    held: tuple[tuple[int, int, int, int], ...] = ()
    yielding: int = 0
    trim: tuple[int, int, int, int] = field(default=(0, 0, 0, 0), metadata={"optional": True})
    beyond: Literal["mirrored", "least", "greatest"] = field(default="mirrored", metadata={"optional": True})

    @property
    def scale(self) -> float:
        """Of all parts together, where each moves the whole slice; above 1 enlarges."""
        return math.prod(part.scale for part in self.parts)

    def __post_init__(self) -> None:
        if min(self.strips) < 1:
            raise ValueError(f"motions: expected strips of at least 1 px, got {self.strips}")
        if self.held and self.yielding < 1:
            raise ValueError(f"motions: expected at least 1 px of yielding around what is held, got {self.yielding}")
        if min(self.trim) < 0:
            raise ValueError(f"motions: expected to trim 0 px or more, got {self.trim}")


def in_words(motions: Motions) -> str:
    """What was done, in one line of plain ASCII; the numbers are rounded."""
    parts = [_part(motion) for motion in motions.parts]
    words = parts[0] if len(parts) == 1 else f"{len(parts)} parts, the first {parts[0]}"
    which = "all but the labels and their rim" if motions.held else "all pixels, labelled ones included,"
    if motions.beyond != "mirrored":
        words = f"{words.removesuffix(UNBENT)}, of its {motions.beyond} value beyond its borders"
    return f"{which} resampled: {words}"


def _part(motion: Motion) -> str:
    bend = max((abs(x) for row in motion.elastic for point in row for x in point), default=0) / PIXEL
    down, along = (round(x / PIXEL) for x in motion.shift)
    where = "image" if motion.area is None else "label and rim"
    turned = "mirrored left to right, turned" if motion.mirrored else "turned"
    linear = f"{where} {turned} {motion.degrees:.2f} degrees, scaled {motion.scale:.3f}"
    bent = f", bent by up to {bend:.0f} px"
    return f"{linear}, fetched from {down:+d} rows {along:+d} columns at the origin{bent}"


def positions(motions: Motions, shape: tuple[int, int], rows: Whole, columns: Whole) -> tuple[Whole, Whole]:
    """Where in the source pixels are fetched from: (rows, columns) each, in 1/64 px; centres lie at whole pixels.

    Args:
        motions: of the slice.
        shape: (rows, columns) of the slice.
        rows: the rows that are asked for.
        columns: likewise.
    """
    i, j = rows[:, None], columns[None, :]
    down = np.zeros((len(rows), len(columns)), dtype=np.int64)
    along = down.copy()
    for motion in motions.parts:
        ii, ij, ji, jj = motion.matrix
        step_down = _scaled(ii * i + ij * j, MATRIX // PIXEL) + motion.shift[0]
        step_along = _scaled(ji * i + jj * j, MATRIX // PIXEL) + motion.shift[1]
        if motion.elastic:
            bend = np.array(motion.elastic, dtype=np.int64)
            by_row, by_column = _splines(motion, shape, rows, columns)
            step_down += _bent(bend[..., 0], by_row, by_column)
            step_along += _bent(bend[..., 1], by_row, by_column)
        if motion.area is not None:
            weight = _within_area(motion.area, motion.falloff, rows, columns)
            step_down, step_along = _scaled(step_down * weight, SHARE), _scaled(step_along * weight, SHARE)
        down += step_down
        along += step_along
    for area in motions.held:
        weight = SHARE - _within_area(area, motions.yielding, rows, columns)
        down *= weight
        along *= weight
        down, along = _scaled(down, SHARE), _scaled(along, SHARE)
    down, along = _scaled(down, PIXEL // STEP), _scaled(along, PIXEL // STEP)
    down += i * STEP
    along += j * STEP
    return down, along


def lost(down: Whole, along: Whole, shape: tuple[int, int], trim: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Mask:
    """True where `positions` lie outside the source, whose pixels reach half a pixel beyond their centres."""
    half, (top, bottom, left, right) = STEP // 2, trim
    in_rows = (down >= top * STEP - half) & (down < (shape[0] - bottom) * STEP - half)
    in_columns = (along >= left * STEP - half) & (along < (shape[1] - right) * STEP - half)
    return np.asarray(~(in_rows & in_columns))


def moved_boxes(boxes: Sequence[Box], motions: Motions, shape: tuple[int, int]) -> tuple[Box, ...] | None:
    """The smallest boxes that hold every pixel which shows any of what the boxes hold; None where one leaves the slice.

    A pixel shows some of a box when its centre is fetched from inside the box or from less than half a pixel beside it.
    A box counts as leaving when the slice's border cuts off more than a pixel of it.
    """
    moved = [_moved_box(box, motions, shape) for box in boxes]
    return None if None in moved else tuple(box for box in moved if box)


def _moved_box(box: Box, motions: Motions, shape: tuple[int, int]) -> Box | None:
    around = _candidates(box, motions, shape)
    if around is None:
        return None
    rows, columns = (np.arange(part.start, part.stop, dtype=np.int64) for part in around)
    down, along = positions(motions, shape, rows, columns)
    shown = _within(down, along, box, STEP // 2) & ~lost(down, along, shape, motions.trim)
    i, j = np.flatnonzero(shown.any(axis=1)), np.flatnonzero(shown.any(axis=0))
    if not i.size or _cut(box, motions, shape):
        return None
    start, stop = (box.start[0], int(rows[i[0]]), int(columns[j[0]])), (int(rows[i[-1]]) + 1, int(columns[j[-1]]) + 1)
    return replace(box, start=start, stop=(box.stop[0], *stop))


def _candidates(box: Box, motions: Motions, shape: tuple[int, int]) -> Area | None:
    """An area that holds the moved box: a step of the coarse grid moves a position by at most two steps."""
    rows, columns = (np.arange(0, n + COARSE, COARSE, dtype=np.int64) for n in shape)
    near = _within(*positions(motions, shape, rows, columns), box, 2 * COARSE * STEP)
    i, j = np.flatnonzero(near.any(axis=1)) * COARSE, np.flatnonzero(near.any(axis=0)) * COARSE
    if not i.size:
        return None
    first, last = (max(0, int(i[0]) - COARSE), max(0, int(j[0]) - COARSE)), (int(i[-1]) + COARSE, int(j[-1]) + COARSE)
    return slice(first[0], min(shape[0], last[0] + 1)), slice(first[1], min(shape[1], last[1] + 1))


def _within(down: Whole, along: Whole, box: Box, margin: int) -> Mask:
    """Positions inside a box that is ``margin`` larger on every side, in 1/64 px."""
    half = STEP // 2
    (_, top, left), (_, bottom, right) = box.start, box.stop
    in_rows = (down > top * STEP - half - margin) & (down < bottom * STEP - half + margin)
    return np.asarray(in_rows & (along > left * STEP - half - margin) & (along < right * STEP - half + margin))


def _cut(box: Box, motions: Motions, shape: tuple[int, int]) -> bool:
    """Whether the slice's border shows what lies more than a pixel inside the box: then some of it lies beyond."""
    rows, columns = (np.arange(n, dtype=np.int64) for n in shape)
    ends = [(rows, columns[[0, -1]]), (rows[[0, -1]], columns)]
    return any(bool(_within(*positions(motions, shape, *end), box, -STEP).any()) for end in ends)


def _scaled(values: Whole, by: int) -> Whole:
    """Divided in place by a power of two, halves up."""
    values += by // 2
    values >>= by.bit_length() - 1
    return values


def _within_area(area: tuple[int, int, int, int], falloff: int, rows: Whole, columns: Whole) -> Whole:
    """1 inside an area, falling to 0 around it; (rows, columns), in 1/4096."""
    top, bottom, left, right = area
    by_row, by_column = _weight(rows, top, bottom, falloff), _weight(columns, left, right, falloff)
    return _scaled(by_row[:, None] * by_column[None, :], SHARE)


def _weight(at: Whole, start: int, stop: int, falloff: int) -> Whole:
    """1 inside [start, stop), falling to 0 at ``falloff`` px from it; in 1/4096."""
    away = np.maximum(np.maximum(start - at, at - (stop - 1)), 0)
    t = np.minimum(away * SHARE // falloff, SHARE)
    return np.asarray(SHARE - ((3 * SHARE * t * t - 2 * t * t * t) >> 24))


def _splines(motion: Motion, shape: tuple[int, int], rows: Whole, columns: Whole) -> Iterator[Whole]:
    """Per axis the weights of the control points: (positions, points), in 1/4096."""
    spans = [(0, shape[0]), (0, shape[1])]
    if motion.area is not None:
        top, bottom, left, right = motion.area
        spans = [(top - motion.falloff, bottom + motion.falloff), (left - motion.falloff, right + motion.falloff)]
    for at, (start, stop) in zip((rows, columns), spans, strict=True):
        yield _spline(np.clip(at, start, stop - 1) - start, stop - start, len(motion.elastic))


def _spline(at: Whole, length: int, points: int) -> Whole:
    """Weights of a uniform cubic B-spline whose ``points - 3`` cells cover ``length`` px."""
    place = (2 * at + 1) * (points - 3) * SHARE // (2 * length)
    cell, t = place // SHARE, place % SHARE
    whole = 6 * SHARE * SHARE
    first, last = (SHARE - t) ** 3 // whole, t**3 // whole
    second = (3 * t**3 - 6 * SHARE * t * t + 4 * SHARE**3) // whole
    weights = np.zeros((len(at), points), dtype=np.int64)
    for n, part in enumerate((first, second, SHARE - first - second - last, last)):
        np.put_along_axis(weights, cell[:, None] + n, part[:, None], axis=1)
    return weights


def _bent(points: Whole, by_row: Whole, by_column: Whole) -> Whole:
    """Displacements (rows, columns) from control points, in 1/65536 px."""
    return _scaled(_scaled(by_row @ points, SHARE) @ by_column.T, SHARE)
