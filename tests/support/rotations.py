"""Random oblique axes."""

from __future__ import annotations

import numpy as np


def rotation(seed: int) -> np.ndarray:
    """A random rotation, by QR of a Gaussian matrix."""
    q, r = np.linalg.qr(np.random.default_rng(seed).normal(size=(3, 3)))
    q *= np.sign(np.diag(r))
    return q if np.linalg.det(q) > 0 else q[:, ::-1]
