"""Linear algebra by sample: conjugate gradients, and the nearest image that explains a measurement."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medaug.inverse.protocols import Operator

TINY = 1e-20  # a squared residual below it is none; keeps 0 / 0 out of finished samples


def conjugate_gradients(matrix: Callable[[Tensor], Tensor], b: Tensor, iterations: int) -> Tensor:
    """Solve M v = b for a symmetric positive (semi-)definite M, from v = 0, each row of the batch by itself.

    Few iterations stay near 0 where M says little, which is what a solver wants of a measurement.

    Args:
        matrix: M, from (B, …) to (B, …), row by row.
        b: (B, …).
        iterations: how many products with M.

    Source: Hestenes & Stiefel 1952; Shewchuk 1994, B2.
    """
    v, r = torch.zeros_like(b), b
    d, rho = r, _dot(r, r)
    for _ in range(iterations):
        q = matrix(d)
        alpha = rho / _dot(d, q).clamp_min(TINY)
        v, r = v + alpha * d, r - alpha * q
        new = _dot(r, r)
        d, rho = r + new / rho.clamp_min(TINY) * d, new
    return v


def explain(operator: Operator, y: Tensor, x: Tensor, iterations: int) -> Tensor:
    """The nearest image to ``x`` with A x' = y, by least squares: x + Aᵀ(A Aᵀ)⁺(y − A x).

    For observed pixels one iteration is exact; for a blur ``iterations`` decide how far its faint part is followed.
    """
    residual = y - operator.forward(x)
    dual = conjugate_gradients(lambda v: operator.forward(operator.adjoint(v)), residual, iterations)
    return x + operator.adjoint(dual)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    """(B, …) × 2 → (B, 1, …): over each sample alone."""
    return (a * b).sum(dim=tuple(range(1, a.ndim)), keepdim=True)
