"""Grey levels of an image whose three channels differ: by what lossy compression did to them, or by a tint."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medaug.imaging.colour import NEUTRAL, Samples, Where, luminance

Converted = Literal["", "near-grey", "tint"]

# Cb and Cr of a grey JPEG may be 1 off neutral: red moves by 1.40, blue by 1.77 the other way, which is 3 apart
NEAR_GREY, NEAR_NEUTRAL = 3, 1
TINT = 16  # levels: how far a pixel's channels may be from the mean of the pixels of its luminance, chroma's noise
TINTED = 0.999  # of the pixels that must lie so
# PS3.3 C.7.6.3.1.2: red, green and blue of Y, Cb and Cr, and of three zeros
TO_RGB = np.array([[1, 1, 1], [0, -0.344136, 1.772], [1.402, -0.714136, 0]])
RGB_OF_ZERO = -NEUTRAL * TO_RGB[1:].sum(axis=0)


def to_grey(samples: Samples, *, ybr: bool = False) -> tuple[Samples, Converted]:
    """The one channel that stands for three.

    Args:
        samples: (rows, columns, 3), uint8: red, green and blue; with ``ybr`` Y, Cb and Cr.
        ybr: likewise; Y is the luminance then.

    Returns:
        (rows, columns), uint8, and what was done: ``""`` where it has no colour; ``near-grey`` where channels differ by
        at most `NEAR_GREY` in every pixel (Cb and Cr are at most `NEAR_NEUTRAL` off), and ``tint`` where the colour
        follows from the luminance and brightens with it (sepia, a blue film): the luminance is taken for both.

    Raises:
        ValueError: an image in colour, with its figures.

    Source: ITU-R BT.601 (luminance).
    """
    apart = np.abs(samples[..., 1:].astype(np.int16) - NEUTRAL).max(axis=-1) if ybr else np.ptp(samples, axis=-1)
    most = int(apart.max(initial=0))
    plane = samples[..., 0].copy() if ybr or not most else luminance(samples)
    if not most:
        return plane, ""
    if most <= (NEAR_NEUTRAL if ybr else NEAR_GREY):
        return plane, "near-grey"
    follows = float(np.mean(_follows(samples, plane, ybr=ybr)))
    if follows >= TINTED:
        return plane, "tint"
    raise ValueError(
        f"its channels differ in {np.mean(apart > 0):.2%} of the pixels, by up to {most}, and aren't those of a tint "
        f"(in {1 - follows:.2%} of them the colour doesn't follow from the brightness)"
    )


def _follows(samples: Samples, plane: Samples, *, ybr: bool) -> Where:
    """Where a pixel is about the mean colour of all pixels as bright as it, and that rises with the brightness.

    Red, green and blue rise together on a film or in sepia; of bars in as many colours as brightnesses they don't.
    """
    levels = plane.ravel()
    count = np.bincount(levels, minlength=256)
    means = np.stack(
        [
            np.bincount(levels, weights=channel.ravel(), minlength=256) / np.maximum(count, 1)
            for channel in np.moveaxis(samples, -1, 0)
        ],
        axis=-1,
    )
    near = (np.abs(samples - means[plane]) <= TINT).all(axis=-1)
    shown = means @ TO_RGB + RGB_OF_ZERO if ybr else means
    occurring = np.where(count[:, None] > 0, shown, -np.inf)
    rising: Where = np.asarray((np.maximum.accumulate(occurring) - shown <= TINT).all(axis=-1))
    return np.asarray(near & rising[plane])
