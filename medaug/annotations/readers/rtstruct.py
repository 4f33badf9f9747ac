"""RT Structure Sets: one box per region of interest, around its contours."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.dicom_codes import code_of
from medaug.annotations.dicom_objects import every, loaded, references
from medaug.annotations.label_choice import LabelChoice
from medaug.annotations.matching.by_position import Figure, match_by_position
from medaug.annotations.model import Images, Note, ReaderResult, joined, withheld
from medaug.annotations.parsing import MAX_NUMBER, text
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Code
from medaug.imaging.geometry import Float64
from medaug.imaging.volume import Volume
from medaug.processes.quiet import quiet

OFF_PLANE = 0.5  # slices; a contour that lies farther from the slice it names belongs to another

# RTROIInterpretedType (PS3.3 C.8.8.8) of what is no lesion however it is drawn, and the names that planning systems
# give the patient's outline where they state no type.
NO_LESIONS = frozenset({"EXTERNAL", "SUPPORT", "FIXATION", "BOLUS", "ISOCENTER", "REGISTRATION", "CONTROL",
                        "DOSE_REGION", "DOSE_MEASUREMENT", "IRRAD_VOLUME", "TREATED_VOLUME", "BRACHY_CHANNEL",
                        "BRACHY_ACCESSORY", "BRACHY_SRC_APP", "BRACHY_CHNL_SHLD"})  # fmt: skip
OUTLINES = frozenset({"body", "external", "z_external", "skin", "patient outline", "outer contour"})
ORGANS = frozenset({"ORGAN", "OAR", "AVOIDANCE", "CONTRAST_AGENT", "CAVITY"})
MARKS = frozenset({"MARKER", "DEVICE", *ORGANS, *NO_LESIONS})  # whose single points mark no lesion


@dataclass(frozen=True, eq=False)
class Contour:
    """One contour: (N, 3) in LPS mm, and the images that it names; of a point there is one row."""

    points: Float64
    images: tuple[str, ...]

    @property
    def is_point(self) -> bool:
        """Whether it says where and not how far."""
        return len(self.points) == 1


@dataclass(frozen=True, eq=False)
class Region:
    """One region of interest.

    Attributes:
        name: ROIName; without one ``region-3``.
        named: whether it has a name of its own.
        kind: RTROIInterpretedType, or "".
        where: how messages name it.
        number: ROINumber.
        contours: its contours; those of the kind POINT, which may be several, as one each.
        code: where an observation identifies it.
        fault: why its name or contours can't be used, or "".
    """

    name: str
    named: bool
    kind: str
    where: str
    number: int
    contours: tuple[Contour, ...]
    code: Code | None
    fault: str = ""

    @property
    def types(self) -> tuple[str, ...]:
        """Its interpreted type, where one is stated."""
        return (self.kind,) if self.kind else ()

    @property
    def is_lesion(self) -> bool:
        """Whether it may be one: not the patient's outline, a support, the beam's, or an organ that nobody named."""
        outline = not self.kind and self.name.casefold() in OUTLINES
        return not (outline or self.kind in NO_LESIONS or (self.kind in ORGANS and not self.named))


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one structure set, or of every one below a folder.

    A contour lies on the slice of the image that it names (ContourImageSequence) and at its own position; both must
    agree. Contours that name none lie by position, on the series that the object refers to, or where it refers to none
    on its frame of reference (PS3.3 C.8.8.5, C.8.8.6).

    What RTROIInterpretedType calls the patient's outline, a support or the isocentre is passed over with a note, unless
    the choice of labels states its name or type; so are single points beside a contour, unless their type is a
    target's. A set of nothing but points, and a region that is malformed, withhold its volumes.

    Raises:
        AnnotationError: not a readable structure set.
    """
    return every(path, "rtstruct", "structure set", images, _one)


def _one(path: Path, images: Images, where: str) -> ReaderResult:
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
        return ReaderResult(notes=(Note(images.missing(*named, *series), where),))
    passed = [Note("no-lesion", region.where) for region in regions if not _counts(region, images.choice)]
    kept = [region for region in regions if _counts(region, images.choice) and not _ignored(region, images.choice)]
    types = frozenset((region.name, region.kind) for region in regions if region.kind)
    faulty = [withheld(meant, "bad-entry", region.fault) for region in kept if region.fault]
    return joined((ReaderResult(notes=tuple(passed), types=types), *faulty, *(_on(volume, kept) for volume in meant)))


def _counts(region: Region, choice: LabelChoice) -> bool:
    """Whether it is a lesion by what it says of itself, or by the user's word."""
    return region.is_lesion or choice.states(region.name, region.types)


def _ignored(region: Region, choice: LabelChoice) -> bool:
    """What is ignored withholds nothing, be it malformed or without extent."""
    return choice.role(region.name, region.types) == "ignored"


def _on(volume: Volume, regions: Sequence[Region]) -> ReaderResult:
    """The regions on one volume; contours of slices that aren't here are somebody else's."""
    outlined = any(not contour.is_point for region in regions for contour in region.contours)
    parts = [_region_on(volume, region, outlined=outlined) for region in regions]
    return joined((ReaderResult(named=frozenset((volume.source.key,))), *parts))


def _region_on(volume: Volume, region: Region, *, outlined: bool) -> ReaderResult:
    own = set(volume.source.instance_uids)
    here = [c for c in region.contours if not c.images or own.intersection(c.images)]
    if not here:
        return ReaderResult()
    if any(_misplaced(contour, volume) for contour in here):
        return withheld([volume], "grid-differs", region.where)
    drawn = [contour for contour in here if not contour.is_point]
    if not drawn:
        marks = region.kind in MARKS or (outlined and not region.kind)
        points_only = ReaderResult(notes=(Note("point", region.where),))
        return points_only if marks else withheld([volume], "no-extent", region.where)
    points = np.concatenate([contour.points for contour in here])
    figure = Figure("POLYGON", points, region.name, region.where, str(region.number), region.code)
    matched = match_by_position([figure], [volume])
    # a region that goes by position and lies beside a volume of its series is no fault of either
    outside = {note.code for note in matched.notes} == {"outside"}
    beside = outside and volume.geometry.space == "patient" and not any(c.images for c in drawn)
    return ReaderResult(named=matched.named) if beside else matched


def _misplaced(contour: Contour, volume: Volume) -> bool:
    slices = [k for k, uid in enumerate(volume.source.instance_uids) if uid in contour.images]
    if volume.geometry.space != "patient" or len(slices) != 1:
        return False
    return bool(np.abs(volume.geometry.to_index(contour.points)[:, 0] - slices[0]).max() > OFF_PLANE)


def _regions(dataset: Any, where: str) -> Iterator[Region]:
    names = {int(item.ROINumber): str(item.get("ROIName") or "").strip() for item in dataset.StructureSetROISequence}
    observed = {
        int(item.ReferencedROINumber): item
        for item in dataset.get("RTROIObservationsSequence") or []
        if "ReferencedROINumber" in item
    }
    for item in dataset.get("ROIContourSequence") or []:
        number = int(item.ReferencedROINumber)
        if contours := item.get("ContourSequence"):
            yield _region(number, names[number], observed.get(number), contours, f"{where}, region {number}")


def _region(number: int, name: str, observation: Any, contours: Any, where: str) -> Region:
    kind = str(observation.get("RTROIInterpretedType") or "").strip().upper() if observation is not None else ""
    code = code_of(observation, "RTROIIdentificationCodeSequence") if observation is not None else None
    label = name or f"region-{number}"
    try:
        label = text(label, where, "ROIName")
        drawn = tuple(contour for item in contours for contour in _contours(item, where))
    except AnnotationError as error:
        return Region(label, bool(name), kind, where, number, (), code, str(error))
    return Region(label, bool(name), kind, where, number, drawn, code)


def _contours(item: Any, where: str) -> list[Contour]:
    """The contour; of the kind POINT, each of its points."""
    points = _numbers(item.get_item("ContourData").value, where)
    if not points.size or points.size % 3 or not (np.abs(points) <= MAX_NUMBER).all():
        raise AnnotationError(f"{where}: expected contours of (x, y, z), found {points.size} numbers; export it again")
    points, images = points.reshape(-1, 3), tuple(references(item.get("ContourImageSequence") or []))
    several = str(item.get("ContourGeometricType") or "").strip().upper() == "POINT"
    return [Contour(point, images) for point in points[:, None]] if several else [Contour(points, images)]


def _numbers(data: Any, where: str) -> Float64:
    """The numbers of a decimal string as they stand in the file: millions of them, and no object for each.

    In explicit VR, more text than the 64 KiB that DS can hold has the VR UN (PS3.5 6.2.2).
    """
    if not isinstance(data, bytes):  # parsed before
        return np.array([float(n) for n in data])
    stated = data.strip(b"\0 ")
    points: Float64 = np.fromstring(stated.decode("ascii"), dtype=np.float64, sep="\\")
    if points.size != stated.count(b"\\") + 1:  # it ends at what is no number
        raise AnnotationError(f"{where}: expected numbers in a contour, found something else; export it again")
    return points


def _referenced(dataset: Any) -> tuple[frozenset[str], frozenset[str]]:
    """Series, and frames of reference, that the object says it was drawn in."""
    frames = list(dataset.get("ReferencedFrameOfReferenceSequence") or [])
    studies = [s for f in frames for s in f.get("RTReferencedStudySequence") or []]
    series = [str(r.SeriesInstanceUID) for s in studies for r in s.get("RTReferencedSeriesSequence") or []]
    return frozenset(series), frozenset(str(f.FrameOfReferenceUID) for f in frames if "FrameOfReferenceUID" in f)
