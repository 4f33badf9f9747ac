"""What a run would make of each source before its prior is asked: the share that may change, or why none may."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np

from medaug.augmentation.case import Case
from medaug.augmentation.prepare import PresentTools, prepare
from medaug.errors import MedaugError, SourceError
from medaug.execution.planning.plan import Plan
from medaug.execution.planning.units import Unit, firsts_of

LOOKED_AT = 200  # sources; each is read, and its domain found


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

    tools = present_tools(planned.profile)
    for unit in islice(firsts_of(planned.units), limit):
        try:
            yield Foresight(unit.recipe.source, _free(unit, tools))
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


def _free(unit: Unit, tools: PresentTools) -> float:
    donor = unit.donor.load() if unit.donor else None
    case = Case(unit.source.volume(unit.recipe.source), unit.boxes, unit.mask, donor)
    prepared, _ = prepare(case, unit.recipe, tools)
    seed = unit.recipe.seed_of("regions")
    tools.law(prepared.small, prepared.small_boxes, seed, prepared.sampling)
    return float(1 - np.mean(prepared.protected))
