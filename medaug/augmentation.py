"""Where the two halves meet: a case of voxels and boxes, a recipe, the tools, one variant.

Everything is drawn first (`Recipe`), then applied; applying is deterministic. Slices are solved one by one with a 2-D
prior, in batches; the slices of a volume share their noise, so that neighbours stay alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Area, Mask, Volume, Window
from medaug.inverse.protocols import Operator, Prior, Solver
from medaug.quality import Check, Limits, inspect
from medaug.recipe import Recipe, boxes_digest, kept_digest
from medaug.regions.part import WHOLE, Part
from medaug.regions.regions import Regions
from medaug.restoring import Restoration, Solution, observed_residual
from medaug.rows import Row, RowSolver, Solved, solve_rows
from medaug.scene import Sampling, Scene, Scenes

RegionLaw = Callable[[Mask, Sequence[Box], int, Sampling], Regions]


@dataclass(frozen=True, eq=False)
class Case:
    """A volume and what is labelled in it; every box lies inside the grid.

    Attributes:
        volume: the source.
        boxes: the labels.
        kept: (k, i, j), True where nothing may change whatever the domain says; None for nowhere.
    """

    volume: Volume
    boxes: tuple[Box, ...]
    kept: Mask | None = None

    def __post_init__(self) -> None:
        if self.kept is not None and self.kept.shape != self.volume.geometry.shape:
            raise RegionError(f"kept: expected the grid {self.volume.geometry.shape}, found {self.kept.shape}")
        for box in self.boxes:
            if any(b > n for b, n in zip(box.stop, self.volume.geometry.shape, strict=True)):
                raise RegionError(f"box {box.start}…{box.stop} reaches outside the grid {self.volume.geometry.shape}")


@dataclass(frozen=True, eq=False)
class Tools:
    """What a case is worked with; `assemble.tools` builds them from a profile.

    Attributes:
        prior: the latent diffusion model, on its device.
        solver: parameters bound.
        degraded: how the image is seen beside its observed pixels; None where it isn't.
        window: the window of a volume.
        domain: where a changed voxel still gives a plausible image, on the native grid.
        protect: protected voxels of any grid from (domain, boxes).
        law: regions on the prior's grid.
        grow: the boxes with their margin, on the native grid.
        restore: `restore_delta` or `restore_replace`.
        size: side of the prior's square in px.
        crop: the part of a slice that is presented, from the domain and the boxes; None for the whole.
        feather: width of the seam's taper, in the prior's px.
        measurement_noise: standard deviation of the noise added to y.
        batch_size: slices solved at once.
        device: where tensors live.
        limits: limits of the quality checks.
        prompted: the prior under the prompt of these labels; None without prompts.
        part: the part of the prior's square that is solved, from its free pixels; None for all of it.
        full: fill short batches up, see `solve_rows`; batches may then hold rows of several cases.
        scenes: what the variants of one case share is found once; no pixel depends on it.
        solve_rows: how a batch is solved: here, or in the process that holds the prior.
    """

    prior: Prior
    solver: Solver
    degraded: Operator | None
    window: Callable[[Volume], Window]
    domain: Callable[[Volume, Window], Mask]
    protect: Callable[[Mask, Sequence[Box]], Mask]
    law: RegionLaw
    grow: Callable[[Volume, Sequence[Box]], tuple[Box, ...]]
    restore: Restoration
    size: int
    crop: Callable[[Mask], Area | None]
    feather: float
    measurement_noise: float
    batch_size: int
    device: str
    limits: Mapping[str, Limits]
    prompted: Callable[[Iterable[str]], Prior] | None = None
    part: Callable[[Mask], Part] | None = None
    full: bool = False
    scenes: Scenes = field(default_factory=Scenes)
    solve_rows: RowSolver = solve_rows


@dataclass(frozen=True, eq=False)
class Variant:
    """One result: the volume with its free voxels generated, and how it came to be.

    Attributes:
        recipe: what was drawn.
        volume: on the source's grid, in the source's numbers.
        boxes: the labels, unchanged.
        window: what was presented to the prior.
        regions: on the native grid.
        changed: the voxels that were overwritten; never protected ones.
        checks: the quality checks with their figures.
        domain: where the profile's domain lets a voxel change, before boxes are kept.
    """

    recipe: Recipe
    volume: Volume
    boxes: tuple[Box, ...]
    window: Window
    regions: Regions
    changed: Mask
    checks: tuple[Check, ...]
    domain: Mask


@dataclass(frozen=True, eq=False)
class Presented:
    """A case as the prior will see it, and what brings a solution back.

    Attributes:
        case: the volume and its boxes.
        recipe: what was drawn.
        scene: what it shares with the case's other variants.
        regions: on the native grid.
        on_grid: on the prior's grid.
        prior: under the prompt of this case's labels.
        part: rows and columns of the square that are solved.
    """

    case: Case
    recipe: Recipe
    scene: Scene
    regions: Regions
    on_grid: Regions
    prior: Prior
    part: Part = WHOLE

    @property
    def wanted(self) -> list[int]:
        """The slices that have free voxels."""
        return [int(k) for k in np.flatnonzero(self.on_grid.free.any(axis=(1, 2)))]

    @property
    def rows(self) -> list[Row]:
        """What is to be solved, in the order of `wanted`."""
        cut = self.part
        return [Row(self.scene.pixels[k][cut], self.on_grid.observed[k][cut], self.recipe) for k in self.wanted]

    def solution(self, parts: Sequence[Solved]) -> Solution:
        """Put solved rows back; what holds no free voxels stays as it was presented."""
        pixels = self.scene.pixels
        solved, round_trip = pixels.copy(), pixels.copy()
        for k, part in zip(self.wanted, parts, strict=True):
            solved[k][self.part], round_trip[k][self.part] = part.solved, part.round_trip
        return Solution(pixels, solved, round_trip, self.scene.taper, self.part)


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
    presented = present(case, recipe, tools)
    return bring_back(presented, solve(presented, tools, on_step), tools)


def present(case: Case, recipe: Recipe, tools: Tools) -> Presented:
    """All that happens before the prior: window, regions on both grids, the square the prior will see.

    Raises:
        RegionError: nothing may change, or nothing is kept.
        ValueError: the recipe was drawn for another volume or other boxes.
    """
    _check_drawn_for(case, recipe)
    scene = tools.scenes.of(case, recipe.kept, tools)
    on_grid = tools.law(scene.small, scene.small_boxes, recipe.seed_of("regions"), scene.sampling)
    regions = Regions(scene.protected, scene.protected | scene.view.enlarge(on_grid.observed))
    prior = tools.prompted(box.label for box in case.boxes) if tools.prompted else tools.prior
    part = tools.part(on_grid.free) if tools.part else WHOLE
    return Presented(case, recipe, scene, regions, on_grid, prior, part)


def solve(presented: Presented, tools: Tools, on_step: Callable[[int, int], None] | None = None) -> Solution:
    """Solve every slice that has free voxels, batch by batch; the others come back as they were presented."""
    rows = presented.rows
    batches = [rows[i : i + tools.batch_size] for i in range(0, len(rows), tools.batch_size)]
    parts = []
    for number, batch in enumerate(batches):

        def step(current: int, steps: int, done: int = number) -> None:
            if on_step:
                on_step(done * steps + current, len(batches) * steps)

        parts += tools.solve_rows(batch, presented.prior, tools, step)
    return presented.solution(parts)


def bring_back(presented: Presented, solution: Solution, tools: Tools) -> Variant:
    """All that happens after the prior: restored to the native grid, free voxels overwritten, checked."""
    case, scene, regions = presented.case, presented.scene, presented.regions
    volume, window = case.volume, scene.window
    strips = tools.restore(volume, scene.view, solution)
    shown = (replace(one, values=np.clip(one.values, window.low, window.high)) for one in strips)
    result = volume.with_strips(shown, regions.free)
    changed = np.asarray(result.stored != volume.stored)
    measured = {"observed_residual": observed_residual(solution, presented.on_grid), "domain_share": scene.domain_share}
    checks = inspect(volume, result, regions.protected, window, measured, tools.limits, scene.baseline)
    return Variant(presented.recipe, result, case.boxes, window, regions, changed, checks, scene.domain)


def _check_drawn_for(case: Case, recipe: Recipe) -> None:
    """A record that names another source than the one that was used would be worse than none."""
    if recipe.source != case.volume.source.key:
        raise ValueError("augment: the recipe's source is not the volume's key; draw it with Recipe.of")
    if recipe.boxes != boxes_digest(case.boxes):
        raise ValueError("augment: the recipe was drawn for other boxes; draw it with Recipe.of")
    if recipe.kept != kept_digest(case.kept):
        raise ValueError("augment: the recipe was drawn for other voxels to keep; give it kept_digest(kept)")
