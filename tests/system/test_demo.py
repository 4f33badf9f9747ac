"""The demo's export: valid files of nobody, planned as the README and the tutorial say."""

from __future__ import annotations

import runpy
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import medaug
from medaug.execution.planning.plan import Plan
from tests.support.dicom_validators import dciodvfy, errors
from tests.support.paths import ROOT

EXAMPLES = ROOT / "examples"
STEPS = 2  # how the draws look is no matter here


@pytest.fixture(scope="module")
def demo() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(EXAMPLES))
        yield runpy.run_path(str(EXAMPLES / "demo.py"))
    for name in ("files", "samples", "unconditional"):
        sys.modules.pop(name, None)


@pytest.fixture(scope="module")
def made(demo: Any, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Path]]:
    folder = tmp_path_factory.mktemp("demo") / "export"
    return folder, demo["make_export"](folder, steps=STEPS)


def planned(made: tuple[Path, list[Path]], *, annotations: int = 2) -> Plan:
    return medaug.plan(made[0], profile=str(EXAMPLES / "demo.yaml"), annotations=made[1][:annotations], variants=2)


def test_the_export_is_planned_as_the_documents_say(made: tuple[Path, list[Path]]) -> None:
    plan = planned(made)
    assert Counter(unit.source.modality for unit in plan.units) == {"CR": 6, "DX": 2, "RASTER": 2}
    assert [skip.code for skip in plan.skips if skip.refused] == ["missing-slice"]
    assert plan.unmatched == ()
    of_one_series = Counter(unit.source.series_uid for unit in plan.units if unit.source.modality == "CR")
    assert sorted(of_one_series.values()) == [2, 4]  # the followed patient's series holds two images


def test_without_the_table_the_followed_patient_is_left_out(made: tuple[Path, list[Path]]) -> None:
    assert Counter(unit.source.modality for unit in planned(made, annotations=1).units) == {
        "CR": 2,
        "DX": 2,
        "RASTER": 2,
    }


def test_each_box_holds_its_finding_and_nothing_outside_it_is_drawn_in(demo: Any) -> None:
    samples = demo["samples"]
    flat = np.zeros((256, 256))  # mid grey
    for pick in samples.PICKS.values():
        finished, box = samples._finished(flat, pick), pick.box
        change = np.abs(finished - 0.5)
        assert change[box.slices[1:]].max() > 0.15
        change[box.slices[1:]] = 0
        assert change.max() < 6 * samples.GRAIN
        assert all(
            0 <= low < high <= side for low, high, side in zip(box.start[1:], box.stop[1:], finished.shape, strict=True)
        )


def test_the_files_are_valid(made: tuple[Path, list[Path]]) -> None:
    files = sorted(made[0].rglob("*.dcm"))
    assert len(files) == 4 + 7
    assert {path.name: errors(dciodvfy(path)) for path in files} == {path.name: set() for path in files}


def test_an_export_made_again_has_the_same_bytes(demo: Any, made: tuple[Path, list[Path]], tmp_path: Path) -> None:
    demo["make_export"](tmp_path / "export", steps=STEPS)
    for path in (path for path in made[0].rglob("*") if path.is_file()):
        assert (tmp_path / "export" / path.relative_to(made[0])).read_bytes() == path.read_bytes()
