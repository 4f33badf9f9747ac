"""The labels of a derived series as a DICOM measurement report (TID 1500), for those who read boxes from a PACS."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset

from medaug.dicom.evidence.concepts import coded
from medaug.dicom.evidence.evidence_headers import (
    Place,
    building,
    evidence_uid,
    finish,
    frame_references,
    headers,
    save,
    series_number,
    shown,
)
from medaug.dicom.evidence.templates import Templates
from medaug.dicom.uids import derived_uid
from medaug.dicom.write.attribute_values import put
from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.written import Written
from medaug.imaging.boxes import Box

PROCEDURE = ("363679005", "SCT", "Imaging procedure")
PURPOSE = ("75958009", "SCT", "Bounded by")
SERIES_OFFSET = 750


def write_report(
    files: Sequence[Path],
    boxes: Sequence[Box],
    *,
    provenance: Provenance,
    path: Path,
    templates: Templates | None = None,
) -> Written:
    """Write the boxes as planar regions, one group for each box and slice; same inputs, same bytes.

    The groups of one box share a tracking UID. The template needs a group, so there is no report of no box.

    Args:
        files: the derived instances in slice order.
        boxes: on their grid; at least one.
        provenance: of the unit.
        path: the file to write; its folder exists.
        templates: what is kept between variants.

    Returns:
        The file.

    Raises:
        WriteError: the object can't be built from these headers, or was not read back as written.
        OutputError: the disk didn't take it.

    Source: PS3.16 TID 1500, TID 1410; PS3.3 C.18.6.
    """
    derived = headers(files)
    with building("report"):
        made = report(derived, boxes, provenance, templates)
    return save(made, path)


def report(
    derived: Sequence[Dataset], boxes: Sequence[Box], provenance: Provenance, templates: Templates | None = None
) -> Dataset:
    """The object; arguments as for `write_report`, headers in place of files.

    Raises:
        Exception: whatever highdicom raises over odd headers.
    """
    first, serial, version = derived[0], provenance.unit[:16], provenance.software_version
    named = dict.fromkeys(_tracking_uid(first, box) for box in boxes)
    names = serial, evidence_uid("labels series", first), evidence_uid("labels", first), *named
    told = tuple((coded(box), [*named].index(_tracking_uid(first, box))) for box in boxes)
    made = (templates or Templates()).of(
        "report",
        derived,
        (version, told),
        names,
        lambda: built(frame_references(derived), boxes, version, serial),
        [outline(box).ravel().tolist() for box in boxes],
    )
    put(made, "SeriesNumber", series_number(first, SERIES_OFFSET))  # the variant's own
    finish(made, derived[0], provenance, f"{provenance.title} labels")
    return made


def outline(box: Box) -> npt.NDArray[np.float64]:
    """The box's edges in a slice: 5 closed points (column, row); (0, 0) is the corner of the image.

    A pixel's centre is at half numbers in SCOORD, (0.5, 0.5) for the first, so edges are whole numbers: the half-open
    columns 3 to 7 give x from 3.0 to 7.0.

    Source: PS3.3 C.18.6.1.2.
    """
    (_, top, left), (_, bottom, right) = box.start, box.stop
    return np.array([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], dtype=np.float64)


def built(slices: Sequence[Place], boxes: Sequence[Box], version: str, serial: str, *names: str) -> Dataset:
    """The object by highdicom, without identity and dates.

    Args:
        slices: of the series that the boxes lie on, in order: the header, and the frame's number in an Enhanced one.
        boxes: on its grid; at least one.
        version: of medaug.
        serial: the device's serial number.
        names: what tells apart several reports on one series.
    """
    import highdicom
    from pydicom.sr.coding import Code

    first = slices[0][0]
    images = [shown(ds) for ds in {id(ds): ds for ds, _ in slices}.values()]
    observer = highdicom.sr.DeviceObserverIdentifyingAttributes(
        uid=derived_uid("observer", "medaug"), manufacturer_name="medaug", model_name="medaug"
    )
    device = highdicom.sr.ObserverContext(Code("121007", "DCM", "Device"), observer)
    content = highdicom.sr.MeasurementReport(
        observation_context=highdicom.sr.ObservationContext(observer_device_context=device),
        procedure_reported=Code(*PROCEDURE),
        imaging_measurements=[
            _group(number, box, slices[k], _tracking_uid(first, box, *names))
            for number, box in enumerate(boxes, 1)
            for k in range(box.start[0], box.stop[0])
        ],
        title=Code("126000", "DCM", "Imaging Measurement Report"),
    )
    made: Dataset = highdicom.sr.ComprehensiveSR(
        evidence=images,
        content=content,
        series_instance_uid=evidence_uid("labels series", first),
        series_number=series_number(first, SERIES_OFFSET),
        sop_instance_uid=evidence_uid("labels", first),
        instance_number=1,
        manufacturer="medaug",
        manufacturer_model_name="medaug",
        software_versions=version,
        device_serial_number=serial,
        is_complete=True,
        is_final=False,
        is_verified=False,
    )
    return made


def _tracking_uid(first: Dataset, box: Box, *names: str) -> str:
    """The same for all groups of a box."""
    return evidence_uid("label", first, *names, *box.start, *box.stop, box.label)


def _group(number: int, box: Box, place: Place, tracking_uid: str) -> Any:
    """TID 1410: one box on one slice."""
    import highdicom
    from pydicom.sr.coding import Code

    image, frame = place
    return highdicom.sr.PlanarROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=highdicom.sr.TrackingIdentifier(uid=tracking_uid, identifier=f"label {number}"),
        referenced_region=highdicom.sr.ImageRegion(
            graphic_type="POLYLINE",
            graphic_data=outline(box),
            source_image=highdicom.sr.SourceImageForRegion(
                str(image.SOPClassUID), str(image.SOPInstanceUID), [frame] if frame else None
            ),
        ),
        finding_type=Code(*coded(box)),
        geometric_purpose=Code(*PURPOSE),
    )
