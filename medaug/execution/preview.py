"""A few sources at a few strengths, solved and shown, nothing kept: what a run would give, in seconds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import islice

import numpy as np

from medaug.assemble import load_prior, tools
from medaug.augmentation.augment import augment
from medaug.augmentation.case import Case, Variant
from medaug.augmentation.recipe import Recipe, kept_digest
from medaug.errors import MedaugError, ProfileError
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.units import Unit, firsts_of
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume
from medaug.inverse.device import resolve_device
from medaug.profile.profile import Profile
from medaug.profile.strength import with_strength
from medaug.report import sheet
from medaug.report.sheet import Cell, Tried


@dataclass(frozen=True, eq=False)
class Preview:
    """What is to be shown.

    Attributes:
        rows: pictures, source by source.
        tried: the variants, row by row.
        refused: sentences about sources of which none could be made.
    """

    rows: tuple[tuple[Cell, ...], ...]
    tried: tuple[Tried, ...]
    refused: tuple[str, ...]


def preview(
    planned: Plan, count: int, strengths: Sequence[str], on_row: Callable[[int, int], None] | None = None
) -> Preview:
    """Solve the first variant of ``count`` sources spread over the plan, at each strength; writes nothing.

    Of a volume one slice is taken, through the middle of its largest box, or of itself: neighbours play no part.

    Args:
        planned: what a run would do.
        count: sources at most.
        strengths: as `with_strength` takes them; "" for the profile as it stands.
        on_row: called with (sources done, all of them).

    Raises:
        PriorError: the prior isn't what the profile pins.
        ProfileError: the profile has no such strength, or generates nothing.
    """
    if not planned.profile.generates:
        raise ProfileError(
            f"preview: profile {planned.profile.name!r} generates nothing that had strengths; run it with --variants 1 "
            "and look at OUTPUT/index.html"
        )
    profiles = [with_strength(planned.profile, name) if name else planned.profile for name in strengths]
    device = resolve_device(planned.request.device)
    prior = load_prior(planned.profile, device)
    names = [name or "as stated" for name in strengths]
    kits = [(name, one, tools(one, device, prior)) for name, one in zip(names, profiles, strict=True)]
    units, rows, tried, refused = _spread(planned, count), list[tuple[Cell, ...]](), list[Tried](), list[str]()
    for done, unit in enumerate(units):
        if on_row:
            on_row(done, len(units))
        try:
            case = _case(unit)
            made = [(name, augment(case, _recipe(case, unit, profile), kit)) for name, profile, kit in kits]
        except MedaugError as error:
            refused.append(f"{unit.recipe.source[:12]}: {error}")
            continue
        results = [(Tried(unit.recipe.source[:12], name, one.checks), one.volume) for name, one in made]
        rows.append(_row(made[0][1], results))
        tried += [each for each, _ in results]
    return Preview(tuple(rows), tuple(tried), tuple(refused))


def _spread(planned: Plan, count: int) -> list[Unit]:
    firsts = firsts_of(planned.units)
    step = max(1, len(firsts) // count)
    return list(islice(firsts, 0, step * count, step))


def _row(first: Variant, results: Sequence[tuple[Tried, Volume]]) -> tuple[Cell, ...]:
    """All strengths share their seeds, so a law that moves moves them alike; the source is shown moved, too."""
    regions = first.regions
    masks = (regions.protected, regions.observed, first.domain)
    return tuple(sheet.row(first.before, results, first.boxes, first.window, masks))


def _recipe(case: Case, unit: Unit, profile: Profile) -> Recipe:
    drawn = Recipe.of(case.volume, case.boxes, profile, seed=unit.recipe.seed)
    return replace(drawn, kept=kept_digest(case.kept), donor=unit.recipe.donor)


def _case(unit: Unit) -> Case:
    """The slice through the middle of the largest box, or of the volume without one, as a case of its own."""
    case = _of_slice(unit.source.volume(unit.recipe.source), unit.boxes, unit.mask)
    return replace(case, donor=unit.donor.load()) if unit.donor else case


def _of_slice(volume: Volume, boxes: Sequence[Box], kept: Mask | None) -> Case:
    whole = Box((0, 0, 0), volume.geometry.shape, "")
    largest = max(boxes, key=lambda box: int(np.prod(box.shape)), default=whole)
    k = (largest.start[0] + largest.stop[0] - 1) // 2
    here = [box for box in boxes if box.start[0] <= k < box.stop[0]]
    flat = tuple(replace(box, start=(0, *box.start[1:]), stop=(1, *box.stop[1:])) for box in here)
    return Case(volume.slice(k), flat, None if kept is None else kept[k : k + 1])
