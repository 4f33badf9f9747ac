"""Bad files of every kind beside a good one: `medaug plan` and `medaug run` in a process apart, measured.

Of each: no traceback, under ten seconds, under a GiB over the baseline, exactly one record with the right code, and the
good series done. Write the table anew with ``MEDAUG_WRITE_DOCS=1 pytest -m slow tests/hostile``.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support import make
from tests.support.command_line import medaug
from tests.support.hostile_kinds import Kind, kinds
from tests.support.hostile_measure import Measured
from tests.support.paths import ROOT
from tests.support.small_runs import boxes, small_profile

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measured from /proc")
DOCUMENT = ROOT / "docs" / "reference" / "hostile.md"
SECONDS, MEMORY = 10.0, 1024.0  # MiB
KINDS = list(kinds())
RECORD = re.compile(r"^ +(refused|skipped) \[([a-z-]+)\] (\d+) files?", re.MULTILINE)
HEAD = """# Bad files, and what becomes of them

Made by `tests/hostile/test_kinds.py`: each kind is built in code, laid beside a good radiograph, and given to
`medaug plan`. Each must end in one record with its code ([codes](codes.md)) or be read all the same, with no traceback,
in under 10 s and 1 GiB over the baseline, decoder included, while the good radiograph is done. Nothing of the input is
changed or moved. Seconds are of processor time, without the decoder's; MiB count it. Both are of
the run that made this table.

| kind | record | s | MiB |
|---|---|---|---|
"""


MORE = "\n## Bad annotations\n"


def export(kind: Kind, folder: Path) -> Path:
    """The bad file in a folder of its own, beside a good radiograph."""
    make.radiograph(folder / "good", name="x1.dcm", rows=120, columns=100, seed=1)
    kind.build(folder / "bad")
    return folder


def all_measured(folder: Path, arguments: Callable[[Path], list[str]], known: list[Kind]) -> list[Measured]:
    """Every kind through one command, in one process."""
    warm = Kind("loads every module", lambda _: None, "")
    specification = [arguments(export(kind, folder / str(n))) for n, kind in enumerate([warm, *known])]
    (folder / "specification.json").write_text(json.dumps(specification))
    command = [
        sys.executable,
        "-m",
        "tests.support.hostile_measure",
        folder / "specification.json",
        folder / "answer.json",
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    assert not (ROOT / "unpickled").exists()
    return [Measured(**each) for each in json.loads((folder / "answer.json").read_text())[1:]]


def faults(kind: Kind, found: Measured, done: str) -> list[str]:
    """What is wrong with the outcome."""
    records = [(code, int(files)) for _, code, files in RECORD.findall(found.console)]
    expected = [(kind.code, kind.files)] if kind.code else [("no-boxes", kind.files)]
    wrong = []
    if records != expected:
        wrong.append(f"expected {expected}, found {records}: {found.console[-600:]}")
    if done not in found.console:
        wrong.append(f"the good series is not done: {found.console[-600:]}")
    if "Traceback" in found.console or "Doe" in found.console or found.code not in {0, 4}:
        wrong.append(f"exit code {found.code}: {found.console[-600:]}")
    if found.wall > SECONDS and found.cpu > SECONDS / 2:  # a busy machine is no fault of ours
        wrong.append(f"{found.wall:.1f} s, {found.cpu:.1f} of this process")
    if found.peak > MEMORY:
        wrong.append(f"{found.peak:.0f} MiB")
    return wrong


def row(kind: Kind, found: Measured) -> str:
    record = f"`{kind.code}`" if kind.code else "none: it is read"
    return f"| {kind.name} | {record} | {found.cpu:.2f} | {found.peak:.0f} |\n"


def without_figures(text: str) -> list[str]:
    return [line.rsplit("|", 3)[0] if line.startswith("|") else line for line in text.splitlines()]


@pytest.mark.parametrize("known", [KINDS[::5], pytest.param(KINDS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_kind_ends_in_one_record_in_time_and_memory(tmp_path: Path, known: list[Kind]) -> None:
    profile, labels = small_profile(tmp_path), boxes(tmp_path / "boxes.json", ("x1.dcm",))
    found = all_measured(tmp_path, lambda root: ["plan", str(root), "-a", str(labels), "-p", profile], known)
    wrong = {kind.name: bad for kind, each in zip(known, found, strict=True) if (bad := faults(kind, each, "1 box"))}
    rows = [row(kind, each) for kind, each in zip(known, found, strict=True)]
    table = HEAD + "".join(rows)
    kept, by_hand = DOCUMENT.read_text(encoding="utf-8").split(MORE)
    if os.environ.get("MEDAUG_WRITE_DOCS") and known is KINDS:
        DOCUMENT.write_text(f"{table}{MORE}{by_hand}", encoding="utf-8")
        kept = table
    assert wrong == {}
    assert {*without_figures(table)} <= {*without_figures(kept)}
    assert known is not KINDS or without_figures(kept) == without_figures(table)


def test_the_measures_can_fail(tmp_path: Path) -> None:
    good = Measured(4, "  refused [empty] 1 file: x\n 1 box", 1.0, 1.0, 10.0)
    kind = KINDS[0]
    assert faults(kind, good, "1 box") == []
    for change in (
        {"console": good.console + "\nTraceback (most recent call last)"},
        {"console": good.console + "\n  refused [truncated] 1 file: y"},
        {"console": "  refused [empty] 1 file: x"},
        {"code": 1},
        {"peak": 1100.0},
        {"wall": 11.0, "cpu": 11.0},
    ):
        assert faults(kind, Measured(**{**vars(good), **change}), "1 box"), change
    assert tmp_path.exists()


@pytest.mark.long
@pytest.mark.timeout(1500)
def test_a_run_does_the_good_series_beside_every_kind(tmp_path: Path) -> None:
    profile, labels = small_profile(tmp_path), boxes(tmp_path / "boxes.json", ("x1.dcm",))
    found = all_measured(
        tmp_path,
        lambda root: ["run", str(root), "-o", f"{root}_out", "-a", str(labels), "-p", profile],
        KINDS,
    )
    wrong = {
        kind.name: bad for kind, each in zip(KINDS, found, strict=True) if (bad := faults(kind, each, "1 written"))
    }
    assert wrong == {}
    for number, kind in enumerate(KINDS, 1):
        output = tmp_path / f"{number}_out"
        skips = json.loads((output / "plan.json").read_text())["skips"]
        assert [(skip["code"], skip["files"]) for skip in skips] == [(kind.code or "no-boxes", kind.files)], kind.name
        assert not any(path.read_bytes()[:2] == b"MZ" for path in output.rglob("*.dcm")), kind.name


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("aliases", "a: &a [x, x, x]\nb: [*a, *a]\n"),
        ("tags", "!!python/object/apply:os.mkdir [unpickled]\n"),
        ("deep", "[" * 20_000),
        ("deep mappings", "".join(" " * n + "a:\n" for n in range(3000))),
        ("large", "a: b\n" * 400_000),
        ("no mapping", "- 1\n"),
        ("no UTF-8", "name: \udcff\n"),
        ("empty", ""),
    ],
)
def test_a_hostile_profile_is_one_sentence(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(text, errors="surrogateescape")
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100)
    command = ["plan", tmp_path / "in", "-a", boxes(tmp_path / "boxes.json", ("x1.dcm",)), "-p", path]
    done = medaug(*command)
    assert done.returncode == 2, (name, done.stderr)
    said = done.stderr.removeprefix("reading 1 file…\n")  # the first word on what goes on
    assert said.startswith("medaug: profile "), name
    assert "Traceback" not in done.stderr, name
    assert len(said) < 2000, name
    assert not Path("unpickled").exists(), name
