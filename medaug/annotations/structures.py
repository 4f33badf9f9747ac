"""Structures of a Segmentation or a label map, voxel by voxel: what must not change, or what alone may."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from medaug.annotations.registry import detect, image_files, in_archive, read_annotations, read_masks
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Mask, Volume

Packed = bytes
FORMATS = ("seg", "labelmap")


def read_structures(
    path: Path, volumes: Sequence[Volume], known: Sequence[Path] = (), what: str = "structures"
) -> dict[str, Mask]:
    """Volume key → (k, i, j) mask of all segments, or values above 0, of a file or a folder.

    Volumes that it doesn't speak of are left out. What belongs to a volume and can't be placed on it is an error, not a
    note: a structure that isn't found would be changed. Messages call the file ``what``, such as ``protect``.

    Raises:
        AnnotationError: no Segmentation or label map, one that is malformed or doesn't fit its series, or none that
            lies on any of the volumes.
    """
    name = _format(path, volumes, known, what)
    matched = read_annotations(path, volumes, known=known, format=name)
    if matched.withheld:
        reasons = "; ".join(matched.unmatched_annotations)
        raise AnnotationError(f"{what}: some of it can't be placed on its series: {reasons}", code="grid-differs")
    found: dict[str, Mask] = {}
    for marked in read_masks(path, volumes, known):
        found[marked.key] = found[marked.key] | marked.mask if marked.key in found else marked.mask
    if not found:
        raise AnnotationError(
            f"{what}: nothing of it lies on any of the series that are used; check which it was drawn on"
        )
    return found


def _format(path: Path, volumes: Sequence[Volume], known: Sequence[Path], what: str) -> str:
    expected = f"{what}: expected a DICOM Segmentation or a NIfTI or NRRD label map"
    try:
        archived = in_archive(path)
    except OSError as error:
        raise AnnotationError(f"{what}: can't be read ({error.strerror}); check the path") from None
    if archived or not path.exists():
        found = "a zip archive or a path into one; unpack it" if archived else "nothing there; check the path"
        raise AnnotationError(f"{expected}, found {found}")
    try:
        name = detect(path, image_files(volumes, known))
    except OSError as error:
        raise AnnotationError(f"{what}: can't be read ({error.strerror}); check the path") from None
    except AnnotationError as error:
        raise AnnotationError(f"{expected}, found something else; give one of these", code=error.code) from None
    if name not in FORMATS:
        raise AnnotationError(f"{expected}, found {name}; convert it, or give it as --annotations")
    return name


def on_volumes(
    paths: Sequence[Path],
    volumes: Sequence[Volume],
    known: Sequence[Path] = (),
    what: str = "structures",
    read: Callable[[Path, Sequence[Volume], Sequence[Path], str], dict[str, Mask]] = read_structures,
) -> dict[str, Mask]:
    """Volume key → all structures of all these files on it; nothing where no file is given.

    A volume that none of them speaks of has an empty mask. ``read`` is `read_structures`, here or elsewhere.

    Raises:
        AnnotationError: as `read_structures`.
    """
    wanted = volumes if paths else ()
    masks: dict[str, Mask] = {v.source.key: np.zeros(v.geometry.shape, dtype=np.bool_) for v in wanted}
    for path in paths:
        for key, mask in read(path, volumes, known, what).items():
            masks[key] |= mask
    return masks


def packed(mask: Mask) -> Packed:
    """A mask in few bytes, for a plan that waits and travels."""
    return zlib.compress(np.packbits(mask).tobytes())


def unpacked(data: Packed, shape: tuple[int, int, int]) -> Mask:
    """The way back of `packed`."""
    bits = np.frombuffer(zlib.decompress(data), dtype=np.uint8)
    return np.unpackbits(bits, count=int(np.prod(shape))).reshape(shape).astype(np.bool_)


def with_boxes(mask: Mask | None, boxes: Sequence[Box] | None, shape: tuple[int, int, int]) -> Mask | None:
    """A mask of what must not change, or None for nothing, with the boxes in it."""
    if not boxes:
        return mask
    held = np.zeros(shape, dtype=np.bool_) if mask is None else mask.copy()
    for box in boxes:
        held[box.slices] = True
    return held


def kept(shape: tuple[int, int, int], protect: Mask | None, within: Mask | None) -> Mask | None:
    """What must not change: the structures themselves, and all that lies outside of those to stay within."""
    if protect is None and within is None:
        return None
    mask = np.zeros(shape, dtype=np.bool_) if protect is None else protect.copy()
    return mask if within is None else mask | ~within
