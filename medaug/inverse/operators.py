"""Linear measurements y = A x with their true adjoints (laws: tests/inverse/test_operators.py)."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor


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
