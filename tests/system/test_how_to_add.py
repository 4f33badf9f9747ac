"""CONTRIBUTING's table *How to add …*: a toy of each is added to a copy of the package, where it says, and run."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.additions import ADDITIONS, add
from tests.support.paths import ROOT

THREE = {"a solver", "a region law", "a prior's layout"}  # docs/adr/0031-what-is-added-in-three-files.md says why


def table() -> dict[str, list[str]]:
    """What is added → the cells behind it."""
    text = (ROOT / "CONTRIBUTING.md").read_text().partition("## How to add …")[2]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]
    return {name: cells for name, *cells in rows[2:]}


def test_a_toy_of_each_is_added_and_runs(tmp_path: Path) -> None:
    copy = tmp_path / "code" / "medaug"
    shutil.copytree(ROOT / "medaug", copy, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copytree(ROOT / "profiles", copy.parent / "profiles")
    for edits in ADDITIONS.values():
        add(copy, edits)
    environment = {**os.environ, "PYTHONPATH": f"{copy.parent}{os.pathsep}{ROOT}"}
    command = [sys.executable, "-m", "tests.support.run_additions", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert found["status"] == ["written", ""]
    assert found["boxes"] == [["lesion", [0, 40, 30], [1, 60, 50]]]
    assert found["checks"]["toy_share"] == [0.02, 1]
    assert found["prior"] == "toy"
    assert found["toy.json"] == {"images": 1}
    assert found["faults"] == []
    assert found["faults of another list"] == ["file-changed", "list-differs", "seal-root"]


@pytest.mark.parametrize("name", ADDITIONS)
def test_the_table_names_the_files_of_each(name: str) -> None:
    """At most two source files, or three where two would break the wall, and one test that is there."""
    *where, test = table()[name]
    named = set(re.findall(r"`(?:medaug/)?([a-z_/]+(?:/NAME)?\.py|[a-z_]+/)`", " ".join(where)))
    added = {re.sub(r"/toy\.py$", "/NAME.py", file) for file in ADDITIONS[name]}
    assert {file.removesuffix("__init__.py") for file in added} == named
    assert len(added) <= (3 if name in THREE else 2)
    (path,) = re.findall(r"`(tests/[\w/]+\.py)`", test)
    assert (ROOT / path).exists() or "NAME" in path


def test_nothing_is_added_that_the_table_does_not_know() -> None:
    assert set(table()) == set(ADDITIONS)
