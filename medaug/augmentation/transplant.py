"""A case into which a donor's lesion is set before anything is generated: pixels, boxes and domain alike."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from medaug.augmentation.case import Case
from medaug.errors import RegionError
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Float64
from medaug.imaging.graft import Graft, area_of, grafted_plane, mask_of
from medaug.imaging.moved import grain
from medaug.imaging.volume import Area, Mask, Stored, Volume

DrawGraft = Callable[[Case, Mask, int], Graft]


@dataclass(frozen=True, eq=False)
class GraftedCase:
    """A case and what it became.

    Attributes:
        case: with the lesion set in, the ring around it already passing over from the donor's tissue to the host's.
        source: as it was.
        graft: what was set in, and where.
        domain: (1, rows, columns), where the ring may change.
        before: the host with the lesion alone: what verification compares with.
    """

    case: Case
    source: Case
    graft: Graft
    domain: Mask
    before: Volume

    @classmethod
    def of(cls, source: Case, graft: Graft, domain: Mask) -> GraftedCase:
        """Set the donor's lesion into a case of one slice.

        Args:
            source: the host with its donor.
            graft: what is set in.
            domain: of the host, where anatomy is.

        Raises:
            RegionError: there is no donor, or the graft doesn't fit.
        """
        if source.donor is None:
            raise RegionError("regions: a transplant needs a donor; plan the run anew", code="no-place")
        host, donor = source.volume.stored[0], source.donor.volume.stored[0]
        bare = grafted_plane(host, donor, graft)
        here = domain & mask_of(graft.window, host.shape)[None]
        ring = here[0] & ~mask_of(graft.place, host.shape)
        boxes = (*source.boxes, graft.placed(source.donor.box))
        case = Case(_with(source.volume, _passing_over(bare, donor, graft, ring)), boxes)
        return cls(case, source, graft, here, _with(source.volume, bare))

    @property
    def place(self) -> Box:
        """The lesion with its margin, as it lies in the host."""
        top, bottom, left, right = self.graft.place
        return Box((0, top, left), (1, bottom, right), "")


def _with(volume: Volume, plane: Stored) -> Volume:
    return replace(volume, stored=plane[None])


def _passing_over(bare: Stored, donor: Stored, graft: Graft, ring: Mask) -> Stored:
    """The host with the lesion, and a ring that is the donor's beside it and the host's where nothing may change.

    What is noise by its size comes whole from the nearer of the two: a mean of two would be smoother than either.
    """
    over = area_of(graft.window)
    here, lesion = ring[over], mask_of(graft.place, ring.shape)[over]
    mine = bare[over].astype(np.int64)
    theirs = graft.grey.of(donor[_back(over, graft.shift)])
    share = _share(here, lesion)
    noise = np.where(share > 0.5, grain(theirs), grain(mine))
    smooth = (mine - grain(mine)) * (1 - share) + (theirs - grain(theirs)) * share
    mixed = np.clip(np.rint(smooth + noise), graft.grey.low, graft.grey.high)
    result = bare.copy()
    result[over] = np.where(here, mixed, mine).astype(bare.dtype)
    return result


def _share(ring: Mask, lesion: Mask) -> Float64:
    """The donor's share in [0, 1]: 1 beside the lesion, 0 beside what stays the host's."""
    from scipy.ndimage import distance_transform_edt

    near, far = distance_transform_edt(~lesion), distance_transform_edt(np.pad(ring | lesion, 1))[1:-1, 1:-1]
    share = far / np.maximum(near + far, 1)
    return np.asarray(share * share * (3 - 2 * share))


def _back(area: Area, shift: tuple[int, int]) -> Area:
    """An area of the host, in the donor."""
    rows, columns = (slice(one.start - by, one.stop - by) for one, by in zip(area, shift, strict=True))
    return rows, columns
