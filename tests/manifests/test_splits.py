"""A patient in one part, a synthetic image in training only: everything else is refused, with the series."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from medaug.audit.record import Record
from medaug.errors import ManifestError
from medaug.manifests.monai import write_monai
from medaug.manifests.splits import SplitImage, check_parts, for_training, read_parts
from tests.support.records import failed, record


def of(patient: str, series: str, variant: int = 0) -> Record:
    built = record(f"{series}/{variant}", variant=variant)
    return replace(built, source=replace(built.source, patient=patient, series_uid=series))


RECORDS = [of("p1", "1.1"), of("p1", "1.1", 1), of("p1", "1.2"), of("p2", "2.1"), failed()]


def test_all_of_one_part_may_be_trained_on() -> None:
    assert len(for_training(RECORDS, None, leave_out=False)) == 4
    parts = {"1.1": "training", "1.2": "training", "2.1": "training"}
    assert len(for_training(RECORDS, parts, leave_out=False)) == 4


def test_a_patient_in_two_parts_is_refused() -> None:
    parts = {"1.1": "training", "1.2": "test", "2.1": "training"}
    for leave_out in (False, True):
        with pytest.raises(ManifestError, match=r"in 2 parts: series 1\.2 in test, 1\.1 in training"):
            for_training(RECORDS, parts, leave_out=leave_out)


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_synthetic_image_outside_training_is_refused_or_left_out(part: str) -> None:
    parts = {"1.1": "training", "1.2": "training", "2.1": part}
    with pytest.raises(ManifestError, match=rf"series 2\.1: its patient is in {part}, .*--leave-out"):
        for_training(RECORDS, parts, leave_out=False)
    left = for_training(RECORDS, parts, leave_out=True)
    assert {found.source.series_uid for found in left} == {"1.1", "1.2"}


def test_a_series_that_was_augmented_must_be_in_the_table() -> None:
    with pytest.raises(ManifestError, match=r"series 2\.1 was augmented and isn't in the table"):
        for_training(RECORDS, {"1.1": "training", "1.2": "training"}, leave_out=True)


def test_an_image_without_a_patient_can_not_be_listed(tmp_path: Path) -> None:
    with pytest.raises(ManifestError, match="names no patient"):
        write_monai([of("", "1.1")], tmp_path)
    assert not (tmp_path / "monai.json").exists()


def test_a_synthetic_entry_of_a_test_part_is_refused() -> None:
    check_parts([SplitImage("p", "test", "1.1", synthetic=False)])
    with pytest.raises(ManifestError, match="may only enter training"):
        check_parts([SplitImage("p", "test", "1.1", synthetic=True)])


def test_the_table_is_read(tmp_path: Path) -> None:
    path = tmp_path / "parts.csv"
    path.write_text("series_uid,part\n1.1,train\n1.2, Val \n1.3,test\n")
    assert read_parts(path) == {"1.1": "training", "1.2": "validation", "1.3": "test"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("series_uid,part\n", "is empty"),
        ("uid,part\n1.1,train\n", "line 2: expected the columns"),
        ("series_uid,part\n1.1,train\n1.2,holdout\n", "line 3: expected .* as part one of training, validation, test"),
        ("series_uid,part\n1.1,train\n1.1,test\n", r"line 3: series 1\.1 stands in training and in test"),
        ("series_uid,part\n\xff", "can't be read"),
    ],
)
def test_another_table_is_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "parts.csv"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(ManifestError, match=message):
        read_parts(path)
