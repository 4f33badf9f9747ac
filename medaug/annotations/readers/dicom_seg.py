"""DICOM Segmentation objects: one box per segment and connected component, overlapping segments included."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.annotations.dicom_codes import code_of
from medaug.annotations.dicom_objects import every, loaded, objects, parsing
from medaug.annotations.matching.connected_components import component_spans
from medaug.annotations.matching.seg_frames import Placement, SegFrame, frames_of, placements, referenced
from medaug.annotations.model import ClassMask, Images, Note, ReaderResult
from medaug.annotations.parsing import text
from medaug.errors import AnnotationError, ReadError
from medaug.imaging.boxes import Box, Code
from medaug.imaging.volume import Mask, Volume
from medaug.processes import decoder
from medaug.processes.quiet import quiet
from medaug.storage.plain_files import read_plain

MAX_BYTES = 4 << 30  # of a file, and of its decoded pixels


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one Segmentation, or of every one below a folder; other DICOM files there are passed over.

    Each frame lies where its source image says (SOP Instance UID) and, in patient space, where its own position says;
    both must agree. The label is the SegmentLabel, its code the segmented property type. A voxel counts when it is
    occupied at all, or at least half probable.

    Raises:
        AnnotationError: not a readable Segmentation, or it contradicts its images.
    """
    return every(path, "seg", "segmentation", images, _one)


@dataclass(frozen=True, eq=False)
class Masks:
    """The pixels of a Segmentation, (frames, rows, columns), and what they mean."""

    dataset: Any
    pixels: npt.NDArray[np.integer]

    def marked(self, frame: SegFrame, segment: int) -> npt.NDArray[np.int64]:
        """(N, 2) rows and columns of the pixels of a segment on a frame."""
        pixels, kind = self.pixels[frame.number], self.dataset.SegmentationType
        if kind == "LABELMAP":
            return np.argwhere(pixels == segment)
        if frame.segment != segment:
            return np.empty((0, 2), dtype=np.int64)
        if kind == "FRACTIONAL" and self.dataset.SegmentationFractionalType == "PROBABILITY":
            return np.argwhere(pixels.astype(np.int64) * 2 >= int(self.dataset.MaximumFractionalValue))
        return np.argwhere(pixels > 0)


@dataclass(frozen=True)
class ReadSegment:
    """One segment: its number, its SegmentLabel, and the code of its property type."""

    number: int
    label: str
    code: Code | None


def _segment(item: Any, where: str) -> ReadSegment:
    label = text(item.SegmentLabel, where, "SegmentLabel")
    return ReadSegment(int(item.SegmentNumber), label, code_of(item, "SegmentedPropertyTypeCodeSequence"))


def masks(path: Path, images: Images) -> Iterator[ClassMask]:
    """What `read` makes boxes of, as masks on the volumes; a segment may be on several of them, and come twice.

    Raises:
        AnnotationError: as `read`.
    """
    for n, file in enumerate(objects(path, "seg")):
        with parsing(f"segmentation {n}"):
            parsed = _parsed(file, images.volumes, f"segmentation {n}")
        for placement in parsed.found:
            for segment in parsed.segments:
                marked = _marked(parsed.masks, placement, segment) if parsed.masks else None
                if marked is not None:
                    yield ClassMask(placement.volume.source.key, segment.label, marked)


@dataclass(frozen=True, eq=False)
class _Parsed:
    """A Segmentation as far as it concerns the volumes; ``masks`` is None where it concerns none.

    ``meant`` are the UIDs of the series and instances that it says it was drawn on.
    """

    frames: Sequence[SegFrame]
    found: Sequence[Placement]
    segments: Sequence[ReadSegment]
    masks: Masks | None
    meant: frozenset[str]


def _parsed(path: Path, volumes: Sequence[Volume], where: str) -> _Parsed:
    dataset = loaded(path, "seg", where, MAX_BYTES)
    try:
        with quiet():
            frames = frames_of(dataset)
            found = placements(dataset, frames, volumes, where)
            meant = frozenset().union(*referenced(dataset))
        listed = [_segment(item, where) for item in dataset.SegmentSequence]
    except (AttributeError, IndexError, KeyError, StopIteration, TypeError, ValueError):
        raise AnnotationError(f"{where}: its functional groups or segments are incomplete; export it again") from None
    background = dataset.SegmentationType == "LABELMAP"  # which is the value 0 there, and no segment
    segments = [segment for segment in listed if segment.number > 0 or not background]
    pixels = Masks(dataset, _pixels(path, dataset, len(frames), where)) if found else None
    return _Parsed(frames, found, segments, pixels, meant)


def _one(path: Path, images: Images, where: str) -> ReaderResult:
    parsed = _parsed(path, images.volumes, where)
    frames, found, pixels = parsed.frames, parsed.found, parsed.masks
    if pixels is None:
        return ReaderResult(notes=(Note(images.missing(*parsed.meant, *(frame.uid for frame in frames)), where),))
    drawn = {frame.number for frame in frames if pixels.pixels[frame.number].any()}
    notes = [Note(code, f"{where}, frame {n}") for n, code in _unplaced(frames, found, images) if n in drawn]
    for number in _unlisted(frames, parsed.segments, pixels):
        fault = f"{where}, frame {number}: expected a segment that the object lists, found none; export it again"
        notes.append(Note("bad-entry", fault))
    doubted = frozenset(p.volume.source.key for p in found if any(note.code == "bad-entry" for note in notes))
    unsure = [p.volume.source.key for p in found if drawn.intersection(frame.number for frame in p.misfits)]
    boxes = [(p.volume.source.key, b) for p in found for s in parsed.segments for b in _boxes(pixels, p, s, where)]
    named = frozenset(p.volume.source.key for p in found)
    return ReaderResult(tuple(boxes), named, doubted.union(unsure), tuple(notes))


def _unlisted(frames: Sequence[SegFrame], segments: Sequence[ReadSegment], masks: Masks) -> Iterator[int]:
    """Frames with something drawn that belongs to no segment."""
    numbers = {segment.number for segment in segments}
    for frame in frames:
        pixels = masks.pixels[frame.number]
        values = set(np.unique(pixels[pixels > 0]).tolist()) if frame.segment is None else {frame.segment}
        if pixels.any() and not values <= numbers:
            yield frame.number


def _unplaced(frames: Sequence[SegFrame], found: Sequence[Placement], images: Images) -> Iterator[tuple[int, str]]:
    """Frames that lie on no volume, and why."""
    placed = {frame.number for placement in found for frame, _ in placement.frames}
    misfit = {frame.number for placement in found for frame in placement.misfits}
    for frame in frames:
        if frame.number not in placed:
            yield frame.number, "grid-differs" if frame.number in misfit else images.missing(frame.uid)


def _boxes(masks: Masks, placement: Placement, segment: ReadSegment, where: str) -> Iterator[Box]:
    """One box per connected component of a segment on a volume; what lies outside the volume is cut."""
    marked = _marked(masks, placement, segment)
    if marked is not None:
        for n, (start, stop) in enumerate(component_spans(marked, where), 1):
            yield Box(start, stop, segment.label, f"{segment.number}.{n}", segment.code)


def _marked(masks: Masks, placement: Placement, segment: ReadSegment) -> Mask | None:
    """True where a segment lies on a volume, (slices, rows, columns); None where it doesn't."""
    shape = placement.volume.geometry.shape
    points = [step.points(masks.marked(frame, segment.number)) for frame, step in placement.frames]
    inside = [p[((p >= 0) & (p < shape)).all(axis=1)] for p in points]
    if not any(len(p) for p in inside):
        return None
    marked = np.zeros(shape, dtype=np.bool_)
    for p in inside:
        marked[tuple(p.T)] = True
    return marked


def _pixels(path: Path, dataset: Any, frames: int, where: str) -> npt.NDArray[np.integer]:
    shape = (frames, int(dataset.Rows), int(dataset.Columns))
    size = shape[0] * shape[1] * shape[2] * max(1, int(dataset.BitsAllocated) // 8)
    if size > MAX_BYTES or int(dataset.NumberOfFrames) != frames:
        raise AnnotationError(
            f"{where}: expected {frames} frames of at most {MAX_BYTES >> 20} MiB, found {size >> 20} MiB"
        )
    try:
        with quiet():
            compressed = dataset.file_meta.TransferSyntaxUID.is_encapsulated
            return (_apart(path, shape) if compressed else np.asarray(dataset.pixel_array)).reshape(shape)
    except ReadError as error:
        raise AnnotationError(f"{where}: {error}") from None
    except Exception as error:  # noqa: BLE001 - likewise
        raise AnnotationError(f"{where}: its pixels can't be decoded ({type(error).__name__})") from None


def _apart(path: Path, shape: tuple[int, int, int]) -> npt.NDArray[np.integer]:
    """Compressed masks, decoded in a process of their own, see `apart`."""
    voxels = math.prod(shape)
    facts = {"voxels": voxels}
    said, cells = decoder.ask("segmentation", facts, read_plain(path, MAX_BYTES), pixels=voxels, most=2 * voxels)
    return np.frombuffer(cells, dtype=f"u{said['bytes']}")
