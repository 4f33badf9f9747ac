"""Where the frames of a Segmentation lie: on the slice of their source image, and at their own position."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from medaug.annotations.matching.by_name import Index
from medaug.annotations.matching.grid_alignment import TOLERANCE, Step, snapped
from medaug.annotations.model import Images
from medaug.errors import AnnotationError
from medaug.imaging.geometry import Float64, Geometry
from medaug.imaging.volume import Volume


@dataclass(frozen=True, eq=False)
class FramePlane:
    """A frame in patient space (PS3.3 C.7.6.2.1.1): the pixel in row r, column c is at position + r·down + c·along."""

    position: Float64
    down: Float64
    along: Float64


@dataclass(frozen=True, eq=False)
class SegFrame:
    """One frame, without its pixels.

    Attributes:
        number: position in the object, from 0.
        segment: its segment, or None where pixel values name it (label maps).
        uid: SOPInstanceUID of its only source image, or "".
        plane: where it lies, or None where it doesn't say (radiographs).
        shape: (rows, columns).
    """

    number: int
    segment: int | None
    uid: str
    plane: FramePlane | None
    shape: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Placement:
    """What of a Segmentation lies on one volume.

    Attributes:
        volume: the volume.
        frames: its frames, each with the map from (row, column) to (k, i, j).
        misfits: frames of its images that don't share its voxels.
    """

    volume: Volume
    frames: list[tuple[SegFrame, Step]] = field(default_factory=list)
    misfits: list[SegFrame] = field(default_factory=list)


def frames_of(dataset: Any) -> tuple[SegFrame, ...]:
    """All frames, by their functional groups, per frame or shared (PS3.3 C.7.6.16)."""
    shared = dataset.SharedFunctionalGroupsSequence[0]
    shape = (int(dataset.Rows), int(dataset.Columns))
    frames = []
    for number, own in enumerate(dataset.PerFrameFunctionalGroupsSequence):
        groups = (own, shared)
        segment = None
        if dataset.SegmentationType != "LABELMAP":
            segment = int(_item(groups, "SegmentIdentificationSequence").ReferencedSegmentNumber)
        frames.append(SegFrame(number, segment, _source(groups), _plane(groups), shape))
    return tuple(frames)


def placements(dataset: Any, frames: Sequence[SegFrame], volumes: Sequence[Volume], where: str) -> list[Placement]:
    """Every volume that the Segmentation speaks of, with the frames that lie on it.

    A frame goes to the slice with its source's SOP Instance UID. Without one it goes by position, onto volumes of the
    series that the object refers to; where it refers to nothing at all, onto volumes of its frame of reference.

    Raises:
        AnnotationError: a frame's position and its source image name different slices.
    """
    uids = Index.of(Images(volumes)).uids
    series, instances = referenced(dataset)
    frame_of_reference = dataset.get("FrameOfReferenceUID")
    nowhere = not series and not any(frame.uid for frame in frames)
    result = [Placement(volume) for volume in volumes]
    common = frame_of_reference if nowhere else None
    related = [v for v, volume in enumerate(volumes) if _related(volume, series, common)]
    for frame in frames:
        spots = uids.get(frame.uid.casefold(), []) if frame.uid else []
        for v in sorted({v for v, _ in spots}) or related:
            slices = [k for w, k in spots if w == v]
            step = _step(frame, volumes[v], slices, where)
            _file(result[v], frame, step, known=bool(slices))
    placed = {frame.number for placement in result for frame, _ in placement.frames}
    for p in result:
        # a frame that found its grid elsewhere in the series, or merely shares a frame of reference, is no misfit here
        own = p.volume.source.instance_uids
        p.misfits[:] = [f for f in p.misfits if f.uid in own or not (nowhere or f.number in placed)]
    return [p for p in result if p.frames or p.misfits or instances.intersection(p.volume.source.instance_uids)]


def _file(placement: Placement, frame: SegFrame, step: Step | None, *, known: bool) -> None:
    """A frame of the same series that lies beside the volume belongs to a slice that isn't here."""
    if step is None:
        placement.misfits.append(frame)
        return
    low, high = step.span((0, 0), frame.shape)
    beside = any(a >= n or b <= 0 for a, b, n in zip(low, high, placement.volume.geometry.shape, strict=True))
    if known or not beside:
        placement.frames.append((frame, step))


def _step(frame: SegFrame, volume: Volume, slices: list[int], where: str) -> Step | None:
    """The frame's position on a volume that its object refers to, or None when it doesn't share the volume's voxels.

    Another Frame of Reference UID is no obstacle: tools that take out identities give each object a new one, while the
    image or series referred to and the position still say the same.
    """
    grid = volume.geometry
    known = len(slices) == 1
    if frame.plane is not None and _invertible(grid):
        step = _by_position(frame.plane, frame.shape, grid)
        if step is not None and known and (step.steps[0].any() or step.origin[0] != slices[0]):
            raise AnnotationError(
                f"{where}, frame {frame.number}: its source image is slice {slices[0]}, its position is slice "
                f"{int(step.origin[0])}; export it again"
            )
        return step
    if known and frame.shape == grid.shape[1:]:
        return Step(np.array([slices[0], 0, 0]), np.array([[0, 0], [1, 0], [0, 1]]))
    return None


def _by_position(plane: FramePlane, shape: tuple[int, int], grid: Geometry) -> Step | None:
    origin, below, beside = grid.to_index(
        np.array([plane.position, plane.position + plane.down, plane.position + plane.along])
    )
    steps = np.stack([below - origin, beside - origin], axis=1)
    if grid.shape[0] == 1 and abs(origin[0]) > TOLERANCE:
        # a slice of its own has a thickness but no spacing: a frame that is not on it is beside it, wherever that is
        origin[0] = np.copysign(np.ceil(abs(origin[0])), origin[0])
    return snapped(origin, steps, shape)


def _invertible(grid: Geometry) -> bool:
    return grid.space == "patient" and abs(float(np.linalg.det(grid.affine[:3, :3]))) > 1e-9


def _related(volume: Volume, series: frozenset[str], frame_of_reference: str | None) -> bool:
    if frame_of_reference is not None:
        return volume.geometry.frame_of_reference_uid == frame_of_reference
    return volume.source.series_uid in series


def referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Series and instances that the object says it was drawn on (PS3.3 C.12.1.3, Common Instance Reference)."""
    items = list(dataset.get("ReferencedSeriesSequence") or [])
    for study in dataset.get("StudiesContainingOtherReferencedInstancesSequence") or []:
        items += list(study.get("ReferencedSeriesSequence") or [])
    instances = (i.ReferencedSOPInstanceUID for item in items for i in item.get("ReferencedInstanceSequence") or [])
    return frozenset(str(item.SeriesInstanceUID) for item in items), frozenset(str(uid) for uid in instances)


def _source(groups: tuple[Any, Any]) -> str:
    """The only source image of a frame; several (a resampled mask) or none leave its position to decide."""
    derivations = (d for group in groups for d in group.get("DerivationImageSequence") or [])
    sources = {str(s.ReferencedSOPInstanceUID) for d in derivations for s in d.get("SourceImageSequence") or []}
    return sources.pop() if len(sources) == 1 else ""


def _plane(groups: tuple[Any, Any]) -> FramePlane | None:
    names = ("PlanePositionSequence", "PlaneOrientationSequence", "PixelMeasuresSequence")
    if not all(any(name in group for group in groups) for name in names):
        return None
    position, orientation, measures = (_item(groups, name) for name in names)
    cosines = np.array(orientation.ImageOrientationPatient, dtype=np.float64)
    between_rows, between_columns = (float(n) for n in measures.PixelSpacing)
    origin = np.array(position.ImagePositionPatient, dtype=np.float64)
    return FramePlane(origin, cosines[3:] * between_rows, cosines[:3] * between_columns)


def _item(groups: tuple[Any, Any], name: str) -> Any:
    return next(group[name][0] for group in groups if name in group)
