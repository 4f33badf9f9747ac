"""What a run would make of each source before its prior is asked: the share that may change, or why none may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from medaug.augmentation.case import Case
from medaug.augmentation.prepare import PresentTools, prepare, presented_area, protected_in
from medaug.errors import MedaugError, RegionError, SourceError
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.units import Unit, firsts_of
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask

if TYPE_CHECKING:
    from medaug.dicom.read.parse import LastFile

Indices = npt.NDArray[np.intp]
Float64 = npt.NDArray[np.float64]

LOOKED_AT = 200  # sources; each is read, and the domain found of some of its slices
FEW = 32  # slices: of a stack of more some are looked at; so many are brought to the prior's grid at a time
WITH_BOXES, WITHOUT = 4, 12  # of the slices that hold a box, and of the others


@dataclass(frozen=True)
class Foresight:
    """Of one source.

    Attributes:
        source: its key.
        free: share of its voxels that may change; 0 where the run would refuse it, and of a classic copy.
        about: whether ``free`` is taken from some of its slices.
        code: of the refusal, or "".
        reason: its sentence.
    """

    source: str
    free: float
    about: bool = False
    code: str = ""
    reason: str = ""


def foresee(planned: Plan, limit: int = LOOKED_AT) -> Iterator[Foresight]:
    """Look at the first variant of each source, as the plan orders them; pixels are read, nothing is solved.

    Args:
        planned: the plan.
        limit: sources to look at.
    """
    from medaug.assemble import present_tools  # it knows every component, torch's too
    from medaug.dicom.read.parse import LastFile  # several sources may lie in one file

    tools, last = present_tools(planned.profile), LastFile()
    for unit in islice(firsts_of(planned.units), limit):
        source = unit.recipe.source
        try:
            free, about = _looked_at(unit, tools, last)
        except SourceError as error:
            yield Foresight(source, 0.0, code=error.code, reason=str(error))
        except MedaugError as error:
            yield Foresight(source, 0.0, code="refused", reason=str(error))
        else:
            yield Foresight(source, free, about)


def space_missing(planned: Plan, output: Path) -> str:
    """A sentence where the disk that OUTPUT lies on hasn't room for the plan, else ""."""
    there = next(path for path in (output.resolve(), *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free >= planned.bytes:
        return ""
    return f"about {planned.bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free where OUTPUT lies"


def free_share(case: Case, tools: PresentTools, seed: int) -> tuple[float, bool]:
    """What of a case that stays where it is may change, for a law that regenerates or keeps boxes.

    Args:
        case: the case.
        tools: of the profile.
        seed: of the regions.

    Returns:
        The share of its voxels, and whether it is taken from some slices.

    Raises:
        RegionError: the run would refuse it.
    """
    slices = len(case.volume.stored)
    if slices == 1 or case.volume.colour is not None:
        return float(1 - np.mean(protected_in(case, tools, seed))), False
    if slices > FEW:
        with suppress(RegionError):  # these slices may be the wrong ones
            return _estimated(case, tools, seed), True
    return float(_free_of_slices(case, tools, seed).mean()), False


def _looked_at(unit: Unit, tools: PresentTools, last: LastFile) -> tuple[float, bool]:
    donor = unit.donor.load() if unit.donor else None
    case = Case(unit.source.volume(unit.recipe.source, last), unit.boxes, unit.mask, donor)
    if tools.copy is not None:
        tools.copy(case.volume, case.boxes, unit.recipe.seed_of("motions"))
        return 0.0, False
    seed = unit.recipe.seed_of("regions")
    if tools.draw is None and tools.set_in is None:
        return free_share(case, tools, seed)
    prepared, _ = prepare(case, unit.recipe, tools)
    tools.law(prepared.small, prepared.small_boxes, seed, prepared.sampling)
    return float(1 - np.mean(prepared.protected)), False


def _estimated(case: Case, tools: PresentTools, seed: int) -> float:
    """By some slices with a box and some without; what is free there is free in the whole.

    Raises:
        RegionError: nothing may change in any of these.
    """
    grown, window = tools.grow(case.volume, case.boxes), tools.window(case.volume)
    boxed = _boxed(grown, len(case.volume.stored))
    kinds = [(slices, _spread(slices, most)) for slices, most in zip(_apart(boxed), (WITH_BOXES, WITHOUT), strict=True)]
    wanted = np.sort(np.concatenate([some for _, some in kinds]))
    free = _free_of_slices(*_at(case, wanted, grown, replace(tools, window=lambda _: window)), seed)
    weighed = [slices.size * free[np.isin(wanted, some)].mean() for slices, some in kinds if some.size]
    return float(sum(weighed) / boxed.size)


def _free_of_slices(case: Case, tools: PresentTools, seed: int) -> Float64:
    """(slices,), the share of each that may change; the law is asked of a few, those with most of it first.

    Raises:
        RegionError: nothing may change in any of them.
    """
    window, domain, grown = tools.window(case.volume), tools.domain_of(case), tools.grow(case.volume, case.boxes)
    area = presented_area(case, domain, tools)
    tools = replace(tools, window=lambda _: window, crop=lambda _: area)
    free: Float64 = 1 - protected_in(case, replace(tools, domain=lambda *_: domain)).mean((1, 2))
    order = np.argsort(-free, kind="stable")
    boxed = order[_boxed(grown, len(free))[order]][:1]  # without any box laws refuse
    refused: list[RegionError] = []
    nearest = boxed if free[boxed].any() else order[:1]  # one slice is enough where it holds both
    for some in (nearest, order[:1], *(order[first : first + FEW] for first in range(1, len(order), FEW))):
        wanted = np.union1d(some, boxed)
        there = domain[wanted]
        try:
            protected_in(*_at(case, wanted, grown, replace(tools, domain=lambda *_, there=there: there)), seed)
        except RegionError as error:
            refused.append(error)
        else:
            return free
    raise refused[0]


def _at(case: Case, wanted: Indices, grown: Sequence[Box], tools: PresentTools) -> tuple[Case, PresentTools]:
    """Some slices of a case as one, with the boxes as they are ``grown`` in the whole, and tools for it."""
    volume = case.volume
    geometry = replace(volume.geometry, shape=(len(wanted), *volume.geometry.shape[1:]))
    rescale = tuple(volume.rescale[k] for k in wanted)
    some = replace(volume, stored=volume.stored[wanted], geometry=geometry, rescale=rescale)
    boxes = []
    for box in grown:
        first, last = (int(k) for k in np.searchsorted(wanted, (box.start[0], box.stop[0])))
        if first < last:
            boxes.append(replace(box, start=(first, *box.start[1:]), stop=(last, *box.stop[1:])))
    kept = None if case.kept is None else case.kept[wanted]
    return Case(some, tuple(boxes), kept), replace(tools, grow=lambda _, boxes: tuple(boxes))


def _apart(boxed: Mask) -> tuple[Indices, Indices]:
    return np.flatnonzero(boxed), np.flatnonzero(~boxed)


def _boxed(boxes: Sequence[Box], slices: int) -> Mask:
    """(slices,), where any box lies."""
    boxed = np.zeros(slices, dtype=np.bool_)
    for box in boxes:
        boxed[box.slices[0]] = True
    return boxed


def _spread(slices: Indices, most: int) -> Indices:
    """All of them, or so many at even distances, none at the ends."""
    if slices.size <= most:
        return slices
    return slices[((np.arange(most) + 0.5) * slices.size / most).astype(np.intp)]
