"""What goes in and what comes out: a labelled volume, and a variant of it."""

from __future__ import annotations

from dataclasses import dataclass

from medaug.augmentation.recipe import Recipe, donor_digest
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.graft import Graft
from medaug.imaging.motion import Motions
from medaug.imaging.volume import Mask, Volume, Window
from medaug.quality import Check
from medaug.regions.regions import Regions


@dataclass(frozen=True, eq=False)
class Donor:
    """Where a lesion is taken from, for a law that sets it into another image.

    Attributes:
        volume: of one slice.
        box: the lesion.
    """

    volume: Volume
    box: Box

    @property
    def digest(self) -> str:
        """Names both."""
        return donor_digest(self.volume.source.key, self.box)


@dataclass(frozen=True, eq=False)
class Case:
    """A volume and what is labelled in it; every box lies inside the grid.

    Attributes:
        volume: the source.
        boxes: the labels.
        kept: (k, i, j), True where nothing may change whatever the domain says; None for nowhere.
        donor: of the lesion that is set in; None for laws that set none in.
    """

    volume: Volume
    boxes: tuple[Box, ...]
    kept: Mask | None = None
    donor: Donor | None = None

    def __post_init__(self) -> None:
        if self.kept is not None and self.kept.shape != self.volume.geometry.shape:
            raise RegionError(f"kept: expected the grid {self.volume.geometry.shape}, found {self.kept.shape}")
        for box in self.boxes:
            if any(b > n for b, n in zip(box.stop, self.volume.geometry.shape, strict=True)):
                raise RegionError(f"box {box.start}…{box.stop} reaches outside the grid {self.volume.geometry.shape}")


@dataclass(frozen=True, eq=False)
class Variant:
    """One result: the volume with its free voxels generated, and how it came to be.

    Attributes:
        recipe: what was drawn.
        volume: on the source's grid, in the source's numbers.
        boxes: the labels where they lie in it: the source's, but for a law that moves them or sets one in.
        window: what was presented to the prior.
        regions: on the native grid.
        changed: the voxels that were overwritten; never protected ones.
        checks: the quality checks with their figures.
        domain: where the profile's domain lets a voxel change, before boxes are kept.
        before: what the generated voxels were laid over: the source, or the source as ``motions`` moved it or with the
            donor's lesion as ``graft`` sets it in.
        motions: of the source's one slice; None where nothing moved.
        graft: of the donor's slice; None where nothing was set in.
    """

    recipe: Recipe
    volume: Volume
    boxes: tuple[Box, ...]
    window: Window
    regions: Regions
    changed: Mask
    checks: tuple[Check, ...]
    domain: Mask
    before: Volume
    motions: Motions | None = None
    graft: Graft | None = None
