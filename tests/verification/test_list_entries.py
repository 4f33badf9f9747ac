"""Lists against records: made again and compared; where the bytes differ, entry by entry."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from medaug.imaging.boxes import Box
from medaug.manifests.coco import COCO, write_coco
from medaug.manifests.croissant import write_croissant
from medaug.manifests.monai import MONAI, write_monai
from medaug.verification.list_entries import check_lists
from tests.support.records import record

RECORDS = tuple(
    replace(record(name), boxes=(Box((0, 1, 2), (1, 5, 6), label), Box((0, 2, 2), (1, 4, 9), "nodule")))
    for name, label in (("a", "cyst"), ("b", "nodule"), ("c", "air"))
)


@pytest.fixture
def output(tmp_path: Path) -> Path:
    (tmp_path / "FORMAT.json").write_text('{"format":"medaug-output","version":2,"created":"2026-01-02","run":"ab"}')
    write_all(tmp_path, RECORDS)
    return tmp_path


def write_all(output: Path, records: tuple[Any, ...]) -> None:
    for write in (write_monai, write_coco, write_croissant):
        write(records, output)


def edit(path: Path, change: Callable[[Any], object]) -> None:
    data = json.loads(path.read_text())
    change(data)
    path.write_text(json.dumps(data, indent=1))
    write_croissant(RECORDS, path.parent)


def found(output: Path) -> set[tuple[str, str, str]]:
    return {(fault.file, fault.unit, fault.message.split(":")[0]) for fault in check_lists(output, RECORDS)}


def test_lists_as_they_were_written_have_no_fault(output: Path) -> None:
    assert found(output) == set()


@pytest.mark.parametrize("name", [MONAI, COCO])
def test_another_spelling_is_no_fault(output: Path, name: str) -> None:
    edit(output / name, len)
    assert found(output) == set()


def test_a_unit_that_is_missing_is_one_fault_though_every_number_shifts(output: Path) -> None:
    write_all(output, RECORDS[:2])  # "air" was class 0 and is none any more
    assert found(output) == {(name, RECORDS[2].unit, "a written unit isn't listed") for name in (MONAI, COCO)}


def test_a_unit_that_should_not_be_there_is_named(output: Path) -> None:
    more = record("d")
    write_all(output, (*RECORDS, more))
    message = "a unit is listed that isn't written, or not planned any more"
    assert found(output) == {(name, more.unit, message) for name in (MONAI, COCO)}


ENTRIES: dict[str, tuple[str, Callable[[Any], object]]] = {
    "twice": (MONAI, lambda data: (data["training"].append(data["training"][0]), data.update(numTraining=4))),
    "another class": (MONAI, lambda data: data["training"][0]["label"].reverse()),
    "a box": (MONAI, lambda data: data["training"][0]["box"][1].__setitem__(2, 99)),
    "a key more": (MONAI, lambda data: data["training"][0].update(note="x")),
    "a slice": (COCO, lambda data: data["images"][0].update(slice=7)),
    "an area": (COCO, lambda data: data["annotations"][0].update(area=1)),
    "a box twice": (COCO, lambda data: data["annotations"].append(data["annotations"][0])),
}


@pytest.mark.parametrize("what", ENTRIES)
def test_an_entry_that_contradicts_its_record_is_named(output: Path, what: str) -> None:
    name, change = ENTRIES[what]
    edit(output / name, change)
    ((file, unit, message),) = found(output)
    assert (file, message) == (name, "the entry contradicts the record")
    assert unit in {r.unit for r in RECORDS}


MALFORMED: dict[str, tuple[str, Callable[[Any], object]]] = {
    "a wrong count": (MONAI, lambda data: data.update(numTraining=9)),
    "no labels": (MONAI, lambda data: data.pop("labels")),
    "a class that has no name": (MONAI, lambda data: data["training"][0]["label"].__setitem__(0, 77)),
    "one number for two images": (COCO, lambda data: data["images"][1].update(id=data["images"][0]["id"])),
    "a number too large": (COCO, lambda data: data["annotations"][0].update(area=2**60)),
    "no array": (COCO, lambda data: data.update(images={})),
}


@pytest.mark.parametrize("what", MALFORMED)
def test_what_is_no_such_list_is_a_fault_not_a_crash(output: Path, what: str) -> None:
    name, change = MALFORMED[what]
    edit(output / name, change)
    ((file, unit, message),) = found(output)
    assert (file, unit) == (name, "")
    assert message.startswith("not a list as a run writes it")


def test_a_box_of_an_image_that_is_not_listed_is_found(output: Path) -> None:
    edit(output / COCO, lambda data: data["annotations"][0].update(image_id=99))
    assert {file for file, _, _ in found(output)} == {COCO}
