"""Where the two halves meet: a case of voxels and boxes, a recipe, the tools, one variant.

Everything is drawn first (`Recipe`), then applied; applying is deterministic. Slices are solved one by one with a 2-D
prior, in batches; the slices of a volume share their noise, so that neighbours stay alike.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.presentation import Area, Presentation
from medaug.imaging.volume import Float32, Mask, Volume, Window
from medaug.inverse.protocols import Operator, Prior, Solver
from medaug.quality import Check, Limits, inspect
from medaug.recipe import Recipe, boxes_digest, kept_digest
from medaug.regions.part import WHOLE, Part
from medaug.regions.regions import Regions
from medaug.rows import Row, Solved, solve_rows

Sampling = tuple[float, float, float]
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
        prompted: the prior under the prompt of these boxes; None without prompts.
        part: the part of the prior's square that is solved, from its free pixels; None for all of it.
        full: fill short batches up, see `solve_rows`; batches may then hold rows of several cases.
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
    prompted: Callable[[Sequence[Box]], Prior] | None = None
    part: Callable[[Mask], Part] | None = None
    full: bool = False


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
class Solution:
    """What came back from the prior's grid, (K, size, size) float32, display units.

    Attributes:
        presented: the source as the prior saw it.
        solved: D(z*), the image that explains y.
        round_trip: D(E(presented)): what the autoencoder alone does to the source.
        taper: weight in [0, 1], 0 at protected voxels, rising on the free side.
        part: what was solved of the square; outside it nothing is free and all three images are the source.
    """

    presented: Float32
    solved: Float32
    round_trip: Float32
    taper: Float32
    part: Part = WHOLE


@dataclass(frozen=True, eq=False)
class Presented:
    """A case as the prior will see it, and what brings a solution back.

    Attributes:
        case: the volume and its boxes.
        recipe: what was drawn.
        window: what is presented.
        view: from the native grid to the prior's and back.
        regions: on the native grid.
        on_grid: on the prior's grid.
        pixels: (K, size, size) float32, display units.
        taper: weight in [0, 1] on the prior's grid, see `seam_taper`.
        prior: under the prompt of this case's labels.
        domain: on the native grid.
        part: rows and columns of the square that are solved.
    """

    case: Case
    recipe: Recipe
    window: Window
    view: Presentation
    regions: Regions
    on_grid: Regions
    pixels: Float32
    taper: Float32
    prior: Prior
    domain: Mask
    part: Part = WHOLE

    @property
    def wanted(self) -> list[int]:
        """The slices that have free voxels."""
        return [int(k) for k in np.flatnonzero(self.on_grid.free.any(axis=(1, 2)))]

    @property
    def rows(self) -> list[Row]:
        """What is to be solved, in the order of `wanted`."""
        cut = self.part
        return [Row(self.pixels[k][cut], self.on_grid.observed[k][cut], self.recipe) for k in self.wanted]

    def solution(self, parts: Sequence[Solved]) -> Solution:
        """Put solved rows back; what holds no free voxels stays as it was presented."""
        solved, round_trip = self.pixels.copy(), self.pixels.copy()
        for k, part in zip(self.wanted, parts, strict=True):
            solved[k][self.part], round_trip[k][self.part] = part.solved, part.round_trip
        return Solution(self.pixels, solved, round_trip, self.taper, self.part)


Restoration = Callable[[Volume, Presentation, Solution], np.ndarray]


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
    volume = case.volume
    window = tools.window(volume)
    domain = tools.domain(volume, window)
    if case.kept is not None:
        domain = domain & ~case.kept
    if volume.colour is not None:
        domain = domain & ~volume.colour.coloured
    grown = tools.grow(volume, case.boxes)
    view = Presentation.of(volume, window, tools.size, tools.crop(_with_boxes(domain, grown)))
    pixels = view.present(volume.modality)
    on_grid = _regions_on_grid(view, domain, grown, volume, recipe, tools)
    regions = _regions_native(view, domain, grown, on_grid, tools)
    taper = seam_taper(view.shrink(regions.protected, 0.0), tools.feather)
    prior = tools.prompted(case.boxes) if tools.prompted else tools.prior
    part = tools.part(on_grid.free) if tools.part else WHOLE
    return Presented(case, recipe, window, view, regions, on_grid, pixels, taper, prior, domain, part)


def solve(presented: Presented, tools: Tools, on_step: Callable[[int, int], None] | None = None) -> Solution:
    """Solve every slice that has free voxels, batch by batch; the others come back as they were presented."""
    rows = presented.rows
    batches = [rows[i : i + tools.batch_size] for i in range(0, len(rows), tools.batch_size)]
    parts = []
    for number, batch in enumerate(batches):

        def step(current: int, steps: int, done: int = number) -> None:
            if on_step:
                on_step(done * steps + current, len(batches) * steps)

        parts += solve_rows(batch, presented.prior, tools, step)
    return presented.solution(parts)


def bring_back(presented: Presented, solution: Solution, tools: Tools) -> Variant:
    """All that happens after the prior: restored to the native grid, free voxels overwritten, checked."""
    volume, window, regions = presented.case.volume, presented.window, presented.regions
    values = tools.restore(volume, presented.view, solution)
    result = volume.with_modality(np.clip(values, window.low, window.high), regions.free)
    changed = np.asarray(result.stored != volume.stored)
    residual = observed_residual(solution, presented.on_grid)
    measured = {"observed_residual": residual, "domain_share": float(presented.domain.mean())}
    checks = inspect(volume, result, regions.protected, window, measured, tools.limits)
    return Variant(presented.recipe, result, presented.case.boxes, window, regions, changed, checks, presented.domain)


def restore_delta(volume: Volume, view: Presentation, solution: Solution, spread: Float32 | None = None) -> np.ndarray:
    """The source plus what the solve changed: x + up(w · (D(z*) - D(E(x)))), in modality units.

    The autoencoder's own blur is in both terms and cancels, and the source's fine detail and noise stay at native
    resolution. Its limit: fine edges of the source remain where the solve moved a structure.

    Args:
        volume: the source.
        view: how it was presented.
        solution: what came back.
        spread: (size, size), applied to the change along both axes before its taper: `resample.spread_matrix`.
    """
    change = solution.solved - solution.round_trip
    if spread is not None:
        change = spread @ change @ spread.T
    return np.asarray(volume.modality + view.to_modality_step(view.to_native(solution.taper * change)))


def restore_replace(volume: Volume, view: Presentation, solution: Solution) -> np.ndarray:
    """The decoded image itself, up(D(z*)), blended over the taper: the paper's way, as sharp as the autoencoder."""
    weight = view.to_native(solution.taper)
    step = view.to_native(solution.solved) - view.to_display(volume.modality)
    return np.asarray(volume.modality + view.to_modality_step(weight * step))


def observed_residual(solution: Solution, on_grid: Regions) -> float:
    """Root mean square of A x* - A x over the observed voxels of solved slices, in display units (range 2)."""
    solved = (on_grid.free.any(axis=(1, 2)), *solution.part)
    seen = on_grid.observed[solved]
    if not seen.any():
        return 0.0
    difference = (solution.solved - solution.presented)[solved][seen]
    return float(np.sqrt(np.mean(np.square(difference, dtype=np.float64))))


def _check_drawn_for(case: Case, recipe: Recipe) -> None:
    """A record that names another source than the one that was used would be worse than none."""
    if recipe.source != case.volume.source.key:
        raise ValueError("augment: the recipe's source is not the volume's key; draw it with Recipe.of")
    if recipe.boxes != boxes_digest(case.boxes):
        raise ValueError("augment: the recipe was drawn for other boxes; draw it with Recipe.of")
    if recipe.kept != kept_digest(case.kept):
        raise ValueError("augment: the recipe was drawn for other voxels to keep; give it kept_digest(kept)")


def _with_boxes(domain: Mask, boxes: Sequence[Box]) -> Mask:
    """The domain and the boxes together: a box on the domain's edge must be seen whole."""
    together = domain.copy()
    for box in boxes:
        together[box.slices] = True
    return together


def _regions_on_grid(
    view: Presentation, domain: Mask, grown: Sequence[Box], volume: Volume, recipe: Recipe, tools: Tools
) -> Regions:
    """The law on the prior's grid, where its pixels are the solver's pixels (the paper's were, too).

    A voxel there belongs to the domain when most of it does, and to a box when any of it does.
    """
    small = [_on_grid(view, box, volume) for box in grown]
    slice_step, _, column_step = volume.geometry.spacing
    sampling = (slice_step / column_step * view.scale, 1.0, 1.0) if slice_step else (1.0, 1.0, 1.0)
    kept = [box for box in small if box is not None]
    return tools.law(view.shrink(domain, 0.5), kept, recipe.seed_of("regions"), sampling)


def _on_grid(view: Presentation, box: Box, volume: Volume) -> Box | None:
    """A native box on the prior's grid, rounded outward."""
    slices, _, _ = volume.geometry.shape
    rows, columns = view.touched(box.slices[1], box.slices[2])
    if not rows.size or not columns.size:
        return None
    start = (box.start[0], int(rows[0]), int(columns[0]))
    stop = (min(box.stop[0], slices), int(rows[-1]) + 1, int(columns[-1]) + 1)
    return replace(box, start=start, stop=stop)


def _regions_native(view: Presentation, domain: Mask, grown: Sequence[Box], on_grid: Regions, tools: Tools) -> Regions:
    presented = np.zeros_like(domain)
    presented[:, *view.area] = True
    protected = tools.protect(domain & presented, grown)
    if protected.all():
        raise RegionError("regions: nothing may change: the domain and the boxes cover the image", code="nothing-free")
    return Regions(protected, protected | view.enlarge(on_grid.observed))


def seam_taper(touched: Mask, feather: float) -> Float32:
    """How much of the solution each voxel of the prior's grid takes, in [0, 1]; the seam lies on the free side.

    0 on voxels that any protected native voxel touches, however small it is, rising smoothly to 1 at ``feather`` px
    from them: with a law that holds most of a voxel, a speck inside it would stand out with a hard edge.
    """
    if feather <= 0:
        return (~touched).astype(np.float32)
    from scipy.ndimage import distance_transform_edt

    weight = np.zeros(touched.shape, dtype=np.float32)
    for k, kept in enumerate(touched):
        if kept.all():
            continue
        distance = distance_transform_edt(~kept) if kept.any() else np.full(kept.shape, np.inf)
        share = np.clip((distance - 0.5) / feather, 0.0, 1.0)
        weight[k] = share * share * (3 - 2 * share)
    return weight
