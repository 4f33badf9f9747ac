"""Controls that change what a variant changes, without a prior: the same regions, the same way in and out.

They say how much of an arm's gain is the diffusion's, and how much any change around the boxes would give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Literal, assert_never

import numpy as np
import torch
from PIL import Image
from scipy import ndimage

from medaug.assemble import tools
from medaug.augmentation.augment import augment
from medaug.augmentation.case import Case
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.restore import restore_replace
from medaug.augmentation.solve import PresentedSlice, SolvedSlice, SolveTools
from medaug.augmentation.tools import Tools
from medaug.benchmark.images.dataset import Picture, picture_of
from medaug.errors import RegionError
from medaug.execution.planning.plan import Usable
from medaug.imaging.volume import Float32
from medaug.inverse.aligned import from_array
from medaug.inverse.protocols import Prior
from medaug.profile.profile import Profile
from medaug.storage.atomic import replacing
from medaug.storage.plain_files import open_plain

Fill = Literal["round-trip", "blur", "noise"]
BLUR = (1.0, 4.0)  # standard deviation in the prior's px, drawn between


def filling(kind: Fill, profile: Profile) -> Tools:
    """The profile's tools with a fill in place of the solve; the gate isn't asked, a control needn't pass it.

    The fill itself goes to the native grid, at the prior's resolution: a difference added to the source would leave the
    source's fine detail in it.
    """
    made = tools(profile)
    return replace(made, solve_slices=partial(_filled, kind), restore=replace(made.restore, restore=restore_replace))


def _filled(
    kind: Fill,
    slices: Sequence[PresentedSlice],
    prior: Prior,
    _tools: SolveTools,
    _on_step: Callable[[int, int], None] | None = None,
) -> list[SolvedSlice]:
    return [SolvedSlice(_fill(kind, one, prior), one.pixels) for one in slices]


def _fill(kind: Fill, one: PresentedSlice, prior: Prior) -> Float32:
    rng = np.random.default_rng(one.recipe.seed_of(kind))
    match kind:
        case "round-trip":
            with torch.no_grad():
                x = from_array(one.pixels[None, None])
                return np.asarray(prior.decode(prior.encode(x))[0, 0].float().cpu().numpy())
        case "blur":
            return np.asarray(ndimage.gaussian_filter(one.pixels, rng.uniform(*BLUR)), dtype=np.float32)
        case "noise":
            free = one.pixels[~one.observed]
            middle, scatter = (float(free.mean()), float(free.std())) if free.size else (0.0, 0.0)
            return rng.normal(middle, scatter, one.pixels.shape).astype(np.float32).clip(-1, 1)
        case _:
            assert_never(kind)


@dataclass(frozen=True, eq=False)
class Fills:
    """Filled images of real ones, kept in a folder.

    Attributes:
        tools: what `filling` gave.
        profile: whose regions and window are used.
        usable: the export's images by key.
        folder: where they are kept.
        classes: labels by name.
    """

    tools: Tools
    profile: Profile
    usable: Mapping[str, Usable]
    folder: Path
    classes: tuple[str, ...]

    def __call__(self, picture: Picture, number: int) -> Picture | None:
        """The filled image of a real one; None where nothing of it may change."""
        path = self.folder / f"{picture.source[:32]}-{number}.png"
        if not path.exists():
            pixels = self._pixels(picture, number)
            if pixels is None:
                return None
            path.parent.mkdir(parents=True, exist_ok=True)
            with replacing(path) as passing:
                Image.fromarray(pixels).save(passing, format="PNG")
        with open_plain(path) as file, Image.open(file) as image:
            return replace(picture, pixels=np.asarray(image))

    def _pixels(self, picture: Picture, number: int) -> np.ndarray | None:
        one = self.usable[picture.source]
        volume = one.source.volume(one.key)
        recipe = Recipe.of(volume, one.boxes, self.profile, variant=number)
        try:
            variant = augment(Case(volume, one.boxes), recipe, self.tools)
        except RegionError:
            return None
        return picture_of(variant.volume, variant.boxes, self.profile, len(picture.pixels), self.classes).pixels
