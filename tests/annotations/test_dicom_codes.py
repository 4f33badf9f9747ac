"""A label's coded meaning: from the annotation into the box, and absent where none is stated."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.annotations.dicom_codes import code_of
from medaug.annotations.registry import read_annotations
from medaug.imaging.boxes import Code
from medaug.imaging.volume import Volume
from tests.support import annotation_objects as made
from tests.support import make
from tests.support.annotation_cases import WRITERS, loaded

LESION = Code("52988006", "SCT", "Lesion")


def _observed(folder: Path, volume: Volume, *, number: int = 7, identified: bool = True) -> Path:
    path = made.structure_set(folder, volume)
    ds = pydicom.dcmread(path)
    observation = made.item(ObservationNumber=1, ReferencedROINumber=number, RTROIInterpretedType="")
    if identified:
        observation.RTROIIdentificationCodeSequence = made.code("52988006", "SCT", "Lesion")
    ds.RTROIObservationsSequence = [observation]
    ds.save_as(path)
    return path


def _only(path: Path, volume: Volume) -> Code | None:
    (box,) = read_annotations(path, [volume]).boxes[volume.source.key]
    return box.code


@pytest.mark.parametrize(
    ("write", "expected"),
    [
        (WRITERS["seg"], LESION),
        (WRITERS["sr polyline"], Code("52988006", "SCT", "lesion")),
        (WRITERS["sr 3d"], Code("52988006", "SCT", "lesion")),
        (_observed, LESION),
        (made.structure_set, None),
        (lambda folder, volume: _observed(folder, volume, number=8), None),
        (lambda folder, volume: _observed(folder, volume, identified=False), None),
        (WRITERS["gsps"], None),
        (WRITERS["coco box"], None),
        (WRITERS["nifti"], None),
    ],
)
def test_a_box_has_the_code_that_its_annotation_states(
    tmp_path: Path, write: Callable[[Path, Volume], Path], expected: Code | None
) -> None:
    volume = loaded(make.series(tmp_path / "ct"))
    assert _only(write(tmp_path, volume), volume) == expected


@pytest.mark.parametrize(
    "change",
    [
        {"CodeValue": ""},
        {"CodingSchemeDesignator": ""},
        {"CodeMeaning": ""},
        {"CodingSchemeDesignator": "99MEDAUG"},  # made up by medaug for a label without a code
        {"CodeValue": "1\x07"},
    ],
)
def test_half_a_code_and_one_of_medaug_s_own_are_none(change: dict[str, str]) -> None:
    whole = made.code("52988006", "SCT", "Lesion")
    assert code_of(made.item(ConceptCodeSequence=whole), "ConceptCodeSequence") == LESION
    for keyword, value in change.items():
        whole[0][keyword].validation_mode = pydicom.config.IGNORE
        whole[0][keyword]._value = value
    assert code_of(made.item(ConceptCodeSequence=whole), "ConceptCodeSequence") is None


def test_long_values_and_urns_are_codes_too() -> None:
    for keyword in ("LongCodeValue", "URNCodeValue"):
        entry = made.item(CodingSchemeDesignator="99X", CodeMeaning="Something")
        setattr(entry, keyword, "a-value-of-more-than-sixteen")
        found = code_of(made.item(ConceptCodeSequence=[entry]), "ConceptCodeSequence")
        assert found == Code("a-value-of-more-than-sixteen", "99X", "Something")
    assert code_of(Dataset(), "ConceptCodeSequence") is None
