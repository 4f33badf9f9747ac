"""Where the two halves meet: a case of voxels and boxes, a recipe, the tools, one variant.

Everything is drawn first (`Recipe`), then applied; applying is deterministic. Slices are solved one by one with a 2-D
prior, in batches; the slices of a volume share their noise, so that neighbours stay similar.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medaug.augmentation.case import Case, Variant
from medaug.augmentation.classic import CopiedCase
from medaug.augmentation.prepare import PreparedCase, prepare
from medaug.augmentation.recipe import Recipe, boxes_digest, kept_digest
from medaug.augmentation.restore import Solution, observed_residual
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, ToSolve
from medaug.augmentation.tools import Tools
from medaug.augmentation.transplant import GraftedCase
from medaug.imaging.crop import WHOLE
from medaug.imaging.motion import Motions
from medaug.imaging.volume import Area, Volume
from medaug.inverse.protocols import Prior
from medaug.quality import inspect
from medaug.regions.regions import Regions


@dataclass(frozen=True, eq=False)
class Presented:
    """A case as the prior will see it, and what brings a solution back.

    Attributes:
        case: the volume and its boxes, moved where the law moves them, with the lesion where it sets one in.
        recipe: what was drawn.
        prepared: what it shares with the case's other variants.
        regions: on the native grid.
        on_grid: on the prior's grid.
        prior: under the prompt of this case's labels.
        part: rows and columns of the square that are solved.
        motions: what moved the case; None where nothing did.
        original: the volume before that; None where nothing did.
        grafted: what was set in; None where nothing was.
    """

    case: Case
    recipe: Recipe
    prepared: PreparedCase
    regions: Regions
    on_grid: Regions
    prior: Prior
    part: Area = WHOLE
    motions: Motions | None = None
    original: Volume | None = None
    grafted: GraftedCase | None = None

    @property
    def source(self) -> Volume:
        """The volume as it was read."""
        return self.original or self.case.volume

    @property
    def wanted(self) -> list[int]:
        """The slices that have free voxels."""
        return [int(k) for k in np.flatnonzero(self.on_grid.free.any(axis=(1, 2)))]

    @property
    def slices(self) -> list[PresentedSlice]:
        """What is to be solved, in the order of `wanted`."""
        cut, pixels, observed = self.part, self.prepared.pixels, self.on_grid.observed
        return [PresentedSlice(pixels[k][cut], observed[k][cut], self.recipe) for k in self.wanted]

    def solution(self, slices: Sequence[SolvedSlice]) -> Solution:
        """Put solved slices back; what holds no free voxels stays as it was presented."""
        pixels = self.prepared.pixels
        solved, round_trip = pixels.copy(), pixels.copy()
        for k, one in zip(self.wanted, slices, strict=True):
            solved[k][self.part], round_trip[k][self.part] = one.solved, one.round_trip
        return Solution(pixels, solved, round_trip, self.prepared.taper, self.part)


Begun = Presented | CopiedCase


def augment(case: Case, recipe: Recipe, tools: Tools, on_step: Callable[[int, int], None] | None = None) -> Variant:
    """Generate another image that keeps the labelled boxes, from a real one.

    Args:
        case: the volume and its boxes.
        recipe: what was drawn; its ``source`` must be the volume's key.
        tools: what to work with.
        on_step: called with (step, steps) over all solver steps of the case.

    Returns:
        A variant on the source's grid. Protected voxels hold the source's stored numbers.

    Raises:
        RegionError: nothing may change, or nothing is kept.
        ValueError: the recipe was drawn for another volume or other boxes.
    """
    begun = begin(case, recipe, tools)
    return finished(begun, solve_slices(begun, tools, on_step), tools)


def begin(case: Case, recipe: Recipe, tools: Tools) -> Begun:
    """`present`, or the copy of a law that generates nothing; errors as for `augment`."""
    if tools.present.copy is None:
        return present(case, recipe, tools)
    _check_drawn_for(case, recipe)
    return CopiedCase.of(case, recipe, tools.present.copy, tools.present.window, tools.solve.prior)


def finished(begun: Begun, solved: Sequence[SolvedSlice], tools: Tools) -> Variant:
    """The variant, once the slices of what `begin` gave are solved."""
    if isinstance(begun, CopiedCase):
        return begun.variant
    return bring_back(begun, begun.solution(solved), tools)


def present(case: Case, recipe: Recipe, tools: Tools) -> Presented:
    """All that happens before the prior: window, regions on both grids, the square the prior will see.

    Raises:
        RegionError: nothing may change, or nothing is kept.
        ValueError: the recipe was drawn for another volume or other boxes.
    """
    _check_drawn_for(case, recipe)
    if tools.present.draw is None and tools.present.set_in is None:
        key = (case.boxes, recipe.kept, tools.present.of_case)
        prepared = tools.latest.of(case.volume, key, lambda: PreparedCase.of(case, tools.present))
        return _presented(case, recipe, prepared, tools)
    prepared, became = prepare(case, recipe, tools.present)
    assert became is not None
    shown = replace(_presented(became.case, recipe, prepared, tools), original=case.volume)
    if isinstance(became, GraftedCase):
        return replace(shown, grafted=became)
    return replace(shown, motions=became.motions)


def _presented(case: Case, recipe: Recipe, prepared: PreparedCase, tools: Tools) -> Presented:
    drawn = tools.present.law(prepared.small, prepared.small_boxes, recipe.seed_of("regions"), prepared.sampling)
    on_grid = prepared.known(drawn)
    regions = Regions(prepared.protected, prepared.protected | prepared.view.enlarge(on_grid.observed))
    prompted = tools.solve.prompted
    prior = prompted(box.label for box in case.boxes) if prompted else tools.solve.prior
    part = tools.present.part(on_grid.free) if tools.present.part else WHOLE
    return Presented(case, recipe, prepared, regions, on_grid, prior, part)


def solve(presented: Presented, tools: Tools, on_step: Callable[[int, int], None] | None = None) -> Solution:
    """Solve every slice that has free voxels, batch by batch; the others come back as they were presented."""
    return presented.solution(solve_slices(presented, tools, on_step))


def solve_slices(
    presented: ToSolve, tools: Tools, on_step: Callable[[int, int], None] | None = None
) -> list[SolvedSlice]:
    """Solve slices batch by batch."""
    slices, size = presented.slices, tools.solve.batch_size
    batches = [slices[i : i + size] for i in range(0, len(slices), size)]
    solved: list[SolvedSlice] = []
    for number, batch in enumerate(batches):

        def step(current: int, steps: int, done: int = number) -> None:
            if on_step:
                on_step(done * steps + current, len(batches) * steps)

        solved += tools.solve_slices(batch, presented.prior, tools.solve, step)
    return solved


def bring_back(presented: Presented, solution: Solution, tools: Tools) -> Variant:
    """All that happens after the prior: restored to the native grid, free voxels overwritten, checked."""
    case, prepared, regions = presented.case, presented.prepared, presented.regions
    volume, window = case.volume, prepared.window
    strips = tools.restore.restore(volume, prepared.view, solution)
    shown = (replace(one, values=np.clip(one.values, window.low, window.high, out=one.values)) for one in strips)
    result = volume.with_strips(shown, regions.free)
    before = presented.grafted.before if presented.grafted else volume
    changed = np.asarray(result.stored != before.stored)
    measured = {
        "observed_residual": observed_residual(solution, presented.on_grid),
        "domain_share": prepared.domain_share,
    }
    whole = before is volume and np.issubdtype(volume.stored.dtype, np.integer)  # a NaN differs from itself
    checks = inspect(
        volume, result, regions.protected, window, measured, tools.restore.limits, prepared.baseline,
        changed if whole else None,
    )  # fmt: skip
    return Variant(
        presented.recipe, result, case.boxes, window, regions, changed, checks, prepared.domain, before,
        presented.motions, presented.grafted.graft if presented.grafted else None,
    )  # fmt: skip


def _check_drawn_for(case: Case, recipe: Recipe) -> None:
    """A record that names another source than the one that was used would be worse than none."""
    if recipe.source != case.volume.source.key:
        raise ValueError("augment: the recipe's source is not the volume's key; draw it with Recipe.of")
    if recipe.boxes != boxes_digest(case.boxes):
        raise ValueError("augment: the recipe was drawn for other boxes; draw it with Recipe.of")
    if recipe.donor != (case.donor.digest if case.donor else ""):
        raise ValueError("augment: the recipe was drawn for another donor; give it donor_digest of its key and box")
    if recipe.kept != kept_digest(case.kept):
        raise ValueError("augment: the recipe was drawn for other voxels to keep; give it kept_digest(kept)")
