"""A case whose image was moved by known motions before anything is generated: pixels, boxes and domain alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from medaug.augmentation.case import Case
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.motion import Motions, moved_boxes
from medaug.imaging.moved import MovedSlice
from medaug.imaging.volume import Mask, Volume

DrawMotions = Callable[[Volume, Sequence[Box], Mask, int], Motions]


@dataclass(frozen=True, eq=False)
class MovedCase:
    """A case and what it became.

    Attributes:
        case: with the moved image and boxes, and without voxels to keep: the moved domain leaves them out.
        source: as it was.
        motions: what moved it.
        domain: (1, rows, columns), the source's, moved along; mirrored where the source has no data.
        lost: likewise, True where that is; the image is mirrored there.
    """

    case: Case
    source: Case
    motions: Motions
    domain: Mask
    lost: Mask

    @classmethod
    def of(cls, source: Case, domain: Mask, motions: Motions) -> MovedCase:
        """Move a case of one slice, and its domain.

        Raises:
            RegionError: a box would leave the slice.
        """
        volume, (_, rows, columns) = source.volume, source.volume.geometry.shape
        boxes = moved_boxes(source.boxes, motions, (rows, columns))
        if boxes is None:
            raise RegionError("regions: the motions would cut a box; draw others", code="no-room")
        made = MovedSlice.of(volume.stored[0], domain[0], motions)
        moved = Case(replace(volume, stored=made.plane[None]), boxes)
        return cls(moved, source, motions, made.mask[None], made.lost[None])
