"""The domain: where a changed voxel still gives a plausible image. Outside it everything is protected.

Each part is a function of the volume, on the native grid, True where a voxel may change; `domain` is what they agree
on. What is never to happen is a change of the background, the most visible fault of generated radiographs and CT
slices, so in doubt a part says no: that costs some freedom, and never a plausible image.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
import numpy.typing as npt

from medaug.errors import RegionError
from medaug.imaging.volume import Float32, Mask, Volume, Window
from medaug.regions.domains import markers, organs, projections, radiograph
from medaug.regions.domains.body import ct_body, mr_body
from medaug.regions.domains.islands import islands
from medaug.regions.domains.morphology import ShownRadiograph, grown

DomainPart = Literal["body", "bone", "lung", "brain", "window", "not-padding", "not-border", "not-marker"]

SPECK = 25  # px
NOISE = 0.1  # of the window's width


@dataclass(frozen=True, eq=False)
class Shown:
    """A volume under a window; what the parts share is computed once.

    Attributes:
        volume: the source.
        window: what is presented to the prior, in modality units.
    """

    volume: Volume
    window: Window

    @cached_property
    def values(self) -> npt.NDArray[np.floating]:
        """Modality values."""
        return self.volume.modality

    @cached_property
    def brightness(self) -> Float32:
        """Modality values cut to the window; bright is high, also for MONOCHROME1."""
        cut = np.clip(self.values, self.window.low, self.window.high).astype(np.float32, copy=False)
        return np.asarray(-cut if self.volume.inverted else cut)

    @cached_property
    def frames(self) -> tuple[ShownRadiograph, ...]:
        """The slices of a radiograph."""
        return tuple(ShownRadiograph(one) for one in self.brightness)

    @property
    def is_radiograph(self) -> bool:
        """Whether the grid is a projection's: no patient coordinates."""
        return self.volume.geometry.space != "patient"

    @property
    def is_ct(self) -> bool:
        """Whether values are in HU on a grid in patient space."""
        return not self.is_radiograph and (self.volume.source.modality == "CT" or self.volume.rescale[0].units == "HU")

    @property
    def everywhere(self) -> Mask:
        """All True."""
        return np.ones(self.volume.geometry.shape, dtype=np.bool_)


def domain(volume: Volume, window: Window, parts: Sequence[DomainPart]) -> Mask:
    """Where a volume may change: what all ``parts`` agree on; everywhere, when there are none.

    Args:
        volume: the source.
        window: what is presented to the prior, in modality units.
        parts: any of `DomainPart`.

    Returns:
        (k, i, j) on the native grid, True where a voxel may change. May be empty: the laws refuse that.

    Raises:
        RegionError: a part can't be told on images of this kind.
    """
    shown = Shown(volume, window)
    free = shown.everywhere
    for part in dict.fromkeys(parts):
        free &= PARTS[part](shown)
    return free


def body(shown: Shown) -> Mask:
    """Inside the patient, with the skin's edge: by HU in CT, by shape in radiographs, by a threshold in all else.

    Air inside a CT or MR body (lungs, bowel) belongs to it. On a radiograph that air isn't told from the rest: what
    is as dark and as flat as direct exposure is background, even between two legs.
    """
    if shown.is_radiograph:
        return _per_frame(shown, radiograph.anatomy)
    return ct_body(shown.values) if shown.is_ct else mr_body(shown.values, shown.volume.padded)


def bone(shown: Shown) -> Mask:
    """Bone: by HU in CT, by brightness within the limb on a radiograph. MR doesn't show it.

    Raises:
        RegionError: MR, a mammogram or a grid in patient space without HU.
    """
    if shown.is_radiograph and shown.volume.source.modality != "MG":
        return _per_frame(shown, projections.bone)
    _need(shown.is_ct, "bone", "CT and radiographs of limbs")
    return organs.ct_bone(shown.values, shown.volume.geometry.spacing)


def lung(shown: Shown) -> Mask:
    """Lungs: by HU and shape in CT, as two dark fields on a frontal chest radiograph.

    Raises:
        RegionError: MR, a mammogram or a grid in patient space without HU.
    """
    if shown.is_radiograph and shown.volume.source.modality != "MG":
        return _per_frame(shown, projections.lungs)
    _need(shown.is_ct, "lung", "CT and chest radiographs")
    return organs.ct_lung(shown.values, shown.volume.geometry.spacing)


def brain(shown: Shown) -> Mask:
    """The brain without skull and scalp: within a closed skull in CT, by level and depth in MR.

    Raises:
        RegionError: a radiograph.
    """
    _need(not shown.is_radiograph, "brain", "CT and MR")
    if shown.is_ct:
        return organs.ct_brain(shown.values, shown.volume.geometry.spacing)
    return organs.mr_brain(shown.values, shown.volume.padded, shown.volume.geometry.spacing)


def inside_window(shown: Shown) -> Mask:
    """Voxels strictly within the window: a clipped value can't be regenerated. Noise at its ends makes no confetti.

    Fat in a soft-tissue window flickers in and out of it. So islands of under `SPECK` px are left out, and clipped
    specks of under `SPECK` px are taken in where they pass the window by less than `NOISE` of its width: what is
    generated there lies at the window's end, a change as small as the noise.
    """
    values, window = shown.values, shown.window
    inside = np.asarray((values > window.low) & (values < window.high))
    if inside.all():
        return inside
    reach = NOISE * window.width
    specks = islands(~inside, SPECK)
    clipped = values.reshape(-1)[specks]
    near = (clipped > window.low - reach) & (clipped < window.high + reach)
    flat = inside.reshape(-1)
    flat[specks[near]] = True
    flat[islands(inside, SPECK)] = False
    return inside


def not_padding(shown: Shown) -> Mask:
    """All but the padding and the voxels next to it in the slice, whose values are often mixed with it."""
    return ~grown(shown.volume.padded, 1) if shown.volume.padding is not None else shown.everywhere


def not_border(shown: Shown) -> Mask:
    """All but a constant frame or a dim shutter along the edges, which exports and collimators leave."""
    return _per_frame(shown, radiograph.within_frame) if shown.is_radiograph else shown.everywhere


def not_marker(shown: Shown) -> Mask:
    """All but side markers and burned-in text on a radiograph, and other things that are small and white.

    Screws, pins and the edges of casts look the same and are kept as they are.
    """
    return _per_frame(shown, markers.without_markers) if shown.is_radiograph else shown.everywhere


PARTS: dict[DomainPart, Callable[[Shown], Mask]] = {
    "body": body,
    "bone": bone,
    "lung": lung,
    "brain": brain,
    "window": inside_window,
    "not-padding": not_padding,
    "not-border": not_border,
    "not-marker": not_marker,
}


def _need(holds: bool, part: DomainPart, kinds: str) -> None:
    if not holds:
        raise RegionError(
            f"regions: domain part {part!r} is told on {kinds} only, found another image; "
            "take the part out of the profile's domain, or run such series with another profile",
            code="part-unknown",
        )


def _per_frame(shown: Shown, find: Callable[[ShownRadiograph], Mask]) -> Mask:
    return np.stack([find(frame) for frame in shown.frames])
