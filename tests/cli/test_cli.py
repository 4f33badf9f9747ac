from __future__ import annotations

import json
import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.main import get_command

from medaug.annotations.registry import READERS
from medaug.audit.layout import unit_folder
from medaug.benchmark.arms.arm_table import ARMS
from medaug.cli import app
from medaug.execution.output import open as opening
from medaug.execution.output import quarantine
from tests.support import make, null
from tests.support.command_line import WIDE, Answer, medaug
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.small_runs import boxes, export, small_profile


def process(*arguments: object) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a shell starts it."""
    return subprocess.run(
        [sys.executable, "-m", "medaug", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **WIDE},
    )


def quiet(result: subprocess.CompletedProcess[str] | Answer) -> None:
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
    assert any(processor_seconds([sys.executable, "-m", "medaug", "--help"]) < 0.3 for _ in range(9))


@pytest.mark.parametrize(
    ("command", "option", "names"),
    [("boxes", "--format", READERS), ("run", "--format", READERS), ("benchmark", "--arms", ARMS)],
)
def test_help_names_every_choice_and_nothing_a_wheel_lacks(command: str, option: str, names: Iterable[str]) -> None:
    said = {name: one.help or "" for one in get_command(app).commands[command].params for name in one.opts}
    assert not [line for line in said.values() if "docs/" in line]
    assert set(names) <= set(re.findall(r"[a-z+-]+", said[option]))


def processor_seconds(command: list[str]) -> float:
    """What a process takes of a processor: as many on a busy machine as on an idle one, or nearly."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


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


def test_verifying_needs_no_torch(tmp_path: Path) -> None:
    """Headers and evidence are made again without a prior; torch would be most of what a small OUTPUT costs."""
    null.run(tmp_path / "out", 1)
    script = (
        "import sys\n"
        "from medaug.cli import main\n"
        "try:\n    main()\n"
        "except SystemExit: pass\n"
        "assert 'medaug.verification.verify' in sys.modules\n"
        "assert not {'torch', 'monai', 'diffusers'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script, "verify", str(tmp_path / "out")], check=True, capture_output=True)


def test_run_and_plan_say_what_they_do(tmp_path: Path) -> None:
    export(tmp_path / "in")
    common = [tmp_path / "in", "--profile", small_profile(tmp_path), "--annotations", boxes(tmp_path / "boxes.json")]
    planned = medaug("plan", *common, "--variants", 2)
    quiet(planned)
    assert planned.returncode == 0
    assert "4 variants of 2 sources" in planned.stdout
    (broken,) = [line for line in planned.stdout.splitlines() if "refused [missing-slice] 6 files: " in line]
    assert len(re.findall(r"[0-9.]{20,}", broken)) == 1  # its UID, once
    assert "skipped [no-boxes] 1 file: " in planned.stdout
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
    "an unwritable output": (unwritable, 2, "writing OUTPUT failed"),
    "a share that isn't one": (lambda c: c.spoil(extra=("--shard", "2/2")), 2, "shard: expected i/n"),
    "a number that is none": (lambda c: c.spoil(extra=("--io-workers", "all")), 2, "expected auto or a number from 0"),
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


@pytest.mark.parametrize(("device", "sentence"), [("gpu", "expected auto, cpu, cuda"), ("cuda:99", "cuda devices")])
def test_a_device_that_is_not_there(tmp_path: Path, device: str, sentence: str) -> None:
    export(tmp_path / "in")
    labels = boxes(tmp_path / "boxes.json")
    arguments = [tmp_path / "in", "-o", tmp_path / "out", "-a", labels, "-p", small_profile(tmp_path)]
    result = medaug("run", *arguments, "--device", device)
    quiet(result)
    assert result.returncode == 2
    assert sentence in result.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["SIGTERM", pytest.param("SIGINT", marks=pytest.mark.slow)])
def test_interruption_ends_with_130_and_can_be_continued(tmp_path: Path, name: str) -> None:
    """The unit that is being written may be finished, what is read or solved is dropped."""
    script = (
        "import os, signal, sys\n"
        "from medaug.execution.worker import unit_of_work as work\n"
        "real = work.write_previews\n"
        f"def stop(*a, **k):\n    os.kill(os.getpid(), signal.{name}); real(*a, **k)\n"
        "work.write_previews = stop\n"
        "from medaug.cli import main\n"
        "from tests.support.quick_prior import in_place_of_the_embedded\n"
        "with in_place_of_the_embedded(): main()\n"
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
    there = len(list((tmp_path / "out" / "variants").iterdir()))
    assert there <= 1
    assert json.loads((tmp_path / "out" / "monai.json").read_text())["numTraining"] == there  # lists for what is there
    assert {path.name for path in (tmp_path / "out" / ".staging").iterdir()} <= {"clock", "lock"}
    assert (tmp_path / "out" / "index.html").exists()
    with in_place_of_the_embedded():
        assert "2 written" in medaug(*arguments).stdout


def test_an_output_says_how_far_it_is_and_lists_are_written_again(tmp_path: Path) -> None:
    null.run(tmp_path / "out", 1, 2)
    said = medaug("status", tmp_path / "out").stdout
    assert "2 units: 2 written" in said
    assert "0 to do" in said
    assert json.loads(medaug("status", tmp_path / "out", "--json").stdout)["left"] == 0
    before = (tmp_path / "out" / "monai.json").read_bytes()
    (tmp_path / "out" / "monai.json").unlink()
    assert medaug("finish", tmp_path / "out").returncode == 0
    assert (tmp_path / "out" / "monai.json").read_bytes() == before
    wrong = medaug("status", tmp_path)
    assert wrong.returncode == 2
    quiet(wrong)


def test_finish_says_which_units_were_removed_and_a_run_makes_them_again(tmp_path: Path) -> None:
    out = tmp_path / "out"
    null.run(out, 1, 2)
    shutil.rmtree(out / unit_folder(null.unit(1).recipe.id))
    said = medaug("finish", out)
    assert said.returncode == 4
    assert "1 written unit of the ledger not there, and in no list" in said.stderr
    assert json.loads((out / "monai.json").read_text())["numTraining"] == 1
    null.run(out, 1, 2)
    assert medaug("finish", out).returncode == 0
    assert json.loads((out / "monai.json").read_text())["numTraining"] == 2


def test_quarantine_is_listed_explained_and_retried(tmp_path: Path) -> None:
    out = tmp_path / "out"
    null.run(out, 1)
    store = opening.attach(out)
    first = next(iter(store.records()))
    record = replace(first, status="failed", code="worker-died", message="3 workers died", outputs=())
    quarantine.put(store, record, stage="solve")
    unit = record.unit[:16]
    assert f"{unit}  worker-died  at solve" in medaug("quarantine", "list", out).stdout
    explained = medaug("quarantine", "explain", out, unit).stdout
    assert "3 workers died" in explained
    assert "memory" in explained
    (told,) = json.loads(medaug("quarantine", "explain", out, unit, "--json").stdout)
    assert (told["unit"], told["code"], told["message"]) == (record.unit, "worker-died", "3 workers died")
    assert [told] == json.loads(medaug("quarantine", "list", out, "--json").stdout)
    assert medaug("quarantine", "explain", out, "0000").returncode == 2
    assert "1 unit will be tried again" in medaug("quarantine", "retry", out, unit).stdout
    assert not medaug("quarantine", "list", out).stdout
    for what in (("list",), ("list", "--json"), ("explain", unit), ("explain", unit, "--json")):
        nowhere = medaug("quarantine", what[0], tmp_path / "nowhere", *what[1:])
        assert nowhere.returncode == 2
        assert "expected FORMAT.json, found none" in nowhere.stderr


def test_planning_with_a_folders_prior_reads_no_weights() -> None:
    """The digest comes from the card, so that neither torch nor the weights are needed."""
    script = (
        "import sys\n"
        "from pathlib import Path\n"
        "from medaug.inverse.priors.card import EMBEDDED\n"
        "from medaug.profile.load import load_profile\n"
        "from medaug.profile.prior_choice import with_folder_prior\n"
        "chosen = load_profile('bone-xray')\n"
        "assert with_folder_prior(chosen, EMBEDDED).prior.sha256 == chosen.prior.sha256\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


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
    for target, name in (("sr", "reports"), ("monai", "list.json")):
        assert medaug("boxes", *common, "--to", target, "-o", tmp_path / name).returncode == 0
        again = medaug("boxes", *common[:3], "-a", tmp_path / name)
        assert again.stdout == shown.stdout, target
    assert "who drew what" in medaug("boxes", *common, "--readers", "majority").stderr
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
    from medaug.version import __version__

    assert process("--version").stdout.strip() == __version__
