from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from pydicom.sr.codedict import codes

from medaug.dicom.evidence.concepts import finding
from medaug.dicom.evidence.report import PROCEDURE, PURPOSE, outline, write_report
from medaug.errors import WriteError
from medaug.imaging.boxes import Box
from medaug.imaging.boxes import Code as BoxCode
from tests.support.dicom_derived import PROVENANCE, edited
from tests.support.dicom_validators import PRIVATE_CODE, dcentvfy, dciodvfy, errors
from tests.support.evidence_series import BUILT, Made, derived


@pytest.fixture(params=BUILT)
def made(request: pytest.FixtureRequest, tmp_path: Path) -> Made:
    return derived(request.param, tmp_path)


def written(made: Made, path: Path) -> Path:
    write_report(made.files, made.boxes, provenance=PROVENANCE, path=path)
    return path


def test_highdicom_reads_back_every_box_on_every_slice(made: Made, tmp_path: Path) -> None:
    report = hd.sr.srread(written(made, tmp_path / "boxes.dcm"))
    assert isinstance(report, hd.sr.ComprehensiveSR)
    groups = report.content.get_planar_roi_measurement_groups(graphic_type=hd.sr.GraphicTypeValues.POLYLINE)
    position = {pydicom.dcmread(path).SOPInstanceUID: k for k, path in enumerate(made.files)}
    marked = np.zeros_like(made.labelled)
    found = []
    for group in groups:
        points = group.roi.value
        (source,) = (c for c in group[0].ContentSequence if c.ValueType == "SCOORD")
        k = position[source.ContentSequence[0].ReferencedSOPSequence[0].ReferencedSOPInstanceUID]
        (left, top), (right, bottom) = points.min(axis=0), points.max(axis=0)
        np.testing.assert_array_equal(points[0], points[-1])
        centres_i, centres_j = (np.arange(n) + 0.5 for n in marked.shape[1:])  # (0.5, 0.5) is the first pixel's centre
        inside = np.ix_((centres_i > top) & (centres_i < bottom), (centres_j > left) & (centres_j < right))
        marked[k][inside] = True
        found.append((group.finding_type.value, group.tracking_uid, k))
        assert group.finding_type.scheme_designator == "99MEDAUG"
    np.testing.assert_array_equal(marked, made.labelled)
    expected = [(finding(box.label)[0], k) for box in made.boxes for k in range(box.start[0], box.stop[0])]
    assert [(value, k) for value, _, k in found] == expected
    assert len({uid for _, uid, _ in found}) == len(made.boxes)


def test_the_validators_find_nothing(made: Made, tmp_path: Path) -> None:
    path = written(made, tmp_path / "boxes.dcm")
    found = dciodvfy(path)
    assert [x for x in found if x.startswith(("Error", "Abort", "Warning")) and not PRIVATE_CODE.match(x)] == []
    known = "Different information entities for attribute"  # it takes an SR's study attributes for the series'
    study = (*made.source.source.files, *made.files)
    before = dcentvfy(*study)
    assert [x for x in dcentvfy(*study, path) if x not in before and known not in x] == []


def test_it_says_what_it_is_and_of_what(made: Made, tmp_path: Path) -> None:
    ds = pydicom.dcmread(written(made, tmp_path / "boxes.dcm"))
    assert (ds.SyntheticData, ds.ContentQualification, ds.Modality) == ("YES", "RESEARCH", "SR")
    assert (ds.CompletionFlag, ds.VerificationFlag) == ("COMPLETE", "UNVERIFIED")
    referred = {
        r.ReferencedSOPInstanceUID
        for study in ds.CurrentRequestedProcedureEvidenceSequence
        for series in study.ReferencedSeriesSequence
        for r in series.ReferencedSOPSequence
    }
    assert referred == {pydicom.dcmread(path).SOPInstanceUID for path in made.files}
    assert ds.ContentDate == ds.SeriesDate == ds.InstanceCreationDate == "20260304"


def test_the_outline_lies_on_pixel_edges() -> None:
    found = outline(Box((0, 1, 3), (1, 4, 7), "a"))
    assert found.tolist() == [[3, 1], [7, 1], [7, 4], [3, 4], [3, 1]]


@pytest.mark.parametrize(
    ("label", "meaning"),
    [
        ("fracture", "fracture"),
        ("Läsion \\ 2", "L&#228;sion / 2"),
        ("x" * 80, "x" * 64),
        (" \t", "label without a name"),
    ],
)
def test_a_label_becomes_a_legal_code(label: str, meaning: str) -> None:
    value, scheme, found = finding(label)
    assert (scheme, found) == ("99MEDAUG", meaning)
    assert len(value) == 16
    assert finding(label + "!")[0] != value


def test_a_label_s_own_code_is_the_finding_and_the_others_stay_as_they_are(tmp_path: Path) -> None:
    made = derived("CR", tmp_path)
    coded = replace(made.boxes[0], code=BoxCode("72704001", "SCT", "Fracture of bone, größer"))
    write_report(made.files, (coded, made.boxes[1]), provenance=PROVENANCE, path=tmp_path / "boxes.dcm")
    report = hd.sr.srread(tmp_path / "boxes.dcm")
    found = [group.finding_type for group in report.content.get_planar_roi_measurement_groups()]
    assert (found[0].value, found[0].scheme_designator) == ("72704001", "SCT")
    assert found[0].meaning == "Fracture of bone, gr&#246;&#223;er"
    assert found[1].value == finding(made.boxes[1].label)[0]
    assert errors(dciodvfy(tmp_path / "boxes.dcm")) == set()


def test_codes_of_the_standard_have_the_standard_s_meanings() -> None:
    for ours, standard in ((PROCEDURE, codes.SCT.ImagingProcedure), (PURPOSE, codes.SCT.BoundedBy)):
        assert ours == (standard.value, standard.scheme_designator, standard.meaning)


def test_the_same_inputs_give_the_same_bytes(made: Made, tmp_path: Path) -> None:
    assert written(made, tmp_path / "a.dcm").read_bytes() == written(made, tmp_path / "b.dcm").read_bytes()


def test_identity_is_the_derived_instance_s(tmp_path: Path) -> None:
    made = derived("CR every trap", tmp_path)
    ds = pydicom.dcmread(written(made, tmp_path / "boxes.dcm"))
    assert {e.keyword for e in ds.iterall() if "CANARY" in str(e.value)} == {
        "PatientName",
        "PatientID",
        "AccessionNumber",
    }


def test_headers_that_give_no_report_are_refused_without_quoting_them(tmp_path: Path) -> None:
    made = derived("CR", tmp_path)
    edited(made.files[0], lambda ds: delattr(ds, "SOPClassUID"))
    with pytest.raises(WriteError, match=r"evidence\.report to false") as caught:
        written(made, tmp_path / "boxes.dcm")
    assert caught.value.code == "evidence"
