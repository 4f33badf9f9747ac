"""LATINO-style: noise, clean at once, put the measurement back, encode; new noise for each step. No backward pass."""

from __future__ import annotations

from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.ddim import RENEWED, begin
from medaug.inverse.sampling.guided_ddim import EVERY_STEP, DenoisingStep, Guidance, Guided, descend


def latino(
    problem: Problem, *, steps: int = 8, t0: float = 0.6, iterations: int = 5, guidance: Guidance = EVERY_STEP
) -> Tensor:
    """The prior's proposal with the measurement put back, encoded and noised anew to the next time.

        x0 = D(z0);  x' = the nearest image to x0 with A x' = y;  z_s = sqrt(abar_s) E(x') + sqrt(1 − abar_s) noise

    Noise is never carried on, so a step's error isn't either, and few steps vary much. The paper's prior is a
    consistency model, one call of which gives a sample; here it gives the mean of what there may be, and the noise of
    the next, earlier time does the sampling. The measurement is put back whole: the paper's proximal step for one
    without noise. Single observed pixels alias into the latents, so the delivered image needs a closing.

    Network calls: ``steps`` of denoise and encode, ``steps + 1`` of decode.

    Args:
        problem: what is solved.
        steps: as for every solver, see `Solver`.
        t0: likewise.
        iterations: of conjugate gradients for x'; observed pixels need one.
        guidance: likewise.

    Source: Spagnoletti et al. 2025, arXiv 2503.12615, algorithm 1.
    """
    operator, y = problem.operator, problem.y
    schedule, z_t = begin(problem, steps, t0)

    def guide(step: DenoisingStep) -> Guided:
        prior, z0 = step.problem.prior, step.denoised()
        x0 = prior.decode(z0)
        dz = prior.encode(explain(operator, y, x0, iterations)) - z0
        z_s = step.unguided(z0)
        return z_s, z_s + step.abar_s**0.5 * dz, operator.forward(x0) - y

    return descend(problem, guide, schedule, z_t, eta=RENEWED, guidance=guidance)
