"""A case whose image was moved by known motions before anything is generated: pixels, boxes and domain alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from medaug.augmentation.case import Case
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.motion import Motions, moved_boxes
from medaug.imaging.moved import lost_of, moved_mask, moved_plane
from medaug.imaging.volume import Mask, Volume

DrawMotions = Callable[[Volume, Sequence[Box], Mask, int], Motions]


@dataclass(frozen=True, eq=False)
class MovedCase:
    """A case and what it became.

    Attributes:
        case: with the moved image and boxes, and without voxels to keep: the moved domain leaves them out.
        source: as it was.
        motions: what moved it.
        lost: (1, rows, columns), True where the source has no data; the image is mirrored there.
    """

    case: Case
    source: Case
    motions: Motions
    lost: Mask

    @classmethod
    def of(cls, source: Case, motions: Motions) -> MovedCase:
        """Move a case of one slice.

        Raises:
            RegionError: a box would leave the slice.
        """
        volume, (_, rows, columns) = source.volume, source.volume.geometry.shape
        boxes = moved_boxes(source.boxes, motions, (rows, columns))
        if boxes is None:
            raise RegionError("regions: the motions would cut a box; draw others", code="no-room")
        moved = replace(volume, stored=moved_plane(volume.stored[0], motions)[None])
        return cls(Case(moved, boxes), source, motions, lost_of(motions, (rows, columns))[None])

    def mask(self, mask: Mask) -> Mask:
        """A mask of the source (1, rows, columns), moved; mirrored where the source has no data."""
        return moved_mask(mask[0], self.motions)[None]
