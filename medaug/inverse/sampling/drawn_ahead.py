"""Noise for several steps at once, so that a device is given it in one copy."""

from __future__ import annotations

from torch import Tensor

from medaug.inverse.protocols import Noise

STRETCH = 16  # draws that a device is given at once, so that a thousand steps don't fill its memory with noise


class DrawnAhead:
    """A noise that draws for up to `STRETCH` steps at once (a `protocols.Noise`), the same numbers in the same order.

    Args:
        noise: what is drawn from.
        draws: how many will be asked for; more are drawn one by one.
    """

    def __init__(self, noise: Noise, draws: int) -> None:
        self._noise, self._left = noise, draws
        self._ready: list[Tensor] = []

    def __call__(self, shape: tuple[int, ...]) -> Tensor:
        """The next draw; all have one shape."""
        (drawn,) = self.ahead(shape, 1)
        return drawn

    def ahead(self, shape: tuple[int, ...], draws: int) -> list[Tensor]:
        """The next draws."""
        if (missing := draws - len(self._ready)) > 0:
            count = max(missing, min(STRETCH, self._left))
            self._ready += self._noise.ahead(shape, count)
            self._left -= count
        taken, self._ready = self._ready[:draws], self._ready[draws:]
        return taken
