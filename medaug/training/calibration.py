"""Find PSLD's guidance weights for a prior, a size and a number of steps, on a few images.

The objective, in this order: the residual on observed pixels lies within its budget; the seam at the box is least. All
draws come from names, so the same images and prior give the same weights.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import torch
from torch import Tensor

from medaug.errors import PriorError
from medaug.imaging.boxes import Box
from medaug.imaging.seeds import generator, seed_for
from medaug.inverse.aligned import from_array
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.priors.card import PriorCard, SolverWeights
from medaug.inverse.protocols import Prior, Problem
from medaug.inverse.solvers.psld import psld
from medaug.regions.laws import gaussian_outside

# (omega, gamma): tenfold above and below what suits the embedded prior, whose optimum is (0.03, 0.01) at 25 steps.
GRID = tuple((omega, gamma) for omega in (0.01, 0.03, 0.1, 0.3) for gamma in (0.1 * omega, 0.3 * omega, omega))
BUDGET = 0.05  # root mean square, display units (range 2): 2.5 % of the grey levels
AIR = -0.85  # display units; darker is no body
SIGMA = 0.32  # of the paper's dust, share of the greatest distance from the box


@dataclass(frozen=True)
class WeightFigures:
    """What one pair of weights gives, in display units (range 2); means over the images.

    Attributes:
        omega: weight of the measurement term.
        gamma: weight of the gluing term.
        observed: root mean square of D(z*) − D(E(x)) on observed pixels: what the measurement term leaves.
        seam: mean |step| across the edge of the box, over the source's; 1 is no visible seam.
        sharp: root mean square step between free neighbours, over that of D(E(x)); below 1 is blurred.
        change: mean |D(z*) − D(E(x))| on free pixels.
        diversity: mean |difference| of two draws on free pixels; None where only one was made.
    """

    omega: float
    gamma: float
    observed: float
    seam: float
    sharp: float
    change: float
    diversity: float | None


@dataclass(frozen=True, eq=False)
class Layouts:
    """(B, 1, H, W) bool each: kept, seen, and the box itself."""

    protected: Tensor
    observed: Tensor
    inside: Tensor


def calibrate(
    prior: Prior,
    images: Tensor,
    steps: int,
    start: float,
    *,
    budget: float = BUDGET,
    grid: Sequence[tuple[float, float]] = GRID,
    on_figures: Callable[[WeightFigures], None] | None = None,
) -> tuple[WeightFigures, ...]:
    """Try every pair of the grid; best first by the objective above.

    Network calls: those of one solve, for each pair.

    Args:
        prior: loaded, fitted to the images' size.
        images: (B, 1, H, W) in [-1, 1].
        steps: of the solve.
        start: of the solve, as a share of the schedule.
        budget: most that may be left on observed pixels, root mean square in display units.
        grid: (omega, gamma) pairs.
        on_figures: called after each pair.

    Raises:
        PriorError: an image shows no body to lay a box on.
    """
    layouts = lay_out(images)
    found = []
    for omega, gamma in grid:
        figures, _ = measure(prior, images, layouts, SolverWeights("psld", steps, start, omega, gamma), draws=1)
        found.append(figures)
        if on_figures:
            on_figures(figures)
    return tuple(sorted(found, key=partial(objective, budget=budget)))


def objective(figures: WeightFigures, budget: float = BUDGET) -> tuple[float, float]:
    """Less is better: how far the residual exceeds ``budget``, then the seam's distance from none. NaN comes last."""
    if not (math.isfinite(figures.observed) and math.isfinite(figures.seam)):
        return math.inf, math.inf
    return max(0.0, figures.observed - budget), max(figures.seam, 1.0)


def calibrated(
    card: PriorCard, found: Sequence[WeightFigures], steps: int, start: float, budget: float = BUDGET
) -> PriorCard:
    """The card with the best pair in place of what it said of this solve.

    Raises:
        PriorError: no pair keeps the residual within its budget.
    """
    best = found[0]
    if not best.observed <= budget:
        raise PriorError(
            f"prior {card.name}: expected weights that leave at most {budget:g} on observed pixels, found "
            f"{best.observed:.3f} at best; the card was left as it is: try more steps, a prior that suits "
            "the images, or a larger --budget",
            code="prior-uncalibrated",
        )
    weights = SolverWeights("psld", steps, start, best.omega, best.gamma)
    others = [w for w in card.weights if (w.solver, w.steps, w.start) != (weights.solver, steps, start)]
    return replace(card, weights=(*others, weights))


def measure(
    prior: Prior, x: Tensor, layouts: Layouts, weights: SolverWeights, draws: int = 2
) -> tuple[WeightFigures, Tensor]:
    """Solve once or twice with these weights; the figures, and the first draw with the protected pixels of ``x``."""
    operator = Inpainting(layouts.observed)
    with torch.no_grad():
        z = prior.encode(x)
        again = prior.decode(z)
    solved = [
        psld(
            Problem(
                prior,
                operator,
                operator.forward(x),
                SampleNoise([seed_for(name, index) for index in range(len(x))], x.device),
                z,
            ),
            steps=weights.steps,
            t0=weights.start,
            omega=weights.omega,
            gamma=weights.gamma,
        )
        for name in "ab"[:draws]
    ]
    first, free = solved[0], ~layouts.protected
    pasted = torch.where(layouts.protected, x, first)
    figures = WeightFigures(
        weights.omega,
        weights.gamma,
        (first - again)[layouts.observed].square().mean().sqrt().item(),
        steps_where(pasted, layouts.inside, across=True) / steps_where(x, layouts.inside, across=True),
        steps_where(first, free, across=False) / steps_where(again, free, across=False),
        (first - again)[free].abs().mean().item(),
        (first - solved[1])[free].abs().mean().item() if draws > 1 else None,
    )
    return figures, pasted


def lay_out(images: Tensor, sigma: float = SIGMA) -> Layouts:
    """A random box with dust around it for each image (B, 1, H, W), on its brighter part.

    Args:
        images: display units.
        sigma: of the dust, as the law `gaussian-outside` takes it.

    Raises:
        PriorError: an image shows nothing brighter than air.
    """
    masks = [_layout(image[0].cpu(), index, sigma) for index, image in enumerate(images)]
    return Layouts(*(torch.stack(part).to(images.device) for part in zip(*masks, strict=True)))


def steps_where(image: Tensor, where: Tensor, *, across: bool) -> float:
    """Root mean square step between neighbours that are both ``where``, or (across) mean |step| over its edge."""
    total, count = 0.0, 0
    for axis in (-1, -2):
        step = image.diff(dim=axis)
        low, high = where.narrow(axis, 0, where.shape[axis] - 1), where.narrow(axis, 1, where.shape[axis] - 1)
        chosen = step[low ^ high].abs() if across else step[low & high].square()
        total, count = total + chosen.sum().item(), count + chosen.numel()
    mean = max(total / count, 1e-12)
    return mean if across else mean**0.5


def _layout(x: Tensor, index: int, sigma: float) -> tuple[Tensor, Tensor, Tensor]:
    """(protected, observed, box), (1, H, W) each: a box of 9 to 28 % of the side, and dust."""
    draw, side = generator("calibration", index), x.shape[-1]
    domain = (x.numpy() > AIR)[None]
    rows, columns = np.nonzero(domain[0])
    if not len(rows):
        raise PriorError(
            "calibration: expected images with something brighter than air, found one without", code="training-data"
        )
    at = draw.integers(len(rows))
    high, wide = draw.integers(max(2, side * 3 // 32), max(3, side * 9 // 32), 2)
    top, left = max(0, int(rows[at] - high // 2)), max(0, int(columns[at] - wide // 2))
    box = Box((0, top, left), (1, min(x.shape[-2], top + int(high)), min(side, left + int(wide))), "lesion")
    regions = gaussian_outside(domain, [box], seed_for("calibration", index), sigma=sigma)
    inside = np.zeros_like(domain)
    inside[box.slices] = True
    protected, observed, boxed = (from_array(m) for m in (regions.protected, regions.observed, inside))
    return protected, observed, boxed
