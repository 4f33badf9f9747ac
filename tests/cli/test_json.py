"""`--json` of plan, boxes, run, profile, prior and quarantine; inspect's total, notes and names on request."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from medaug.cli import app
from medaug.cli.as_data import plan_data, with_names
from medaug.execution.planning.plan import plan
from medaug.execution.planning.units import firsts_of
from tests.support import make
from tests.support.small_runs import SMALL, boxes, export, small_profile


def said(*words: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == code, result.output
    return result


def data(*words: object, code: int = 0) -> Any:
    return json.loads(said(*words, "--json", code=code).stdout)


def test_plan_boxes_and_run_for_machines(tmp_path: Path) -> None:
    export(tmp_path / "in")
    asked = [tmp_path / "in", "--profile", small_profile(tmp_path), "-a", boxes(tmp_path / "boxes.json")]
    plan = data("plan", *asked, "--variants", 2)
    assert (plan["variants"], len(plan["sources"])) == (4, 2)
    assert all(0 < source["free"] < 1 for source in plan["sources"])
    assert {skip["code"] for skip in plan["skipped"]} == {"missing-slice", "no-boxes", "not-dicom"}
    lesion = make.lesion((1, 120, 100))
    found = data("boxes", *asked)["sources"]
    assert [source["boxes"][0]["start"] for source in found] == [list(lesion.start)] * 2
    ran = data("run", *asked, "-o", tmp_path / "out", "--quiet", code=4)
    assert (ran["counts"], ran["exit_code"], ran["not_written"]) == ({"written": 2}, 4, [])
    assert data("quarantine", "list", tmp_path / "out") == []


def test_profiles_and_priors_for_machines() -> None:
    assert "bone-xray" in {profile["name"] for profile in data("profile", "list")}
    shown = data("profile", "show", "bone-xray")
    assert shown["name"] == "bone-xray"
    assert data("profile", "check", "bone-xray")["valid"] is True
    assert data("profile", "schema")["properties"].keys() == shown.keys()
    assert [prior["name"] for prior in data("prior", "list")[:3]] == ["radiograph-256", "brain-mr-256", "head-ct-256"]


@pytest.fixture
def three(tmp_path: Path) -> Path:
    folder = tmp_path / "in" / "mustermann"
    folder.mkdir(parents=True)
    for number in range(2):
        Image.fromarray((make.limb(64, 64, seed=number) * 255).astype(np.uint8)).save(folder / f"ok{number}.png")
    Image.fromarray(np.random.default_rng(1).integers(0, 255, (64, 64, 3), dtype=np.uint8)).save(folder / "red.png")
    return tmp_path / "in"


def test_inspect_ends_in_a_total_and_says_each_note_once(three: Path) -> None:
    plain = said("inspect", three).stdout
    assert "mustermann" not in plain
    assert plain.count("burned into") == 1
    assert "note, 2 series: " in plain
    assert plain.splitlines()[-1] == "in all 2 series, 2 usable; 1 file refused, 0 skipped"


def test_inspect_shows_many_pictures_together_and_each_on_request(three: Path) -> None:
    for number in range(2, 6):
        limb = make.limb(64, 60 + number, seed=number) * 255
        Image.fromarray(limb.astype(np.uint8)).save(three / "mustermann" / f"ok{number}.png")
    rows = "".join(f"ok{number}.png,{number},5,20,30,lesion\n" for number in (0, 3))
    (three.parent / "boxes.csv").write_text(f"image,xmin,ymin,xmax,ymax,label\n{rows}")
    make.radiograph(three, name="x1.dcm", rows=64, columns=64)
    plain = said("inspect", three, "-a", three.parent / "boxes.csv").stdout
    assert "usable  6 pictures (--json has each)\n    RASTER, PNG, uint8\n    1 × 64 × 62…65, no spacing" in plain
    assert "boxes: 2 lesion; 4 without" in plain
    assert plain.count("usable  ") == 2  # the radiograph by itself
    assert plain.splitlines()[-1] == "in all 7 series, 7 usable; 1 file refused, 0 skipped"
    assert said("inspect", three, "--show-names").stdout.count("RASTER") == 6
    assert len(data("inspect", three)["series"]) == 7


def test_plan_and_run_name_files_on_request_and_on_the_screen_alone(tmp_path: Path) -> None:
    source = export(tmp_path / "in")
    never = {"changed_share": [2.0, None]}  # a share is at most 1: each unit is rejected
    profile, labels = small_profile(tmp_path, checks=SMALL["checks"] | never), boxes(tmp_path / "boxes.json")
    asked, log = [source, "--profile", profile, "-a", labels], tmp_path / "log"
    assert not said("plan", *asked).stdout.count("file xray")
    named = said("plan", *asked, "--show-names").stdout
    assert [named.count(f"    file {name}\n") for name in ("xray/x1.dcm", "xray/x3.dcm", "readme.txt")] == [1, 1, 1]
    assert named.index("[missing-slice]") < named.index("    file gap/") < named.index("[no-boxes]")
    assert sum("x1.dcm" in each or "x2.dcm" in each for each in named.splitlines()[:5]) == 2
    plan = data("plan", *asked, "--variants", 2, "--show-names")
    assert sorted(each["files"] for each in plan["sources"]) == [["xray/x1.dcm"], ["xray/x2.dcm"]]
    left_out = {each["file"]: each["code"] for each in plan["left_out"]}
    assert (left_out["readme.txt"], left_out["xray/x3.dcm"], len(left_out)) == ("not-dicom", "no-boxes", 8)
    ran = said("run", *asked, "-o", tmp_path / "out", "--log-file", log, "--show-names", code=3)
    assert all(ran.stdout.count(f"    file xray/{name}\n") == 1 for name in ("x1.dcm", "x2.dcm", "x3.dcm"))
    again = data("run", *asked, "-o", tmp_path / "out", "--log-file", log, "--quiet", "--show-names", code=3)
    assert sorted(each["files"] for each in again["not_written"]) == [["xray/x1.dcm"], ["xray/x2.dcm"]]
    written = [path for path in (tmp_path / "out").rglob("*") if path.is_file() and path.name != "names.tsv"]
    for told in (
        "medaug 0.",
        "loading the prior…",
        "2 rejected (0 were",
        "2 rejected (2 were",
        "refused [missing-slice] ",
    ):
        assert told in log.read_text()
    assert not [path.name for path in (log, *written) if b"x1.dcm" in path.read_bytes()]


def test_a_source_without_labels_says_so(tmp_path: Path) -> None:
    asked = ["plan", export(tmp_path / "in"), "--profile", small_profile(tmp_path), "--unlabelled", "keep-nothing"]
    lines = [line for line in said(*asked).stdout.splitlines() if " % free" in line]
    assert lines
    assert all("  no label, " in line for line in lines)


def test_a_source_counts_whose_first_variants_found_no_donor(tmp_path: Path) -> None:
    """Its first unit isn't variant 0 then."""
    source, profile = export(tmp_path / "in"), small_profile(tmp_path)
    planned = plan(source, profile=profile, annotations=boxes(tmp_path / "boxes.json"), variants=3)
    without = replace(planned, units=[unit for unit in planned.units if unit.recipe.variant])
    assert [unit.recipe.variant for unit in firsts_of(without.units)] == [1, 1]
    told = with_names(plan_data(without, {}), without)
    assert sorted(each["files"] for each in told["sources"]) == [["xray/x1.dcm"], ["xray/x2.dcm"]]


def test_names_come_on_request_alone(three: Path) -> None:
    named = said("inspect", three, "--show-names").stdout
    assert "    file mustermann/ok1.png" in named
    assert named.index("refused [colour]") < named.index("    file mustermann/red.png")
    assert "mustermann" not in json.dumps(data("inspect", three))
    found = data("inspect", three, "--show-names")
    assert found["left_out"] == [{"file": "mustermann/red.png", "code": "colour"}]
    assert sorted(each["files"] for each in found["series"]) == [["mustermann/ok0.png"], ["mustermann/ok1.png"]]
