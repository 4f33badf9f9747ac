"""`medaug realism` on an OUTPUT, and `medaug benchmark --realism` on an export."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from medaug.benchmark.realism import judge
from medaug.cli import app
from tests.support import make
from tests.support.dicom_edit import edit
from tests.support.small_runs import boxes, small_profile


@pytest.fixture
def export(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Four radiographs of four patients with boxes, and what the command line needs to vary them."""
    monkeypatch.setattr(judge, "STEPS", 2)
    monkeypatch.setattr(judge, "FOLDS", 2)
    names = tuple(f"x{number}.dcm" for number in range(4))
    for number, name in enumerate(names):
        path = make.radiograph(tmp_path / "in", name=name, rows=120, columns=100, seed=number)
        edit(path, PatientID=f"p{number}")
    labels = boxes(tmp_path / "boxes.json", names)
    return [str(tmp_path / "in"), "-a", str(labels), "-p", str(small_profile(tmp_path))]


def test_an_export_is_varied_and_judged_and_its_output_can_be_judged_again(export: list[str], tmp_path: Path) -> None:
    bench = tmp_path / "bench"
    done = CliRunner().invoke(app, ["benchmark", *export, "--realism", "-o", str(bench)])
    assert done.exit_code == 0, done.output
    assert "judge: AUC 0." in done.stdout
    assert "patches of 4 patients" in done.stdout
    figures = json.loads((bench / "realism.json").read_text())
    assert 0 <= figures["judgement"]["told"]["low"] <= figures["judgement"]["told"]["value"] <= 1
    assert figures["variety"]["change"] > 0
    again = CliRunner().invoke(app, ["realism", str(bench / "realism"), "--source", export[0], "--json"])
    assert json.loads(again.stdout)["judgement"] == figures["judgement"]
