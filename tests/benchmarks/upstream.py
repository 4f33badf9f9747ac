"""The arithmetic of the public PSLD code, defects included, to be compared with. Never for use.

Written from a description of its defects, not from its code:

* one norm over the whole batch, so that batch-mates pull on each other;
* fresh noise in the prediction at every step, of the measurement's size;
* the identity in place of the transpose;
* the encoder's posterior is sampled, where the prior has one (`posterior_std`);
* the weights hold for one step, however many there are;
* nothing is pasted back.
"""

from __future__ import annotations

import torch
from torch import Tensor

from medaug.inverse.protocols import Problem
from medaug.inverse.sampling.ddim import ddim, noise_in
from medaug.inverse.sampling.schedule import times


def upstream(
    problem: Problem,
    *,
    steps: int = 1000,
    omega: float = 1.0,
    gamma: float = 0.2,
    measurement_noise: float = 0.05,
    posterior_std: float = 0.0,
) -> Tensor:
    """Images that should explain ``y``, from pure noise; of ``start`` only the shape is used."""
    prior, operator, y, noise = problem.prior, problem.operator, problem.y, problem.noise
    shape = tuple((prior.encode(torch.zeros_like(y)) if problem.start is None else problem.start).shape)
    z_t = noise(shape)
    for step, (t, abar_t, abar_s) in enumerate(times(prior.alphas_cumprod, steps, 1.0)):
        if problem.on_step:
            problem.on_step(step, steps)
        z_t = z_t.detach().requires_grad_(True)
        with torch.enable_grad():
            z0 = prior.denoise(z_t, torch.full((len(z_t),), t, device=z_t.device))
            x0 = prior.decode(z0)
            predicted = operator.forward(x0) + measurement_noise * noise(tuple(y.shape))
            glued = y + x0 - operator.forward(x0)
            encoded = prior.encode(glued)
            if posterior_std:
                encoded = encoded + posterior_std * noise(shape)
            loss = omega * torch.linalg.vector_norm(predicted - y) + gamma * torch.linalg.vector_norm(encoded - z0)
            (gradient,) = torch.autograd.grad(loss, z_t)
        z_t, z0 = z_t.detach(), z0.detach()
        z_t = ddim(z0, noise_in(z_t, z0, abar_t), abar_t, abar_s, 0.0, noise) - gradient
    with torch.no_grad():
        return prior.decode(z_t)
