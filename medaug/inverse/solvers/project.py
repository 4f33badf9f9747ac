"""Projection: decode, put the measurement back, encode. No backward pass."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from medaug.inverse.protocols import Noise, Operator, Prior
from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.ddim import begin, ddim, noise_in
from medaug.inverse.sampling.guided_ddim import ALL_OFF, Guided, Levers, descend
from medaug.inverse.sampling.schedule import times


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
    levers: Levers = ALL_OFF,
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
        levers: what is saved on the way, and the closing.

    Returns:
        Images (B, C, H, W), not clipped.

    Source: the range-null split of DDNM, Wang et al. 2023, arXiv 2212.00490, eq. 12, carried into the latents.
    """
    schedule = times(prior.alphas_cumprod, steps, t0)
    seen = operator.adjoint(y)
    z_t = begin(prior, seen, noise, start, t0, schedule[0][1])

    def guide(prior: Prior, z_t: Tensor, t: Tensor, abar_t: float, abar_s: float) -> Guided:
        z0 = prior.denoise(z_t, t)
        x0 = prior.decode(z0)
        dz = prior.encode(explain(operator, y, x0, iterations)) - prior.encode(x0)
        # eps is the proposal's: from the corrected z0 it would take the correction back
        z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise)
        return z_s, z_s + abar_s**0.5 * (1 - abar_t) ** 0.25 * dz, operator.forward(x0) - y

    return descend(prior, guide, z_t, schedule, noise=noise, levers=levers, operator=operator, y=y, on_step=on_step)
