"""The part of a slice that is presented: all of it, or what lies around the domain."""

from __future__ import annotations

import numpy as np

from medaug.imaging.volume import Area, Mask


def whole_frame(domain: Mask) -> Area | None:  # noqa: ARG001 - the signature of Tools.crop
    """All of it."""
    return None


def around_domain(domain: Mask) -> Area | None:
    """The bounding box of the domain and the boxes, with a twentieth of the frame around it."""
    if not domain.any():
        return None
    return _span(np.any(domain, axis=(0, 2))), _span(np.any(domain, axis=(0, 1)))


def _span(line: Mask) -> slice:
    hits = np.flatnonzero(line)
    border = len(line) // 20
    return slice(max(0, int(hits[0]) - border), min(len(line), int(hits[-1]) + 1 + border))
