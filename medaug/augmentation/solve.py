"""Slices as the prior sees them, and how a batch of them is solved, be they of one case or of several."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Protocol

import numpy as np
import torch

from medaug.augmentation.recipe import Recipe
from medaug.imaging.volume import Float32, Mask
from medaug.inverse.aligned import from_array
from medaug.inverse.device import sent
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Beside, Inpainting
from medaug.inverse.protocols import Operator, Prior, Problem, Solver
from medaug.processes import threads


@dataclass(frozen=True, eq=False)
class SolveTools:
    """What slices are solved with. Pickled, it leaves the weights out where ``load`` finds them again.

    Attributes:
        prior: the latent diffusion model, on its device.
        solver: parameters bound.
        degraded: how the image is seen beside its observed pixels; None where it isn't.
        measurement_noise: standard deviation of the noise added to y.
        batch_size: slices solved at once.
        device: where tensors live.
        prompted: the prior under the prompt of these labels; None without prompts.
        full: fill short batches up, see `solve_slices`; batches may then hold slices of several cases.
        load: ``prior`` and ``prompted`` once more, for those who unpickle this; None where they are pickled, too.
    """

    prior: Prior
    solver: Solver
    degraded: Operator | None
    measurement_noise: float
    batch_size: int
    device: str
    prompted: Callable[[Iterable[str]], Prior] | None = None
    full: bool = False
    load: Callable[[], tuple[Prior, Callable[[Iterable[str]], Prior] | None]] | None = None

    def __getstate__(self) -> dict[str, Any]:
        return vars(self) if self.load is None else {**vars(self), "prior": None, "prompted": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.load is not None:
            vars(self).update(zip(("prior", "prompted"), self.load(), strict=True))


@dataclass(frozen=True, eq=False)
class PresentedSlice:
    """One slice as the prior sees it.

    Attributes:
        pixels: (rows, columns) float32, display units: the prior's square, or the part of it that is solved.
        observed: likewise, True where the pixels guide the solve.
        recipe: names the seeds.
    """

    pixels: Float32
    observed: Mask
    recipe: Recipe


@dataclass(frozen=True, eq=False)
class SolvedSlice:
    """What came back for a slice: D(z*) and D(E(x)), as large as its pixels, float32, display units."""

    solved: Float32
    round_trip: Float32


class ToSolve(Protocol):
    """What is to be solved of a case, in one process or another."""

    @property
    def slices(self) -> list[PresentedSlice]:
        """Those that have free voxels."""

    @property
    def prior(self) -> Prior:
        """Under the prompt of the case's labels."""


class SliceSolver(Protocol):
    """Solves one batch, see `solve_slices`."""

    def __call__(
        self,
        slices: Sequence[PresentedSlice],
        prior: Prior,
        tools: SolveTools,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[SolvedSlice]:
        """Give one result per slice."""


def solve_slices(
    slices: Sequence[PresentedSlice], prior: Prior, tools: SolveTools, on_step: Callable[[int, int], None] | None = None
) -> list[SolvedSlice]:
    """Solve one batch, whose slices may be of several cases: none knows of the others.

    Kernels are chosen by the size of a batch, which changes last digits. Where `SolveTools.full` is set, a short batch
    is filled up with copies of its last slice, so that a slice's bytes don't depend on how many came with it.

    Args:
        slices: at most ``tools.batch_size``.
        prior: under the prompt of these slices.
        tools: what to work with.
        on_step: called with (step, steps).
    """
    missing = tools.batch_size - len(slices) if tools.full else 0
    batch = [*slices, *[slices[-1]] * missing]
    x = sent(from_array(np.stack([one.pixels for one in batch])[:, None]), tools.device)
    observed = sent(from_array(np.stack([one.observed for one in batch])[:, None]), tools.device)
    regions = Inpainting(observed)
    operator = regions if tools.degraded is None else Beside(regions, tools.degraded)
    measured = SampleNoise([one.recipe.seed_of("measurement") for one in batch], tools.device)
    y = operator.forward(x + tools.measurement_noise * measured(x.shape))
    with torch.no_grad():
        start = prior.encode(x)
        round_trip = prior.decode(start)[:, 0].float()
    # the slices of a volume share one seed: the start is the same along the normal
    noise = SampleNoise([one.recipe.seed_of("noise") for one in batch], tools.device)
    x_star = tools.solver(Problem(prior, operator, y, noise, start, on_step))
    # both come back at once, when all is queued: a copy waits for the device
    solved, round_trip = torch.stack([x_star[:, 0].float(), round_trip]).cpu().numpy()
    return [SolvedSlice(solved[n], round_trip[n]) for n in range(len(slices))]


def on_threads(count: int | None, solver: SliceSolver = solve_slices) -> SliceSolver:
    """A solver with so many of the processor's threads; None leaves their number alone."""
    return partial(_on_threads, count, solver)


def _on_threads(
    count: int | None,
    solver: SliceSolver,
    slices: Sequence[PresentedSlice],
    prior: Prior,
    tools: SolveTools,
    on_step: Callable[[int, int], None] | None = None,
) -> list[SolvedSlice]:
    with threads.taken(count):
        return solver(slices, prior, tools, on_step)
