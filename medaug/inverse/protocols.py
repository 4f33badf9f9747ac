"""What a prior, an operator and a solver are to each other. Nobody inherits from these.

Tensors are B × C × H × W, float32, in [-1, 1] on the image side, bright is high. Latents z are normalised to about unit
variance per channel by the prior itself: the latent scale never leaves the adapter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from medaug.inverse.priors.card import PriorCard


class Prior(Protocol):
    """A latent diffusion model, whatever its network predicts (eps, v or x0 stays inside)."""

    @property
    def card(self) -> PriorCard:
        """Who made it, of what, and how it is to be used."""

    @property
    def alphas_cumprod(self) -> Tensor:
        """(T,) float32 on the CPU, falling: the share of signal variance left at time t, abar_t in the papers."""

    def encode(self, x: Tensor) -> Tensor:
        """(B, C, H, W) in [-1, 1] → latents (B, c, h, w): the encoder's mean, never a sample."""

    def decode(self, z: Tensor) -> Tensor:
        """Latents (B, c, h, w) → images (B, C, H, W), about [-1, 1], not clipped."""

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        """Noisy latents and integer times (B,) → the estimate of z0 (Tweedie's mean)."""


class Operator(Protocol):
    """A linear measurement y = A x with its true adjoint: <A x, y> = <x, Aᵀ y>."""

    def forward(self, x: Tensor) -> Tensor:
        """A x."""

    def adjoint(self, y: Tensor) -> Tensor:
        """Aᵀ y."""


class Noise(Protocol):
    """Standard normal draws, one stream per sample, so that batch-mates can't matter."""

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """(B, …) float32 on the solver's device, row b from the stream of sample b."""

    def ahead(self, shape: tuple[int, ...], draws: int) -> list[Tensor]:
        """What as many calls would give, at once."""


@dataclass(frozen=True, eq=False)
class Problem:
    """Which image explains y = A x? What is asked of every solver, whatever its method.

    Attributes:
        prior: what images look like.
        operator: the measurement A.
        y: (B, …), the measurement of each sample.
        noise: one stream per sample.
        start: clean latents (B, c, h, w) to begin from once noised; pure noise when None.
        on_step: called with (step, steps) before each denoising step.
    """

    prior: Prior
    operator: Operator
    y: Tensor
    noise: Noise
    start: Tensor | None = None
    on_step: Callable[[int, int], None] | None = None


class Solver(Protocol):
    """Draws images that explain y, one per row, each independent of its batch-mates.

    Parameters are bound with functools.partial. These mean the same wherever a solver has them:

        steps      denoising steps
        t0         first time as a share of all, in (0, 1]; at 1 the start isn't looked at
        eta        0 for deterministic DDIM, 1 for ancestral noise
        guidance   which steps are guided, and what closes the descent: `guided_ddim.Guidance`
    """

    def __call__(self, problem: Problem) -> Tensor:
        """Return images x (B, C, H, W) of the prior, not clipped."""
