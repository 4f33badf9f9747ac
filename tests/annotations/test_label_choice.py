"""Lesions, context and what is ignored: by name, by wildcard, by the type that an RT Structure Set states."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest

from medaug.annotations.label_choice import LabelChoice
from medaug.annotations.registry import read_annotations
from tests.support import make
from tests.support.annotation_cases import loaded
from tests.support.annotation_objects import item, structure_set


@pytest.mark.parametrize(
    ("choice", "label", "types", "role"),
    [
        (LabelChoice(), "BODY", (), "lesion"),
        (LabelChoice(("GTV*",)), "gtv-1", (), "lesion"),
        (LabelChoice(("GTV*",)), "BODY", (), "context"),
        (LabelChoice(("GTV*",)), "left one", ("GTV",), "lesion"),
        (LabelChoice(ignored=("BO?Y",)), "Body", (), "ignored"),
        (LabelChoice(("*",), ("BODY",)), "BODY", (), "ignored"),  # ignoring goes first
        (LabelChoice(ignored=("ORGAN",)), "Liver", ("ORGAN",), "ignored"),
        (LabelChoice(("tumor",)), "tumor 2", (), "context"),  # a name without a wildcard is the whole name
    ],
)
def test_a_label_has_one_role(choice: LabelChoice, label: str, types: tuple[str, ...], role: str) -> None:
    assert choice.role(label, types) == role


def test_patterns_that_fit_nothing_are_told() -> None:
    assert LabelChoice(("GTV", "tumr"), ("BODY",)).unused(["gtv", "body", "Liver"]) == ("tumr",)


def typed(folder: Path, kind: str, *, broken: bool = False) -> tuple[object, Path]:
    volume = loaded(make.series(folder / "ct", slices=3, seed=1))
    path = structure_set(folder, volume)
    dataset = pydicom.dcmread(path)
    dataset.RTROIObservationsSequence = [item(ReferencedROINumber=7, RTROIInterpretedType=kind)]
    if broken:
        dataset.ROIContourSequence[0].ContourSequence[0].ContourData = ["1", "2"]
    dataset.save_as(path)
    return volume, path


def test_a_structure_set_is_chosen_from_by_its_interpreted_type(tmp_path: Path) -> None:
    volume, path = typed(tmp_path, "PTV")
    key = volume.source.key  # type: ignore[attr-defined]
    kept = read_annotations(path, [volume], choice=LabelChoice(("PTV",)))  # type: ignore[list-item]
    assert [box.label for box in kept.boxes[key]] == ["lesion"]
    assert kept.names == {"lesion", "PTV"}
    beside = read_annotations(path, [volume], choice=LabelChoice(("GTV",)))  # type: ignore[list-item]
    assert beside.boxes[key] == ()
    assert beside.context[key] == kept.boxes[key]
    nothing = read_annotations(path, [volume], choice=LabelChoice(ignored=("PTV",)))  # type: ignore[list-item]
    assert (nothing.boxes[key], nothing.context) == ((), {})


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (LabelChoice(), False),
        (LabelChoice(("*",)), False),  # a wildcard is no word on the patient's outline
        (LabelChoice(("LES*",)), False),
        (LabelChoice(("lesion",)), True),  # the region's name
        (LabelChoice(("EXTERNAL",)), True),
        (LabelChoice(("EXTERNAL",), ("lesion",)), False),  # ignoring goes first
    ],
)
def test_what_its_type_says_is_no_lesion_is_one_where_the_user_says_so(
    tmp_path: Path, choice: LabelChoice, *, taken: bool
) -> None:
    volume, path = typed(tmp_path, "EXTERNAL")
    found = read_annotations(path, [volume], choice=choice)  # type: ignore[list-item]
    assert [box.label for box in found.boxes.get(volume.source.key, ())] == ["lesion"] * taken  # type: ignore[attr-defined]


def test_what_is_ignored_withholds_nothing(tmp_path: Path) -> None:
    volume, path = typed(tmp_path, "PTV", broken=True)
    assert read_annotations(path, [volume]).withheld  # type: ignore[list-item]
    assert not read_annotations(path, [volume], choice=LabelChoice(ignored=("PTV",))).withheld  # type: ignore[list-item]
