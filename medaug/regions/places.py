"""Where in a host a donor's lesion is plausible: where the host looks as what surrounds the lesion does.

Three likenesses are taken at every place, each a correlation: of the rim around the lesion; of the detail there, the
lesion included, once what is smooth is taken away; and of the two images as a whole, laid over each other there, which
tells parts, views and sides apart where nothing states them. Sums are of whole numbers and exact, and what is compared
is rounded to a thousandth, so that places are the same on every machine.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from medaug.imaging.boxes import Box
from medaug.imaging.graft import Edges, area_of
from medaug.imaging.volume import Mask, Stored

Whole = npt.NDArray[np.int64]
LEVELS = 1023  # grey levels that are told apart
THOUSAND = 1000  # of a correlation
NEVER = -2 * THOUSAND  # where nothing may be placed
FLATTER = 4  # the variance of the host's rim is within this factor of the donor's
DETAIL, FRAME = 200, -100  # thousandths by which the likeness of detail is raised, and that of whole images lowered
SMOOTH = 32  # of the longer side: half the width of what counts as smooth
OVERLAP = 0.6  # of the donor's image lies over the host's
CLOSE = 60  # thousandths that a place may fall short of the best one
INSIDE = 0.97  # of the lesion's area lies in the domain: what lies beyond the skin shows its edges


@dataclass(frozen=True)
class Lesion:
    """A lesion in its own slice.

    Attributes:
        area: its box with the margin.
        window: the area with the ring around it, as far as the slice reaches.
    """

    area: Edges
    window: Edges

    @classmethod
    def of(cls, area: Box, ring: int, shape: Sequence[int]) -> Lesion:
        """With a ring of so many px, in a slice of (rows, columns)."""
        ((_, top, left), (_, bottom, right)), (rows, columns) = (area.start, area.stop), shape
        window = (max(0, top - ring), min(rows, bottom + ring), max(0, left - ring), min(columns, right + ring))
        return cls((top, bottom, left, right), window)


@dataclass(frozen=True, eq=False)
class WantedWindow:
    """What a place is to look like, on a coarser grid.

    Attributes:
        values: (rows, columns) of the window.
        detail: likewise, without what is smooth.
        rim: likewise, True around the lesion.
        frame: the donor's whole slice.
        corner: row and column of the window in it.
        reach: half the width of what counts as smooth.
    """

    values: Whole
    detail: Whole
    rim: Mask
    frame: Whole
    corner: tuple[int, int]
    reach: int

    @classmethod
    def of(cls, donor: Whole, lesion: Lesion, factor: int) -> WantedWindow:
        """From the donor's slice, reduced by ``factor``."""
        top, bottom, left, right = _shrunk(lesion.window, factor, donor.shape)
        inner = _shrunk(lesion.area, factor, donor.shape)
        rim = np.ones(donor.shape, dtype=np.bool_)
        rim[area_of(inner)] = False
        here, reach = area_of((top, bottom, left, right)), max(2, max(donor.shape) // SMOOTH)
        return cls(donor[here], detail_of(donor, reach)[here], rim[here], donor, (top, left), reach)


@dataclass(frozen=True)
class Place:
    """Of the upper left corner of the window, in a host.

    Attributes:
        row: from 0.
        column: likewise.
        score: in thousandths.
    """

    row: int
    column: int
    score: int


def reduced(plane: Stored, factor: int) -> Whole:
    """Means of whole blocks, rounded down."""
    rows, columns = (n // factor for n in plane.shape)
    blocks = plane[: rows * factor, : columns * factor].astype(np.int64).reshape(rows, factor, columns, factor)
    return np.asarray(blocks.sum(axis=(1, 3)) // factor**2)


def levelled(*planes: Stored) -> tuple[Whole, ...]:
    """On one scale of so many levels that sums stay exact; correlation doesn't mind."""
    low, high = min(int(plane.min()) for plane in planes), max(int(plane.max()) for plane in planes)
    return tuple((plane.astype(np.int64) - low) * LEVELS // max(1, high - low) for plane in planes)


def factor_for(shape: Sequence[int], longest: int) -> int:
    """The least power of two that brings the longer side to ``longest`` px or fewer: sizes stay comparable."""
    return 1 << max(0, math.ceil(math.log2(max(shape) / longest)))


def detail_of(plane: Whole, reach: int) -> Whole:
    """What is left once the mean of the square that reaches so far from each pixel is taken away."""
    side = 2 * reach + 1
    sums = np.pad(plane, ((reach + 1, reach), (reach + 1, reach)), mode="edge").cumsum(0).cumsum(1)
    return np.asarray(
        plane - (sums[side:, side:] - sums[:-side, side:] - sums[side:, :-side] + sums[:-side, :-side]) // side**2
    )


def likeness(host: Whole, wanted: WantedWindow, least: int) -> Whole:
    """How well each place of the window's corner fits, in thousandths: the least of all three.

    Args:
        host: (rows, columns), reduced as ``wanted`` was, on the same levels.
        wanted: the surroundings.
        least: what a place has to reach; those that don't may have `NEVER`.

    Returns:
        (rows - height + 1, columns - width + 1); without an element where the host is smaller.
    """
    rows, columns = (max(0, n - m + 1) for n, m in zip(host.shape, wanted.values.shape, strict=True))
    whole = _whole(host, wanted, (rows, columns)) + FRAME
    if int(whole.max(initial=NEVER)) < least:  # which most pairs end with
        return np.full((rows, columns), NEVER)
    return np.minimum(nearby(host, wanted), whole)


def _whole(host: Whole, wanted: WantedWindow, shape: tuple[int, int]) -> Whole:
    """Both images laid over each other for each place of the corner, in blocks of two: it varies slowly."""
    score = overlaid(reduced(host, 2), reduced(wanted.frame, 2))
    at = [
        (np.arange(n) - corner) // 2 + side // 2 - 1
        for n, corner, side in zip(shape, wanted.corner, wanted.frame.shape, strict=True)
    ]
    inside = [(i >= 0) & (i < n) for i, n in zip(at, score.shape, strict=True)]
    rows, columns = (np.clip(i, 0, n - 1) for i, n in zip(at, score.shape, strict=True))
    return np.where(np.outer(*inside), score[np.ix_(rows, columns)], NEVER)


def nearby(host: Whole, wanted: WantedWindow) -> Whole:
    """`likeness` by rim and detail alone."""
    height, width = wanted.values.shape
    if height > host.shape[0] or width > host.shape[1] or not wanted.rim.any():
        return np.zeros((0, 0), dtype=np.int64)
    rim = _correlation(host, wanted.values, wanted.rim, FLATTER)
    fine = _correlation(detail_of(host, wanted.reach), wanted.detail, np.ones_like(wanted.rim))
    return np.minimum(rim, fine + DETAIL)


def overlaid(host: Whole, donor: Whole) -> Whole:
    """The correlation of two slices where they overlap, at every shift, in thousandths.

    Returns:
        At [i, j] the donor's first pixel lies at (i - its rows + 1, j - its columns + 1) of the host; `NEVER` where too
        little of the donor overlaps.
    """
    ones = (np.ones_like(host), np.ones_like(donor))
    n, mine, theirs = (_sums(a, b, "full") for a, b in (ones, (host, ones[1]), (ones[0], donor)))
    squares = _sums(host * host, ones[1], "full"), _sums(ones[0], donor * donor, "full")
    spreads = n * squares[0] - mine * mine, n * squares[1] - theirs * theirs
    score = _rounded(n * _sums(host, donor, "full") - mine * theirs, *spreads)
    return np.where((n >= OVERLAP * donor.size) & (spreads[0] > 0) & (spreads[1] > 0), score, NEVER)


def allowed(wanted: WantedWindow, domain: Mask, taken: Mask) -> Mask:
    """Places where the lesion lies in the domain, and nothing of the window on what is taken; as `likeness`.

    Args:
        wanted: the surroundings.
        domain: (rows, columns) of the host, True where a block lies in the domain.
        taken: likewise, True where any of a block is of a labelled box.
    """
    inner = (~wanted.rim).astype(np.int64)
    share, free = _sums(domain.astype(np.int64), inner), _sums(taken.astype(np.int64), np.ones_like(inner)) == 0
    return np.asarray(free & (share >= INSIDE * max(1, int(inner.sum()))))


def best_places(scores: Whole, least: int, count: int, apart: int) -> tuple[Place, ...]:
    """The best places, each at least ``apart`` from the better ones, none much worse than the best; best first."""
    places: list[Place] = []
    rows, columns = np.nonzero(scores >= max(least, int(scores.max(initial=NEVER)) - CLOSE))
    values = scores[rows, columns]
    for n in np.lexsort((columns, rows, -values)):
        place = Place(int(rows[n]), int(columns[n]), int(values[n]))
        if all(max(abs(place.row - p.row), abs(place.column - p.column)) >= apart for p in places):
            places.append(place)
        if len(places) == count:
            break
    return tuple(places)


def _shrunk(edges: Edges, factor: int, shape: Sequence[int]) -> Edges:
    """Edges in blocks, rounded outward, within the slice."""
    top, bottom, left, right = edges
    (first, stop), (left_, right_) = (top // factor, -(-bottom // factor)), (left // factor, -(-right // factor))
    return first, min(shape[0], stop), left_, min(shape[1], right_)


def _correlation(host: Whole, values: Whole, where: Mask, flatter: int | None = None) -> Whole:
    """At every place, in thousandths; `NEVER` where one of the two is flat, or flatter by more than a factor."""
    weights, values = where.astype(np.int64), np.where(where, values, 0)
    n, total, squares = int(weights.sum()), int(values.sum()), int((values * values).sum())
    there, there_squares, both = (_sums(a, b) for a, b in ((host, weights), (host * host, weights), (host, values)))
    own, theirs = n * squares - total * total, n * there_squares - there * there
    rough = (theirs > 0) & (own > 0)
    if flatter is not None:
        rough &= (theirs * flatter >= own) & (theirs <= own * flatter)
    return np.where(rough, _rounded(n * both - total * there, np.asarray(own), theirs), NEVER)


def _rounded(products: Whole, one: Whole, other: Whole) -> Whole:
    size = np.sqrt(np.maximum(one, 1).astype(np.float64) * np.maximum(other, 1).astype(np.float64))
    return np.asarray(np.rint(products.astype(np.float64) / size * THOUSAND).astype(np.int64))


def _sums(host: Whole, weights: Whole, mode: str = "valid") -> Whole:
    """Sums of products at every place; exact, since what a Fourier transform errs by is far below a half."""
    from scipy.signal import fftconvolve

    turned = weights[::-1, ::-1].astype(np.float64)
    return np.asarray(np.rint(fftconvolve(host.astype(np.float64), turned, mode=mode)).astype(np.int64))
