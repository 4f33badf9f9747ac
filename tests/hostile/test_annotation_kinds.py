"""Bad annotations of every kind beside a good radiograph: `medaug plan` in a process apart, measured.

Write the table anew with ``MEDAUG_WRITE_DOCS=1 pytest -m slow tests/hostile``.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from tests.support.hostile_annotations import Kind, kinds, radiograph
from tests.support.hostile_commands import broken, each_measured
from tests.support.hostile_measure import Measured
from tests.support.paths import ROOT
from tests.support.small_runs import boxes, small_profile

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="measured from /proc")
DOCUMENT = ROOT / "docs" / "reference" / "hostile.md"
KINDS = list(kinds())
START, END = "## Bad annotations\n", "\n## Where a plain file is expected\n"
HEAD = f"""{START}
Made by `tests/hostile/test_annotation_kinds.py`: each is given to `medaug plan` beside a good radiograph, and ends in
under 20 s and 1 GiB over the baseline. Annotations are read in a process of their own (`annotations/bounded.py`), which
may take 1 GiB and 20 s, and more by the size of the files and of the images; else it is ended (`annotation-limits`).

| kind | says | exit | s | MiB |
|---|---|---|---|---|
"""


def row(kind: Kind, found: Measured) -> str:
    return f"| {kind.name} | {kind.said or 'its label is read'} | {kind.code} | {found.cpu:.2f} | {found.peak:.0f} |\n"


def without_figures(text: str) -> list[str]:
    return [line.rsplit("|", 3)[0] if line.startswith("|") else line for line in text.splitlines()]


@pytest.mark.parametrize("known", [KINDS[1::4], pytest.param(KINDS, marks=pytest.mark.slow)], ids=["some", "all"])
def test_every_kind_is_a_sentence_in_time_and_memory(tmp_path: Path, known: list[Kind]) -> None:
    profile, good = small_profile(tmp_path), boxes(tmp_path / "boxes.json", ("x1.dcm",))
    volume = radiograph(tmp_path / "in")
    commands = [["plan", tmp_path / "in", "-a", good, "-p", profile]]
    for number, kind in enumerate(known):
        folder = tmp_path / str(number) / "labels"
        folder.mkdir(parents=True)
        commands.append(["plan", tmp_path / "in", "-a", kind.build(folder, volume), "-p", profile])
    warm, *found = each_measured(tmp_path, commands)
    assert "1 box" in warm.console
    wrong = {
        kind.name: bad for kind, each in zip(known, found, strict=True) if (bad := broken(each, kind.said, kind.code))
    }
    table = HEAD + "".join(row(kind, each) for kind, each in zip(known, found, strict=True))
    before, _, rest = DOCUMENT.read_text(encoding="utf-8").partition(START)
    kept, _, after = rest.partition(END)
    if os.environ.get("MEDAUG_WRITE_DOCS") and known is KINDS:
        DOCUMENT.write_text(f"{before}{table}{END}{after}", encoding="utf-8")
        kept = table.removeprefix(START)
    assert wrong == {}
    assert {*without_figures(table)} <= {*without_figures(START + kept)}
    assert known is not KINDS or without_figures(START + kept) == without_figures(table)


def test_the_measures_can_fail() -> None:
    good = Measured(2, "medaug: a sentence", 1.0, 1.0, 10.0)
    assert broken(good, "a sentence", 2) == []
    for change in ({"code": 1}, {"console": "medaug: unexpected a sentence"}, {"peak": 1100.0}, {"console": ""}):
        assert broken(Measured(**{**vars(good), **change}), "a sentence", 2), change
    assert broken(Measured(**{**vars(good), "wall": 21.0, "cpu": 21.0}), "a sentence", 2)
