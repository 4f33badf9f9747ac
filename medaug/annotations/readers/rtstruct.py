"""RT Structure Sets: one box per region of interest, around its contours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.dicom_codes import code_of
from medaug.annotations.dicom_objects import loaded, objects, references
from medaug.annotations.matching.by_position import Figure, put
from medaug.annotations.model import Images, Note, Placed, joined
from medaug.annotations.parsing import text
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Code
from medaug.imaging.geometry import Float64
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet

OFF_PLANE = 0.5  # slices; a contour that lies farther from the slice it names belongs to another


@dataclass(frozen=True, eq=False)
class Contour:
    """One closed planar curve, or a point: (N, 3) in LPS mm, and the images that it names."""

    points: Float64
    images: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Region:
    """One region of interest with its contours, and its code where an observation identifies it."""

    name: str
    where: str
    number: int
    contours: tuple[Contour, ...]
    code: Code | None


def read(path: Path, images: Images) -> Placed:
    """Boxes of one structure set, or of every one below a folder.

    A contour lies on the slice of the image that it names (ContourImageSequence) and at its own position; both must
    agree. Contours that name none lie by position, on the series that the object refers to, or where it refers to none
    on its frame of reference (PS3.3 C.8.8.5, C.8.8.6).

    Raises:
        AnnotationError: not a readable structure set.
    """
    files = objects(path, "rtstruct")
    return joined(tuple(_one(file, images, f"structure set {n}") for n, file in enumerate(files)))


def _one(path: Path, images: Images, where: str) -> Placed:
    volumes = images.volumes
    dataset = loaded(path, "rtstruct", where)
    try:
        with quiet():
            regions = list(_regions(dataset, where))
            series, frames = _referenced(dataset)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise AnnotationError(f"{where}: its regions or contours are incomplete; export it again") from None
    named = {uid for region in regions for contour in region.contours for uid in contour.images}
    meant = [v for v in volumes if named.intersection(v.source.instance_uids)]
    if not meant:
        meant = [v for v in volumes if v.source.series_uid in series]
    if not (meant or series or named):
        meant = [v for v in volumes if v.geometry.frame_of_reference_uid in frames]
    if not meant:
        return Placed(notes=(Note(images.missing(*named, *series), where),))
    return joined(tuple(_on(volume, regions) for volume in meant))


def _on(volume: Volume, regions: Sequence[Region]) -> Placed:
    """The regions on one volume; contours of slices that aren't here are somebody else's."""
    parts = [Placed(named=frozenset((volume.source.key,)))]
    own = set(volume.source.instance_uids)
    for region in regions:
        here = [c for c in region.contours if not c.images or own.intersection(c.images)]
        if not here:
            continue
        if any(_misplaced(contour, volume) for contour in here):
            key = frozenset((volume.source.key,))
            parts.append(Placed(unsure=key, notes=(Note("grid-differs", region.where),)))
            continue
        points = np.concatenate([contour.points for contour in here])
        kind = "POINT" if len(points) == 1 else "POLYGON"
        found = put([Figure(kind, points, region.name, region.where, str(region.number), region.code)], [volume])
        # a region that goes by position and lies beside a volume of its series is no fault of either
        parts.append(found if any(c.images for c in here) else Placed(found.boxes, found.named, found.unsure))
    return joined(tuple(parts))


def _misplaced(contour: Contour, volume: Volume) -> bool:
    slices = [k for k, uid in enumerate(volume.source.instance_uids) if uid in contour.images]
    if volume.geometry.space != "patient" or len(slices) != 1:
        return False
    return bool(np.abs(volume.geometry.to_index(contour.points)[:, 0] - slices[0]).max() > OFF_PLANE)


def _regions(dataset: Any, where: str) -> Iterator[Region]:
    names = {int(item.ROINumber): item.get("ROIName") for item in dataset.StructureSetROISequence}
    codes = {
        int(item.ReferencedROINumber): code
        for item in dataset.get("RTROIObservationsSequence") or []
        if (code := code_of(item, "RTROIIdentificationCodeSequence")) and "ReferencedROINumber" in item
    }
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        spot = f"{where}, region {number}"
        contours = tuple(_contour(c, spot) for c in item.get("ContourSequence") or [])
        if contours:
            name = text(str(names[number] or ""), spot, "ROIName")
            yield Region(name, spot, number, contours, codes.get(number))


def _contour(item: Any, where: str) -> Contour:
    data = item.ContourData
    if isinstance(data, bytes):  # VR UN: more text than the 64 KiB that DS can hold in explicit VR (PS3.5 6.2.2)
        data = data.decode("ascii").strip("\0 ").split("\\")
    points = np.array([float(n) for n in data])
    if not points.size or points.size % 3 or not np.isfinite(points).all():
        raise AnnotationError(f"{where}: expected contours of (x, y, z), found {points.size} numbers; export it again")
    return Contour(points.reshape(-1, 3), tuple(references(item.get("ContourImageSequence") or [])))


def _referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Series, and frames of reference, that the object says it was drawn in."""
    frames = list(dataset.get("ReferencedFrameOfReferenceSequence") or [])
    studies = [s for f in frames for s in f.get("RTReferencedStudySequence") or []]
    series = [str(r.SeriesInstanceUID) for s in studies for r in s.get("RTReferencedSeriesSequence") or []]
    return frozenset(series), frozenset(str(f.FrameOfReferenceUID) for f in frames if "FrameOfReferenceUID" in f)
