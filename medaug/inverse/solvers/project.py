"""Projection: decode, put the measurement back, encode. No backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from medaug.inverse.ddim import begin, ddim, noise_in
from medaug.inverse.linear import explain
from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.schedule import times


@torch.no_grad()
def project(  # noqa: PLR0913 - the method's own parameters, bound once with functools.partial
    prior: Prior,
    operator: Operator,
    y: Tensor,
    *,
    noise: Noise,
    start: Tensor | None = None,
    on_step: Callable[[int, int], None] | None = None,
    steps: int = 25,
    t0: float = 0.6,
    iterations: int = 5,
) -> Tensor:
    """Draw images that explain ``y``, one per row, each independent of its batch-mates.

        x0 = D(z0);  x' = the nearest image to x0 with A x' = y;  z0 ← z0 + (1 − abar_t)^¼ (E(x') − E(x0))

    The *difference* of two encodings is added, so that what the autoencoder loses in a round trip isn't lost at every
    step. Its weight falls with the noise, since what single pixels put into the fine latents is to be denoised
    afterwards; with the square root in place of the fourth one the measurement is left unexplained. For observed
    pixels x' is x0 with those pixels put back, exactly, in one iteration.

    Network calls: ``steps`` of denoise, ``2 · steps`` of encode, ``steps + 1`` of decode.

    Args:
        prior: the latent diffusion model.
        operator: the measurement A.
        y: (B, …), the measurement of each sample.
        noise: one stream per sample.
        start: clean latents (B, c, h, w) to begin from once noised to ``t0``; pure noise when None, or when t0 is 1.
        on_step: called with (step, steps) before each step.
        steps: denoising steps.
        t0: first time as a share of all, in (0, 1].
        iterations: of conjugate gradients for x'.

    Returns:
        Images (B, C, H, W), not clipped.

    Source: the range-null split of DDNM, Wang et al. 2023, arXiv 2212.00490, eq. 12, carried into the latents.
    """
    schedule = times(prior.alphas_cumprod, steps, t0)
    z_t = begin(prior, operator.adjoint(y), noise, start, t0, schedule[0][1])
    for step, (t, abar_t, abar_s) in enumerate(schedule):
        if on_step:
            on_step(step, steps)
        z0 = prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))
        eps = noise_in(z_t, z0, abar_t)  # the proposal's: from the corrected z0 it would take the correction back
        x0 = prior.decode(z0)
        weight = (1 - abar_t) ** 0.25
        z0 = z0 + weight * (prior.encode(explain(operator, y, x0, iterations)) - prior.encode(x0))
        z_t = ddim(z0, eps, abar_t, abar_s, 0.0, noise)
    return prior.decode(z_t)
