"""A run whose law draws what is in the boxes anew: all else is the source's, and it is said wherever one may look."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

import medaug
from medaug.audit import ledger
from medaug.audit.record import Record
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import boxes, small_profile
from tests.support.sound_output import redigest, rewrite
from tests.support.tampering import codes, edit

LAW = {"kind": "inside", "margin": {"value": 0}}


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inside")
    make.radiograph(folder / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    medaug.run(
        folder / "in",
        folder / "out",
        profile=small_profile(folder, regions=LAW, name="small"),
        annotations=boxes(folder / "boxes.json", ("x1.dcm",)),
    )
    return folder


def only(out: Path) -> Record:
    (record,) = ledger.read(out / "ledger")
    return record


def test_the_box_is_new_and_all_else_is_the_source_s(ran: Path) -> None:
    record = only(ran / "out")
    made = pydicom.dcmread(ran / "out" / record.images[0].path).pixel_array
    source = pydicom.dcmread(ran / "in" / "x1.dcm").pixel_array
    box = record.boxes[0].slices[1:]
    assert (made[box] != source[box]).mean() > 0.5
    made[box] = source[box]
    np.testing.assert_array_equal(made, source)


def test_record_headers_and_methods_say_that_a_label_is_kept_by_its_box_alone(ran: Path) -> None:
    record = only(ran / "out")
    assert record.labels == "box-alone"
    assert Record.from_json(record.to_json()) == record
    ds = pydicom.dcmread(ran / "out" / record.images[0].path)
    assert [c.CodeValue for c in ds.DerivationCodeSequence] == ["GENERATED-LABEL", "GENERATED"]
    assert "pixels in labelled boxes generated, labels kept by their boxes alone" in ds.DerivationDescription
    assert "A label is kept by its box alone" in (ran / "out" / "METHODS.md").read_text()
    assert verify(ran / "out", source=ran / "in").faults == ()


def silent(ds: pydicom.Dataset) -> None:
    del ds.DerivationCodeSequence[0]


def test_a_record_or_a_header_that_hides_it_is_found(ran: Path, tmp_path: Path) -> None:
    shutil.copytree(ran / "out", tmp_path / "record")
    rewrite(tmp_path / "record", only(tmp_path / "record").unit, lambda record: replace(record, labels=""))
    assert "label-differs" in codes(verify(tmp_path / "record"))
    shutil.copytree(ran / "out", tmp_path / "header")
    root = tmp_path / "header"
    edit(root / only(root).images[0].path, silent)
    rewrite(root, only(root).unit, lambda record: redigest(root, record))
    assert "label-differs" in codes(verify(root))
