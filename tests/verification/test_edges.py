"""Faults that no simple attack shows, and what a broken OUTPUT can't do to verify."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import pydicom
import pytest

from medaug.errors import OutputError, ReadError
from medaug.verification.verify import find_files, verify
from tests.support.sound_output import of, rewrite
from tests.support.tampering import (
    IN_A_UNIT,
    JUNK,
    TOP_LEVEL,
    UNIT_JUNK,
    codes,
    cover,
    edit,
    image,
    judged,
    segment,
)

pytestmark = pytest.mark.usefixtures("unchanged_units_are_checked_once")


def test_an_image_cut_short_is_unreadable_and_stops_nothing(folder: Path) -> None:
    path = image(folder)
    path.write_bytes(path.read_bytes()[:-1000])
    found = codes(judged(folder))
    assert {"unreadable", "file-changed"} <= found
    assert "protected-changed" not in found


@pytest.mark.parametrize("content", UNIT_JUNK)
@pytest.mark.parametrize("name", IN_A_UNIT)
def test_garbage_in_any_file_is_a_fault_not_a_crash(folder: Path, name: str, content: str) -> None:
    (folder / "out" / of(folder / "out", "CT").folder / name).write_bytes(UNIT_JUNK[content])
    assert {"seal-root", IN_A_UNIT[name]} <= codes(judged(folder))


@pytest.mark.parametrize("name", TOP_LEVEL)
@pytest.mark.parametrize("content", JUNK)
def test_garbage_on_the_top_level_is_a_fault_not_a_crash(folder: Path, name: str, content: str) -> None:
    (folder / "out" / name).write_bytes(JUNK[content])
    assert TOP_LEVEL[name] in codes(judged(folder))


def test_garbage_in_the_ledger_is_a_fault_not_a_crash(folder: Path) -> None:
    segment(folder).write_bytes(b"{}\n")
    verdict = judged(folder)
    assert codes(verdict) == {"ledger-chain"}
    assert verdict.unchecked == ("everything else: the ledger is damaged",)


def test_an_image_of_another_size_is_named(folder: Path) -> None:
    def crop(ds: pydicom.Dataset) -> None:
        ds.PixelData = ds.pixel_array[:-1].tobytes()
        ds.Rows -= 1

    edit(image(folder), crop)
    cover(folder, "CT")
    assert "grid-differs" in codes(judged(folder))


def test_outputs_that_lie_elsewhere_or_are_too_few_are_named(folder: Path) -> None:
    root = folder / "out"
    record = of(root, "CT")
    rewrite(root, record.unit, lambda r: replace(r, outputs=(*r.outputs, replace(r.outputs[0], path="monai.json"))))
    assert "record-outputs" in codes(judged(folder))
    rewrite(root, record.unit, lambda r: replace(r, outputs=tuple(o for o in record.outputs if o != record.images[0])))
    assert {"record-outputs", "file-unknown"} <= codes(judged(folder))


def test_a_source_that_cannot_be_read_any_more_is_said(folder: Path) -> None:
    """By digest it is the source; by then it must have been readable."""
    root, path = folder / "out", folder / "in" / "x1.dcm"
    path.write_bytes(b"no image")
    (digest,) = find_files(path, [hashlib.sha256(b"no image").hexdigest()])
    record = of(root, "CR")
    rewrite(root, record.unit, lambda r: replace(r, source=replace(r.source, sha256=(digest,))))
    assert {"source-unreadable", "unit-key"} <= codes(judged(folder))


def test_a_folder_that_is_none_and_a_key_and_a_source_that_are_not_there(sound: Path, tmp_path: Path) -> None:
    assert codes(verify(tmp_path)) == {"format"}
    with pytest.raises(OutputError, match="key"):
        verify(sound / "out", public_key=tmp_path / "nowhere")
    with pytest.raises(ReadError, match="no such"):
        verify(sound / "out", source=tmp_path / "nowhere")


def test_without_evidence_the_boxes_are_compared_and_it_is_said(folder: Path) -> None:
    root = folder / "out"
    record = of(root, "CT")
    shutil.rmtree(root / record.folder / "evidence")
    rewrite(root, record.unit, lambda r: replace(r, outputs=tuple(o for o in r.outputs if "/evidence/" not in o.path)))
    verdict = verify(root, source=folder / "in")
    assert verdict.sound
    assert any("only the boxes were compared" in sentence for sentence in verdict.unchecked)


def test_names_of_the_source_do_not_matter(folder: Path) -> None:
    for number, path in enumerate(sorted(p for p in (folder / "in").rglob("*") if p.is_file())):
        path.rename(folder / "in" / f"{number}")
    assert judged(folder).sound


def test_nothing_is_written(sound: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in sound.rglob("*")}
    judged(sound)
    assert before == {path: path.stat().st_mtime_ns for path in sound.rglob("*")}
