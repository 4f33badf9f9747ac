"""Lungs and bone on radiographs: by brightness and shape, without a trained network, and nothing where in doubt.

Brightness is as shown: bright is high, in any units. Everything is worked on at most `LONGEST` px, as in `radiograph`.
"""

from __future__ import annotations

import numpy as np

from medaug.imaging.volume import Float32, Mask
from medaug.regions.domains.body import otsu
from medaug.regions.domains.morphology import ShownRadiograph, enlarged, labelled, large_parts, normalised
from medaug.regions.domains.radiograph import LONGEST, limb_of

LUNG = (0.03, 0.25)  # share of the frame that one lung may take
LEVELS = 24  # thresholds that are tried, at even shares of the pixels from the 10th to the 70th percentile
WIDE, SLOPE = 60.0, 0.5  # px, and the share of a surface this smooth that is taken off: films are darker on one side
THIN = 3  # px: what is narrower links a lung with the air beside the trunk or in the neck
ACROSS = 0.04  # of the width: how far a lung may reach over the middle
SOFT = 2  # px: the largest threshold lies within the blur of a lung's edge
SIMILAR = 0.35  # least share of the smaller lung's area in the larger one's
COMMON = 0.5  # least share of their heights that both have
AROUND = 24.0  # px: bone is brighter than what lies this far around it in the same limb
ABOVE = 0.3  # of the scatter there
BONE_LEAST = 0.02  # share of the limb; smaller things aren't bone


def bone(frame: ShownRadiograph) -> Mask:
    """Bone on a radiograph of a limb: brighter than the soft tissue of its surroundings, in large parts.

    Casts, plates and the overlap of two soft parts look the same and count as bone. A chest's ribs aren't told apart.
    """
    inside, factor = limb_of(frame)
    return enlarged(_bone(frame.reduced(LONGEST)[0], inside), factor, frame.shape)


def _bone(small: Float32, inside: Mask) -> Mask:
    from scipy import ndimage

    if not inside.any():
        return inside
    x = ndimage.gaussian_filter(normalised(small), 1.0)
    weight = ndimage.gaussian_filter(inside.astype(np.float32), AROUND) + 1e-6
    mean = ndimage.gaussian_filter(np.where(inside, x, 0), AROUND) / weight
    square = ndimage.gaussian_filter(np.where(inside, x * x, 0), AROUND) / weight
    scatter = np.sqrt(np.maximum(square - mean * mean, 0))
    bright = inside & (x > mean + ABOVE * scatter) & (x > otsu(x[inside]) * 0.8)
    solid = ndimage.binary_opening(bright, np.ones((3, 3)))
    closed = ndimage.binary_closing(np.pad(solid, 4), np.ones((3, 3)), iterations=3)[4:-4, 4:-4] & inside
    holes = ndimage.binary_fill_holes(closed) & ~closed
    filled = closed | (holes & ~large_parts(holes, BONE_LEAST * inside.sum() / 4))
    return large_parts(filled, BONE_LEAST * inside.sum())


def lungs(frame: ShownRadiograph) -> Mask:
    """Both lung fields of a frontal chest radiograph, without what lies over them (heart, diaphragm, dense disease).

    For each half of the frame: the largest dark field that touches no side of it and doesn't reach over the middle, at
    whichever threshold. Where the two differ in size or height, nothing is found.
    """
    small, factor = frame.reduced(LONGEST)
    return enlarged(_lungs(small), factor, frame.shape)


def _lungs(small: Float32) -> Mask:
    from scipy import ndimage

    nothing = np.zeros(small.shape, dtype=np.bool_)
    if min(small.shape) < 32:
        return nothing
    x = ndimage.gaussian_filter(normalised(small), 1.5)
    x = x - SLOPE * ndimage.gaussian_filter(x, WIDE)
    fields = [nothing, nothing]
    for level in np.percentile(x, np.linspace(10, 70, LEVELS)):
        dark = ndimage.binary_opening(x < level, np.ones((3, 3)), iterations=THIN)
        for n, field in enumerate(_halves(dark)):
            if field.sum() > fields[n].sum():
                fields[n] = field
    return _pair(*fields)


def _halves(dark: Mask) -> tuple[Mask, Mask]:
    """The largest field on the left and on the right that may be a lung."""
    labels, count = labelled(dark)
    sizes = np.bincount(labels.ravel(), minlength=count + 1) / dark.size
    columns, reach = dark.shape[1], round(ACROSS * dark.shape[1])
    edge = np.concatenate([labels[0], labels[:, 0], labels[:, -1]])
    fit = (sizes >= LUNG[0]) & (sizes <= LUNG[1])
    fit[np.unique(edge)] = False
    fields = []
    for other in (labels[:, columns // 2 + reach :], labels[:, : columns // 2 - reach]):
        own = fit.copy()
        own[np.unique(other)] = False
        best = int(np.where(own, sizes, 0).argmax())
        fields.append(np.asarray((labels == best) & bool(own[best])))
    return fields[0], fields[1]


def _pair(left: Mask, right: Mask) -> Mask:
    """Both fields, closed over ribs and vessels; nothing when they aren't like two lungs."""
    from scipy import ndimage

    nothing = np.zeros_like(left)
    sizes = sorted((int(left.sum()), int(right.sum())))
    if sizes[0] == 0 or sizes[0] < SIMILAR * sizes[1]:
        return nothing
    spans = [np.flatnonzero(field.any(axis=1)) for field in (left, right)]
    common = min(s[-1] for s in spans) - max(s[0] for s in spans)
    if common < COMMON * max(s[-1] - s[0] for s in spans):
        return nothing
    disc = ndimage.iterate_structure(ndimage.generate_binary_structure(2, 1), 7)
    closed = [ndimage.binary_closing(np.pad(field, 8), disc)[8:-8, 8:-8] for field in (left, right)]
    filled = ndimage.binary_fill_holes(closed[0]) | ndimage.binary_fill_holes(closed[1])
    return np.asarray(ndimage.binary_erosion(filled, iterations=SOFT))
