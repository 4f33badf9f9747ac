"""A FIFO, a device or a link to one, wherever a command takes a file: a sentence and a code, and no waiting."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from medaug.cli import main
from medaug.dicom.read.parse import content
from medaug.errors import ReadError
from medaug.formats.nifti import read_nifti
from medaug.formats.nrrd import read_nrrd
from medaug.formats.raster import read_raster
from tests.support import make
from tests.support.small_runs import boxes, small_profile

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
SECONDS = 20.0


def fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def endless(path: Path) -> Path:
    path.symlink_to("/dev/zero")
    return path


Make = Callable[[Path], Path]
both = pytest.mark.parametrize("stand_in", [fifo, endless], ids=lambda each: each.__name__)


def said(arguments: list[object], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> str:
    """What a command says that must end at once, by 2 or 3, in one sentence."""
    monkeypatch.setattr(sys, "argv", ["medaug", *map(str, arguments)])
    started = time.process_time()
    with pytest.raises(SystemExit) as ended:
        main()
    assert time.process_time() - started < SECONDS
    message = capsys.readouterr().err
    assert ended.value.code in {2, 3}, message
    assert "Traceback" not in message
    assert "unexpected" not in message
    return message


@both
@pytest.mark.parametrize("where", ["profile", "annotations", "key", "prior import", "seal key", "public key", "status"])
def test_a_named_file(
    tmp_path: Path, stand_in: Make, where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100)
    labels, profile, out = boxes(tmp_path / "boxes.json", ("x1.dcm",)), small_profile(tmp_path), tmp_path / "out"
    plan = ["plan", tmp_path / "in", "-a", labels, "-p", profile]
    (tmp_path / "made").mkdir()
    bad = stand_in(tmp_path / "made" / ("FORMAT.json" if where == "status" else "bad.yaml"))
    commands: dict[str, list[object]] = {
        "profile": [*plan[:-1], bad],
        "annotations": ["plan", tmp_path / "in", "-a", bad, "-p", profile],
        "key": ["run", *plan[1:], "-o", out, "--key", bad],
        "prior import": ["prior", "import", bad],
        "seal key": ["seal", tmp_path / "made", "--key", bad],
        "public key": ["keys", "new", "-o", bad],
        "status": ["status", bad.parent],
    }
    assert said(commands[where], monkeypatch, capsys)


@both
@pytest.mark.parametrize(("read", "name"), [(content, "a.dcm"), (read_nifti, "a.nii"), (read_nifti, "a.nii.gz"),
                                            (read_nrrd, "a.nrrd"), (read_raster, "a.png")])  # fmt: skip
def test_a_file_of_the_input_that_became_something_else(
    tmp_path: Path, stand_in: Make, read: Callable[[Path], object], name: str
) -> None:
    path = stand_in(tmp_path / name)
    with pytest.raises(ReadError, match="can't be read"):
        read(path)
