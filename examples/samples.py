"""Radiographs of nobody: what the prior in the package draws from pure noise, with an opacity drawn into a lung.

No patient, and the prior's licence (CC BY 4.0). A sample hangs on its seed alone; these seeds were picked by eye.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medaug.imaging.boxes import Box
from medaug.inverse.priors.embedded import load_embedded
from medaug.inverse.unconditional import draw

Image = npt.NDArray[np.float64]

SIDE = 512  # px: each sample of 256 is enlarged twofold
GRAIN = 0.008  # of the range: the noise of a detector
OPACITIES = {28: (300, 166, 26, 22), 32: (190, 372, 22, 24)}  # seed → row, column and half axes, in px


def chests(steps: int = 50) -> dict[int, Image]:
    """Seed → (SIDE, SIDE) in [0, 1], bright is dense; a few seconds of CPU each."""
    drawn = draw(load_embedded(), list(OPACITIES), steps)[:, 0].double().numpy()
    return {seed: _finished(image, seed) for seed, image in zip(OPACITIES, drawn, strict=True)}


def opacity_box(seed: int) -> Box:
    """The box of the opacity, half-open."""
    row, column, high, wide = OPACITIES[seed]
    return Box((0, row - high, column - wide), (1, row + high, column + wide), "opacity")


def _finished(image: Image, seed: int) -> Image:
    large = ndimage.zoom((image + 1) / 2, 2, order=3)
    row, column, high, wide = OPACITIES[seed]
    i, j = np.ogrid[0:SIDE, 0:SIDE]
    away = ((i - row) / high) ** 2 + ((j - column) / wide) ** 2
    large += 0.24 * np.clip(1 - away, 0, None) ** 1.5
    return np.clip(large + np.random.default_rng(seed).normal(0, GRAIN, large.shape), 0, 1)
