"""A unit's slices in shared memory, with room for what is solved of them: processes send each other their address."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from mmap import mmap
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.augmentation.recipe import Recipe
from medaug.augmentation.solve import PresentedSlice, SolvedSlice
from medaug.errors import SourceError
from medaug.execution.output.quarantine import WORKER_DIED
from medaug.imaging.volume import Float32, Mask
from medaug.processes.shared_memory import BlockAddress, SharedBlock, open_block

Shape = tuple[int, int, int]
PIXELS, SOLVED, ROUND_TRIP, OBSERVED = range(4)  # in this order; float32 but for the last
BYTES = 3 * 4 + 1  # of a pixel


@dataclass(frozen=True, eq=False)
class SharedSlices:
    """The slices of a unit.

    Attributes:
        address: of the memory.
        recipe: of all of them.
        shape: (slices, rows, columns), the rows and columns of each.
    """

    address: BlockAddress
    recipe: Recipe
    shape: Shape

    def __reduce__(self) -> tuple[type[SharedSlices], tuple[Any, ...]]:
        return SharedSlices, (self.address, self.recipe, self.shape)

    @property
    def slices(self) -> list[PresentedSlice]:
        """To be solved."""
        return [SharedSlice(self, number) for number in range(self.shape[0])]

    @property
    def answers(self) -> list[SharedAnswer]:
        """What was solved of each."""
        return [SharedAnswer(self, number) for number in range(self.shape[0])]

    def array(self, which: int, number: int) -> npt.NDArray[Any]:
        """One array (rows, columns) of a slice, in the shared memory.

        Raises:
            SourceError: ``worker-died``: the process that read the unit is dead, or let go of it.
        """
        one = math.prod(self.shape[1:])
        kind = np.dtype(np.bool_ if which == OBSERVED else np.float32)
        start = which * 4 * one * self.shape[0] + number * one * kind.itemsize
        return np.frombuffer(self._memory, kind, one, start).reshape(self.shape[1:])

    @cached_property
    def _memory(self) -> mmap:
        try:
            return open_block(self.address)
        except (FileNotFoundError, PermissionError, ProcessLookupError):
            raise SourceError("the process that read it died before it was solved", code=WORKER_DIED) from None


class SharedSlice(PresentedSlice):
    """A slice of them; pickled, its address."""

    def __init__(self, held: SharedSlices, number: int) -> None:
        vars(self).update(held=held, number=number, recipe=held.recipe)

    held: SharedSlices
    number: int

    def __reduce__(self) -> tuple[type[SharedSlice], tuple[Any, ...]]:
        return SharedSlice, (self.held, self.number)

    @cached_property
    def pixels(self) -> Float32:
        """As presented."""
        return self.held.array(PIXELS, self.number)

    @cached_property
    def observed(self) -> Mask:
        """True where the pixels guide the solve."""
        return self.held.array(OBSERVED, self.number)

    @property
    def answer(self) -> SharedAnswer:
        """What is solved of it."""
        return SharedAnswer(self.held, self.number)


class SharedAnswer(SolvedSlice):
    """What was solved of a slice, beside it in the shared memory."""

    def __init__(self, held: SharedSlices, number: int) -> None:
        vars(self).update(held=held, number=number)

    held: SharedSlices
    number: int

    @cached_property
    def solved(self) -> Float32:
        """D(z*)."""
        return self.held.array(SOLVED, self.number)

    @cached_property
    def round_trip(self) -> Float32:
        """D(E(x))."""
        return self.held.array(ROUND_TRIP, self.number)

    def put(self, found: SolvedSlice) -> None:
        """Write it there, unless that is where it is."""
        if not isinstance(found, SharedAnswer):
            self.solved[:], self.round_trip[:] = found.solved, found.round_trip


def shared(slices: Sequence[PresentedSlice], recipe: Recipe) -> tuple[SharedBlock, SharedSlices]:
    """Copy slices into shared memory, which is there for as long as the block lives."""
    shape = (len(slices), *slices[0].pixels.shape) if slices else (0, 0, 0)
    block = SharedBlock(BYTES * math.prod(shape))
    held = SharedSlices(block.address, recipe, shape)
    for number, one in enumerate(slices):
        held.array(PIXELS, number)[:] = one.pixels
        held.array(OBSERVED, number)[:] = one.observed
    return block, held
