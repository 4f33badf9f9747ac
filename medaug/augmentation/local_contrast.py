"""Local contrast of what was solved, band by band: what a solve has lost is given back, and its change is masked.

A few steps end near the mean of all images that explain a measurement, and a mean is flatter than any image it is of:
at a start of 0.8 limbs have a fifth less power than their source in waves of 5 to 21 px. What is left of a band is
strengthened until it has the source's power around each place. Structures stay where the solve put them.

And a change is seen where tissue is calm, as clouds, long before it is seen among trabeculae or vessels: what a band
differs from the source by is held to a share of the source's own contrast around each place. What is coarser than all
bands, shading, is left as it is.

Matching the power of an image's bands is Heeger and Bergen's (Pyramid-Based Texture Analysis/Synthesis, SIGGRAPH 1995),
the pyramid Burt and Adelson's (The Laplacian Pyramid as a Compact Image Code, 1983); that an estimate of least error
lacks power is Blau and Michaeli's (The Perception-Distortion Tradeoff, CVPR 2018), that contrast masks a change Legge
and Foley's (Contrast masking in human vision, J. Opt. Soc. Am. 1980).
"""

from __future__ import annotations

import numpy as np

from medaug.imaging.resample import resize
from medaug.imaging.volume import Float32

BANDS = 4  # octaves, from waves of 4 px of the prior's on
AROUND = 3.0  # px of a band's own grid: sigma of the place whose power counts together
MOST = 1.5  # what a band is multiplied with at most
NEARBY = 1.5  # px of a band's own grid: sigma of the place that a change is seen in
MASKED = 0.35  # of the source's amplitude there: what a band may differ by; from one half on muscle looks cloudy
LEAST_POWER = 1e-9  # of display units squared: nothing that could be strengthened, or seen
SMALLEST = 8  # px of a band's grid


def contrast_of_source(source: Float32, made: Float32, weight: Float32) -> Float32:
    """What is to be added to an image so that its bands have the source's contrast, (rows, columns), display units.

    Detail finer than 4 px is left alone.

    Args:
        source: (rows, columns), display units.
        made: (rows, columns), the image whose contrast is compared.
        weight: (rows, columns), how much a pixel's power counts; 0 where nothing was generated.
    """
    shapes = _shapes(made.shape)
    there, left, counts = (_coarser(image, shapes) for image in (source, made, weight))
    added = np.zeros(shapes[-1], dtype=np.float32)
    for fine in range(len(shapes) - 2, 0, -1):
        added = resize(added, shapes[fine])
        band = left[fine] - resize(left[fine + 1], shapes[fine])
        of_source = there[fine] - resize(there[fine + 1], shapes[fine])
        change = _gain(of_source, band, counts[fine]) * band - of_source
        change *= _masked(of_source, change, counts[fine])
        added += of_source + change - band
    return resize(added, shapes[0])


def _shapes(shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """Of the image, and of its halves: one more than there are bands, which has what is coarser than all."""
    rows, columns = shape
    halves = [(-(-rows // 2**n), -(-columns // 2**n)) for n in range(BANDS + 2)]
    return [one for n, one in enumerate(halves) if n == 0 or min(one) >= SMALLEST]


def _coarser(image: Float32, shapes: list[tuple[int, int]]) -> list[Float32]:
    pyramid = [image]
    for shape in shapes[1:]:
        pyramid.append(resize(pyramid[-1], shape))
    return pyramid


def _gain(of_source: Float32, of_made: Float32, weight: Float32) -> Float32:
    """What a band is multiplied with, place by place."""
    from scipy.ndimage import gaussian_filter

    there, left = (gaussian_filter(weight * np.square(band), AROUND) for band in (of_source, of_made))
    gain: Float32 = np.sqrt(np.maximum(there, 0) / np.maximum(left, np.float32(LEAST_POWER)))
    return np.clip(gain, 1, np.float32(MOST), out=gain)


def _masked(of_source: Float32, change: Float32, weight: Float32) -> Float32:
    """What a band's change is multiplied with, place by place. Means of amplitudes: an edge alone masks little."""
    from scipy.ndimage import gaussian_filter

    there, seen = (gaussian_filter(weight * np.abs(band), NEARBY) for band in (of_source, change))
    share: Float32 = np.float32(MASKED) * there / np.maximum(seen, np.float32(LEAST_POWER))
    return np.minimum(share, 1, out=share)
