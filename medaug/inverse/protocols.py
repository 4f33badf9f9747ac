"""What a prior, an operator and a solver are to each other. Nobody inherits from these.

Tensors are B × C × H × W, float32, in [-1, 1] on the image side, bright is high. Latents z are normalised to about unit
variance per channel by the prior itself: the latent scale never leaves the adapter.
"""

from __future__ import annotations

from collections.abc import Callable
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
        """(T,) float32, falling: the share of signal variance left at time t, abar_t in the papers."""

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


class Solver(Protocol):
    """Draws images that explain y. Parameters are bound with functools.partial."""

    def __call__(
        self,
        prior: Prior,
        operator: Operator,
        y: Tensor,
        *,
        noise: Noise,
        start: Tensor | None = None,
        on_step: Callable[[int, int], None] | None = None,
    ) -> Tensor:
        """Return images x (B, C, H, W) of the prior, not clipped."""


class Noise(Protocol):
    """Standard normal draws, one stream per sample, so that batch-mates can't matter."""

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """(B, …) float32 on the solver's device, row b from the stream of sample b."""
