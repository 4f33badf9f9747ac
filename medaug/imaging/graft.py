"""A piece of one slice set into another, its grey levels mapped by one rising line of whole numbers.

Everything is an integer of a stated unit, so a record can hold it and anybody can follow it exactly;
`docs/reference/transplant.md` writes the arithmetic out.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Area, Mask, Stored

GREY = 1 << 16  # units of a slope to 1, and of an offset to one stored number
STEEPEST = 4  # a map neither stretches nor flattens grey levels by more
CUT = 0.01  # of a lesion's numbers at most are cut to the host's range
Whole = npt.NDArray[np.int64]
Edges = tuple[int, int, int, int]  # first row, stop row, first column, stop column


@dataclass(frozen=True)
class GreyMap:
    """Stored number of the donor → of the host: (slope · x + offset + 32768) >> 16, cut to ``low`` … ``high``.

    It never falls: of two donor's numbers the greater one never becomes the smaller one.

    Attributes:
        slope: in 1/2¹⁶, above 0.
        offset: in 1/2¹⁶ of a stored number.
        low: the host's least number.
        high: its greatest one.
    """

    slope: int
    offset: int
    low: int
    high: int

    def __post_init__(self) -> None:
        if not GREY // STEEPEST <= self.slope <= GREY * STEEPEST or self.low > self.high:
            raise ValueError(f"grey map: expected a slope of 1/{STEEPEST} to {STEEPEST} and low ≤ high, got {self}")

    def cuts(self, stored: Stored) -> bool:
        """Whether more than `CUT` of these numbers would leave the host's range."""
        values = self.uncut(stored)
        return bool(np.mean((values < self.low) | (values > self.high)) > CUT)

    def of(self, stored: Stored) -> Whole:
        """The numbers mapped, int64, exact for whole numbers of up to 16 bits."""
        return np.clip(self.uncut(stored), self.low, self.high)

    def uncut(self, stored: Stored) -> Whole:
        """`of`, before it is cut to the host's range."""
        return np.asarray((stored.astype(np.int64) * self.slope + self.offset + GREY // 2) >> 16)


@dataclass(frozen=True)
class Graft:
    """What of a donor's slice is set into a host's, where, and how grey.

    Attributes:
        area: in the donor: the lesion's box with its margin.
        shift: (rows, columns) from a place in the donor to the same in the host.
        window: in the host: all that may differ from it; it holds the area.
        grey: the map of grey levels.
    """

    area: Edges
    shift: tuple[int, int]
    window: Edges
    grey: GreyMap

    def __post_init__(self) -> None:
        (top, bottom, left, right), place = self.window, self.place
        inside = top <= place[0] < place[1] <= bottom and left <= place[2] < place[3] <= right
        if min(*self.area, *self.window) < 0 or not inside:
            raise ValueError(f"graft: expected an area whose place lies in the window, got {place} in {self.window}")

    @property
    def place(self) -> Edges:
        """Where the area lies in the host."""
        (top, bottom, left, right), (down, along) = self.area, self.shift
        return top + down, bottom + down, left + along, right + along

    def placed(self, box: Box) -> Box:
        """A box of the donor's slice as it lies in the host.

        Raises:
            ValueError: it isn't inside the area.
        """
        (top, bottom, left, right), (down, along) = self.area, self.shift
        (_, i, j), (_, i_stop, j_stop) = box.start, box.stop
        if not (top <= i < i_stop <= bottom and left <= j < j_stop <= right):
            raise ValueError("graft: expected a box inside the area")
        return replace(box, start=(0, i + down, j + along), stop=(1, i_stop + down, j_stop + along))


def in_words(graft: Graft) -> str:
    """What was done, in one line of plain ASCII."""
    (top, bottom, left, right), (down, along), grey = graft.area, graft.shift, graft.grey
    return (
        f"a labelled lesion of another image set in: its rows {top} to {bottom} and columns {left} to {right} moved by "
        f"{down} and {along}, grey levels x {grey.slope / GREY:.4f} {grey.offset / GREY:+.2f}"
    )


def area_of(edges: Edges) -> Area:
    """Edges as an index of (rows, columns)."""
    return slice(edges[0], edges[1]), slice(edges[2], edges[3])


def mask_of(edges: Edges, shape: tuple[int, int]) -> Mask:
    """(rows, columns), True within the edges."""
    mask = np.zeros(shape, dtype=np.bool_)
    mask[area_of(edges)] = True
    return mask


def grafted_plane(host: Stored, donor: Stored, graft: Graft) -> Stored:
    """The host's slice with the donor's area in its place, grey levels mapped; all else is the host's, bit for bit.

    Args:
        host: (rows, columns), stored whole numbers.
        donor: likewise, of any size.
        graft: what is set in, and where.

    Raises:
        RegionError: the graft reaches outside one of the two, or holds what the host's kind of number can't.
    """
    for plane in (host, donor):
        check_whole(plane)
    limits: Any = np.iinfo(host.dtype)
    fits = (limits.min <= graft.grey.low <= graft.grey.high <= limits.max) and all(
        edges[1] <= plane.shape[0] and edges[3] <= plane.shape[1]
        for edges, plane in ((graft.area, donor), (graft.window, host))
    )
    area = donor[area_of(graft.area)] if fits else donor[:0]
    if not area.size or graft.grey.cuts(area):
        raise RegionError("regions: the graft doesn't fit its donor or its host", code="no-place")
    result = host.copy()
    result[area_of(graft.place)] = graft.grey.of(area).astype(host.dtype)
    return result


def check_whole(plane: Stored) -> None:
    """Refuse real numbers, whose map wouldn't be exact.

    Raises:
        RegionError: they are no whole numbers of up to 16 bits.
    """
    if plane.dtype.kind not in "iu" or plane.dtype.itemsize > 2:
        raise RegionError(
            f"regions: a lesion is set into whole numbers of up to 16 bits, found {plane.dtype.name}; use another law",
            code="not-whole",
        )
