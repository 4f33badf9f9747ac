"""A radiograph of a leg, and its domains."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.volume import Mask, Rescale, SourceRef, Volume, Window

WIDE = Window.spanning(-1, 4096)


def of(stored: npt.NDArray[np.generic], modality: str = "CR", **fields: object) -> Volume:
    """A volume of these stored numbers: a projection when it is two-dimensional."""
    flat = stored.ndim == 2
    values = stored[None] if flat else stored
    affine = np.diag([0.0, 0.0, 0.0, 1.0])
    affine[2, 0], affine[1, 1], affine[0, 2] = 3.0, 0.8, 0.8
    built = Volume(
        stored=values.copy(),
        geometry=planar(*values.shape[1:], None) if flat else Geometry(values.shape, affine, "patient"),
        rescale=(Rescale(),) * len(values),
        window=None,
        stored_range=(-4096, 4095),
        padding=None,
        inverted=False,
        source=SourceRef("dicom", modality, "1", "2", ("3",), (Path("a"),), ("0" * 64,)),
    )
    return replace(built, **fields)


def leg(rows: int = 400, columns: int = 300, *, seed: int = 0) -> tuple[npt.NDArray[np.int16], Mask]:
    """A leg in tilted, noisy air, and where it is. 12 bits, bright is high."""
    i, j = np.mgrid[0:rows, 0:columns]
    across = np.abs(j / columns - 0.5 - 0.07 * i / rows) / 0.2
    inside = across < 1
    image = 300 + 120 * i / rows + 60 * j / columns
    image += np.where(inside, 250 + 900 * np.sqrt(np.clip(1 - across**2, 0, None)), 0)
    image += np.where(across < 0.3, 900, 0)
    image += np.random.default_rng(seed).normal(0, 12, image.shape)
    return ndimage.gaussian_filter(image, 1.0).astype(np.int16), inside
