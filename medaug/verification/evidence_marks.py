"""What the evidence beside an image marks: free, observed, label; read frame by frame."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from medaug.audit.record import Record
from medaug.dicom.read.parse import Instance
from medaug.errors import ReadError
from medaug.imaging.boxes import Box
from medaug.imaging.graft import mask_of
from medaug.imaging.moved import lost_of
from medaug.imaging.volume import Mask, Stored
from medaug.regions.marks import FREE, LABEL, OBSERVED, bit
from medaug.verification.faults import Fault

CLOSE = 5e-3  # mm; a header's decimals
Marks = Callable[[int, int], Mask]  # (segment, slice) → (rows, columns)


def marks_of_segmentation(read: Instance, record: Record) -> Marks:
    """The frames of ``evidence/regions.dcm``.

    Raises:
        ReadError: not a binary segmentation of this unit's instances, or cut short.
    """
    assert record.geometry is not None
    ds, (rows, columns) = read.dataset, record.geometry.shape[1:]
    if (ds.get("SegmentationType"), ds.get("Rows"), ds.get("Columns")) != ("BINARY", rows, columns):
        raise ReadError(f"expected a binary segmentation of {rows} × {columns} pixels")
    if ds.file_meta.TransferSyntaxUID.is_encapsulated:
        raise ReadError("expected native pixel data in a binary segmentation")
    frames = _frames(ds, _slices(record))
    data = np.frombuffer(ds.PixelData, dtype=np.uint8)
    size = rows * columns
    if len(frames) != ds.NumberOfFrames or 8 * len(data) < size * len(frames):
        raise ReadError(f"{len(frames)} different frames in {len(data)} bytes, the header says {ds.NumberOfFrames}")

    def mark(segment: int, k: int) -> Mask:
        number = frames.get((segment, k))
        if number is None:
            return np.zeros((rows, columns), dtype=np.bool_)
        first = number * size
        bits = np.unpackbits(data[first // 8 : (first + size + 7) // 8], bitorder="little")
        return bits[first % 8 :][:size].reshape(rows, columns).astype(np.bool_)

    return mark


def marks_of_label_map(stored: Stored, record: Record) -> Marks:
    """The bits of ``evidence/regions.nii.gz``, ``.nrrd``, ``.png`` or ``.tif``, by its stored values.

    Raises:
        ReadError: not a label map on the image's grid.
    """
    assert record.geometry is not None
    if stored.dtype != np.uint8 or stored.shape != record.geometry.shape:
        raise ReadError(f"expected a label map of uint8 and {record.geometry.shape}, found {stored.shape}")
    return lambda segment, k: np.asarray(stored[k] & bit(segment), dtype=np.bool_)


def boxes_on(record: Record, k: int, boxes: Sequence[Box] | None = None) -> Mask:
    """True inside any of the record's boxes, or of these, on slice ``k``."""
    assert record.geometry is not None
    mask = np.zeros(record.geometry.shape[1:], dtype=np.bool_)
    for box in record.boxes if boxes is None else boxes:
        if box.start[0] <= k < box.stop[0]:
            mask[box.slices[1:]] = True
    return mask


def lost_on(record: Record) -> Mask:
    """True where a moved image shows what its source never exposed; (rows, columns), or one False for all of it."""
    if record.moved is None or record.geometry is None:
        return np.zeros((1, 1), dtype=np.bool_)
    return lost_of(record.moved.motions, record.geometry.shape[1:])


def beyond_window(record: Record) -> Mask:
    """True where nothing of an image with a lesion set in may differ from its host; (rows, columns), or one False."""
    if record.transplant is None or record.geometry is None:
        return np.zeros((1, 1), dtype=np.bool_)
    return ~mask_of(record.transplant.graft.window, record.geometry.shape[1:])


def check_marks(marks: Marks, record: Record, file: str, *, grown: Sequence[Box], keeps_boxes: bool) -> Iterator[Fault]:
    """What the evidence says against the record, and against itself.

    Args:
        marks: of the unit.
        record: of the unit.
        file: where the evidence lies.
        grown: the record's boxes with the profile's margin, where that is known.
        keeps_boxes: False where the law regenerates the boxes themselves.
    """
    assert record.geometry is not None
    other = taken = unsaid = 0
    for k in range(record.geometry.shape[0]):
        boxes, free = boxes_on(record, k), marks(FREE, k)
        other += int(np.count_nonzero(marks(LABEL, k) != boxes))
        margin = boxes_on(record, k, grown)
        taken += int(np.count_nonzero(free & (margin & ~lost_on(record) if keeps_boxes else ~margin)))
        taken += int(np.count_nonzero(free & beyond_window(record)))
        unsaid += int(np.count_nonzero(~(free | marks(OBSERVED, k))))
    for count, what in (
        (other, "voxels are marked as label and in no box, or in a box and not marked"),
        (taken, "voxels that the law keeps, of boxes and their margin or outside a window, are marked as generated"),
        (unsaid, "voxels are neither free nor observed"),
    ):
        if count:
            yield Fault("regions-differ", f"{count} {what}", file, record.unit)


def misplaced(ds: Any, record: Record) -> list[int]:
    """Numbers of a segmentation's frames that don't lie where the slice lies that they mark, as far as they say where.

    Raises:
        ReadError: as `marks_of_segmentation`.
    """
    assert record.geometry is not None
    affine = np.array(record.geometry.affine)
    wrong, slices = [], _slices(record)
    shared = (ds.get("SharedFunctionalGroupsSequence") or [None])[0]
    for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence, 1):
        k = _slice_of(group, slices)
        said = [_stated(each, "PlanePositionSequence", "ImagePositionPatient") for each in (group, shared)]
        position = next((value for value in said if value is not None), None)
        if position is not None and not np.allclose(position, affine[:3, 3] + k * affine[:3, 0], rtol=0, atol=CLOSE):
            wrong.append(number)
    return wrong if _lies_along(shared, affine) else list(range(1, len(ds.PerFrameFunctionalGroupsSequence) + 1))


def _lies_along(shared: Any, affine: Any) -> bool:
    """Whether rows and columns of all frames run as the grid's do, as far as that is said."""
    spacing = _stated(shared, "PixelMeasuresSequence", "PixelSpacing")
    turned = _stated(shared, "PlaneOrientationSequence", "ImageOrientationPatient")
    if spacing is None or turned is None:
        return True
    down, along = turned[3:] * spacing[0], turned[:3] * spacing[1]
    return bool(np.allclose([down, along], [affine[:3, 1], affine[:3, 2]], rtol=0, atol=CLOSE))


def _stated(group: Any, sequence: str, keyword: str) -> Any:
    items = (group.get(sequence) if group else None) or []
    value = items[0].get(keyword) if items else None
    return None if value is None else np.array(value, dtype=float)


def _slices(record: Record) -> Mapping[tuple[str, int], int]:
    """(derived instance, its frame from 1) → slice."""
    return {(record.images[n].sop_instance_uid, frame + 1): k for k, (n, frame) in enumerate(record.slice_frames)}


def _frames(ds: Any, slices: Mapping[tuple[str, int], int]) -> dict[tuple[int, int], int]:
    """(segment, slice) → number of the frame. A reference without a frame number means the first, or only, frame."""
    frames = {}
    for number, group in enumerate(ds.PerFrameFunctionalGroupsSequence):
        segment = int(group.SegmentIdentificationSequence[0].ReferencedSegmentNumber)
        frames[segment, _slice_of(group, slices)] = number
    return frames


def _slice_of(group: Any, slices: Mapping[tuple[str, int], int]) -> int:
    image = group.DerivationImageSequence[0].SourceImageSequence[0]
    place = slices.get((str(image.ReferencedSOPInstanceUID), int(image.get("ReferencedFrameNumber") or 1)))
    if place is None:
        raise ReadError("a frame refers to an instance or a frame that is none of the unit's")
    return place
