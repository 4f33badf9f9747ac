from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from medaug.audit.record import CheckResult, Grid, Output, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from tests.support import make
from tests.support.records import digest, failed, record

OPTIONAL = {"converted", "kind", "labels", "moved", "transplant"}  # no key where nothing of the kind was done


@pytest.mark.parametrize("built", [record(), failed(), failed(geometry=None, boxes=(), recipe={})])
def test_a_record_reads_back_equal(built: Record) -> None:
    text = built.to_json()
    assert Record.from_json(text) == built
    assert Record.from_json(text.encode() + b"\n") == built
    assert Record.from_json(text).to_json() == text


def test_another_record_has_another_text() -> None:
    assert Record.from_json(record().to_json()) != record(variant=1)
    assert record().to_json() != record(variant=1).to_json()


def test_the_text_is_canonical_and_names_every_field() -> None:
    text = record().to_json()
    assert text == json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    assert set(json.loads(text)) == set(Record.__dataclass_fields__) - OPTIONAL


def test_a_seed_beyond_2_53_survives_any_reader() -> None:
    assert json.loads(record().to_json(), parse_int=float)["seed"] == "18446744073709551615"


def test_an_integer_spelled_without_a_point_is_still_a_float() -> None:
    again = Record.from_json(record(checks=(CheckResult("psnr_db", 31.0, (20.0, None), True),)).to_json())
    assert type(again.checks[0].value) is float


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (("unit",), "ABC", "record.unit"),
        (("unit",), 3, "record.unit: expected a text, found int"),
        (("seed",), 7, "record.seed: expected a text, found int"),
        (("seed",), "-1", "record.seed"),
        (("variant",), True, "record.variant: expected a whole number, found bool"),
        (("variant",), 1.0, "record.variant: expected a whole number, found float"),
        (("checks", 0, "value"), "1", r"record.checks\[0\].value: expected a number"),
        (("status",), "done", "record.status: expected 'written', 'rejected', 'failed' or 'crashed'"),
        (("status",), "failed", "needs a code"),
        (("code",), "gate", "takes no code"),
        (("source",), [], "record.source: expected an object"),
        (("source", "sha256"), "x", r"record.source.sha256: expected an array"),
        (("checks", 0, "limit"), [1], r"record.checks\[0\].limit: missing keys: 1"),
        (("boxes", 0, "start"), [0, 1], r"record.boxes\[0\].start: missing keys: 2"),
        (("boxes", 0, "colour"), "red", r"record.boxes\[0\]: unknown keys: colour"),
        (("patient_name",), "x", "record: unknown keys: patient_name"),
        (("versions", "torch"), 2, "record.versions.torch: expected a text, found int"),
        (("outputs",), [], "needs its outputs"),
        (("geometry", "shape"), [1, 2.0, 3], r"record.geometry.shape\[1\]"),
    ],
)
def test_a_wrong_record_is_refused_by_place(path: tuple[Any, ...], value: Any, message: str) -> None:
    data = json.loads(record().to_json())
    inner = data
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    with pytest.raises(ValueError, match=message):
        Record.from_json(json.dumps(data))


@pytest.mark.parametrize("key", sorted(set(Record.__dataclass_fields__) - OPTIONAL))
def test_no_key_may_be_missing(key: str) -> None:
    data = json.loads(record().to_json())
    del data[key]
    with pytest.raises(ValueError, match=f"record: missing keys: {key}|needs its .*{key}"):
        Record.from_json(json.dumps(data))


@pytest.mark.parametrize("path", ["/etc/passwd", "a/../../b", "a\\b", "C:/a", "", "../a"])
def test_an_output_lies_inside_output(path: str) -> None:
    with pytest.raises(ValueError, match="relative to OUTPUT"):
        Output(path, digest("a"))


def test_images_are_told_from_other_files() -> None:
    built = record()
    preview = Output(f"{built.folder}/preview/source.png", digest("p"))
    elsewhere = Output("variants/0000000000000000/image/0001.dcm", digest("e"))
    assert replace(built, outputs=(*built.outputs, preview, elsewhere)).images == built.outputs
    nifti = Output(f"{built.folder}/image.nii.gz", digest("n"))
    assert replace(built, outputs=(preview, nifti)).images == (nifti,)


def test_a_grid_keeps_an_oblique_affine() -> None:
    affine = np.eye(4)
    affine[:3] = np.random.default_rng(5).normal(size=(3, 4))
    grid = Grid.of(Geometry((3, 4, 5), affine, "patient", "1.2.3"))
    again = Record.from_json(record(geometry=grid).to_json()).geometry
    assert again == grid
    assert np.array_equal(again.geometry.affine, affine)


def test_numpy_integers_in_boxes_are_written_as_numbers() -> None:
    start, stop = np.array([0, 1, 2]), np.array([1, 5, 6])
    built = record(boxes=(Box(tuple(start), tuple(stop), "nodule"),))
    assert Record.from_json(built.to_json()).boxes == (Box((0, 1, 2), (1, 5, 6), "nodule"),)


@pytest.mark.parametrize("value", [float("inf"), float("-inf"), float("nan")])
def test_a_figure_that_json_can_not_hold_is_none(value: float) -> None:
    built = record(checks=(CheckResult("psnr_db", value, (20.0, None), True),))
    assert Record.from_json(built.to_json()).checks[0].value is None


def test_a_source_leaves_paths_and_the_readers_hash_behind() -> None:
    ref = replace(make.volume((1, 8, 8)).source, files=(Path("Doe^Jane/scan.dcm"),), patient="unkeyed")
    source = RecordedSource.of(ref, "keyed")
    assert (source.key, source.instance_uids, source.patient) == (ref.key, ref.instance_uids, "keyed")
    text = str(asdict(source))
    assert "Doe" not in text
    assert "unkeyed" not in text


@pytest.mark.parametrize("text", ["", "[]", "null", '{"unit": 1', '{"unit":1,"unit":2}', "\x00" * 50])
def test_what_is_not_a_record_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected"):
        Record.from_json(text)
