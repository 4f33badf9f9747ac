"""Nothing of whom an instance shows survives; what an image needs does."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom import DataElement, Dataset
from pydicom.datadict import dictionary_VR, keyword_for_tag
from pydicom.uid import UID

from medaug.dicom.identity import identity_of
from medaug.dicom.read.decode import stored_values
from medaug.dicom.read.parse import parsed
from medaug.errors import ReadError
from medaug.pacs.deidentify.actions import EDITION, action_of, table
from medaug.pacs.deidentify.basic import deidentified
from medaug.pacs.deidentify.options import deidentification_of
from medaug.pacs.deidentify.pseudonyms import Pseudonyms, moved
from medaug.processes.quiet import quiet
from tests.support import make
from tests.support.dicom_validators import dciodvfy, errors
from tests.support.identified import CANARY, identified

NAMES = Pseudonyms(b"k" * 32)
TEXTS = {"AE", "LO", "LT", "PN", "SH", "ST", "UC", "UT", "UR"}


def without(ds: Dataset, how: str = "basic", names: Pseudonyms = NAMES) -> Dataset:
    return pydicom.dcmread(io.BytesIO(deidentified(ds, deidentification_of(how), names)))


@pytest.fixture
def source(tmp_path: Path) -> Dataset:
    return identified(pydicom.dcmread(make.series(tmp_path, slices=1, rows=32, columns=32)[0]))


def test_no_identity_survives_in_any_attribute_at_any_depth(source: Dataset) -> None:
    assert CANARY in str(source)
    made = without(source)
    assert CANARY not in str(made)
    assert CANARY.encode() not in deidentified(identified(made), deidentification_of("basic"), NAMES)
    assert [e for e in made.iterall() if e.tag.is_private] == []
    assert identity_of(made) == "declared"
    assert made.LongitudinalTemporalInformationModified == "REMOVED"
    assert made.DeidentificationMethodCodeSequence[0].CodeValue == "113100"
    assert made.file_meta.get("SourceApplicationEntityTitle") is None
    assert made.preamble == bytes(128)


def test_every_text_of_the_table_loses_its_value(source: Dataset) -> None:
    """Table E.1-1, on the top level and in an item of a sequence that stays."""
    known = [tag for tag in table.ALL_TAGS if len(tag) == 2 and tag[0] >= 8 and keyword_for_tag(tag)]
    texts = [(tag, dictionary_VR(tag)) for tag in known if dictionary_VR(tag) in TEXTS]
    assert len(texts) > 280
    assert EDITION == "2026c"
    inner = Dataset()
    with quiet():
        for ds in (source, inner):
            for tag, vr in texts:
                ds.add(DataElement(tag, vr, CANARY))
    source.ReferencedImageSequence = [inner]
    made = without(pydicom.dcmread(io.BytesIO(_bytes(source))))
    assert [e.keyword for e in made.iterall() if CANARY in str(e.value)] == []


def _bytes(ds: Dataset) -> bytes:
    buffer = io.BytesIO()
    with quiet():
        ds.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_pixels_and_geometry_stay(source: Dataset) -> None:
    before = parsed(_bytes(source))
    after = parsed(deidentified(source, deidentification_of("basic"), NAMES))
    want, got = (stored_values(one.dataset, one.outline) for one in (before, after))
    np.testing.assert_array_equal(want, got)
    for keyword in ("ImagePositionPatient", "PixelSpacing", "RescaleIntercept", "Modality", "BodyPartExamined", "Rows"):
        assert after.dataset[keyword].value == before.dataset[keyword].value


def test_an_image_stays_valid(source: Dataset, tmp_path: Path) -> None:
    (tmp_path / "before.dcm").write_bytes(_bytes(source))
    (tmp_path / "after.dcm").write_bytes(deidentified(source, deidentification_of("basic"), NAMES))
    before, after = (errors(dciodvfy(tmp_path / f"{name}.dcm")) for name in ("before", "after"))
    assert after - before == set()


def test_uids_are_replaced_alike_wherever_they_stand_and_by_the_key_alone(source: Dataset) -> None:
    old = str(source.SOPInstanceUID)
    reference = Dataset()
    reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = source.SOPClassUID, old
    source.ReferencedImageSequence = [reference]
    made = without(pydicom.dcmread(io.BytesIO(_bytes(source))))
    assert made.SOPInstanceUID == made.ReferencedImageSequence[0].ReferencedSOPInstanceUID != old
    assert made.file_meta.MediaStorageSOPInstanceUID == made.SOPInstanceUID
    assert made.SOPClassUID == source.SOPClassUID
    assert UID(made.SOPInstanceUID).is_valid
    again = without(pydicom.dcmread(io.BytesIO(_bytes(source))))
    other = without(source, names=Pseudonyms(b"x" * 32))
    assert again == made
    assert len({made.SOPInstanceUID, other.SOPInstanceUID, old}) == 3
    assert len({made.PatientID, other.PatientID}) == 2


def test_a_patient_is_the_same_in_all_studies_and_never_another_ones(source: Dataset) -> None:
    def named(**values: Any) -> str:
        ds = pydicom.dcmread(io.BytesIO(_bytes(source)))
        for keyword, value in values.items():
            setattr(ds, keyword, value)
        return str(without(ds).PatientID)

    assert named(PatientID="1", StudyInstanceUID="1.2") == named(PatientID="1", StudyInstanceUID="1.3")
    assert named(PatientID="1") != named(PatientID="2")
    assert named(PatientID="1") != named(PatientID="1", IssuerOfPatientID="X")
    assert named(PatientID="", StudyInstanceUID="1.2") != named(PatientID="", StudyInstanceUID="1.3")


def test_options_keep_what_they_say(source: Dataset) -> None:
    source.PatientAge, source.PatientSex, source.StudyDate, source.PatientBirthDate = (
        "044Y",
        "F",
        "20240305",
        "19800101",
    )
    data = _bytes(source)

    def under(how: str) -> Dataset:
        return without(pydicom.dcmread(io.BytesIO(data)), how)

    plain, full, shifted = under("basic"), under("basic:full-dates,patient,uids"), under("basic:dates")
    assert ("PatientAge" in plain, plain.PatientSex, plain.StudyDate) == (False, "", "")
    assert (full.PatientAge, full.PatientSex, full.StudyDate) == ("044Y", "F", "20240305")
    assert full.SOPInstanceUID == source.SOPInstanceUID != plain.SOPInstanceUID
    assert {ds.PatientBirthDate for ds in (plain, full, shifted)} == {""}
    assert shifted.StudyDate == moved("20240305", NAMES.days(str(source.PatientID), ""))
    assert "20140307" <= shifted.StudyDate < "20240305"
    assert (full.LongitudinalTemporalInformationModified, shifted.LongitudinalTemporalInformationModified) == (
        "UNMODIFIED",
        "MODIFIED",
    )


def test_burned_in_text_is_refused(source: Dataset) -> None:
    source.BurnedInAnnotation = "YES"
    with pytest.raises(ReadError) as caught:
        without(source)
    assert caught.value.code == "burned-in"


def test_names_of_segments_and_regions_are_codes_or_known_words(tmp_path: Path) -> None:
    files = make.series(tmp_path, slices=2, rows=32, columns=32)
    mask = np.zeros((2, 32, 32), np.uint8)
    mask[0, 4:9, 4:9] = 1
    seg = pydicom.dcmread(make.seg(tmp_path / "seg", files, mask, [CANARY]))
    meaning = seg.SegmentSequence[0].SegmentedPropertyTypeCodeSequence[0].CodeMeaning
    data = _bytes(seg)
    assert without(seg).SegmentSequence[0].SegmentLabel == meaning
    known = without(pydicom.dcmread(io.BytesIO(data)), f"basic:labels={CANARY}")
    assert known.SegmentSequence[0].SegmentLabel == CANARY
    rt = Dataset()
    rt.SOPClassUID, rt.SOPInstanceUID = "1.2.840.10008.5.1.4.1.1.481.3", "1.2.3"
    rt.file_meta = seg.file_meta
    roi, observed = Dataset(), Dataset()
    roi.ROINumber, roi.ROIName = 1, CANARY
    observed.ReferencedROINumber, observed.RTROIInterpretedType = 1, "GTV"
    rt.StructureSetROISequence, rt.RTROIObservationsSequence = [roi], [observed]
    assert without(rt).StructureSetROISequence[0].ROIName == "GTV"


def test_a_report_keeps_codes_and_outlines_and_no_text(source: Dataset) -> None:
    items = []
    for kind, keyword, value in (
        ("TEXT", "TextValue", CANARY), ("PNAME", "PersonName", CANARY), ("TEXT", "TextValue", "Nodule"),
        ("CODE", "ConceptCodeSequence", []), ("DATE", "Date", "20240101"), ("UIDREF", "UID", "1.2.3"),
    ):  # fmt: skip
        one = Dataset()
        one.ValueType = kind
        setattr(one, keyword, value)
        items.append(one)
    container = Dataset()
    container.ValueType, container.ContentSequence = "CONTAINER", items
    source.ContentSequence = [container]
    data = _bytes(source)
    with pytest.raises(ReadError, match="structured"):
        without(source)
    made = without(pydicom.dcmread(io.BytesIO(data)), "basic:structured,labels=nodule")
    kept = made.ContentSequence[0].ContentSequence
    assert [one.ValueType for one in kept] == ["TEXT", "CODE", "UIDREF"]
    assert (kept[0].TextValue, kept[2].UID != "1.2.3") == ("Nodule", True)
    assert CANARY not in str(made)


def test_the_action_of_what_the_table_does_not_name_is_to_keep() -> None:
    found = {
        word: action_of(pydicom.tag.Tag(word), dictionary_VR(word))
        for word in (
            "Rows",
            "PatientID",
            "StudyDate",
            "ImageComments",
            "SeriesInstanceUID",
            "SourceImageSequence",
            "RetrieveURL",
        )
    }
    assert list(found.values()) == ["keep", "dummy", "empty", "remove", "uid", "keep", "remove"]
    assert action_of(pydicom.tag.Tag(0x6002, 0x3000), "OW") == "remove"
