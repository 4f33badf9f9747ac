from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from medaug.audit.record import Record
from medaug.verification import derivation
from medaug.verification.derivation import statement_of
from medaug.verification.unit_check import UnitCheck
from tests.support.remembered import _seen
from tests.support.sound_output import of


@pytest.fixture
def unit(sound: Path, tmp_path: Path) -> UnitCheck:
    shutil.copytree(sound, tmp_path / "copy")
    root = tmp_path / "copy" / "out"
    slices = tuple(sorted((tmp_path / "copy" / "in" / "ct").iterdir()))
    return UnitCheck(root, of(root, "CT"), slices, keeps_boxes=True, said=statement_of(root), donor=slices[0])


def test_another_copy_is_the_same_unit(unit: UnitCheck, tmp_path: Path) -> None:
    shutil.copytree(unit.root.parent, tmp_path / "other")
    assert unit.sources is not None
    sources = tuple(tmp_path / "other" / "in" / "ct" / path.name for path in unit.sources if path)
    assert _seen(replace(unit, root=tmp_path / "other" / "out", sources=sources, donor=sources[0])) == _seen(unit)


def test_a_file_that_is_changed_replaced_added_or_gone_makes_it_another(unit: UnitCheck) -> None:
    assert unit.sources is not None
    folder = unit.root / unit.record.folder
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert len(files) > len(unit.record.outputs)  # its record, too
    before, aside = _seen(unit), unit.root / "aside"
    for path in (*files, *unit.sources):
        assert path is not None
        path.rename(aside)
        seen = {_seen(unit)}
        path.symlink_to(aside)
        seen.add(_seen(unit))
        path.unlink()
        path.write_bytes(aside.read_bytes()[:-1])
        seen.add(_seen(unit))
        aside.replace(path)
        assert len(seen - {before}) == 3, path
    (folder / "image" / "more").write_bytes(b"")
    assert _seen(unit) != before


def test_another_record_statement_or_version_makes_it_another(unit: UnitCheck, monkeypatch: pytest.MonkeyPatch) -> None:
    def elsewhere(record: Record) -> Record:
        return replace(record, outputs=(*record.outputs, replace(record.outputs[0], path="monai.json")))

    assert unit.said is not None
    others = [
        replace(unit, record=replace(unit.record, seed="8")),
        replace(unit, record=elsewhere(unit.record)),
        replace(unit, keeps_boxes=False),
        replace(unit, said=None),
        replace(unit, said=replace(unit.said, profile=unit.said.profile.model_copy(update={"size": 128}))),
        replace(unit, sources=None),
        replace(unit, sources=(None, *(unit.sources or ())[1:])),
        replace(unit, donor=None),
    ]
    before = _seen(unit)
    seen = {before, *map(_seen, others)}
    (unit.root / "monai.json").write_bytes(b"")
    seen.add(_seen(others[1]))
    monkeypatch.setattr(derivation, "__version__", "9.9")
    seen.add(_seen(unit))
    assert len(seen) == 1 + len(others) + 2
