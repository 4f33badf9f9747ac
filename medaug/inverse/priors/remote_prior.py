"""A prior that another process holds: known here by its card."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NoReturn

from torch import Tensor

from medaug.inverse.priors.card import PriorCard


@dataclass(frozen=True, eq=False)
class RemotePrior:
    """Stands for a prior where nothing is computed with it; slices are sent to where it is.

    Attributes:
        card: of the prior.
        prompt: what it is asked for under; empty for no prompt.
    """

    card: PriorCard
    prompt: str = ""

    def under(self, prompt: str) -> RemotePrior:
        """The same prior under a prompt."""
        return replace(self, prompt=prompt)

    @property
    def alphas_cumprod(self) -> Tensor:
        """Not here."""
        self._elsewhere()

    def encode(self, x: Tensor) -> Tensor:
        """Not here."""
        self._elsewhere(x)

    def decode(self, z: Tensor) -> Tensor:
        """Not here."""
        self._elsewhere(z)

    def denoise(self, z_t: Tensor, t: Tensor) -> Tensor:
        """Not here."""
        self._elsewhere(z_t, t)

    def _elsewhere(self, *_: Tensor) -> NoReturn:
        raise NotImplementedError(f"prior {self.card.name} is in another process")
