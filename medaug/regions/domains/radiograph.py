"""What a radiograph shows where: anatomy, air, shutters (collimation), an exported frame.

Air is the one thing every limb radiograph has that is dark, flat and wide, so it is modelled: a smooth surface is
fitted to it (scatter and the heel effect tilt it), and what stands out from that surface is anatomy. Where no such
surface is found, as in a chest that fills the frame, there is no air and all is anatomy.

Brightness is as shown: bright is high, in any units. Figures below are in shares of the brightness range and in px of a
reduction to at most `LONGEST` px. They were set on 200 limb and 30 chest radiographs.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from medaug.imaging.volume import Float32, Mask
from medaug.regions.domains.exposures import exposures
from medaug.regions.domains.markers import marks_of
from medaug.regions.domains.morphology import (
    ShownRadiograph,
    ends,
    enlarged,
    labelled,
    large_parts,
    normalised,
    runs,
    touching,
)

LONGEST = 384
FLAT = 0.010  # gradient per px below which a place may be air; a skin edge has 0.02 and more
DARK = 0.40  # air lies in the lower part of the range
NEAR = 0.05  # how far from its commonest level air is looked for first
ROUGH = 0.035  # a surface with more scatter than this is tissue: air measures 0.003-0.022, lungs 0.05-0.14
CALM = 0.015  # limbs' air is calmer than this, and lungs never are
RISE = 0.020  # least height above the air's surface, for images whose air is clipped to one value
DIM = 0.12  # scatter behind a shutter lies this little above air
STRIPS = ((0.06, 0.15), (0.12, 0.4))  # strips along a side: depth at most, length at least
LEAST = 0.01  # share of the frame; what is smaller is neither air nor anatomy
BRIGHT = 0.70  # shutters
BLUR = 26  # px from a shutter to the air beside it: its edge is out of focus
BAND = 0.12  # and reaches at most this share of the frame from it
ISLAND, HELD = 0.03, 0.3  # a marker's plate: at most this share of the frame, at least this share of it marked
CONSTANT = 0.02  # spread of a line of an exported frame
LEVEL, SHUT = 0.06, 0.4  # a dim shutter: spread along a line, share of the frame at most
STEP, WHOLE = 0.1, 0.7  # and its edge: height, share of the side that has it


def anatomy(frame: ShownRadiograph) -> Mask:
    """Where a radiograph shows the patient, with the skin's edge.

    Returns:
        (rows, columns), True at anatomy, casts and implants; False at air, shutters, and things smaller than a
        hundredth of the frame that lie in the air.
    """
    reduced_limb, factor = limb_of(frame)
    full = enlarged(reduced_limb, factor, frame.shape)
    return full & ~_plates(full, frame) if _islands(reduced_limb).any() else full


def _islands(anatomy: Mask) -> Mask:
    return anatomy & ~large_parts(anatomy, ISLAND * anatomy.size)


def _plates(anatomy: Mask, frame: ShownRadiograph) -> Mask:
    """Small parts that are mostly a marker: the plate that holds it, its blur, the shade beside."""
    from scipy import ndimage

    marked, factor = marks_of(frame)
    sizes = zip(marked.shape, anatomy.shape, strict=True)
    middles = (np.minimum(np.arange(m) * factor + factor // 2, n - 1) for m, n in sizes)
    labels, count = labelled(_islands(anatomy[np.ix_(*middles)]))
    share = np.bincount(labels[marked], minlength=count + 1) / np.bincount(labels.ravel(), minlength=count + 1).clip(1)
    plates = share > HELD
    plates[0] = False
    return enlarged(ndimage.binary_dilation(plates[labels], iterations=2), factor, frame.shape)


def within_frame(frame: ShownRadiograph) -> Mask:
    """All but a frame of constant black or white lines, or a dim shutter, along the edges, and one line more."""
    _, factor = frame.reduced(LONGEST)
    x = frame.normalised(LONGEST)
    rows, columns = _inner(x), _inner(x.T)
    return enlarged(rows[:, None] & columns[None, :], factor, frame.shape)


def _inner(x: Float32) -> npt.NDArray[np.bool_]:
    """Which rows lie within the constant or level ones at both ends."""
    low, middle, high = np.percentile(x, [5, 50, 95], axis=1)
    constant = (high - low <= CONSTANT) & ((middle <= CONSTANT) | (middle >= 1 - CONSTANT))
    varied = np.flatnonzero(~constant)
    inner = np.zeros(len(x), dtype=np.bool_)
    if varied.size:
        first, last = varied[0], varied[-1]
        inner[first + (first > 0) : last + 1 - (last < len(x) - 1)] = True
        between = x[first : last + 1]
        inner[: first + _grey_rows(between)] = False
        inner[last + 1 - _grey_rows(between[::-1]) :] = False
    return inner


def _grey_rows(x: Float32) -> int:
    """How many rows from the first on a dim shutter covers, with its blur: level rows that end in a straight step.

    Rows of air end at a limb, which is a step for some columns only; an even abdomen fades and ends in no step.
    """
    from scipy import ndimage

    most = int(SHUT * len(x))
    smooth = ndimage.uniform_filter1d(x[: most + 4], 5, axis=1)  # a shutter and the step behind it
    low, high = np.percentile(smooth[: most + 1], [5, 95], axis=1)
    varied = np.flatnonzero(high - low > LEVEL)
    count = int(varied[0]) if varied.size else 0
    if count < 2:
        return 0
    step = smooth[min(len(smooth) - 1, count + 3)] - smooth[max(0, count - 8)]
    share = max((step > STEP).mean(), (step < -STEP).mean())
    return count + 1 if share >= WHOLE else 0


def limb_of(frame: ShownRadiograph) -> tuple[Mask, int]:
    """`limb` of a frame that is reduced to `LONGEST` px, and the factor of that."""
    small, factor = frame.reduced(LONGEST)
    return frame.once(limb, lambda: limb(small, frame.normalised(LONGEST))), factor


def limb(small: Float32, x: Float32) -> Mask:
    """What `anatomy` finds, on an image that is small already. Each exposure of a plate is seen by itself.

    Args:
        small: (rows, columns), in any units.
        x: the same, normalised.
    """
    bright = _bright_bands(x)
    limbs = np.zeros(small.shape, dtype=np.bool_)
    for part in exposures(x):
        rows, columns = (np.flatnonzero(part.any(axis=axis)) for axis in (1, 0))
        span = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
        limbs[span] |= _limb(small[span], bright[span], ~part[span])
    return limbs


def _limb(small: Float32, bright: Mask, covered: Mask) -> Mask:
    """The limb in one exposure beside bright bands; what is covered is another exposure or the bar between."""
    from scipy import ndimage

    bright = bright | covered
    x = normalised(small, ~bright if not bright.all() else ~covered)
    air, above = _air(x, bright)
    if not air.any():
        return ~covered
    shutters = _shutters(air, bright) | ndimage.binary_dilation(covered, iterations=4)
    solid = ~air & ~shutters
    solid &= ~_scatter(solid, above)
    solid &= ~_strips(solid, shutters)
    opened = ndimage.binary_opening(solid, np.ones((3, 3)))  # cuts thin lines off: plate edges, wires
    return large_parts(ndimage.binary_dilation(opened, iterations=2, mask=solid), LEAST * solid.size)


def _bright_bands(x: Float32) -> Mask:
    """Bright bands along a border, at least half as long as that border: shutters, or a trunk that fills the frame."""
    bright = x > BRIGHT
    return np.asarray(_bright_rows(bright) | _bright_rows(bright.T).T)


def _bright_rows(bright: Mask) -> Mask:
    """Bands along the top and the bottom; the transposed image gives those along the sides."""
    lines = runs(bright, max(3, bright.shape[1] // 2))
    lines = touching(lines, ends(bright.shape, 6))  # a plate often ends in a dark line
    wedge = bright & ends(bright.shape, max(1, int(BAND * len(bright))))  # the thin end of a slanting shutter
    return np.asarray(lines | touching(wedge | lines, lines))


def _air(x: Float32, bright: Mask) -> tuple[Mask, Float32]:
    """Direct-exposure air, nothing when the image has none, and the height of every pixel above it."""
    from scipy import ndimage

    smooth = ndimage.gaussian_filter(x, 1.0)
    steepness = ndimage.gaussian_gradient_magnitude(x, 1.5)
    beside = ndimage.binary_dilation(bright, iterations=4)  # scatter beside a shutter isn't the air's level
    flat = ~beside & (steepness < FLAT) & (smooth < DARK)
    nothing = np.zeros_like(flat)
    if flat.mean() < LEAST:
        return nothing, smooth
    above, scatter = _above_surface(smooth, flat)
    if scatter > ROUGH:
        return nothing, above
    low = above < max(4 * scatter, RISE)
    faint = above > max(2.5 * scatter, RISE)
    air = ~touching(faint, ~low)  # a faint finger belongs to the hand it grows from
    open_air = touching(air, beside | ends(air.shape, 2) | ends(air.T.shape, 2).T)
    if open_air.mean() < LEAST:
        return nothing, above
    enclosed = air if scatter < CALM else open_air  # the gap between two legs; lungs as dark as that aren't as calm
    return large_parts(open_air | enclosed, LEAST * air.size), above


def _above_surface(smooth: Float32, flat: Mask) -> tuple[Float32, float]:
    """Height above a quadratic surface through the air, and the scatter of the air around it.

    The fit starts at the darkest common level and drops, four times, what lies over 3 standard deviations away. Where
    no air was, the surface is held within the air's own levels: a polynomial runs away.
    """
    counts, edges = np.histogram(smooth[flat], 40, (0, DARK))
    counts = np.convolve(counts, [1, 2, 1], "same")
    common = int(np.flatnonzero(counts >= counts.max() / 2)[0])
    level = (edges[common] + edges[common + 1]) / 2
    i, j = np.meshgrid(*(np.linspace(-1, 1, n, dtype=np.float32) for n in smooth.shape), indexing="ij")
    terms = np.stack([np.ones_like(i), i, j, i * i, i * j, j * j], axis=-1)
    air, scatter = flat & (np.abs(smooth - level) < NEAR), 0.0
    above = smooth - level
    for _ in range(4):
        some = np.flatnonzero(air)[::16]
        points, values = terms.reshape(-1, terms.shape[-1])[some], smooth.ravel()[some]
        if len(values) < 4 * terms.shape[-1]:
            break
        surface = np.einsum("ijn,n->ij", terms, _fitted(points, values))
        above = smooth - np.clip(surface, *np.percentile(values, [1, 99]))
        scatter = 1.4826 * float(np.median(np.abs(above[air]))) + 0.002  # never 0: clipped air has no noise
        air = flat & (np.abs(above) < 3 * scatter)
    return np.asarray(above, dtype=np.float32), scatter


def _fitted(points: Float32, values: Float32) -> npt.NDArray[np.float64]:
    """The least squares weights of terms (N, terms); directions that float32 doesn't tell apart get none.

    By sums of numpy's own: a library's factorisation takes all cores, and their number would decide last digits.
    """
    wide = points.astype(np.float64)
    blurred = float(np.finfo(np.float32).eps) * len(wide)
    squares, right = np.einsum("na,nb->ab", wide, wide), np.einsum("na,n->a", wide, values)
    return np.asarray(np.linalg.lstsq(squares, right, rcond=blurred**2)[0])


def _shutters(air: Mask, bright: Mask) -> Mask:
    """The bright bands that lie against air, with their blurred edge. A deep band against tissue is a trunk."""
    from scipy import ndimage

    labels, _ = labelled(bright)
    near = ndimage.distance_transform_edt(~air) <= BLUR
    shutters = np.zeros_like(bright)
    for n, spans in enumerate(ndimage.find_objects(labels), 1):
        band = labels == n
        rim = band & ~ndimage.binary_erosion(band, border_value=1)
        shallow = any(span.stop - span.start <= BAND * size for span, size in zip(spans, bright.shape, strict=True))
        if rim.any() and near[rim].mean() > (0.3 if shallow else 0.5):
            shutters |= band
    if not shutters.any():
        return shutters
    near_by = ndimage.binary_dilation(shutters, iterations=4, mask=~air)
    return np.asarray(near_by | _blurred_rows(shutters, air) | _blurred_rows(shutters.T, air.T).T)


def _blurred_rows(band: Mask, air: Mask) -> Mask:
    """Rows without air beside shutters at the top and the bottom, over at least three quarters of the width."""
    rows = np.flatnonzero(band.mean(axis=1) > 0.5)
    count, blur = len(band), int(BAND * len(band))
    top, bottom = rows[rows < count / 2], rows[rows >= count / 2]
    beside = np.zeros_like(band)
    if top.size:
        beside[: top[-1] + blur] = True
    if bottom.size:
        beside[bottom[0] - blur :] = True
    return touching(runs(~air, int(0.75 * band.shape[1])) & beside, band)


def _scatter(solid: Mask, above: Float32) -> Mask:
    """Scatter behind a shutter just out of the picture: hardly brighter than air, near a border and long along it."""
    dim = solid & (above < DIM)
    return np.asarray(_end_rows(dim) | _end_rows(dim.T).T)


def _end_rows(mask: Mask) -> Mask:
    return np.asarray(runs(mask, int(0.15 * mask.shape[1])) & ends(mask.shape, int(BAND * len(mask))))


def _strips(solid: Mask, shutters: Mask) -> Mask:
    """Thin strips along a side of the frame or along a shutter there, dim or bright: a limb that crosses it is deep."""
    strips = np.zeros_like(solid)
    for depth, length in STRIPS:
        strips |= _thin_rows(solid, shutters, depth, length) | _thin_rows(solid.T, shutters.T, depth, length).T
    return strips


def _thin_rows(solid: Mask, shutters: Mask, depth: float, length: float) -> Mask:
    from scipy import ndimage

    deep = int(depth * len(solid))
    thin = solid & ~runs(solid.T, deep + 1).T
    beside = ndimage.maximum_filter1d(shutters.astype(np.uint8), 2 * deep + 1, axis=0) > 0
    zone = ends(solid.shape, deep) | (beside & ends(solid.shape, int(2 * BAND * len(solid))))
    return runs(thin & zone, int(length * solid.shape[1]))
