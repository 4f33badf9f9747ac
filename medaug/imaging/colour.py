"""Colour images whose grey pixels alone may change: ultrasound with a Doppler overlay, coloured text or a logo."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

Samples = npt.NDArray[np.generic]
Where = npt.NDArray[np.bool_]

NEUTRAL = 128  # Cb and Cr of grey in 8 bits
WEIGHTS = (299, 587, 114)  # of BT.601; they add up to 1000, so grey stays exact


def luminance(samples: Samples) -> Samples:
    """(…, 3) of red, green and blue → (…), uint8, rounded."""
    weighed: Samples = ((samples.astype(np.uint32) @ np.array(WEIGHTS, dtype=np.uint32) + 500) // 1000).astype(np.uint8)
    return weighed


@dataclass(frozen=True, eq=False)
class Colour:
    """All samples of a colour image, as stored.

    Attributes:
        samples: (..., rows, columns, 3), uint8, read-only: red, green and blue, or Y, Cb and Cr, those that pixels
            share given to each.
        luminance: True for Y, Cb, Cr: grey is where Cb and Cr are 128, and Y alone holds it. False for red, green,
            blue: grey is where all three agree.

    Source: PS3.3 C.7.6.3.1.2 (Photometric Interpretation).
    """

    samples: Samples
    luminance: bool

    def __post_init__(self) -> None:
        if self.samples.shape[-1:] != (3,) or self.samples.dtype != np.uint8:
            raise ValueError(f"colour: expected 3 samples of 8 bits, found {self.samples.shape} {self.samples.dtype}")
        view = self.samples.view()
        view.setflags(write=False)
        object.__setattr__(self, "samples", view)

    @cached_property
    def coloured(self) -> Where:
        """(..., rows, columns), True where a pixel isn't grey and so must stay as it is."""
        first, second, third = np.moveaxis(self.samples, -1, 0)
        if self.luminance:
            return np.asarray((second != NEUTRAL) | (third != NEUTRAL))
        return np.asarray((first != second) | (first != third))

    @cached_property
    def plane(self) -> Samples:
        """(..., rows, columns), uint8: the grey level; of coloured pixels their luminance, which is shown only."""
        if self.luminance:
            return self.samples[..., 0].copy()
        return luminance(self.samples)

    def holding(self, plane: Samples) -> Samples:
        """The samples with other grey levels in the grey pixels, and nothing else changed; a fresh array."""
        samples, grey = self.samples.copy(), ~self.coloured
        if self.luminance:
            samples[grey, 0] = plane[grey]
        else:
            samples[grey] = plane[grey][:, None]
        return samples
