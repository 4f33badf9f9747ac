"""The user's own DICOM and NIfTI as a prior sees them: same readers, same windows, same presentation as a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from torch import Tensor

from medaug.assemble import window_of
from medaug.errors import ReadError
from medaug.execution.planning.plan import Usable, survey
from medaug.imaging.boxes import Box
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Float32, Mask, Volume
from medaug.inverse.aligned import from_array
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile

FLAT = 0.02  # standard deviation in display units under which a slice shows nothing


@dataclass(frozen=True, eq=False)
class PriorSquares:
    """Slices on the prior's square.

    Attributes:
        images: (N, size, size) float32 in [-1, 1], bright is high.
        lesions: (N, size, size), True where a box of the slice touches the pixel.
        extents: (N, 2) rows and columns that hold image; the rest is padding.
        patients: the patient of each slice, a digest.
        names: ``source key/slice``, which depends on no file name.
        labels: those of the boxes that touch the slice, sorted.
    """

    images: Float32
    lesions: Mask
    extents: npt.NDArray[np.int64]
    patients: tuple[str, ...]
    names: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...] = ()

    @property
    def tensor(self) -> Tensor:
        """(N, 1, size, size)."""
        return from_array(self.images)[:, None]


def presented(
    root: Path,
    profile_name: str,
    size: int,
    *,
    annotations: Sequence[Path] = (),
    limit: int | None = None,
    identity_reason: str | None = None,
) -> PriorSquares:
    """Read INPUT and present every slice that shows something, in the order of the source keys.

    Args:
        root: folder or file of DICOM and NIfTI; never changed.
        profile_name: whose window and modalities are used.
        size: side of the square in px.
        annotations: boxes of lesions; a label map among INPUT is not an image.
        limit: as many slices at most, one from each source as long as there are sources.
        identity_reason: as in a run.

    Raises:
        ReadError: nothing usable; the message says why.
        ProfileError: the profile is wrong.
        AnnotationError: an annotation file is malformed.
    """
    profile = load_profile(profile_name)
    usable, skips = survey(root, profile, annotations, identity_reason)
    chosen = usable if limit is None else usable[:: max(1, len(usable) // limit)][:limit]
    most = None if limit is None or not chosen else -(-limit // len(chosen))
    slices = [slice_ for entry in chosen for slice_ in _slices(entry, profile, size, most)][:limit]
    if not slices:
        reasons = "; ".join(sorted({f"{skip.code}: {skip.reason}" for skip in skips})) or "no file of them"
        raise ReadError(
            f"INPUT: expected images that profile {profile.name!r} takes, found none ({reasons[:600]})",
            code="empty-input",
        )
    images, lesions, extents, patients, names, labels = zip(*slices, strict=True)
    return PriorSquares(np.stack(images), np.stack(lesions), np.array(extents, dtype=np.int64), patients, names, labels)


_Slice = tuple[Float32, Mask, tuple[int, int], str, str, tuple[str, ...]]


def _slices(entry: Usable, profile: profiles.Profile, size: int, most: int | None) -> list[_Slice]:
    """The slices of one volume that show something; the ``most`` middle ones of them."""
    volume = entry.source.volume(entry.key)
    view = Presentation.of(volume, window_of(profile, volume), size)
    images = view.present(volume.modality)
    boxes = view.shrink(_boxed(volume, entry.boxes), 0.0)
    shows = np.flatnonzero(images.std(axis=(1, 2)) > FLAT)
    if most is not None:
        first = max(0, (len(shows) - most) // 2)
        shows = shows[first : first + most]
    return [
        (images[k], boxes[k], view.inner, entry.patient, f"{entry.key}/{k}", _labels(entry.boxes, int(k)))
        for k in shows
    ]


def _labels(boxes: Sequence[Box], k: int) -> tuple[str, ...]:
    return tuple(sorted({box.label for box in boxes if box.start[0] <= k < box.stop[0]}))


def _boxed(volume: Volume, boxes: Sequence[Box]) -> Mask:
    inside = np.zeros(volume.geometry.shape, dtype=np.bool_)
    for box in boxes:
        inside[box.slices] = True
    return inside
