"""A prior with closed-form answers, to hold solvers against the truth without weights."""

from __future__ import annotations

from collections import Counter

import torch
from torch import Tensor

from medaug.inverse.priors.card import PriorCard


class GaussianPrior:
    """x ~ N(0, C) on a small square, with an orthonormal "autoencoder" z = Q x; Q is the identity unless ``mixed``.

    Its denoiser is the exact posterior mean, so a solver's error is the solver's own. ``levels`` (1000,) are its noise
    levels, by default a diffusion's.
    """

    card = None

    def __init__(
        self, side: int = 8, smoothness: float = 2.0, seed: int = 0, mixed: bool = True, levels: Tensor | None = None
    ) -> None:
        n = side * side
        grid = torch.stack(torch.meshgrid(torch.arange(side), torch.arange(side), indexing="ij"), -1).reshape(-1, 2)
        distance = torch.cdist(grid.double(), grid.double())
        self.covariance = 0.25 * torch.exp(-((distance / smoothness) ** 2) / 2) + 1e-3 * torch.eye(n).double()
        generator = torch.Generator().manual_seed(seed)
        self.Q = torch.linalg.qr(torch.randn(n, n, generator=generator).double())[0]
        if not mixed:
            self.Q = torch.eye(n).double()
        self.latent_covariance = self.Q @ self.covariance @ self.Q.T
        self.side = side
        time = (torch.arange(1000) + 0.5) / 1000
        self.alphas_cumprod = (
            (torch.cos(time * torch.pi / 2) ** 2).clamp(min=1e-4).float() if levels is None else levels
        )
        self.calls: Counter[str] = Counter()

    def encode(self, x: Tensor) -> Tensor:
        self.calls["encode"] += 1
        return (x.flatten(1).double() @ self.Q.T).reshape(x.shape).to(x.dtype)

    def decode(self, z: Tensor) -> Tensor:
        self.calls["decode"] += 1
        return (z.flatten(1).double() @ self.Q).reshape(z.shape).to(z.dtype)

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        self.calls["denoise"] += 1
        abar = float(self.alphas_cumprod[t[0]])
        n = self.side**2
        noisy = abar * self.latent_covariance + (1 - abar) * torch.eye(n).double()
        gain = abar**0.5 * torch.linalg.solve(noisy, self.latent_covariance).T
        return (z_t.flatten(1).double() @ gain.T).reshape(z_t.shape).to(z_t.dtype)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One (1, 1, side, side) draw of the prior."""
        white = torch.randn(self.side**2, generator=generator).double()
        return (torch.linalg.cholesky(self.covariance) @ white).reshape(1, 1, self.side, self.side).float()

    def posterior_mean(self, observed: Tensor, x: Tensor) -> Tensor:
        """E[x | the observed pixels of x], exact."""
        seen = observed.flatten()
        cross = self.covariance[:, seen]
        inner = self.covariance[seen][:, seen]
        return (cross @ torch.linalg.solve(inner, x.flatten()[seen].double())).reshape(x.shape).float()

    def posterior_std(self, observed: Tensor) -> Tensor:
        """(side, side) standard deviation of each pixel once the observed ones are known, exact; 0 where observed."""
        seen = observed.flatten()
        cross, inner = self.covariance[:, seen], self.covariance[seen][:, seen]
        left = self.covariance - cross @ torch.linalg.solve(inner, cross.T)
        return left.diagonal().clamp_min(0).sqrt().reshape(self.side, self.side).float()


class PixelPrior:
    """An identity "autoencoder" with independent N(0, 0.5²) pixels: any size, no weights, for tests of the line."""

    def __init__(self) -> None:
        self.card = PriorCard(
            name="pixel",
            sha256="0" * 64,
            licence="none",
            attribution="none",
            trained_on="nothing",
            size=64,
            channels=1,
            stride=1,
            latent_channels=1,
            prediction_type="sample",
        )
        time = (torch.arange(1000) + 0.5) / 1000
        self.alphas_cumprod = (torch.cos(time * torch.pi / 2) ** 2).clamp(min=1e-4).float()

    def encode(self, x: Tensor) -> Tensor:
        return x * 1.0

    def decode(self, z: Tensor) -> Tensor:
        return z * 1.0

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        abar = self.alphas_cumprod[t].reshape(-1, 1, 1, 1)
        return z_t * abar**0.5 * 0.25 / (abar * 0.25 + 1 - abar)
