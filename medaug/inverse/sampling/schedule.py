"""The times a sampler visits."""

from __future__ import annotations

import torch
from torch import Tensor

Times = list[tuple[int, float, float]]


def times(alphas_cumprod: Tensor, steps: int, t0: float) -> Times:
    """Evenly spaced DDIM times from ``t0`` down to clean.

    Args:
        alphas_cumprod: (T,) abar.
        steps: how many denoising steps, 1 … T·t0.
        t0: where to start, as a share of all times in (0, 1]; 1 is pure noise.

    Returns:
        (t, abar_t, abar_s) per step: the time index, the share of signal there, and the share at the next,
        earlier time. The last abar_s is 1: the end is clean.

    Raises:
        ValueError: ``steps`` or ``t0`` is out of range.
    """
    total = len(alphas_cumprod)
    first = round(t0 * total) - 1
    if not 0 < t0 <= 1 or not 1 <= steps <= first + 1:
        raise ValueError(f"expected 0 < t0 ≤ 1 and 1 ≤ steps ≤ {first + 1} (t0 of {total} times), got {t0} and {steps}")
    index = torch.linspace(first, first / steps if steps > 1 else first, steps).round().long().tolist()
    abar = [float(alphas_cumprod[t]) for t in index]
    return list(zip(index, abar, [*abar[1:], 1.0], strict=True))
