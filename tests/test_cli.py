from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from tests import make
from tests.execution.test_run import boxes, export, small_profile


def medaug(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "medaug", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "COLUMNS": "200"},
    )


def quiet(result: subprocess.CompletedProcess[str]) -> None:
    assert "Traceback" not in result.stdout + result.stderr


def test_help_needs_no_torch_and_starts_fast() -> None:
    script = (
        "import sys; sys.argv = ['medaug', '--help']\n"
        "from medaug.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit: pass\n"
        "slow = {'torch', 'monai', 'diffusers', 'SimpleITK', 'scipy', 'pydicom', 'highdicom'} & set(sys.modules)\n"
        "assert not slow, slow\n"
    )
    assert subprocess.run([sys.executable, "-c", script], capture_output=True, check=False).returncode == 0
    bare, full = [], []
    for _ in range(5):
        for times, command in ((bare, ["-c", "pass"]), (full, ["-m", "medaug", "--help"])):
            started = time.perf_counter()
            subprocess.run([sys.executable, *command], capture_output=True, check=True)
            times.append(time.perf_counter() - started)
    assert min(full) < 0.3 + min(bare)  # a busy machine slows both


def test_planning_needs_no_torch(tmp_path: Path) -> None:
    export(tmp_path / "in")
    script = (
        "import sys, medaug\n"
        "planned = medaug.plan(sys.argv[1], profile=sys.argv[2], annotations=sys.argv[3])\n"
        "assert len(planned.units) == 2\n"
        "assert not {'torch', 'monai', 'diffusers'} & set(sys.modules)\n"
    )
    arguments = [tmp_path / "in", small_profile(tmp_path), boxes(tmp_path / "boxes.json")]
    subprocess.run([sys.executable, "-c", script, *map(str, arguments)], check=True)


def test_run_and_plan_say_what_they_do(tmp_path: Path) -> None:
    export(tmp_path / "in")
    common = [tmp_path / "in", "--profile", small_profile(tmp_path), "--annotations", boxes(tmp_path / "boxes.json")]
    planned = medaug("plan", *common, "--variants", 2)
    quiet(planned)
    assert planned.returncode == 0
    assert "4 variants of 2 sources" in planned.stdout
    assert "refused [missing-slice] 6 files" in planned.stdout
    assert "skipped [no-boxes] 1 files" in planned.stdout
    assert "time: about" in planned.stdout
    dry = medaug("run", *common, "--variants", 2, "-o", tmp_path / "out", "--dry-run")
    assert dry.stdout == planned.stdout
    assert not (tmp_path / "out").exists()
    done = medaug("run", *common, "-o", tmp_path / "out")
    quiet(done)
    assert done.returncode == 4
    assert "2 written" in done.stdout
    assert "index.html" in done.stdout
    assert "[2/2]" in done.stderr
    again = medaug("run", *common, "-o", tmp_path / "out")
    assert again.returncode == 4
    assert "(2 were done before)" in again.stdout


@dataclass
class Call:
    """A run that would succeed, to be spoilt."""

    image: Path
    input: Path
    output: Path
    boxes: Path
    profile: str
    extra: tuple[str, ...] = ()

    def spoil(self, **changes: object) -> Call:
        return replace(self, **changes)


def empty(call: Call) -> Call:
    call.image.unlink()
    return call


def text_only(call: Call) -> Call:
    (call.input / "notes.txt").write_text("hello")
    return empty(call)


def truncated(call: Call) -> Call:
    call.image.write_bytes(call.image.read_bytes()[:-2000])
    return call


def malformed(call: Call) -> Call:
    call.boxes.write_text('{"images": [')
    return call


def unwritable(call: Call) -> Call:
    (call.input.parent / "file").write_text("")
    return call.spoil(output=call.input.parent / "file" / "out")


def profiled(call: Call, **changes: object) -> Call:
    return call.spoil(profile=small_profile(call.input.parent, **changes))


BAD: dict[str, tuple[Callable[[Call], Call], int, str]] = {
    "an input that isn't there": (lambda c: c.spoil(input=c.input / "nowhere"), 3, "no such file or folder"),
    "an empty folder": (empty, 3, "file"),
    "a text file": (text_only, 3, "not-dicom"),
    "a truncated file": (truncated, 3, "refused [truncated]"),
    "annotations that match nothing": (lambda c: c.spoil(boxes=boxes(c.boxes, ("other.dcm",))), 3, "unmatched"),
    "annotations that aren't there": (lambda c: c.spoil(boxes=c.boxes.with_name("nothing.json")), 2, "annotations"),
    "malformed annotations": (malformed, 2, "JSON"),
    "an unknown profile": (lambda c: c.spoil(profile="bonexray"), 2, "did you mean 'bone-xray'"),
    "a misspelt key": (lambda c: profiled(c, slover=1), 2, "did you mean 'solver'"),
    "an unwritable output": (unwritable, 2, "disk did not take it"),
    "another prior's digest": (
        lambda c: profiled(c, prior={"kind": "embedded", "sha256": "1" * 64}),
        2,
        "pins the prior",
    ),
    "a prior that isn't there": (lambda c: c.spoil(extra=("--prior", str(c.input / "no-prior"))), 2, "prior"),
    "a check that doesn't exist": (lambda c: profiled(c, checks={"sharpnes": [0, 1]}), 2, "did you mean 'sharpness'"),
}


@pytest.mark.parametrize("what", BAD)
def test_bad_input_gets_one_sentence_and_an_exit_code(tmp_path: Path, what: str) -> None:
    spoil, code, sentence = BAD[what]
    image = make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100)
    annotations = boxes(tmp_path / "boxes.json", ("x1.dcm",))
    call = spoil(Call(image, tmp_path / "in", tmp_path / "out", annotations, small_profile(tmp_path)))
    result = medaug("run", call.input, "-o", call.output, "-a", call.boxes, "-p", call.profile, *call.extra)
    quiet(result)
    assert result.returncode == code, result.stdout + result.stderr
    assert sentence in result.stdout + result.stderr
    assert str(tmp_path) not in result.stderr


def test_interruption_ends_with_130_and_can_be_continued(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "from medaug.execution import work\n"
        "real = work.write_previews\n"
        "def stop(*a, **k):\n    os.kill(os.getpid(), signal.SIGTERM); real(*a, **k)\n"
        "work.write_previews = stop\n"
        "from medaug.cli import main\n"
        "main()\n"
    )
    export(tmp_path / "in")
    arguments = ["run", tmp_path / "in", "-o", tmp_path / "out", "-p", small_profile(tmp_path)]
    arguments += ["-a", boxes(tmp_path / "boxes.json")]
    stopped = subprocess.run(
        [sys.executable, "-c", script, *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert stopped.returncode == 130, stopped.stderr
    assert "it continues" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert not any((tmp_path / "out" / "variants").iterdir())
    assert "2 written" in medaug(*arguments).stdout


def test_profile_commands() -> None:
    assert "bone-xray" in medaug("profile", "list").stdout
    assert "schema_version: 1" in medaug("profile", "show", "paper").stdout
    assert "valid" in medaug("profile", "check", "brain-ct").stdout
    assert "properties" in json.loads(medaug("profile", "schema").stdout)
    wrong = medaug("profile", "check", "nothing")
    assert wrong.returncode == 2
    quiet(wrong)


def test_boxes_are_shown_and_converted(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100)
    common = [tmp_path / "in", "-p", small_profile(tmp_path), "-a", boxes(tmp_path / "boxes.json", ("x1.dcm",))]
    shown = medaug("boxes", *common)
    assert shown.returncode == 0, shown.stderr
    lesion = make.lesion((1, 120, 100))
    assert (
        f"rows {lesion.start[1]}…{lesion.stop[1] - 1}, columns {lesion.start[2]}…{lesion.stop[2] - 1}" in shown.stdout
    )
    table = medaug("boxes", *common, "--to", "csv")
    assert table.stdout.splitlines()[0] == "sop_instance_uid,slice,x_min,y_min,x_max,y_max,label"
    assert "x1" not in table.stdout
    assert medaug("boxes", *common, "--to", "yolo").returncode == 2
    assert medaug("boxes", *common, "--to", "yolo", "-o", tmp_path / "labels").returncode == 0
    again = medaug("boxes", *common[:3], "-a", tmp_path / "labels", "--format", "yolo")
    assert again.stdout == shown.stdout
    taken = medaug("boxes", *common, "--to", "coco", "-o", tmp_path / "labels")
    assert taken.returncode == 2
    assert "nothing is overwritten" in taken.stderr


def test_doctor_and_prior_show() -> None:
    result = medaug("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(result.stdout)}
    assert result.returncode == 0
    assert findings["codec JPEG Lossless"]["ok"]
    card = json.loads(medaug("prior", "show").stdout)
    assert card["sha256"] in findings["prior embedded"]["found"]


def test_version() -> None:
    from medaug import __version__

    assert medaug("--version").stdout.strip() == __version__
