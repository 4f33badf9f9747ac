"""What a run would make of each source before its prior is asked: the share that may change, or why none may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from medaug.augmentation.case import Case
from medaug.augmentation.prepare import PresentTools, prepare, protected_in
from medaug.errors import MedaugError, SourceError
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.units import Unit, firsts_of

if TYPE_CHECKING:
    from medaug.dicom.read.parse import LastFile

LOOKED_AT = 200  # sources; each is read, and its domain found
# Pixels that stacks may have as the prior sees them for their law to be asked, too: all together (256 slices at 256 px,
# some seconds), or the first of them alone (2,048 slices, 1 GiB). 20,000 slices take 10 GB and minutes.
PRESENTED, PRESENTED_FIRST = 2**24, 2**27


@dataclass(frozen=True)
class Foresight:
    """Of one source.

    Attributes:
        source: its key.
        free: share of its voxels that may change; 0 where the run would refuse it.
        code: of the refusal, or "".
        reason: its sentence.
    """

    source: str
    free: float
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
    shown = 0
    for unit in islice(firsts_of(planned.units), limit):
        stack = 0 if unit.shape[0] == 1 or tools.set_in else unit.shape[0] * tools.size**2
        presented = shown + stack <= (PRESENTED if shown else PRESENTED_FIRST)
        shown += stack if presented else 0
        try:
            yield Foresight(unit.recipe.source, _free(unit, tools, last, presented=presented))
        except SourceError as error:
            yield Foresight(unit.recipe.source, 0.0, error.code, str(error))
        except MedaugError as error:
            yield Foresight(unit.recipe.source, 0.0, "refused", str(error))


def space_missing(planned: Plan, output: Path) -> str:
    """A sentence where the disk that OUTPUT lies on hasn't room for the plan, else ""."""
    there = next(path for path in (output.resolve(), *output.resolve().parents) if path.exists())
    free = shutil.disk_usage(there).free
    if free >= planned.bytes:
        return ""
    return f"about {planned.bytes / 1e6:.0f} MB are needed, {free / 1e6:.0f} MB are free where OUTPUT lies"


def _free(unit: Unit, tools: PresentTools, last: LastFile, *, presented: bool) -> float:
    donor = unit.donor.load() if unit.donor else None
    case = Case(unit.source.volume(unit.recipe.source, last), unit.boxes, unit.mask, donor)
    if not presented:
        return float(1 - np.mean(protected_in(case, tools)))
    prepared, _ = prepare(case, unit.recipe, tools)
    seed = unit.recipe.seed_of("regions")
    tools.law(prepared.small, prepared.small_boxes, seed, prepared.sampling)
    return float(1 - np.mean(prepared.protected))
