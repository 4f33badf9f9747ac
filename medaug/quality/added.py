"""What a variant shows that its source doesn't: blobs, a second copy of the outlines, texture where it was calm.

Taken on the slices of `reduced`, in shares of the window. Each asks what the source has nearby, or how calm its calmest
tissue is, so that structure that lies a little elsewhere is none that was added. Limits: docs/explanation/gate.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from medaug.quality.figures import Pair
from medaug.quality.reduced import ADDED_BLOBS, FURTHEST, NEAREST, curvature
from medaug.quality.structure import CALM, GREY, block_means

SLICES = 95  # percentile: what one slice of twenty exceeds is chance
ENOUGH = 64 * 64  # free pixels below which no repetition of outlines can be told from chance


def blobs_new(pair: Pair) -> float:
    """The strongest blob that wasn't there: how far it stands out over the source's strongest of its kind nearby.

    Blobs are the extremes of the normalised Laplacian of Gaussian, light ones and dark ones by themselves; nearby is
    within `reduced.NEARBY` px. A disc of contrast h at the filter's scale gives some 0.7 h. A volume has the 95th
    percentile of its slices'.

    Source: Lindeberg, Feature detection with automatic scale selection, 1998.
    """
    found = []
    for one in pair.seen:
        strongest, free = 0.0, np.flatnonzero(one.free)
        for scale, (dark, light) in zip(ADDED_BLOBS, one.source.blob_reach, strict=True):
            curved = curvature(one.after, scale).take(free)
            over = np.maximum(curved - dark.take(free), -curved - light.take(free))
            strongest = max(strongest, float(over.max()))
        found.append(strongest)
    return _of_slices(found)


def ghosting(pair: Pair) -> float:
    """The contrast of the strongest second copy of the source's detail, `NEAREST` to `FURTHEST` px aside; 1 is full.

    The change is deconvolved by the source's detail: a copy of it anywhere, at contrast a, becomes a peak of height a,
    whatever the detail looks like; generated tissue becomes noise, and detail that is lost a trough in the middle.

    Source: Wiener's filter; as the power cepstrum finds echoes, Bogert, Healy & Tukey 1963.
    """
    return _of_slices(list(_ghosts(pair)))


def _of_slices(found: Sequence[float]) -> float:
    """A volume's figure from its slices': of many that are sound the greatest is beyond any limit for one."""
    return float(np.percentile(found, SLICES)) if found else 0.0


def _ghosts(pair: Pair) -> Iterator[float]:
    from scipy import fft, ndimage

    for one in pair.seen:
        if np.count_nonzero(one.free) < ENOUGH:
            continue
        known = one.source.ghost_filter
        added = (one.change - ndimage.gaussian_filter(one.change, known.coarse)) * known.taper
        peaks = fft.irfft2(fft.rfft2(added, known.shape) * known.response, known.shape)
        yield max(0.0, float(peaks.take(_aside(known.shape)).max()))


@lru_cache(maxsize=4)
def _aside(shape: tuple[int, int]) -> npt.NDArray[np.intp]:
    """Places of a transform's copies that lie `NEAREST` to `FURTHEST` px aside."""
    from scipy import fft

    rows, columns = (fft.fftfreq(n, 1 / n) for n in shape)
    away = np.hypot(rows[:, None], columns[None])
    places = np.flatnonzero((away >= NEAREST) & (away <= FURTHEST))
    places.setflags(write=False)
    return places


def calm_texture(pair: Pair) -> float:
    """How much there is of the band of blotches in the calmest tissue of the variant, over in the source's calmest.

    Amplitudes, at the quarter of the blocks. The variant's calmest blocks needn't be the source's, so tissue whose
    texture is another of the same strength gives 1.
    """
    powers = [np.zeros((2, 0))]
    for one in pair.seen:
        whole = block_means(one.free.astype(np.float32)) == 1
        bands = one.source.band, one.source.band + one.added_band
        powers.append(np.stack([block_means(np.square(band))[whole] for band in bands]))
    both = np.concatenate(powers, axis=1)
    if not both.size:
        return 1.0
    before, after = np.percentile(both, CALM, axis=1) + GREY**2
    return float(np.sqrt(after / before))
