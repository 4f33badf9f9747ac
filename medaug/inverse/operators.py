"""Linear measurements y = A x with their true adjoints (laws: tests/inverse/test_operators.py).

A measurement of a degraded image observes the protected and observed pixels as they are, and all other pixels through
the degradation only: see `Beside`. So the boxes stay what they were, whatever is done to the rest.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cache
from itertools import product

import torch
from torch import Tensor
from torch.nn.functional import conv2d

from medaug.inverse.device import constant
from medaug.inverse.protocols import Operator


@dataclass(frozen=True, eq=False)
class Inpainting:
    """Keep the observed pixels, zero the others. Self-adjoint and idempotent.

    Attributes:
        observed: (B, 1, H, W) or (1, 1, H, W), bool; **True is observed**.
    """

    observed: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """A x: x where observed, 0 elsewhere."""
        return x * self.observed.to(x.dtype)

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y, which for this operator is A y: noise in y outside the observed pixels is removed."""
        return y * self.observed.to(y.dtype)


@dataclass(frozen=True, eq=False)
class Filter:
    """Correlation with a kernel; as large as the image, beyond whose border lies 0, mid-grey.

    Attributes:
        kernel: (rows, columns), both odd, float64; sums to 1.
    """

    kernel: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """A x: each pixel the kernel's mean of those around it."""
        return self._correlate(x, constant(self.kernel, x.device, x.dtype))

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: correlation with the kernel turned by half a turn, since zeros lie beyond the border."""
        return self._correlate(y, constant(self.kernel, y.device, y.dtype).flip(0, 1))

    def _correlate(self, x: Tensor, kernel: Tensor) -> Tensor:
        channels = x.shape[1]
        weight = kernel[None, None].expand(channels, 1, -1, -1)
        padding = (kernel.shape[0] // 2, kernel.shape[1] // 2)
        return conv2d(x, weight, padding=padding, groups=channels)


@dataclass(frozen=True, eq=False)
class Downsampling:
    """The mean of each factor × factor block. Rows and columns must be multiples of ``factor``.

    Attributes:
        factor: px per block along each axis.
    """

    factor: int

    def forward(self, x: Tensor) -> Tensor:
        """A x: (B, C, H, W) → (B, C, H / factor, W / factor)."""
        return torch.nn.functional.avg_pool2d(x, self.factor)

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y: each block's value spread evenly over it, divided by factor²."""
        return y.repeat_interleave(self.factor, -2).repeat_interleave(self.factor, -1) / self.factor**2


@dataclass(frozen=True, eq=False)
class BlockCosines:
    """The cosines of 8 × 8 blocks that JPEG keeps at one quality: the linear part of JPEG, a projection.

    JPEG itself rounds each coefficient of each block to a multiple of a step, which no matrix does. Here a coefficient
    is measured when its step is at most ``coarsest`` grey levels, and not at all otherwise; `jpeg_steps` has the table.
    What rounding takes from the kept ones is at most half a step each, and is no part of this model.

    Attributes:
        kept: (8, 8) bool; **True is measured**, [0, 0] is the block's mean.
    """

    kept: Tensor

    def forward(self, x: Tensor) -> Tensor:
        """A x: x without the cosines that aren't kept. Rows and columns must be multiples of 8."""
        basis = constant(_cosines(), x.device, x.dtype)
        rows, columns = x.shape[-2:]
        blocks = x.reshape(*x.shape[:-2], rows // 8, 8, columns // 8, 8).transpose(-3, -2)  # …, I, J, 8, 8
        spectrum = (basis @ blocks @ basis.T) * constant(self.kept, x.device, x.dtype)
        cleaned = basis.T @ spectrum @ basis
        return torch.as_tensor(cleaned.transpose(-3, -2).reshape(x.shape))

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y, which for an orthogonal projection is A y."""
        return self.forward(y)


@dataclass(frozen=True, eq=False)
class Beside:
    """The observed pixels as they are, and beside them the whole image through a degradation: A x = (M x, B x) / √2.

    Both lie in one tensor, B x below M x. The root keeps ||A|| ≤ 1 where ||B|| ≤ 1, which PSLD's gluing term and
    Landweber steps assume of x − AᵀA x.

    Attributes:
        regions: M, the observed pixels.
        degraded: B, how the others are seen; its images are no larger than x.
    """

    regions: Inpainting
    degraded: Operator

    def forward(self, x: Tensor) -> Tensor:
        """A x: (B, C, H, W) → (B, C, H + H', W); where B x is narrower, zeros fill its rows."""
        seen = self.degraded.forward(x)
        widened = torch.nn.functional.pad(seen, (0, x.shape[-1] - seen.shape[-1]))
        return torch.cat([self.regions.forward(x), widened], dim=-2) / math.sqrt(2)

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y = (Mᵀ y₁ + Bᵀ y₂) / √2."""
        rows, width = self.regions.observed.shape[-2:]
        below = y[..., rows:, :]
        if below.shape[-2] < rows:  # as wide as it is high, in the image's own proportion
            below = below[..., : width * below.shape[-2] // rows]
        return (self.regions.adjoint(y[..., :rows, :]) + self.degraded.adjoint(below)) / math.sqrt(2)


def gaussian_blur(sigma: float) -> Filter:
    """Blur by a Gaussian of standard deviation ``sigma`` px, cut at three of them."""
    reach = max(1, math.ceil(3 * sigma))
    line = torch.exp(-0.5 * (torch.arange(-reach, reach + 1, dtype=torch.float64) / sigma) ** 2)
    kernel = torch.outer(line, line)
    return Filter(kernel / kernel.sum())


def motion_blur(length: float, angle: float) -> Filter:
    """Blur along a line, as of a limb that moved evenly during the exposure.

    Args:
        length: of the line, px.
        angle: degrees from the row axis towards the rows' beginning (upward in the picture).
    """
    reach = max(1, math.ceil(length / 2))
    side = 2 * reach + 1
    along = torch.linspace(-length / 2, length / 2, 32 * side, dtype=torch.float64)
    turn = math.radians(angle)
    rows, columns = reach - along * math.sin(turn), reach + along * math.cos(turn)
    kernel = torch.zeros(side * side, dtype=torch.float64)
    for row, column in product((rows.floor(), rows.floor() + 1), (columns.floor(), columns.floor() + 1)):
        share = (1 - (rows - row).abs()) * (1 - (columns - column).abs())  # bilinear
        kernel.index_add_(0, row.clamp(0, side - 1).long() * side + column.clamp(0, side - 1).long(), share)
    return Filter((kernel / kernel.sum()).reshape(side, side))


def jpeg(quality: int, coarsest: float = 32.0) -> BlockCosines:
    """What a JPEG of this quality says of the image, without its rounding.

    Args:
        quality: 1 … 100, as libjpeg counts it.
        coarsest: grey levels of 256; a coefficient with a larger step is taken for lost.
    """
    kept = jpeg_steps(quality) <= coarsest
    kept[0, 0] = True  # the mean of a block is never lost
    return BlockCosines(kept)


def jpeg_steps(quality: int) -> Tensor:
    """(8, 8) steps of the luminance coefficients in grey levels of 256.

    Source: ITU-T T.81 (JPEG), annex K.1, table K.1, scaled as the Independent JPEG Group's library does.
    """
    scale = 5000 / quality if quality < 50 else 200 - 2 * quality
    return ((torch.tensor(LUMINANCE, dtype=torch.float64) * scale + 50) / 100).floor().clamp(1, 255)


LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)


@cache
def _cosines() -> Tensor:
    """The orthonormal 8-point DCT-II: row u is the u-th cosine."""
    n = torch.arange(8, dtype=torch.float64)
    basis = torch.cos(math.pi / 8 * (n[None] + 0.5) * n[:, None]) / 2
    basis[0] /= math.sqrt(2)
    return basis
