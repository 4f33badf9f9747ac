"""A limb of two bones in soft tissue, and what a variant of it is compared under."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medaug.imaging.arrays import from_array
from medaug.imaging.volume import Mask, Volume, Window
from medaug.quality.figures import Pair

ROWS, COLUMNS = 240, 160
WINDOW = Window.spanning(0, 255)
Values = npt.NDArray[np.floating]


def bone(at: int, width: int = 16) -> Values:
    columns = np.abs(np.arange(COLUMNS) - at)
    return np.tile(70.0 * (columns < width / 2), (ROWS, 1))


def noise(seed: int, sigma: float = 1.0, smooth: float = 0.0) -> Values:
    drawn = np.random.default_rng(seed).normal(size=(ROWS, COLUMNS))
    drawn = ndimage.gaussian_filter(drawn, smooth) if smooth else drawn
    return np.asarray(sigma * drawn / drawn.std())


def limb(*extra: Values, bones: tuple[Values, ...] = ()) -> Volume:
    grey = 90.0 + noise(0) + sum(map(blurred, bones or (bone(50), bone(110)))) + sum(extra)
    return from_array(np.clip(grey, 0, 255).astype(np.float32), spacing=(1.0, 1.0))


def blurred(x: Values) -> Values:
    return np.asarray(ndimage.gaussian_filter(x, 1.5))


def kept() -> Mask:
    """A box, and a rim."""
    found = np.zeros((1, ROWS, COLUMNS), dtype=np.bool_)
    found[:, 100:130, 70:90] = True
    found[:, :, :8] = found[:, :, -8:] = True
    return found


def against(made: Volume, source: Volume | None = None) -> Pair:
    return Pair(source or limb(), made, kept(), WINDOW)
