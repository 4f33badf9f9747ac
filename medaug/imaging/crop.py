"""The part of a slice that is presented, and the part of the prior's square that is solved."""

from __future__ import annotations

import numpy as np

from medaug.imaging.volume import Area, Mask

WHOLE: Area = (slice(None), slice(None))


def whole_frame(domain: Mask) -> Area | None:  # noqa: ARG001 - the signature of Tools.crop
    """All of it."""
    return None


def around_domain(domain: Mask) -> Area | None:
    """The bounding box of the domain and the boxes, with a twentieth of the frame around it."""
    if not domain.any():
        return None
    return _bordered(np.any(domain, axis=(0, 2))), _bordered(np.any(domain, axis=(0, 1)))


def _bordered(line: Mask) -> slice:
    hits = np.flatnonzero(line)
    border = len(line) // 20
    return slice(max(0, int(hits[0]) - border), min(len(line), int(hits[-1]) + 1 + border))


def free_part(free: Mask, step: int, border: int) -> Area:
    """Rows and columns around all free pixels of all slices, on one grid of cells for every case.

    One part for a volume, so that no slice depends on those it is solved with.

    Args:
        free: (K, rows, columns); True where pixels are generated.
        step: px; the part begins and ends at its multiples, as the prior's network needs.
        border: px of surroundings that the prior is to see on each side, where there are that many.

    Returns:
        Slices along rows and columns; the whole where nothing is free.
    """
    if not free.any():
        return WHOLE
    rows, columns = np.asarray(free.any(axis=(0, 2))), np.asarray(free.any(axis=(0, 1)))
    return _span(rows, step, border), _span(columns, step, border)


def _span(line: Mask, step: int, border: int) -> slice:
    hits = np.flatnonzero(line)
    low = max(0, int(hits[0]) - border) // step * step
    high = -(-min(len(line), int(hits[-1]) + 1 + border) // step) * step
    return slice(low, min(high, len(line)))
