"""Solvers that were tried and are not in the package: `docs/explanation/solvers.md` has the table of what they gave.

One screen each, with the signature of `medaug.inverse.protocols.Solver`. They obey no contract but their own; that of
`solver_few_steps` obeys the package's.
"""

from __future__ import annotations

import math
from functools import partial

import torch
from torch import Tensor

from medaug.inverse.sampling.conjugate_gradients import explain
from medaug.inverse.sampling.ddim import begin, ddim, noise_in
from medaug.inverse.sampling.gauss_newton import correction
from medaug.inverse.solvers.psld import REFERENCE_STEPS
from tests.benchmarks.solver_few_steps import ding


def _z0(prior, z_t: Tensor, t: int) -> Tensor:
    return prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))


def _gradient(prior, operator, y: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
    """Of ||A D(z) − y||² / 2 through the decoder, and the squared norm itself, (B, 1, 1, 1)."""
    with torch.enable_grad():
        z = z.detach().requires_grad_(True)
        square = (operator.forward(prior.decode(z)) - y).square().flatten(1).sum(1)
        (gradient,) = torch.autograd.grad(0.5 * square.sum(), z)
    return gradient, square.detach().reshape(-1, 1, 1, 1)


@torch.no_grad()
def daps(problem, *, steps=25, t0=0.6, ode=3, langevin=10, sigma_y=0.05, lr=1e-4):
    """DAPS in the latents: probability-flow ODE to z0, Langevin on z0, noise anew (Zhang et al., arXiv 2407.01521)."""
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for t, abar_t, abar_s in schedule:
        z, abar = z_t, abar_t
        for inner in range(ode):
            u = round(t * (1 - inner / ode))
            after = float(prior.alphas_cumprod[round(t * (1 - (inner + 1) / ode))]) if inner + 1 < ode else 1.0
            z0 = _z0(prior, z, u)
            z, abar = ddim(z0, noise_in(z, z0, abar), abar, after, 0.0, noise), after
        z0 = centre = z
        r2 = (1 - abar_t) / max(abar_t, 1e-4)
        for _ in range(langevin):
            gradient, _ = _gradient(prior, operator, y, z0)
            force = gradient / sigma_y**2 + (z0 - centre) / r2
            z0 = z0 - lr * force + (2 * lr) ** 0.5 * noise(tuple(z0.shape))
        z_t = abar_s**0.5 * z0 + (1 - abar_s) ** 0.5 * (noise(tuple(z0.shape)) if abar_s < 1 else 0)
    return prior.decode(z_t)


@torch.no_grad()
def flowdps(problem, *, steps=25, t0=0.6, inner=3, rate=1.0):
    """FlowDPS-like: a few data steps on Tweedie's z0, blended in by the noise level, part of the noise drawn anew.

    Source: Kim et al. 2025, arXiv 2503.08136, algorithm 1; here in the words of a variance-preserving schedule.
    """
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for t, abar_t, abar_s in schedule:
        z0 = _z0(prior, z_t, t)
        eps = noise_in(z_t, z0, abar_t)
        z_y = z0
        for _ in range(inner):
            gradient, square = _gradient(prior, operator, y, z_y)
            z_y = (
                z_y
                - rate * square / gradient.square().flatten(1).sum(1).reshape(-1, 1, 1, 1).clamp_min(1e-12) * gradient
            )
        level = (1 - abar_t) ** 0.5
        z0 = (1 - level) * z0 + level * z_y
        keep = abar_s**0.5
        fresh = keep * eps + (1 - keep**2) ** 0.5 * noise(tuple(eps.shape))
        z_t = abar_s**0.5 * z0 + (1 - abar_s) ** 0.5 * fresh
    return prior.decode(z_t)


@torch.no_grad()
def resample(problem, *, steps=25, t0=0.6, every=5, inner=50, rate=0.05, gamma=40.0):
    """ReSample: hard data consistency in the latents every few steps, then stochastic resampling.

    Source: Song et al. 2024, arXiv 2307.08123, algorithm 1 and eq. 10.
    """
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for step, (t, abar_t, abar_s) in enumerate(schedule):
        z0 = _z0(prior, z_t, t)
        z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise)
        if step % every == every - 1 or abar_s == 1:
            z = z0
            first = torch.zeros_like(z)
            second = torch.zeros_like(z)
            for n in range(1, inner + 1):  # Adam, as published
                gradient, _ = _gradient(prior, operator, y, z)
                first, second = 0.9 * first + 0.1 * gradient, 0.999 * second + 0.001 * gradient.square()
                z = z - rate * (first / (1 - 0.9**n)) / ((second / (1 - 0.999**n)).sqrt() + 1e-8)
            variance = gamma * (1 - abar_s) / abar_t * (1 - abar_t / abar_s)
            total = variance + 1 - abar_s
            mean = (variance * abar_s**0.5 * z + (1 - abar_s) * z_s) / total if total > 0 else z
            spread = math.sqrt(variance * (1 - abar_s) / total) if total > 0 else 0.0
            z_s = mean + spread * noise(tuple(z.shape))
        z_t = z_s
    return prior.decode(z_t)


@torch.no_grad()
def repaint(problem, *, steps=25, t0=0.6, repeats=3, eta=1.0):
    """RePaint-like: `project`, each step taken several times with noise put back between.

    Source: Lugmayr et al. 2022, arXiv 2201.09865, algorithm 1.
    """
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for t, abar_t, abar_s in schedule:
        for again in range(repeats):
            z0 = _z0(prior, z_t, t)
            x0 = prior.decode(z0)
            z0 = z0 + prior.encode(explain(operator, y, x0, 1)) - prior.encode(x0)
            z_s = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, eta, noise)
            if again + 1 < repeats and abar_s < 1:
                share = abar_t / abar_s
                z_t = share**0.5 * z_s + (1 - share) ** 0.5 * noise(tuple(z_s.shape))
        z_t = z_s
    return prior.decode(z_t)


@torch.no_grad()
def langevin(problem, *, steps=25, t0=0.6, snr=0.1):
    """`project`, and after each step a Langevin corrector of the prior's score; twice the calls of denoise."""
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for step, (t, abar_t, abar_s) in enumerate(schedule):
        z0 = _z0(prior, z_t, t)
        x0 = prior.decode(z0)
        z0 = z0 + prior.encode(explain(operator, y, x0, 1)) - prior.encode(x0)
        z_t = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise)
        if step + 1 < len(schedule):
            z_t = _corrected(prior, z_t, schedule[step + 1][0], abar_s, noise, snr)
    return prior.decode(z_t)


@torch.no_grad()
def diffpir(problem, *, steps=25, t0=0.6, sigma_y=0.1, iterations=3, zeta=0.0):
    """DiffPIR in the latents: `ddnm`'s data step, but eps is computed anew from the corrected z0.

    Source: Zhu et al. 2023, arXiv 2305.08995, algorithm 1; ``zeta`` is the share of the noise drawn anew.
    """
    prior, noise = problem.prior, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for t, abar_t, abar_s in schedule:
        z0 = _z0(prior, z_t, t)
        z0 = z0 + correction(problem, z0, sigma_y**2 / (1 - abar_t), iterations)[0]
        eps = noise_in(z_t, z0, abar_t)
        if zeta:
            eps = (1 - zeta) ** 0.5 * eps + zeta**0.5 * noise(tuple(eps.shape))
        z_t = abar_s**0.5 * z0 + (1 - abar_s) ** 0.5 * eps
    return prior.decode(z_t)


def stsl(problem, *, steps=25, t0=0.6, inner=2, omega=0.03, trace=0.02):
    """STSL: several gradient steps on z_t of a surrogate loss, with the Hessian's trace by one random direction.

        ||A D(z0(z_t)) − y||  +  trace · εᵀ (s(z_t + ε) − s(z_t)) / n

    then a plain DDIM step. Written from the paper's description of the surrogate loss, not from its code; lengths of
    steps as in `psld`. Source: Rout et al. 2024, arXiv 2312.00852.
    """
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    scale = REFERENCE_STEPS * t0 / steps / inner
    for t, abar_t, abar_s in schedule:
        for _ in range(inner):
            direction = noise(tuple(z_t.shape))
            z_t = z_t.detach().requires_grad_(True)
            with torch.enable_grad():
                z0, other = _z0(prior, z_t, t), _z0(prior, z_t + direction, t)
                missed = (operator.forward(prior.decode(z0)) - y).flatten(1).norm(dim=1)
                scores = [
                    -noise_in(z, at, abar_t) / (1 - abar_t) ** 0.5 for z, at in ((z_t + direction, other), (z_t, z0))
                ]
                hessian = (direction * (scores[0] - scores[1])).flatten(1).mean(1)
                loss = omega * missed + trace * hessian
                (gradient,) = torch.autograd.grad(loss.sum(), z_t)
            reach = (omega * missed.detach() / gradient.flatten(1).square().sum(1).clamp_min(1e-20)).clamp(max=scale)
            z_t = z_t.detach() - reach.reshape(-1, 1, 1, 1) * gradient
        with torch.no_grad():
            z0 = _z0(prior, z_t, t)
            z_t = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise)
    with torch.no_grad():
        return prior.decode(z_t)


@torch.no_grad()
def langevin_ddnm(problem, *, steps=25, t0=0.6, sigma_y=0.1, iterations=3, snr=0.1):
    """`ddnm`, and after each step a Langevin corrector of the prior's score; twice the calls of denoise."""
    prior, noise = problem.prior, problem.noise
    schedule, z_t = begin(problem, steps, t0)
    for step, (t, abar_t, abar_s) in enumerate(schedule):
        z0 = _z0(prior, z_t, t)
        eps = noise_in(z_t, z0, abar_t)
        z0 = z0 + correction(problem, z0, sigma_y**2 / (1 - abar_t), iterations)[0]
        z_t = ddim(z0, eps, abar_t, abar_s, 0.0, noise)
        if step + 1 < len(schedule):
            z_t = _corrected(prior, z_t, schedule[step + 1][0], abar_s, noise, snr)
    return prior.decode(z_t)


def _corrected(prior, z_t: Tensor, t: int, abar: float, noise, snr: float) -> Tensor:
    """One Langevin step along the prior's score (Song et al. 2021, arXiv 2011.13456, algorithm 5)."""
    score = -noise_in(z_t, _z0(prior, z_t, t), abar) / (1 - abar) ** 0.5
    xi = noise(tuple(z_t.shape))
    length = 2 * (snr * xi.flatten(1).norm(dim=1) / score.flatten(1).norm(dim=1)) ** 2
    length = length.reshape(-1, 1, 1, 1)
    return z_t + length * score + (2 * length).sqrt() * xi


CANDIDATES = {
    "diffpir": diffpir,
    "diffpir, noise anew 0.3": partial(diffpir, zeta=0.3),
    "stsl": stsl,
    "langevin on ddnm": langevin_ddnm,
    "daps": daps,
    "flowdps-like": flowdps,
    "resample": resample,
    "repaint-like": repaint,
    "langevin": langevin,
    "ding": ding,
}
