"""The body in the slices of a CT or MR volume, slice by slice."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Mask
from medaug.regions.domains.morphology import labelled

SKIN_HU = -300.0  # between air and soft tissue, with some room for partial volume
TABLE = 3  # px; things of twice that thickness, such as a table top or tubing, are cut off before parts are compared
COMPANION = 1 / 3  # a part this large beside the largest, such as the other leg, is body too


def ct_body(hounsfield: npt.NDArray[np.floating]) -> Mask:
    """The body in CT slices: above `SKIN_HU`, without table and tubing, air inside filled.

    Args:
        hounsfield: (k, i, j) in HU.
    """
    return np.stack([_solid(one > SKIN_HU, TABLE) for one in hounsfield])


def mr_body(values: npt.NDArray[np.floating], padded: Mask) -> Mask:
    """The body in MR or unknown slices: above half of Otsu's threshold over the volume, gaps closed, holes filled.

    Half, because the threshold lies between air and *bright* tissue, and skin, bone and liquor are dark.

    Args:
        values: (k, i, j) in any units, air is low.
        padded: where there is no image; left out of the threshold.
    """
    from scipy import ndimage

    valid = values[~padded]
    if valid.size == 0 or valid.min() == valid.max():
        return ~padded
    low = float(np.percentile(valid, 0.5))
    threshold = low + 0.5 * (otsu(valid) - low)
    bodies = []
    for one, none in zip(values, padded, strict=True):
        smooth = ndimage.gaussian_filter(one.astype(np.float32), 1.0)
        bridged = np.pad((smooth > threshold) & ~none, 4)
        closed = ndimage.binary_closing(bridged, iterations=4)[4:-4, 4:-4]
        bodies.append(_solid(closed, 1) & ~none)
    return np.stack(bodies)


def otsu(values: npt.NDArray[np.floating]) -> float:
    """The threshold that parts values into two classes with the greatest variance between them (Otsu 1979)."""
    low, high = (float(v) for v in np.percentile(values, [0, 99.5]))  # a few very bright voxels would leave air one bin
    counts, edges = np.histogram(values, 256, (low, max(high, low + 1e-6)))
    centers = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = counts.sum() - below
    mass = np.cumsum(counts * centers)
    usable = (below > 0) & (above > 0)
    spread = np.zeros(len(below))
    difference = mass[:-1][usable] / below[usable] - (mass[-1] - mass[:-1][usable]) / above[usable]
    spread[usable] = below[usable] * above[usable] * difference**2
    return float(edges[1:-1][int(spread.argmax())])


def _solid(mask: Mask, thin: int) -> Mask:
    """The large parts of one slice without what is at most 2 · ``thin`` px thick, holes filled."""
    from scipy import ndimage

    opened = ndimage.binary_opening(np.pad(mask, thin, mode="edge"), np.ones((3, 3)), iterations=thin)
    labels, _ = labelled(opened[thin:-thin, thin:-thin])
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    if not sizes.any():
        return np.zeros_like(mask)
    large = (sizes >= COMPANION * sizes.max())[labels]
    whole = ndimage.binary_dilation(large, np.ones((3, 3)), iterations=thin, mask=mask)
    return np.asarray(ndimage.binary_fill_holes(whole))
