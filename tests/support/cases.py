"""A case of noise with one box, and a recipe for it."""

from __future__ import annotations

from dataclasses import replace

from medaug.augmentation.case import Case
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.tools import Tools
from medaug.imaging.boxes import Box
from medaug.profile.components import EmbeddedPrior
from medaug.profile.load import load_profile
from medaug.profile.solvers import PsldSpec
from tests.support import make

PROFILE = load_profile("bone-xray").model_copy(
    update={
        "size": 64,
        "domain": ("not-padding",),
        "solver": PsldSpec(kind="psld", steps=8, start=0.6, omega=0.05, gamma=0.01),
        "batch_size": 4,
    }
)


BOX = Box((0, 30, 40), (1, 50, 60), "fracture")


def case(shape: tuple[int, int, int] = (1, 120, 100), **overrides: object) -> Case:
    return Case(make.volume(shape, **overrides), (BOX,))


def recipe(of: Case, seed: int = 7, variant: int = 0) -> Recipe:
    pinned = PROFILE.model_copy(update={"prior": _pinned()})
    return Recipe.of(of.volume, of.boxes, pinned, variant=variant, seed=seed)


def _pinned() -> EmbeddedPrior:
    return EmbeddedPrior(kind="embedded", sha256="0" * 64)


def changed(tools: Tools, **changes: object) -> Tools:
    """The tools with other values for these fields, of whichever stage they are."""
    for stage in ("present", "solve", "restore"):
        part = getattr(tools, stage)
        mine = {name: changes.pop(name) for name in [*changes] if name in part.__dataclass_fields__}
        tools = replace(tools, **{stage: replace(part, **mine)}) if mine else tools
    return replace(tools, **changes)
