"""Bone, lung and brain in the slices of CT, and the brain in MR: by grey level and shape, without a trained network.

Every function takes the values (k, i, j) and the voxel's size (mm), and gives True where it is sure. Lengths are in mm;
where a grid states no distance between its slices (a single one) shapes are judged slice by slice.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Mask
from medaug.regions.domains.body import ct_body, mr_body
from medaug.regions.domains.morphology import labelled, large_parts, touching

Values = npt.NDArray[np.floating]
Spacing = tuple[float, float, float]

CORTEX, TRABECULA = 300.0, 150.0  # HU; what is above the second counts where it touches something above the first
BONE_LEAST, MARROW = 20.0, 150.0  # mm²: parts below aren't bone; enclosed holes below are marrow
LUNG_AIR, GAS = -400.0, -950.0  # HU; a part that is darker than the second at its median is bowel gas or the trachea
LUNG_LEAST = 1500.0  # mm²; the nose and its sinuses are smaller
ON_SKIN = 0.3  # share of a bright part's rim that lies on the body's surface: more is a head holder, not bone
SKULL = 250.0  # HU
BRAIN_LOW, BRAIN_HIGH = -10.0, 95.0  # HU: liquor and blood included
BRAIN_LEAST = 1000.0  # mm²
GAP = 3.0  # mm: sutures, foramina and noise in a thin table are bridged
SMOOTH, DEEP, STRIP = 1.0, 25.0, 5.0  # mm; the last is half of what links brain and scalp in MR, at most
INNER = 15.0  # mm below the head's surface; the scalp has less
SHARP, BLURRED = (0.5, np.inf), (0.65, 1.7)  # brain's levels in shares of that deep in the head: bone and liquor are
# darker; where thick slices blur the gap between brain and scalp, fat is told by being brighter
DOMINANT = 0.8  # share of what is deep in a thick slice that must hang together: below the brain, muscles don't
SURFACE, LEAK = 5.0, 0.02  # mm, and the share of a slice's brain that may lie within them of the head's surface
THICK = 3.0  # mm; slices farther apart are judged by themselves, for scalp lies over brain there


def ct_bone(hounsfield: Values, spacing: Spacing) -> Mask:
    """Bone in CT: above `TRABECULA` and touching something above `CORTEX`, inside the body, small marrow filled.

    Metal is bone here, and so are calcifications and vessels full of contrast medium that are as bright.
    """
    body = ct_body(hounsfield)
    bones = []
    for one, inside in zip(hounsfield, body, strict=True):
        weak = (one > TRABECULA) & inside
        bone = _beneath(touching(weak, one > CORTEX), inside)
        bones.append(_filled(large_parts(bone, _pixels(BONE_LEAST, spacing)), _pixels(MARROW, spacing)))
    return np.stack(bones)


def ct_lung(hounsfield: Values, spacing: Spacing) -> Mask:
    """Lungs in CT with their vessels: large parts inside the body that are dark, but not as dark as bare gas."""
    from scipy import ndimage

    body = ct_body(hounsfield)
    disc, least = _disc(GAP, spacing), _pixels(LUNG_LEAST, spacing)
    lungs = []
    for one, inside in zip(hounsfield, body, strict=True):
        labels, count = labelled((one < LUNG_AIR) & inside)
        sizes = np.bincount(labels.ravel(), minlength=count + 1)
        medians = ndimage.median(one, labels, np.arange(count + 1)) if count else np.zeros(1)
        keep = (sizes >= least) & (np.asarray(medians) > GAS)
        keep[0] = False
        lung = _closed(keep[labels], disc)
        lungs.append(np.asarray(ndimage.binary_fill_holes(lung)) & inside)
    return np.stack(lungs)


def ct_brain(hounsfield: Values, spacing: Spacing) -> Mask:
    """The content of the skull in CT slices that show a closed one; nothing in the others."""
    from scipy import ndimage

    disc, core = _disc(GAP, spacing), _disc(GAP / 2, spacing)
    brains = []
    for one in hounsfield:
        skull = _closed(one > SKULL, disc)
        inside = np.asarray(ndimage.binary_fill_holes(skull)) & ~skull
        smooth = ndimage.gaussian_filter(one.astype(np.float32), 1.0)
        soft = inside & (smooth > BRAIN_LOW) & (smooth < BRAIN_HIGH)
        opened = ndimage.binary_opening(soft, core)
        large = large_parts(opened, _pixels(BRAIN_LEAST, spacing))
        brains.append(np.asarray(ndimage.binary_fill_holes(large)) & inside)
    return np.stack(brains)


def mr_brain(values: Values, padded: Mask, spacing: Spacing) -> Mask:
    """The brain in MR where a dark gap (bone, liquor) lies between it and the scalp: cut loose, then grown back.

    Tissue has a level near that deep in the head (by `DEEP`), after smoothing. It is eroded until scalp, eyes and neck
    come off; the largest part that is left is the brain, and it grows back into the tissue around it and no farther.
    A slice in which it reaches the head's surface gives nothing.

    Source: the thresholds of Smith, "Fast robust automated brain extraction", 2002, without its surface model.
    """
    from scipy import ndimage

    steps = [max(step, 1e-3) for step in spacing]
    head = mr_body(values, padded)
    smooth = ndimage.gaussian_filter(values.astype(np.float32), [0.0, *(SMOOTH / step for step in steps[1:])])
    depth = _in_plane_distance(head, steps)
    if not (depth > DEEP).any():
        return head & False
    low = float(np.percentile(smooth[~padded], 2))
    level = (smooth - low) / max(float(np.median(smooth[depth > DEEP])) - low, 1e-6)
    thick = spacing[0] > THICK or len(head) == 1
    low, high = BLURRED if thick else SHARP
    tissue = head & (level > low) & (level < high)
    distance = _in_plane_distance if thick else _distance
    core = np.stack([_inner(*pair) for pair in zip(distance(tissue, steps) > STRIP, depth, strict=True)])
    core = np.stack([_dominant(one) for one in core]) if thick else core
    near = distance(~_largest(core), steps) <= STRIP + SMOOTH
    brain = _largest(tissue & near)
    disc = _disc(GAP, spacing)
    filled = np.stack([np.asarray(ndimage.binary_fill_holes(_closed(one, disc))) for one in brain]) & head
    return np.stack([_if_inside(*pair) for pair in zip(filled, depth, strict=True)])


def _dominant(core: Mask) -> Mask:
    """The slice's largest part when it is nearly all there is, else nothing."""
    largest = _largest(core)
    return largest if largest.sum() >= DOMINANT * core.sum() else np.zeros_like(core)


def _if_inside(brain: Mask, depth: Values) -> Mask:
    """The brain of one slice, or nothing where some of it lies right below the head's surface: that is scalp."""
    near = int((brain & (depth < SURFACE)).sum())
    return brain if near <= LEAK * int(brain.sum()) else np.zeros_like(brain)


def _distance(mask: Mask, steps: Sequence[float]) -> Values:
    """Millimetres to the nearest voxel that isn't in the mask."""
    from scipy import ndimage

    return np.asarray(ndimage.distance_transform_edt(mask, sampling=steps))


def _in_plane_distance(mask: Mask, steps: Sequence[float]) -> Values:
    """The same slice by slice; in one without any such voxel it is far."""
    return np.stack([_distance(one, steps[1:]) if not one.all() else np.full(one.shape, 1e6) for one in mask])


def _inner(core: Mask, depth: Values) -> Mask:
    """The parts of one slice that lie in the head's depth rather than along its surface."""
    labels, count = labelled(core)
    sizes = np.bincount(labels.ravel(), minlength=count + 1)
    deep = np.bincount(labels[depth > INNER], minlength=count + 1)
    keep = deep > 0.5 * sizes
    keep[0] = False
    return np.asarray(keep[labels])


def _pixels(area: float, spacing: Spacing) -> int:
    """How many pixels an area in mm² is; 1 at least."""
    return max(1, round(area / max(spacing[1] * spacing[2], 1e-6)))


def _disc(radius: float, spacing: Spacing) -> Mask:
    """(rows, columns) of a disc, one pixel at least."""
    reach = [max(1, round(radius / max(step, 1e-6))) for step in spacing[1:]]
    i, j = np.ogrid[-reach[0] : reach[0] + 1, -reach[1] : reach[1] + 1]
    return np.asarray((i / (reach[0] + 0.3)) ** 2 + (j / (reach[1] + 0.3)) ** 2 <= 1)


def _closed(mask: Mask, disc: Mask) -> Mask:
    from scipy import ndimage

    rim = max(disc.shape)
    closed = ndimage.binary_closing(np.pad(mask, rim), disc)
    return np.asarray(closed[rim:-rim, rim:-rim])


def _beneath(mask: Mask, body: Mask) -> Mask:
    """Parts of which no more than `ON_SKIN` of the rim lies on the body's surface."""
    from scipy import ndimage

    labels, count = labelled(mask)
    rim = mask & ~ndimage.binary_erosion(mask, border_value=1)
    surface = ~ndimage.binary_erosion(body, np.ones((3, 3)), iterations=2)
    rims = np.bincount(labels[rim], minlength=count + 1)
    on_skin = np.bincount(labels[rim & surface], minlength=count + 1)
    keep = on_skin <= ON_SKIN * rims
    keep[0] = False
    return np.asarray(keep[labels])


def _filled(mask: Mask, pixels: int) -> Mask:
    """Holes of less than so many pixels filled."""
    from scipy import ndimage

    holes = np.asarray(ndimage.binary_fill_holes(mask)) & ~mask
    return mask | (holes & ~large_parts(holes, pixels))


def _largest(mask: Mask) -> Mask:
    """The largest part of (k, i, j), joined at faces."""
    from scipy import ndimage

    labels, _ = ndimage.label(mask)
    sizes = np.bincount(labels.ravel())
    sizes[0] = 0
    return np.asarray(labels == sizes.argmax()) & mask
