"""The fuzz target runs, finds nothing in a bounded number of steps, and can find something."""

from __future__ import annotations

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from medaug.errors import ReadError
from tests.fuzz.seeds import CANARY, seeds
from tests.support.paths import ROOT

NEEDS_ATHERIS = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is installed on Linux only")


def run(folder: Path, runs: int) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tests.fuzz.target", str(folder / "corpus"), f"-runs={runs}", "-seed=1"]
    command.append(f"-artifact_prefix={folder}/")
    return subprocess.run(command, capture_output=True, check=False, cwd=ROOT, text=True, timeout=280)


def test_the_seeds_are_of_every_kind() -> None:
    found = dict(seeds())
    assert len(found) == 16
    assert sum(CANARY.encode() in data for data in found.values()) >= 6


@NEEDS_ATHERIS
@pytest.mark.slow
def test_a_bounded_run_finds_nothing(tmp_path: Path) -> None:
    done = run(tmp_path, 4000)
    assert done.returncode == 0, done.stderr[-3000:]
    assert "Done 4000 runs" in done.stderr


@NEEDS_ATHERIS
def test_the_target_can_fail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.fuzz import target

    path = tmp_path / "ZQXNAME"
    for name, data in seeds():
        target.check(path, data)
        assert name
    monkeypatch.setattr(target, "read_nifti", raising("new-code", "text"))
    with pytest.raises(AssertionError, match="not in the table"):
        target.check(path, b"")
    monkeypatch.setattr(target, "read_nifti", raising("empty", f"found {CANARY}"))
    with pytest.raises(AssertionError, match="repeats the input"):
        target.check(path, b"")


def raising(code: str, text: str) -> object:
    def read(_: Path) -> None:
        error = ReadError(text)
        error.code = code
        raise error

    return read
