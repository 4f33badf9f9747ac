"""Rectified flow as a diffusion: x_s = (1 − s) z0 + s ε, s from 0 to 1, whose network predicts ε − z0.

Divided by sqrt((1 − s)² + s²) a state x_s is a z_t of a variance-preserving diffusion with
abar = (1 − s)² / ((1 − s)² + s²), so every solver works on it as it is; `latent_prior` gives the network x_s.

Source: Liu et al. 2022, arXiv 2209.03003, equation 1; Lipman et al. 2022, arXiv 2210.02747.
"""

from __future__ import annotations

import torch
from torch import Tensor

LEAST_ABAR = 1e-9  # at the last time, where x is all noise: solvers divide by its root


def flow_schedule(times: int) -> Tensor:
    """Noise levels, abar (times,) float32, at s = (t + 1) / times: index t is the network's time t + 1 of times."""
    s = torch.arange(1, times + 1, dtype=torch.float64) / times
    clean = (1 - s).square()
    return (clean / (clean + s.square())).clamp(min=LEAST_ABAR).float()


def unscaled(z_t: Tensor, abar: Tensor) -> Tensor:
    """x_s of z_t: what the network was trained on."""
    return z_t / (abar.sqrt() + (1 - abar).sqrt())


def clean_of_flow(output: Tensor, z_t: Tensor, abar: Tensor) -> Tensor:
    """The estimate of z0 = x_s − s (ε − z0)."""
    return (z_t - (1 - abar).sqrt() * output) / (abar.sqrt() + (1 - abar).sqrt())
