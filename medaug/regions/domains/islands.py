"""Small connected parts of large masks, found by the runs of their rows: of five million px few are looked at."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Mask
from medaug.regions.domains.morphology import labelled

Places = npt.NDArray[np.intp]
CROWDED = 1 / 16  # runs a px: beyond it, labelling every px is faster


def islands(mask: Mask, least: int) -> Places:
    """Where the 4-connected parts of fewer than ``least`` px lie, slice by slice.

    Args:
        mask: (k, i, j).
        least: px of a part that is none.

    Returns:
        Places in ``mask.ravel()``.
    """
    found = [_of_slice(one, least) + k * one.size for k, one in enumerate(mask)]
    return np.concatenate(found) if found else np.zeros(0, dtype=np.intp)


def _of_slice(mask: Mask, least: int) -> Places:
    width = mask.shape[1] + 1  # a place behind each row: no run goes on in the next one
    starts, stops = _runs(mask, width)
    if len(starts) > CROWDED * mask.size:
        labels, _ = labelled(mask)
        within = np.bincount(labels.ravel()) < least
        within[0] = False
        return np.flatnonzero(within[labels])
    small = _sizes(starts, stops, width) < least
    starts, lengths = starts[small], (stops - starts)[small]
    starts -= starts // width  # without those places
    return np.repeat(starts, lengths) + _counted(lengths)


def _runs(mask: Mask, width: int) -> tuple[Places, Places]:
    """Where the runs of all rows begin, and where they have ended, in rows of ``width`` places."""
    turns = np.empty((len(mask), width), dtype=np.bool_)
    turns[:, 0], turns[:, -1] = mask[:, 0], mask[:, -1]
    np.not_equal(mask[:, 1:], mask[:, :-1], out=turns[:, 1:-1])
    at = np.flatnonzero(turns)
    return at[::2], at[1::2]


def _sizes(starts: Places, stops: Places, width: int) -> Places:
    """How large the part is that each run belongs to."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    first = np.searchsorted(stops, starts - width, side="right")  # runs of the row above that touch each
    touching = np.maximum(np.searchsorted(starts, stops - width, side="left") - first, 0)
    below = np.repeat(np.arange(len(starts)), touching)
    above = np.repeat(first, touching) + _counted(touching)
    joined = coo_array((np.ones(len(below), dtype=np.bool_), (below, above)), shape=(len(starts), len(starts)))
    _, parts = connected_components(joined, directed=False)
    sizes: Places = np.bincount(parts, stops - starts).astype(np.intp)[parts]
    return sizes


def _counted(lengths: Places) -> Places:
    """0, 1, … for each length, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) - np.repeat(ends - lengths, lengths)
