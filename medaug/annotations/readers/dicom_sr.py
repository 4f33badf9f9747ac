"""Structured reports: every SCOORD and SCOORD3D of the tree, so TID 1500 and CAD reports alike."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from medaug.annotations.dicom_codes import code_of, own_label
from medaug.annotations.dicom_objects import carriers, every, loaded
from medaug.annotations.matching.by_name import match_by_name
from medaug.annotations.matching.by_position import Figure, match_by_position
from medaug.annotations.model import Entry, Images, Note, ReaderResult, Rectangle, joined
from medaug.annotations.parsing import text
from medaug.annotations.shapes import extent, thickened
from medaug.errors import AnnotationError
from medaug.imaging.boxes import Code
from medaug.imaging.geometry import Float64
from medaug.processes.quiet import quiet

FINDINGS = {("121071", "DCM"), ("111059", "DCM"), ("111015", "DCM")}  # Finding, Single Image Finding, Composite Feature
MAX_DEPTH = 32


@dataclass(frozen=True)
class Finding:
    """What was found: the label, and its code where the report states one."""

    label: str
    code: Code | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """One spatial coordinates item with what it hangs below.

    Attributes:
        kind: GraphicType.
        points: (N, 2) column and row in edge coordinates, or (N, 3) in LPS mm.
        finding: the finding's meaning, and its code where there is one.
        where: its place in the tree, as numbers.
        group: the place of the item that holds it.
        uid: the image (SCOORD) or the frame of reference (SCOORD3D).
        frame: of a multi-frame image, from 0, where exactly one is named.
    """

    kind: str
    points: Float64
    finding: Finding
    where: str
    group: str
    uid: str
    frame: int | None = None


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one structured report, or of every one below a folder.

    SCOORD: (0, 0) is the corner and (0.5, 0.5) the centre of the first pixel (PS3.3 C.18.6.1.1). On an instance of
    several frames it lies on the slice that holds the one frame it names, and is withheld where it names several or
    none. SCOORD3D goes onto the volumes of its frame of
    reference, of those onto the instances that the report names as evidence, where it does. The label is the Finding of
    the measurement group, else "finding". A point has no extent, and is passed over only beside an outline in the same
    item, where it is a CAD mark's centre.

    Raises:
        AnnotationError: not a readable report.
    """
    return every(path, "sr", "report", images, _one)


def _one(path: Path, images: Images, where: str) -> ReaderResult:
    dataset = loaded(path, "sr", where)
    try:
        with quiet():
            drawn = list(_walk(dataset, Finding("finding"), where, 0))
            evidence = _evidence(dataset)
    except (AttributeError, IndexError, KeyError, TypeError, ValueError):
        raise AnnotationError(f"{where}: its coordinates or references are incomplete; export it again") from None
    if not drawn:
        return ReaderResult(notes=(Note("nothing-drawn", where),))
    outlined = {item.group for item in drawn if item.kind != "POINT"}
    kept = [item for item in drawn if item.kind != "POINT" or item.group not in outlined]
    flat = [item for item in kept if item.points.shape[1] == 2]
    parts = [_flat_or_withheld(item, images) for item in flat]
    return joined((*parts, *(_solid(item, images, evidence) for item in kept if item.points.shape[1] == 3)))


def _flat_or_withheld(item: Drawn, images: Images) -> ReaderResult:
    try:
        return _flat(item, images)
    except AnnotationError as error:
        return ReaderResult(unsure=carriers(item.uid, images.volumes), notes=(Note("bad-entry", str(error)),))


def _flat(item: Drawn, images: Images) -> ReaderResult:
    reach = extent(item.kind, item.points, item.where)
    if reach is None:
        meant = carriers(item.uid, images.volumes)
        return ReaderResult(unsure=meant, notes=(Note("no-extent" if meant else images.missing(item.uid), item.where),))
    low, high = thickened(*reach)
    corners = [(float(a), float(b)) for a, b in (low, high)]
    rectangle = Rectangle(corners[0], corners[1], item.finding.label, item.where, code=item.finding.code)
    return match_by_name([Entry((rectangle,), item.uid, slice=_slice(item, images))], images)


def _slice(item: Drawn, images: Images) -> int | None:
    """K of the frame that an item names, where one volume holds that frame; for other images it plays no part."""
    spots = {
        k
        for volume in images.volumes
        for k, (uid, frame) in enumerate(zip(volume.source.instance_uids, volume.source.frames, strict=True))
        if uid == item.uid and frame == item.frame
    }
    return spots.pop() if len(spots) == 1 else None


def _solid(item: Drawn, images: Images, evidence: frozenset[str]) -> ReaderResult:
    in_frame = [v for v in images.volumes if item.uid and v.geometry.frame_of_reference_uid == item.uid]
    meant = [v for v in in_frame if evidence.intersection(v.source.instance_uids)] if evidence else in_frame
    figure = Figure(item.kind, item.points, item.finding.label, item.where, code=item.finding.code)
    return match_by_position([figure], meant)


def _walk(item: Any, finding: Finding, where: str, depth: int) -> Iterator[Drawn]:
    """Depth first; a group's finding names everything below it."""
    if depth > MAX_DEPTH:
        raise AnnotationError(f"{where}: expected at most {MAX_DEPTH} levels, found more; export it again")
    children = list(item.get("ContentSequence") or [])
    findings = [c for c in children if c.get("ValueType") == "CODE" and _code(c, "ConceptNameCodeSequence") in FINDINGS]
    if item.get("ValueType") == "CODE" and _code(item, "ConceptNameCodeSequence") in FINDINGS:
        findings = [item]
    if findings:
        finding = _finding(findings[0], where)
    for n, child in enumerate(children):
        spot = f"{where}.{n}" if depth else f"{where}, item {n}"
        kind = child.get("ValueType")
        if kind in ("SCOORD", "SCOORD3D"):
            yield _drawn(child, finding, spot, where)
        yield from _walk(child, finding, spot, depth + 1)


def _finding(item: Any, where: str) -> Finding:
    concept = item.ConceptCodeSequence
    label = own_label(concept) or str(concept[0].CodeMeaning)
    return Finding(text(label, where, "a finding"), code_of(item, "ConceptCodeSequence"))


def _drawn(item: Any, finding: Finding, where: str, group: str) -> Drawn:
    size = 3 if item.ValueType == "SCOORD3D" else 2
    points = np.array([float(n) for n in item.GraphicData]).reshape(-1, size)
    if size == 3:
        return Drawn(item.GraphicType, points, finding, where, group, str(item.ReferencedFrameOfReferenceUID))
    sources = [c for c in item.get("ContentSequence") or [] if c.get("ValueType") == "IMAGE"]
    reference = sources[0].ReferencedSOPSequence[0]
    numbers = reference.get("ReferencedFrameNumber")
    several = numbers is None or (not isinstance(numbers, str | int) and len(numbers) != 1)
    frame = None if several else int(numbers if isinstance(numbers, str | int) else numbers[0]) - 1
    return Drawn(item.GraphicType, points, finding, where, group, str(reference.ReferencedSOPInstanceUID), frame)


def _code(item: Any, name: str) -> tuple[str, str]:
    items: Sequence[Any] = item.get(name) or []
    return (str(items[0].get("CodeValue")), str(items[0].get("CodingSchemeDesignator"))) if items else ("", "")


def _evidence(dataset: Any) -> frozenset[str]:
    studies = list(dataset.get("CurrentRequestedProcedureEvidenceSequence") or [])
    series = [r for study in studies for r in study.get("ReferencedSeriesSequence") or []]
    return frozenset(str(i.ReferencedSOPInstanceUID) for r in series for i in r.get("ReferencedSOPSequence") or [])
