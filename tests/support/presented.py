"""What is on the prior's square, on the native grid and whole; a run does so strip by strip."""

from __future__ import annotations

import numpy as np

from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Float32


def to_native(view: Presentation, images: Float32) -> Float32:
    """(K, size, size) → (K, I, J); 0 outside the area."""
    native = np.zeros((len(images), *view.shape), dtype=np.float32)
    for k, image in enumerate(images):
        for area, values in view.native_strips(image):
            native[k][area] = values
    return native
