"""croissant.json, read by MLCommons' own library."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from medaug.manifests.coco import COCO
from medaug.manifests.croissant import description
from medaug.manifests.monai import MONAI
from tests.support.sound_output import records

pytestmark = pytest.mark.filterwarnings("ignore")  # of pandas and rdflib


def read(path: Path):
    import mlcroissant

    return mlcroissant.Dataset(jsonld=str(path))


def rows(dataset, table: str) -> list[dict[str, object]]:
    """Its records, columns without the table's name, texts as such."""
    return [
        {key.split("/")[1]: value.decode() if isinstance(value, bytes) else value for key, value in row.items()}
        for row in dataset.records(table)
    ]


def test_the_library_finds_no_error_and_lists_what_is_missing_on_purpose(sound: Path) -> None:
    issues = read(sound / "out" / "croissant.json").metadata.issues
    assert not issues.errors
    assert ["license" in warning for warning in issues.warnings] == [
        True
    ]  # the terms of the sources, which nobody told


def test_every_table_is_what_the_records_say(sound: Path) -> None:
    dataset = read(sound / "out" / "croissant.json")
    written = {record.unit: record for record in records(sound / "out")}
    variants = rows(dataset, "variants")
    assert {row["unit"] for row in variants} == written.keys()
    for row in variants:
        record = written[str(row["unit"])]
        assert (row["source"], row["patient"]) == (record.source.key, record.source.patient)
        assert (sound / "out" / str(row["image"])).exists()
        assert row["fold"] in range(5)
    slices = {row["id"]: row for row in rows(dataset, "slices")}
    classes = {row["id"]: row["name"] for row in rows(dataset, "classes")}
    found = {
        (slices[row["slice_id"]]["unit"], slices[row["slice_id"]]["slice"], classes[row["class_id"]], *row["bbox"])
        for row in rows(dataset, "boxes")
    }
    expected = {
        (record.unit, k, box.label, box.start[2], box.start[1], box.shape[2], box.shape[1])
        for record in written.values()
        for box in record.boxes
        for k in range(box.start[0], box.stop[0])
    }
    assert found == expected
    assert all((sound / "out" / str(row["file_name"])).is_file() for row in slices.values())


def test_a_description_of_other_lists_is_refused_by_the_library(sound: Path, tmp_path: Path) -> None:
    for name in ("croissant.json", "coco.json", "monai.json"):
        (tmp_path / name).write_bytes((sound / "out" / name).read_bytes())
    content = json.loads((tmp_path / "croissant.json").read_text())
    content["recordSet"][0]["field"][0]["source"]["fileObject"]["@id"] = "another"
    (tmp_path / "croissant.json").write_text(json.dumps(content))
    with pytest.raises(Exception, match="another"):
        read(tmp_path / "croissant.json")


def test_no_column_is_called_after_a_format_that_may_not_be_there() -> None:
    columns = [field["description"] for table in description()["recordSet"] for field in table["field"]]
    assert len(columns) > 10
    assert not [text for text in columns if "NIfTI" in text]


def test_it_describes_the_lists_by_the_names_they_have() -> None:
    assert [file["contentUrl"] for file in description()["distribution"]] == [MONAI, COCO, COCO, COCO]
