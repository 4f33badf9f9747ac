"""Grey levels of a picture whose three channels differ: by what lossy compression did to them, or by a tint."""

from __future__ import annotations

from typing import Literal

import numpy as np

from medaug.imaging.colour import Samples, Where, luminance

Converted = Literal["", "near-grey", "tint"]

# Cb and Cr of a grey JPEG may be 1 off neutral: red moves by 1.40, blue by 1.77 the other way, which is 3 apart
NEAR_GREY = 3
TINT = 16  # levels: how far a pixel's channels may be from the mean of the pixels of its luminance, chroma's noise
TINTED = 0.999  # of the pixels that must lie so


def to_grey(samples: Samples) -> tuple[Samples, Converted]:
    """The one channel that stands for three.

    Args:
        samples: (rows, columns, 3), uint8: red, green and blue.

    Returns:
        (rows, columns), uint8, and what was done: ``""`` where all channels agree; ``near-grey`` where they differ by
        at most `NEAR_GREY` in every pixel, and ``tint`` where the colour follows from the luminance (sepia, a blue
        film): the luminance is taken for both.

    Raises:
        ValueError: a picture in colour, with its figures.

    Source: ITU-R BT.601 (luminance).
    """
    apart = np.ptp(samples, axis=-1)
    most = int(apart.max(initial=0))
    if not most:
        return samples[..., 0].copy(), ""
    plane = luminance(samples)
    if most <= NEAR_GREY:
        return plane, "near-grey"
    follows = float(np.mean(_follows(samples, plane)))
    if follows >= TINTED:
        return plane, "tint"
    raise ValueError(
        f"its channels differ in {np.mean(apart > 0):.2%} of the pixels, by up to {most}, and aren't those of a tint "
        f"(in {1 - follows:.2%} of them the colour doesn't follow from the brightness)"
    )


def _follows(samples: Samples, plane: Samples) -> Where:
    """Where a pixel's channels are about the mean ones of all pixels as bright as it."""
    levels = plane.ravel()
    count = np.maximum(np.bincount(levels, minlength=256), 1)
    near = np.ones(plane.shape, dtype=np.bool_)
    for channel in np.moveaxis(samples, -1, 0):
        mean = np.bincount(levels, weights=channel.ravel(), minlength=256) / count
        near &= np.abs(channel - mean[plane]) <= TINT
    return near
