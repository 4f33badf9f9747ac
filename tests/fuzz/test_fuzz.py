"""Every fuzz target holds for its own seeds, finds nothing in a bounded time, and can find something."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest

from medaug.errors import AnnotationError, ReadError
from tests.fuzz import targets, watch
from tests.fuzz.seeds import CANARY
from tests.fuzz.targets import TARGETS
from tests.fuzz.watch import Watch
from tests.support.paths import ROOT

NEEDS_ATHERIS = pytest.mark.skipif(find_spec("atheris") is None, reason="atheris is installed on Linux only")


@cache
def seeds_of(target: str) -> dict[str, bytes]:
    return dict(TARGETS[target].seeds())


def test_the_seeds_are_of_every_kind() -> None:
    names = {target: seeds_of(target) for target in TARGETS}
    found = {target: len(seeds) for target, seeds in names.items()}
    assert found == {"annotations": 32, "dicom": 10, "images": 5, "nrrd": 6, "yaml": 7, "zip": 7}
    assert sum(CANARY.encode() in data for seeds in names.values() for data in seeds.values()) >= 8


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_break_no_rule(target: str, tmp_path: Path) -> None:
    seen = Watch(target, TARGETS[target].prepared(tmp_path), tmp_path / "found", 600)
    for data in seeds_of(target).values():
        seen.one(data)
        seen.one(data[: len(data) // 2])
    assert dict(seen.broken) == {}


@NEEDS_ATHERIS
@pytest.mark.long
@pytest.mark.parametrize("target", TARGETS)
def test_a_bounded_run_finds_nothing(target: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz.target", target, str(tmp_path / "corpus"), "30", "-seed=1"]
    done = subprocess.run(
        [*command, f"-artifact_prefix={tmp_path}/"], capture_output=True, check=False, cwd=ROOT, text=True, timeout=280
    )
    assert done.returncode == 0, done.stderr[-3000:]
    said = json.loads(done.stdout)
    assert (said["target"], said["broken"]) == (target, {})
    assert said["executions"] > 100


def test_a_code_that_is_not_in_the_table_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, kind in (("read_nrrd", ReadError), ("read_annotations", AnnotationError)):
        error = kind("text")
        error.code = "new-code"
        monkeypatch.setattr(targets, name, raising(error))
    for target in ("nrrd", "annotations"):
        with pytest.raises(AssertionError, match="not in the table"):
            TARGETS[target].prepared(tmp_path)(b"")


def test_a_sentence_that_repeats_the_input_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(targets, "read_nifti", raising(ReadError(f"found {CANARY}", code="empty")))
    with pytest.raises(AssertionError, match="repeats the input"):
        TARGETS["images"].prepared(tmp_path)(b"")


def test_what_breaks_a_rule_is_kept_once_for_each_place(tmp_path: Path) -> None:
    def check(data: bytes) -> None:
        if data.startswith(b"a"):
            raise KeyError(len(data))
        if data.startswith(b"b"):
            raise RecursionError

    seen = Watch("toy", check, tmp_path / "found", 600)
    for data in (b"a1", b"a2", b"b", b"c"):
        seen.one(data)
    assert sorted(seen.broken.values()) == [1, 2]
    assert {path.read_bytes() for path in (tmp_path / "found").glob("*") if not path.suffix} == {b"a1", b"b"}


def test_an_input_has_limits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(_: bytes) -> None:
        until = time.process_time() + 5
        while time.process_time() < until:
            try:
                sum(range(1000))
            except Exception:  # noqa: BLE001 - a reader that takes everything for a bad file
                continue

    monkeypatch.setattr(watch, "MOST_SECONDS", 0.2)
    monkeypatch.setattr(watch, "MOST_BYTES", 64 << 20)
    seen = Watch("toy", slow, tmp_path / "found", 600)
    started = time.process_time()
    seen.one(b"slow")
    assert time.process_time() - started < 2
    monkeypatch.setattr(watch, "MOST_SECONDS", 20)
    large = Watch("toy", lambda _: memoryview(bytearray(b"1" * (100 << 20))).release(), tmp_path / "found", 600)
    large.one(b"large")
    assert [next(iter(each.broken)).split(" at ")[0] for each in (seen, large)] == ["too long", "too much memory"]


def raising(error: Exception) -> object:
    def read(*_: object) -> None:
        raise error

    return read
