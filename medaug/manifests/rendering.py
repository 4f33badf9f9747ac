"""A slice as 8 bits, for data sets that hold pictures."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from medaug.imaging.volume import Volume, Window

Show = Callable[[Volume], Window]  # the window that a volume is shown through


def bytes_of(volume: Volume, window: Window, k: int) -> npt.NDArray[np.uint8]:
    """Slice ``k``, (rows, columns): the window's low end is 0, its high end 255; MONOCHROME1 is flipped."""
    rescale = volume.rescale[k]
    values = volume.stored[k].astype(np.float32) * np.float32(rescale.slope) + np.float32(rescale.intercept)
    grey = np.clip((values - np.float32(window.low)) / np.float32(window.width), 0, 1)
    shown: npt.NDArray[np.uint8] = np.rint((1 - grey if volume.inverted else grey) * 255).astype(np.uint8)
    return shown


def write_png(pixels: npt.NDArray[np.uint8], path: Path) -> None:
    """A picture of 8 bits, packed for speed."""
    Image.fromarray(pixels).save(path, format="PNG", compress_level=2)
