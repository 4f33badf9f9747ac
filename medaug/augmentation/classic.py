"""A case that is copied along a map, and nothing of it generated: classic augmentation as a variant."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from medaug.augmentation.case import Case, Variant
from medaug.augmentation.recipe import Recipe
from medaug.augmentation.solve import PresentedSlice
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.motion import Motions, moved_boxes
from medaug.imaging.moved import moved_plane
from medaug.imaging.volume import Volume, Window
from medaug.inverse.protocols import Prior
from medaug.regions.regions import Regions

DrawCopy = Callable[[Volume, Sequence[Box], int], Motions]


@dataclass(frozen=True, eq=False)
class CopiedCase:
    """A case as it lies in its copy; stands where `augment.Presented` does, with nothing to solve.

    Attributes:
        case: the moved image and boxes.
        source: the volume as it was read.
        recipe: what was drawn.
        motions: what moved it.
        window: of the source.
        prior: stands for none; nothing is asked of it.
    """

    case: Case
    source: Volume
    recipe: Recipe
    motions: Motions
    window: Window
    prior: Prior

    @classmethod
    def of(
        cls, case: Case, recipe: Recipe, draw: DrawCopy, window: Callable[[Volume], Window], prior: Prior
    ) -> CopiedCase:
        """Copy a case of one slice.

        Args:
            case: the volume and its boxes.
            recipe: names the seed.
            draw: the map, from it.
            window: of a volume.
            prior: stands for none.

        Raises:
            RegionError: it can't be moved, or voxels of it are to be kept.
        """
        volume = case.volume
        if case.kept is not None:
            raise RegionError("regions: a classic copy keeps no voxel in its place; leave --protect and --within out")
        motions = draw(volume, case.boxes, recipe.seed_of("motions"))
        boxes = moved_boxes(case.boxes, motions, (volume.geometry.shape[1], volume.geometry.shape[2]))
        if boxes is None:
            raise RegionError("regions: the motions would cut a box; draw others", code="no-room")
        stored = moved_plane(volume.stored[0], motions)[None]
        moved = replace(volume, stored=stored, geometry=_enlarged(volume.geometry, motions))
        return cls(Case(moved, boxes), volume, recipe, motions, window(volume), prior)

    @property
    def slices(self) -> list[PresentedSlice]:
        """None are solved."""
        return []

    @property
    def variant(self) -> Variant:
        """The copy; without checks, since they look at what was generated."""
        volume = self.case.volume
        everywhere, nowhere = np.ones(volume.stored.shape, np.bool_), np.zeros(volume.stored.shape, np.bool_)
        kept = Regions(everywhere, everywhere)
        return Variant(
            self.recipe, volume, self.case.boxes, self.window, kept, nowhere, (), nowhere, volume, self.motions
        )


def _enlarged(geometry: Geometry, motions: Motions) -> Geometry:
    """The grid of what was made larger or smaller: where its pixels have a size, it is that much smaller or larger."""
    if geometry.space != "detector":
        return geometry
    steps = np.array(geometry.affine)
    steps[:3, 1:3] /= motions.scale
    return replace(geometry, affine=steps)
