"""The whole line on exports built in code, at a small size and with the quick prior."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest

import medaug
from medaug.audit import ledger
from medaug.audit.layout import NAMES
from medaug.audit.record import Record
from medaug.errors import AnnotationError, OutputError, ReadError, RunError
from medaug.execution import execute as execution
from medaug.execution.worker import unit_of_work
from medaug.formats.nifti import write_nifti
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Rescale
from tests.support import make
from tests.support.records import failed
from tests.support.small_runs import DATE, Finished, boxes, content_of, contents, small_profile


def test_an_export_becomes_series_manifests_a_page_and_a_record(finished: Finished) -> None:
    summary, output = finished.summary, finished.output
    assert summary.counts == {"written": 4}
    assert summary.exit_code == 4  # the CT with the gap was refused
    assert {skip.code for skip in summary.skips if skip.refused} == {"missing-slice"}
    assert {"no-boxes", "not-dicom"} <= {skip.code for skip in summary.skips if not skip.refused}
    for name in ("FORMAT.json", "profile.yaml", "monai.json", "coco.json", "index.html"):
        assert (output / name).stat().st_size > 0
    for record in summary.records:
        names = sorted(path.name for path in (output / record.folder).iterdir())
        assert names == ["evidence", "image", "preview", "record.json"]
        listed = [o.path.removeprefix(f"{record.folder}/evidence/") for o in record.outputs if "/evidence/" in o.path]
        assert listed == ["boxes.dcm", "regions.dcm"]
        assert Record.from_json((output / record.folder / "record.json").read_text()) == record
    assert {path.name for path in (output / ".staging").iterdir()} <= {"clock", "lock"}
    assert not ledger.verify_chain(output / "ledger")


def test_protected_pixels_are_the_sources_by_reading_both_files(finished: Finished) -> None:
    summary = finished.summary
    sources = {
        ds.SOPInstanceUID: ds for path in finished.before if path.suffix == ".dcm" for ds in [pydicom.dcmread(path)]
    }
    for record in summary.records:
        derived = pydicom.dcmread(summary.output / record.images[0].path)
        source = sources[derived.SourceImageSequence[0].ReferencedSOPInstanceUID]
        for box in record.boxes:
            kept = box.grown((0, 3, 3), (1, 120, 100)).slices[1:]
            np.testing.assert_array_equal(derived.pixel_array[kept], source.pixel_array[kept])
        assert (derived.pixel_array != source.pixel_array).mean() > 0.2


def test_the_same_call_again_finds_nothing_to_do(finished: Finished, tmp_path: Path) -> None:
    arguments = finished.copied(tmp_path)
    output = Path(str(arguments["output"]))
    before = {path: path.stat().st_mtime_ns for path in (output / "variants").rglob("*")}
    again = medaug.run(**arguments, on_progress=lambda _: pytest.fail("nothing was to do"))
    assert again.already_done == 4
    assert before == {path: path.stat().st_mtime_ns for path in (output / "variants").rglob("*")}


def test_two_runs_give_the_same_bytes_and_another_seed_others(
    arguments: dict[str, object], finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    medaug.run(**arguments)
    medaug.run(**(arguments | {"output": tmp_path / "other", "seed": 8}))
    first = contents(finished.output)
    assert first == contents(Path(str(arguments["output"])))
    assert not set(first) & set(contents(tmp_path / "other"))


@pytest.mark.parametrize("moment", ["before the rename", pytest.param("before the line", marks=pytest.mark.slow)])
def test_a_run_killed_in_the_middle_continues_and_ends_with_the_same_bytes(
    arguments: dict[str, object], finished: Finished, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    script = (
        "import os, sys, json, medaug\n"
        "from tests.support.quick_prior import in_place_of_the_embedded\n"
        "from medaug.execution.output import store\n"
        "calls = []\n"
        "def die(*a, **k):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 2: os._exit(9)\n"
        "    return real(*a, **k)\n"
        + (
            "real = store.flush_tree; store.flush_tree = die\n"
            if moment == "before the rename"
            else "real = store.Store.log; store.Store.log = die\n"
        )
        + "with in_place_of_the_embedded(): medaug.run(**json.loads(sys.argv[1]))\n"
    )
    plain = json.dumps({key: value if isinstance(value, int) else str(value) for key, value in arguments.items()})
    assert subprocess.run([sys.executable, "-c", script, plain], check=False).returncode == 9
    output = Path(str(arguments["output"]))
    assert len(ledger.read(output / "ledger")) == 1
    summary = medaug.run(**arguments)
    assert summary.counts == {"written": 4}
    assert contents(output) == contents(finished.output)
    assert not ledger.verify_chain(output / "ledger")


def test_a_full_disk_stops_the_run_leaves_nothing_partial_and_can_be_continued(
    arguments: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = unit_of_work.write_previews, []

    def full(*args: object, **kwargs: object) -> None:
        calls.append(1)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(*args, **kwargs)

    monkeypatch.setattr(unit_of_work, "write_previews", full)
    with pytest.raises(OutputError, match="No space left"):
        medaug.run(**arguments)
    output = Path(str(arguments["output"]))
    assert len(list((output / "variants").iterdir())) == 1
    assert medaug.run(**arguments).counts == {"written": 4}


def test_too_little_space_is_said_before_anything_is_solved(
    arguments: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(execution.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 1000})())
    with pytest.raises(OutputError, match=r"MB are needed for 4 units"):
        medaug.run(**arguments)


def test_one_bad_unit_is_recorded_and_the_rest_is_done(
    arguments: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    real, calls = unit_of_work.begin, []

    def sometimes(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise ZeroDivisionError("PATIENT^NAME in a message of somebody's library")
        return real(*args, **kwargs)

    monkeypatch.setattr(unit_of_work, "begin", sometimes)
    summary = medaug.run(**arguments)
    assert summary.counts == {"written": 3, "crashed": 1}
    (crashed,) = [record for record in summary.records if record.status == "crashed"]
    assert crashed.code == "crashed"
    assert crashed.message.startswith("ZeroDivisionError at ")
    assert "test_execute.py" in crashed.message
    assert "PATIENT" not in crashed.message
    monkeypatch.undo()
    assert medaug.run(**arguments).counts == {"written": 4}  # failures are tried again


def test_a_variant_that_fails_its_gate_is_recorded_with_the_figures_and_not_written(
    arguments: dict[str, object], tmp_path: Path
) -> None:
    strict = small_profile(tmp_path / "strict", checks={"change": [0.99, None]})
    summary = medaug.run(**(arguments | {"profile": strict}))
    assert summary.counts == {"rejected": 4}
    assert summary.exit_code == 3
    assert not any((summary.output / "variants").iterdir())
    record = summary.records[0]
    assert "change" in record.message
    assert any(check.name == "change" and not check.passed and check.value for check in record.checks)


def test_an_output_of_another_profile_and_a_folder_of_something_else_are_refused(
    finished: Finished, tmp_path: Path
) -> None:
    arguments = finished.arguments
    with pytest.raises(OutputError, match="another profile"):
        medaug.run(**(arguments | {"profile": "bone-xray"}))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.tex").write_text("mine")
    with pytest.raises(OutputError, match="not empty"):
        medaug.run(**(arguments | {"output": tmp_path / "full"}))
    with pytest.raises(OutputError, match="apart"):
        medaug.run(**(arguments | {"output": Path(str(arguments["input"])) / "out"}))
    assert (tmp_path / "full" / "thesis.tex").read_text() == "mine"


def test_the_order_and_the_names_of_the_files_do_not_matter(
    finished: Finished, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", DATE)
    arguments, moved = finished.arguments, tmp_path / "moved"
    for number, path in enumerate(sorted(Path(str(arguments["input"])).rglob("x*.dcm"), reverse=True)):
        target = moved / f"f{number}" / path.name
        target.parent.mkdir(parents=True)
        target.write_bytes(path.read_bytes())
    medaug.run(**(arguments | {"input": moved, "output": tmp_path / "out2"}))
    mine, theirs = contents(finished.output), contents(tmp_path / "out2")
    for name in mine:
        if name.endswith(".dcm"):
            assert mine[name] == theirs[name]


def test_identity_must_be_declared_or_stated(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, identity_removed=False)
    common = {
        "input": tmp_path / "in",
        "profile": small_profile(tmp_path),
        "annotations": boxes(tmp_path / "boxes.json", ("x1.dcm",)),
    }
    stopped = medaug.run(**common, output=tmp_path / "out")
    assert stopped.exit_code == 3
    assert [skip.code for skip in stopped.skips if skip.refused] == ["identity"]
    assert not (tmp_path / "out").exists()
    accepted = medaug.run(**common, output=tmp_path / "out", accept_identity="checked by the data office, ticket 12")
    assert accepted.counts == {"written": 1}
    assert accepted.records[0].identity.state == "identified"
    assert accepted.records[0].identity.accepted_reason == "checked by the data office, ticket 12"


def test_no_identity_in_any_output_but_the_copied_attributes(tmp_path: Path) -> None:
    canary = "ZQXCANARY"
    path = make.radiograph(tmp_path / f"{canary}_in", name=f"{canary}.dcm", rows=120, columns=100)
    ds = pydicom.dcmread(path)
    ds.PatientName, ds.PatientID, ds.AccessionNumber = f"{canary}^A", f"{canary}1", f"{canary}2"
    ds.StudyDescription = ds.OperatorsName = ds.InstitutionName = canary
    ds.save_as(path)
    make.series(tmp_path / f"{canary}_in" / canary, slices=5, gap_at=2)
    medaug.run(
        tmp_path / f"{canary}_in",
        tmp_path / "out",
        profile=small_profile(tmp_path),
        annotations=boxes(tmp_path / "boxes.json", (f"{canary}.dcm",)),
        accept_identity="a test",
    )
    files = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path != tmp_path / "out" / NAMES]
    assert any(path.suffix == ".dcm" for path in files)
    for file in files:
        assert canary not in str(file.relative_to(tmp_path / "out"))
        if file.suffix != ".dcm":
            assert canary.encode() not in file.read_bytes(), file.name


def test_an_input_that_is_not_there_and_one_that_is_empty(arguments: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(ReadError, match="no such"):
        medaug.run(**(arguments | {"input": tmp_path / "nowhere"}))
    (tmp_path / "empty").mkdir()
    with pytest.raises(ReadError, match="file"):
        medaug.run(**(arguments | {"input": tmp_path / "empty"}))


def test_nothing_touches_the_network(finished: Finished) -> None:
    """It ran where every connection is refused."""
    assert finished.summary.counts == {"written": 4}


def _overwritten(path: Path) -> None:
    changed = pydicom.dcmread(path)
    changed.PixelData = bytes(len(changed.PixelData))
    changed.save_as(path)


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1000])


def _fifo(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _zeros(path: Path) -> None:
    path.unlink()
    path.symlink_to("/dev/zero")


@pytest.mark.parametrize("change", [_overwritten, _cut, Path.unlink, _fifo, _zeros])
def test_an_input_that_changes_while_the_run_is_on_fails_by_itself_and_is_planned_anew(
    arguments: dict[str, object], change: Callable[[Path], None]
) -> None:
    one = arguments | {"variants": 1}
    planned = medaug.plan(**{k: v for k, v in one.items() if k != "output"})  # type: ignore[arg-type]
    change(Path(str(one["input"])) / "xray" / "x1.dcm")
    output = Path(str(one["output"]))
    summary = execution.execute(planned, output)
    assert summary.counts == {"written": 1, "failed": 1}
    assert [record.code for record in summary.records if record.status == "failed"] == ["input-changed"]
    assert [record.code for record in summary.records if record.status == "written"] == [""]
    with pytest.raises(OutputError, match="another set of inputs"):
        medaug.run(**(one | {"key": None}))


def test_a_source_whose_box_could_not_be_placed_is_skipped_for_that_reason(tmp_path: Path) -> None:
    for patient in "ab":
        make.radiograph(tmp_path / "in" / patient, name="x1.dcm", rows=120, columns=100, seed=ord(patient))
    planned = medaug.plan(
        tmp_path / "in", profile=small_profile(tmp_path), annotations=boxes(tmp_path / "boxes.json", ("x1.dcm",))
    )
    assert not planned.units
    assert [(skip.code, skip.files, skip.refused) for skip in planned.skips] == [("unplaced-box", 1, True)] * 2
    assert len({skip.series_uid for skip in planned.skips}) == 2
    assert planned.unmatched[0].startswith("several-images")


def test_a_box_of_a_refused_file_is_not_its_namesake_s(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in" / "a", name="x1.dcm", rows=120, columns=100)
    broken = make.radiograph(tmp_path / "in" / "b", name="x1.dcm", rows=120, columns=100, seed=2)
    broken.write_bytes(broken.read_bytes()[:-2000])
    common = {"input": tmp_path / "in", "profile": small_profile(tmp_path)}
    planned = medaug.plan(**common, annotations=boxes(tmp_path / "boxes.json", ("b/x1.dcm",)))
    assert not planned.units
    planned = medaug.plan(**common, annotations=boxes(tmp_path / "boxes.json", ("a/x1.dcm",)))
    assert len(planned.units) == 1


def test_nifti_and_annotations_in_input_are_no_skips(tmp_path: Path) -> None:
    volume = make.volume((4, 40, 40), dtype=np.int16)
    geometry = Geometry(volume.geometry.shape, np.diag([-1.0, -1, 1, 1])[:, [2, 1, 0, 3]], "patient")
    volume = replace(volume, geometry=geometry, rescale=(Rescale(),) * 4)
    mask = np.zeros((4, 40, 40), np.uint8)
    mask[1, 10:20, 10:20] = 1
    (tmp_path / "in" / "labels").mkdir(parents=True)
    write_nifti(volume, tmp_path / "in" / "case.nii.gz")
    write_nifti(replace(volume, stored=mask), tmp_path / "in" / "labels" / "case_seg.nii.gz")
    (tmp_path / "in" / "labels" / "case_seg.json").write_text('{"1": "tumour"}')
    (tmp_path / "in" / "notes.md").write_text("not an image")
    planned = medaug.plan(
        tmp_path / "in",
        profile=small_profile(tmp_path),
        annotations=tmp_path / "in" / "labels",
        accept_identity="a test",
    )
    assert [(unit.boxes[0].label, unit.shape) for unit in planned.units] == [("tumour", (4, 40, 40))]
    assert [(skip.code, skip.files) for skip in planned.skips] == [("not-dicom", 1)]


def test_the_format_can_be_stated(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100)
    table = tmp_path / "boxes.txt"
    table.write_text("image,x,y,width,height,label\nx1.dcm,10,20,15,11,lesion\n")
    common = {"input": tmp_path / "in", "profile": small_profile(tmp_path), "annotations": table}
    unread = medaug.plan(**common)  # told by content it is YOLO, of which no line can be read
    assert not unread.units
    assert "label file 0, line 1: expected a number" in unread.unmatched[0]
    assert len(medaug.plan(**common, format="csv").units) == 1
    with pytest.raises(AnnotationError, match="expected one of coco"):
        medaug.plan(**common, format="pdf")


def test_input_is_not_changed(finished: Finished) -> None:
    assert len(finished.before) > 3
    assert finished.before == content_of(finished.arguments)


@pytest.mark.parametrize(("code", "stops"), [("solver-failed", True), ("no-place", False)])
def test_a_lesion_that_fits_nowhere_says_nothing_of_the_run(code: str, *, stops: bool) -> None:
    outcomes = [failed(str(n), code=code) for n in range(20)]
    stopping = pytest.raises(RunError, match="stopped: 20 of 20 units failed") if stops else nullcontext()
    with stopping:
        execution._watch(iter(outcomes), (0, 40), 0.5, None)
