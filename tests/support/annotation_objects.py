"""DICOM objects that annotate others, built attribute by attribute from the Standard; one lesion each."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileDataset, FileMetaDataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRLittleEndian

from medaug.imaging.volume import Volume
from tests.support import make

SLICE, ROWS, COLUMNS = 2, (20, 31), (10, 25)  # as cases.LESION
OUTLINE = [(10, 20), (25, 20), (25, 31), (10, 31), (10, 20)]  # (column, row) in edge coordinates


def item(**values: Any) -> Dataset:
    built = Dataset()
    for name, value in values.items():
        setattr(built, name, Sequence(value) if isinstance(value, list) and name.endswith("Sequence") else value)
    return built


def saved(path: Path, sop_class: str, dataset: Dataset, syntax: str = "") -> Path:
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, make.uid(path.name)
    meta.TransferSyntaxUID = syntax or ExplicitVRLittleEndian
    built = FileDataset(str(path), dataset, file_meta=meta, preamble=b"\0" * 128)
    built.SOPClassUID, built.SOPInstanceUID = meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID
    built.save_as(path, enforce_file_format=True)
    return path


def world(volume: Volume, points: list[tuple[float, float]], k: float = SLICE) -> np.ndarray:
    """(column, row) in edge coordinates of a slice → LPS mm."""
    return volume.geometry.to_world([(k, row - 0.5, column - 0.5) for column, row in points])


def structure_set(folder: Path, volume: Volume, *, images: bool = True, **changes: Any) -> Path:
    contour = item(
        ContourGeometricType="CLOSED_PLANAR",
        NumberOfContourPoints=len(OUTLINE),
        ContourData=[f"{x:.6f}" for x in world(volume, OUTLINE).ravel()],
    )
    if images:
        named = changes.get("image", volume.source.instance_uids[SLICE])
        contour.ContourImageSequence = Sequence([item(ReferencedSOPInstanceUID=named)])
    series = item(SeriesInstanceUID=volume.source.series_uid)
    study = item(RTReferencedSeriesSequence=[series])
    frame = item(FrameOfReferenceUID=volume.geometry.frame_of_reference_uid, RTReferencedStudySequence=[study])
    dataset = item(
        Modality="RTSTRUCT",
        StructureSetROISequence=[item(ROINumber=7, ROIName="lesion")],
        ROIContourSequence=[item(ReferencedROINumber=7, ContourSequence=[contour])],
        ReferencedFrameOfReferenceSequence=[frame],
    )
    return saved(folder / "rt.dcm", "1.2.840.10008.5.1.4.1.1.481.3", dataset)


def code(value: str, scheme: str, meaning: str) -> list[Dataset]:
    return [item(CodeValue=value, CodingSchemeDesignator=scheme, CodeMeaning=meaning)]


def report(folder: Path, volume: Volume, *drawn: Dataset) -> Path:
    """A measurement group with its finding, in a container, as TID 1500 has it."""
    finding = item(
        ValueType="CODE",
        ConceptNameCodeSequence=code("121071", "DCM", "Finding"),
        ConceptCodeSequence=code("52988006", "SCT", "lesion"),
    )
    group = item(
        ValueType="CONTAINER",
        ConceptNameCodeSequence=code("125007", "DCM", "Measurement Group"),
        ContentSequence=[finding, *drawn],
    )
    sops = [item(ReferencedSOPInstanceUID=uid) for uid in volume.source.instance_uids]
    evidence = item(ReferencedSeriesSequence=[item(ReferencedSOPSequence=sops)])
    top = item(
        Modality="SR",
        ValueType="CONTAINER",
        ContentSequence=[item(ValueType="CONTAINER", ContentSequence=[group])],
        CurrentRequestedProcedureEvidenceSequence=[evidence],
    )
    return saved(folder / "sr.dcm", "1.2.840.10008.5.1.4.1.1.88.34", top)


def flat(volume: Volume, kind: str, points: list[tuple[float, float]]) -> Dataset:
    image = item(
        ValueType="IMAGE",
        ReferencedSOPSequence=[item(ReferencedSOPInstanceUID=volume.source.instance_uids[SLICE])],
    )
    data = [float(n) for p in points for n in p]
    return item(ValueType="SCOORD", GraphicType=kind, GraphicData=data, ContentSequence=[image])


def report_2d(folder: Path, volume: Volume) -> Path:
    return report(folder, volume, flat(volume, "POLYLINE", OUTLINE), flat(volume, "POINT", [(17.5, 25.5)]))


def report_2d_ellipse(folder: Path, volume: Volume) -> Path:
    """The ends of the major axis, then of the minor."""
    return report(folder, volume, flat(volume, "ELLIPSE", [(10, 25.5), (25, 25.5), (17.5, 20), (17.5, 31)]))


def report_3d(folder: Path, volume: Volume) -> Path:
    # float32, so the outline keeps a little away from the voxels' edges
    inner = [(10.1, 20.1), (24.9, 20.1), (24.9, 30.9), (10.1, 30.9), (10.1, 20.1)]
    drawn = item(
        ValueType="SCOORD3D",
        GraphicType="POLYGON",
        GraphicData=[float(x) for x in world(volume, inner).ravel()],
        ReferencedFrameOfReferenceUID=volume.geometry.frame_of_reference_uid,
    )
    return report(folder, volume, drawn)


def presentation_state(folder: Path, volume: Volume, units: str = "PIXEL", kind: str = "POLYLINE") -> Path:
    points = OUTLINE if kind == "POLYLINE" else [(17.5, 25.5)]
    graphic = item(
        GraphicAnnotationUnits=units,
        GraphicDimensions=2,
        NumberOfGraphicPoints=len(points),
        GraphicData=[float(n) for p in points for n in p],
        GraphicType=kind,
        GraphicFilled="N",
    )
    image = item(ReferencedSOPInstanceUID=volume.source.instance_uids[SLICE])
    drawn = item(GraphicLayer="LESION", ReferencedImageSequence=[image], GraphicObjectSequence=[graphic])
    series = item(SeriesInstanceUID=volume.source.series_uid, ReferencedImageSequence=[image])
    dataset = item(Modality="PR", ReferencedSeriesSequence=[series], GraphicAnnotationSequence=[drawn])
    return saved(folder / "pr.dcm", "1.2.840.10008.5.1.4.1.1.11.1", dataset)
