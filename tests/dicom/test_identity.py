from __future__ import annotations

from itertools import product

import pytest
from pydicom.dataset import Dataset

from medaug.dicom.identity import identity_of, identity_of_all, patient_of, refuse_burned_in
from medaug.errors import ReadError


def header(**values: object) -> Dataset:
    ds = Dataset()
    for keyword, value in values.items():
        setattr(ds, keyword, value)
    return ds


def code(value: str) -> Dataset:
    return header(CodeValue=value, CodingSchemeDesignator="DCM", CodeMeaning="meaning")


@pytest.mark.parametrize(
    ("values", "state"),
    [
        ({}, "unknown"),
        ({"PatientName": "", "PatientID": "", "PatientBirthDate": ""}, "unknown"),
        ({"PatientName": "Doe^Jane"}, "identified"),
        ({"PatientID": "1"}, "identified"),
        ({"PatientBirthDate": "19700101"}, "identified"),
        ({"PatientID": "p1", "PatientIdentityRemoved": "YES", "DeidentificationMethod": "by hand"}, "declared"),
        ({"PatientID": "p1", "PatientIdentityRemoved": "YES", "DeidentificationMethod": ["a", "b"]}, "declared"),
        (
            {
                "PatientID": "p1",
                "PatientIdentityRemoved": "YES",
                "DeidentificationMethodCodeSequence": [code("113100")],
            },
            "declared",
        ),
        ({"PatientID": "p1", "PatientIdentityRemoved": "YES"}, "identified"),  # how is not stated
        (
            {"PatientID": "p1", "PatientIdentityRemoved": "YES", "DeidentificationMethodCodeSequence": []},
            "identified",
        ),
        ({"PatientIdentityRemoved": "YES"}, "unknown"),
        ({"PatientID": "p1", "PatientIdentityRemoved": "NO", "DeidentificationMethod": "x"}, "identified"),
    ],
)
def test_states(values: dict[str, object], state: str) -> None:
    assert identity_of(header(**values)) == state


def test_a_series_is_as_safe_as_its_least_safe_instance() -> None:
    for states in product(("declared", "identified", "unknown"), repeat=2):
        worst = max(states, key=("declared", "unknown", "identified").index)
        assert identity_of_all(states) == worst


def test_burned_in_text_is_refused_unless_it_was_cleaned() -> None:
    with pytest.raises(ReadError, match="burned-in annotation") as caught:
        refuse_burned_in(header(BurnedInAnnotation="YES", DeidentificationMethodCodeSequence=[code("113100")]))
    assert caught.value.code == "burned-in"
    refuse_burned_in(header(BurnedInAnnotation="YES", DeidentificationMethodCodeSequence=[code("113101")]))
    refuse_burned_in(header(BurnedInAnnotation="NO"))
    refuse_burned_in(header())


def test_patients_are_told_apart_without_their_id() -> None:
    one = patient_of(header(PatientID="MRN-1", StudyInstanceUID="1.2"))
    assert len(one) == 64
    assert "MRN-1" not in one
    assert one == patient_of(header(PatientID=" MRN-1 ", StudyInstanceUID="1.3"))
    assert one != patient_of(header(PatientID="MRN-2"))
    assert one != patient_of(header(PatientID="MRN-1", IssuerOfPatientID="other hospital"))


def test_without_an_id_the_study_stands_for_the_patient() -> None:
    assert patient_of(header(StudyInstanceUID="1.2")) == patient_of(header(PatientID="", StudyInstanceUID="1.2"))
    assert patient_of(header(StudyInstanceUID="1.2")) != patient_of(header(StudyInstanceUID="1.3"))
