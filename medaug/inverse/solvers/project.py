"""Projection: decode, put the measurement back, encode. No backward pass."""

from __future__ import annotations

from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.ddim import begin
from medaug.inverse.sampling.guided_ddim import EVERY_STEP, DenoisingStep, Guidance, Guided, descend


def project(
    problem: Problem, *, steps: int = 25, t0: float = 0.6, iterations: int = 5, guidance: Guidance = EVERY_STEP
) -> Tensor:
    """The prior's proposal, moved by what putting the measurement back changes in its encoding.

        x0 = D(z0);  x' = the nearest image to x0 with A x' = y;  z0 ← z0 + (1 − abar_t)^¼ (E(x') − E(x0))

    The *difference* of two encodings is added, so that what the autoencoder loses in a round trip isn't lost at every
    step. Its weight falls with the noise, since what single pixels put into the fine latents is to be denoised
    afterwards; with the square root in place of the fourth one the measurement is left unexplained. For observed
    pixels x' is x0 with those pixels put back, exactly, in one iteration.

    Network calls: ``steps`` of denoise, ``2 · steps`` of encode, ``steps + 1`` of decode.

    Args:
        problem: what is solved.
        steps: as for every solver, see `Solver`.
        t0: likewise.
        iterations: of conjugate gradients for x'.
        guidance: likewise.

    Source: the range-null split of DDNM, Wang et al. 2023, arXiv 2212.00490, eq. 12, carried into the latents.
    """
    operator, y = problem.operator, problem.y
    schedule, z_t = begin(problem, steps, t0)

    def guide(step: DenoisingStep) -> Guided:
        prior, z0 = step.problem.prior, step.denoised()
        x0 = prior.decode(z0)
        dz = prior.encode(explain(operator, y, x0, iterations)) - prior.encode(x0)
        # eps is the proposal's: from the corrected z0 it would take the correction back
        z_s = step.unguided(z0)
        return z_s, z_s + step.abar_s**0.5 * (1 - step.abar_t) ** 0.25 * dz, operator.forward(x0) - y

    return descend(problem, guide, schedule, z_t, guidance=guidance)
