from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import medaug
from medaug.audit import ledger
from medaug.errors import OutputError, ReadError
from medaug.execution.replay import chosen, replay
from medaug.processes import threads
from medaug.processes.processor import processor
from tests.support import make
from tests.support.small_runs import boxes, small_profile
from tests.support.sound_output import redigest, rewrite
from tests.support.tampering import paint


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants of one radiograph in out/, its source in in/, another image beside it."""
    folder = tmp_path_factory.mktemp("replay")
    for number in (1, 2):
        make.radiograph(folder / "in", name=f"x{number}.dcm", rows=120, columns=100, seed=number)
    medaug.run(
        folder / "in",
        folder / "out",
        profile=small_profile(folder),
        annotations=boxes(folder / "boxes.json", ("x1.dcm",)),
        variants=2,
    )
    return folder


def units(made: Path) -> list[str]:
    return [record.unit for record in ledger.read(made / "out" / "ledger")]


def test_a_unit_made_again_has_the_recorded_pixels_and_nothing_is_written(made: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in made.rglob("*")}
    found = list(replay(made / "out", [unit[:8] for unit in units(made)], made / "in"))
    assert sorted(again.unit for again in found) == units(made)
    assert all(again.same and again.images == 1 and not again.changes for again in found)
    assert before == {path: path.stat().st_mtime_ns for path in made.rglob("*")}


def test_a_pixel_that_was_changed_and_covered_is_counted(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made, tmp_path / "copy")
    root = tmp_path / "copy" / "out"
    record = ledger.read(root / "ledger")[0]
    paint(root / record.images[0].path, 3, 4)
    rewrite(root, record.unit, lambda found: redigest(root, found))
    (found,) = replay(root, [record.unit], made / "in")
    assert not found.same
    assert [(d.path, d.voxels, d.greatest) for d in found.differences] == [(record.images[0].path, 1, 1.0)]


def test_what_is_not_as_recorded_is_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "out", tmp_path / "out")
    record = ledger.read(tmp_path / "out" / "ledger")[0]
    rewrite(tmp_path / "out", record.unit, lambda r: replace(r, versions={**r.versions, "torch": "1.0"}, batch_size=1))
    (found,) = replay(tmp_path / "out", [record.unit], made / "in")
    assert found.same
    assert set(found.changes) == {"torch"}  # the batch that memory allowed then is used again
    assert found.changes["torch"][0] == "1.0"


def test_another_kind_of_processor_is_named(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "out", tmp_path / "out")
    record = ledger.read(tmp_path / "out" / "ledger")[0]
    assert record.processor == processor()
    rewrite(tmp_path / "out", record.unit, lambda r: replace(r, processor="Another, AVX512"))
    (found,) = replay(tmp_path / "out", [record.unit], made / "in")
    assert found.changes == {"processor": ("Another, AVX512", processor())}


def test_a_source_that_changed_is_not_taken(made: Path, tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    paint(tmp_path / "in" / "x1.dcm", 0, 0)
    with pytest.raises(ReadError, match="nothing in it has the content"):
        list(replay(made / "out", units(made)[:1], tmp_path / "in"))


def test_a_unit_must_be_named_clearly(made: Path) -> None:
    found = ledger.read(made / "out" / "ledger")
    assert chosen(found, found[0].unit[:8]) == found[0]
    with pytest.raises(OutputError, match="expected the first 8 or more digits of its key, found 6"):
        chosen(found, found[0].unit[:6])
    with pytest.raises(OutputError, match="no written unit's key begins with these 16 digits"):
        chosen(found, "0" * 16)
    with pytest.raises(OutputError, match="2 keys begin with these 8 digits; give more of them"):
        chosen([found[0], replace(found[0], unit=found[0].unit[:8] + "0" * 56)], found[0].unit[:8])


def test_a_unit_is_made_again_with_as_many_threads_as_before(
    made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(made / "out", tmp_path / "out")
    record = ledger.read(tmp_path / "out" / "ledger")[0]
    assert record.threads == threads.of_a_solve()
    rewrite(tmp_path / "out", record.unit, lambda r: replace(r, threads=3))
    asked: list[int] = []
    monkeypatch.setattr("torch.set_num_threads", asked.append)
    list(replay(tmp_path / "out", [record.unit], made / "in"))
    assert asked == [3, torch.get_num_threads()]


def test_a_recipe_of_another_arithmetic_is_refused(made: Path, tmp_path: Path) -> None:
    shutil.copytree(made / "out", tmp_path / "out")
    record = ledger.read(tmp_path / "out" / "ledger")[0]
    rewrite(tmp_path / "out", record.unit, lambda r: replace(r, recipe={**r.recipe, "numerics": "0"}))
    with pytest.raises(OutputError, match="not one that this version can do again"):
        list(replay(tmp_path / "out", [record.unit], made / "in"))
