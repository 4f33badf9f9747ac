"""Evidence of a further variant from that of the one before: bytes as if built anew, and nobody else's names."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from unittest import mock

import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.evidence import report, segmentation
from medaug.dicom.evidence.report import write_report
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.evidence.templates import Templates
from medaug.imaging.boxes import Box, Code
from tests.support.dicom_derived import PROVENANCE
from tests.support.evidence_series import Made, derived

UNITS = ("a" * 64, "b" * 64, "c" * 64)


def variant(made: Made, number: int, folder: Path, change: dict[str, object]) -> tuple[Path, ...]:
    """The derived files under names of their own, as another variant's."""
    folder.mkdir()
    files = []
    for path in made.files:
        ds = pydicom.dcmread(path)
        ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = f"{ds.SOPInstanceUID[:-3]}{number}"
        ds.SeriesInstanceUID, ds.SeriesNumber = f"{ds.SeriesInstanceUID[:-3]}{number}", 70 + number
        for keyword, value in change.items():
            setattr(ds, keyword, value)
        ds.save_as(folder / path.name)
        files.append(folder / path.name)
    return tuple(files)


def evidence(
    made: Made, files: tuple[Path, ...], number: int, folder: Path, templates: Templates | None
) -> list[bytes]:
    said = replace(PROVENANCE, unit=UNITS[number], variant=number)
    paths = folder / f"regions{number}.dcm", folder / f"boxes{number}.dcm"
    write_segmentation(files, made.masks, provenance=said, path=paths[0], templates=templates)
    write_report(files, made.boxes, provenance=said, path=paths[1], templates=templates)
    return [path.read_bytes() for path in paths]


CHANGES: tuple[dict[str, object], ...] = (
    {"PatientName": "Secret^Person", "PatientID": "4711", "AccessionNumber": "A1", "PatientComments": "secret"},
    {"PatientName": "", "PatientID": "", "StudyInstanceUID": "2.25.1234"},
    {"PatientOrientation": ["A", "F"], "StudyInstanceUID": "1.2.840.10008.5.1.4.1.1.1"},
)


@pytest.mark.parametrize("kind", ["CR every trap", "CT"])
def test_bytes_are_those_of_what_is_built_anew(kind: str, tmp_path: Path) -> None:
    made, kept = derived(kind, tmp_path), Templates()
    (tmp_path / "kept").mkdir()
    (tmp_path / "anew").mkdir()
    for number, change in enumerate(CHANGES):
        files = variant(made, number, tmp_path / str(number), change if kind != "CT" else {})
        mine = evidence(made, files, number, tmp_path / "kept", kept)
        assert mine == evidence(made, files, number, tmp_path / "anew", None)
        assert number == 0 or not any(b"ecret" in data or b"4711" in data for data in mine)


def test_a_radiographs_next_variant_is_not_built_and_other_looks_are(tmp_path: Path) -> None:
    made, kept = derived("DX", tmp_path), Templates()
    built: list[Dataset] = []

    def counted(real: object) -> object:
        def build(*given: object) -> Dataset:
            built.append(real(*given))  # type: ignore[operator]
            return built[-1]

        return build

    with (
        mock.patch.object(report, "built", counted(report.built)),
        mock.patch.object(segmentation, "_built", counted(segmentation._built)),
    ):
        for number, (change, count) in enumerate(zip(({}, {"PatientID": "x"}, CHANGES[2]), (2, 2, 4), strict=True)):
            evidence(made, variant(made, number, tmp_path / str(number), change), number, tmp_path, kept)
            assert len(built) == count


MOVED = (  # boxes of the next source, and whether its report is built anew
    ((Box((0, 1, 2), (1, 9, 8), "fracture"), Box((0, 3, 3), (1, 5, 11), "mass")), False),
    ((Box((0, 1, 2), (1, 9, 8), "mass"), Box((0, 3, 3), (1, 5, 11), "fracture")), True),
    ((Box((0, 1, 2), (1, 9, 8), "fracture"),), True),
    ((Box((0, 7, 7), (1, 8, 8), "fracture", id="7"),), False),
    ((Box((0, 7, 7), (1, 8, 8), "fracture", code=Code("1", "SCT", "Fracture")),), True),
    ((Box((0, 7, 7), (1, 8, 8), "fracture"), Box((0, 7, 7), (1, 8, 8), "fracture")), True),  # they share a name
    ((Box((0, 7, 7), (1, 8, 8), "fracture"), Box((0, 7, 7), (1, 8, 9), "fracture")), True),  # these don't
)


def test_the_report_of_another_radiograph_differs_in_its_outlines_and_says_them(tmp_path: Path) -> None:
    made, kept = derived("DX", tmp_path), Templates()
    first = Box((0, 4, 4), (1, 8, 8), "fracture"), Box((0, 2, 1), (1, 3, 9), "mass")
    for number, (boxes, anew) in enumerate(((first, True), *MOVED)):
        files = variant(made, number, tmp_path / str(number), {"StudyInstanceUID": f"2.25.9{number}"})
        said, path = replace(PROVENANCE, variant=number), tmp_path / f"boxes{number}.dcm"
        with mock.patch.object(report, "built", wraps=report.built) as built:
            write_report(files, boxes, provenance=said, path=path, templates=kept)
            assert built.called == anew, number
        write_report(files, boxes, provenance=said, path=tmp_path / "anew.dcm")
        assert path.read_bytes() == (tmp_path / "anew.dcm").read_bytes()
