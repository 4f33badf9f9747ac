"""The user's labelled images as a detector sees them: 8 bits on a square, boxes beside them, and who is alike."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from medaug.assemble import window_of
from medaug.benchmark.evaluation import Boxes
from medaug.benchmark.images.stated_parts import StatedPart
from medaug.errors import RunError, counted
from medaug.execution.planning.plan import Usable, survey
from medaug.execution.planning.request import RunRequest
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from medaug.manifests.rendering import bytes_of
from medaug.profile.profile import Profile
from medaug.storage.canonical_json import canonical
from medaug.training.image_pool import duplicate_groups, fingerprints, on_canvas

NOWHERE = StatedPart("", "")
UInt8 = npt.NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Picture:
    """An image with its labels, real or made.

    Attributes:
        source: key of the real image that it is, or was made from.
        pixels: (size, size) uint8, bright is high, centred on black.
        boxes: its labels on that square; none on a normal image.
    """

    source: str
    pixels: UInt8
    boxes: Boxes

    @property
    def digest(self) -> str:
        """SHA-256 of pixels and labels."""
        return hashlib.sha256(self.pixels.tobytes() + canonical(self.plain_boxes)).hexdigest()

    @property
    def plain_boxes(self) -> list[list[float]]:
        """x0, y0, x1, y1 and class of each box, hundredths of a pixel."""
        table = np.column_stack([self.boxes.corners, self.boxes.classes])
        return [[round(float(value), 2) for value in row] for row in table]


@dataclass(frozen=True, eq=False)
class Dataset:
    """The images of an export.

    Attributes:
        labelled: images with boxes, in the order of their keys.
        normals: usable images without any, likewise.
        groups: of each labelled image and then of each normal one: patient and near-duplicates together, from 0.
        classes: labels by name; a class is a place here.
        parts: of each image, as groups, where the user gave them; of `splits.PARTS`.
        usable: where each image is loaded from, by its key.
    """

    labelled: tuple[Picture, ...]
    normals: tuple[Picture, ...]
    groups: tuple[int, ...]
    classes: tuple[str, ...]
    parts: tuple[str, ...] = ()
    usable: Mapping[str, Usable] = field(default_factory=dict)

    @property
    def everything(self) -> tuple[Picture, ...]:
        """Labelled and normal images."""
        return (*self.labelled, *self.normals)


def read_dataset(request: RunRequest, size: int, places: Mapping[str, StatedPart] | None = None) -> Dataset:
    """Read an export as `medaug run` would, through the profile's window.

    Args:
        request: what the run that makes the variants is asked.
        size: side of the square in px.
        places: parts that the user gives, by file; images that it doesn't name are left out.

    Raises:
        ReadError: there is no such export.
        AnnotationError: an annotation file is malformed.
        RunError: fewer than two labelled images, or volumes of several slices.
    """
    found, _ = survey(request.input, request.profile, request.annotations, request.accept_identity)
    placed = {one.key: _place(one, request.input, places) for one in found}
    usable = [one for one in found if placed[one.key].part or places is None]
    classes = tuple(sorted({box.label for one in usable for box in one.boxes}))
    read = [
        (placed[one.key].patient or one.patient, bool(one.boxes), picture)
        for one, picture in _pictures(usable, request.profile, size, classes)
    ]
    read.sort(key=lambda each: (not each[1], each[2].source))
    labelled = tuple(picture for _, has_boxes, picture in read if has_boxes)
    if len(labelled) < 2:
        raise RunError(f"benchmark: expected labelled images, found {len(labelled)}; `medaug boxes` says why")
    groups = grouped([patient for patient, _, _ in read], np.stack([picture.pixels for _, _, picture in read]))
    normals = tuple(picture for _, has_boxes, picture in read if not has_boxes)
    parts = tuple(placed[picture.source].part for _, _, picture in read if places is not None)
    return Dataset(labelled, normals, groups, classes, parts, {one.key: one for one in usable})


def grouped(patients: Sequence[str], images: UInt8) -> tuple[int, ...]:
    """Numbers that images of one patient share, and near-duplicates, and those of a near-duplicate, and so on.

    Args:
        patients: of each image.
        images: (N, size, size).
    """
    first_of = {patient: n for n, patient in reversed(list(enumerate(patients)))}
    links = np.array([*((n, first_of[patient]) for n, patient in enumerate(patients))])
    links = np.vstack([links, np.column_stack([np.arange(len(images)), duplicate_groups(fingerprints(images))])])
    graph = coo_array((np.ones(len(links)), links.T), shape=(len(images), len(images)))
    return tuple(int(n) for n in connected_components(graph, directed=False)[1])


def picture_of(volume: Volume, boxes: Sequence[Box], profile: Profile, size: int, classes: Sequence[str]) -> Picture:
    """A volume of one slice on the square.

    Raises:
        RunError: it has several slices.
    """
    slices, rows, columns = volume.geometry.shape
    if slices != 1:
        raise RunError(
            f"benchmark: a volume has {counted(slices, 'slice')}; take each as an image of its own: --slices"
        )
    pixels, (high, wide) = on_canvas(Image.fromarray(bytes_of(volume, window_of(profile, volume), 0)), size)
    top, left = (size - high) // 2, (size - wide) // 2
    corners = [
        (
            left + box.start[2] * wide / columns,
            top + box.start[1] * high / rows,
            left + box.stop[2] * wide / columns,
            top + box.stop[1] * high / rows,
        )
        for box in boxes
    ]
    numbers = np.array([classes.index(box.label) for box in boxes], dtype=np.int64)
    rounded = np.round(np.array(corners).reshape(-1, 4), 2)  # as they are recorded
    return Picture(volume.source.key, pixels, Boxes.labelled(rounded, numbers))


def _place(one: Usable, root: Path, places: Mapping[str, StatedPart] | None) -> StatedPart:
    """Where the user put an image, by its file: with its folders, or by its last name."""
    path = one.source.file or (one.source.series.images[0][0] if one.source.series else root)
    names = (path.relative_to(root).as_posix() if path.is_relative_to(root) else "", path.name)
    return next((places[name] for name in names if name in places), NOWHERE) if places else NOWHERE


def _pictures(
    usable: Sequence[Usable], profile: Profile, size: int, classes: Sequence[str]
) -> Iterator[tuple[Usable, Picture]]:
    for one in usable:
        volume = one.source.volume(one.key)
        yield one, picture_of(volume, one.boxes, profile, size, classes)
