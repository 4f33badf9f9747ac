"""What pictures and NRRD volumes of OUTPUT may be made to say, with all digests made to fit."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from medaug.verification.verify import verify
from tests.support.tampering import codes
from tests.support.tampering_files import IN_FILES, build
from tests.support.tampering_headers import OUTPUT

pytestmark = pytest.mark.usefixtures("unchanged_units_are_checked_once")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    build(folder)
    return folder


def test_a_sound_output_of_files_has_no_fault(files: Path) -> None:
    verdict = verify(files / "out", source=files / "in")
    assert verdict.faults == ()
    assert (verdict.sound, verdict.units) == (True, 3)
    assert verdict.compared > 0


@pytest.mark.parametrize("what", IN_FILES)
def test_what_a_file_is_made_to_say_is_found(files: Path, tmp_path: Path, what: str) -> None:
    shutil.copytree(files, tmp_path / "copy")
    folder = tmp_path / "copy"
    attack, code, needed = IN_FILES[what]
    attack(folder)
    alone = codes(verify(folder / "out"))
    assert code in alone if needed == OUTPUT else alone == set()
    assert code in codes(verify(folder / "out", source=folder / "in"))
