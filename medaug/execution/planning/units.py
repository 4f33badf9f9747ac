"""What a run is made of: units, derived from labelled sources, which lie on disk while the run is on."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import groupby, islice

from medaug.annotations.structures import Packed, unpacked
from medaug.augmentation.case import Donor
from medaug.augmentation.recipe import Recipe, donor_digest
from medaug.execution.planning.sources import ImageSource
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, SourceRef
from medaug.storage.disk_map import DiskMap, Reiterable


@dataclass(frozen=True, slots=True)
class PlannedDonor:
    """A lesion that is set into another image.

    Attributes:
        source: where to load its image from.
        reference: what it was planned from.
        box: the lesion.
        sop_class: SOPClassUID of its instance; "" for other formats.
    """

    source: ImageSource
    reference: SourceRef
    box: Box
    sop_class: str

    @property
    def digest(self) -> str:
        """Names image and lesion."""
        return donor_digest(self.reference.key, self.box)

    def load(self) -> Donor:
        """Read it.

        Raises:
            ReadError: as `ImageSource.volume`.
        """
        return Donor(self.source.volume(self.reference.key), self.box)


@dataclass(frozen=True, slots=True)
class Unit:
    """One source × one variant: the smallest thing that is done or not done.

    Attributes:
        recipe: every choice; ``recipe.id`` is the unit's key.
        source: where to load the volume from.
        reference: what it was planned from.
        boxes: its labels.
        shape: the volume's (slices, rows, columns).
        bytes: size of its stored numbers.
        kept: voxels that must not change beside the boxes, packed; None where there are none.
        donor: whose lesion is set in; None where none is.
    """

    recipe: Recipe
    source: ImageSource
    reference: SourceRef
    boxes: tuple[Box, ...]
    shape: tuple[int, int, int]
    bytes: int
    kept: Packed | None = None
    donor: PlannedDonor | None = None

    @property
    def mask(self) -> Mask | None:
        """``kept`` as (slices, rows, columns)."""
        return None if self.kept is None else unpacked(self.kept, self.shape)


def units_of(firsts: Iterable[Unit], variants: int = 1) -> Reiterable[Unit]:
    """Every variant of every source, source by source; sources lie on disk, a unit is made when its turn comes.

    Args:
        firsts: the first variant of each source, in the order of the plan.
        variants: per source.
    """
    on_disk: DiskMap[Unit] = DiskMap((f"{number:012}", first) for number, first in enumerate(firsts))

    def units() -> Iterator[Unit]:
        for first in on_disk.values():
            for variant in range(variants):
                yield replace(first, recipe=replace(first.recipe, variant=variant)) if variant else first

    return Reiterable(units, lambda: variants * len(on_disk))


def firsts_of(units: Iterable[Unit]) -> Reiterable[Unit]:
    """The first unit of each source, in the order of a plan; where no donor fits one, that isn't variant 0.

    Args:
        units: of a plan: those of a source follow each other.
    """
    return Reiterable(lambda: (next(group) for _, group in groupby(units, lambda unit: unit.recipe.source)))


class Queue:
    """Units to give out, several at once; those that come back are given again after all others."""

    def __init__(self, units: Collection[Unit]) -> None:
        self._fresh, self._left = iter(units), len(units)
        self._back: list[Unit] = []

    def __len__(self) -> int:
        return self._left + len(self._back)

    def take(self, count: int) -> list[Unit]:
        """The next ones, fewer where fewer are left."""
        fresh = list(islice(self._fresh, count))
        self._left -= len(fresh)
        again = count - len(fresh)
        taken, self._back = self._back[:again], self._back[again:]
        return fresh + taken

    def back(self, units: Iterable[Unit]) -> None:
        """Take units back that nobody did."""
        self._back += units
