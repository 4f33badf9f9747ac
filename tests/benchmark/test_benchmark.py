"""The whole on a small export; the folder it leaves is one that `medaug verify` takes apart."""

from __future__ import annotations

import base64
import json
import shutil
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image
from typer.testing import CliRunner

from medaug.benchmark import results_folder
from medaug.benchmark.benchmark import plan_benchmark, report_benchmark, run_benchmark, trainings_of
from medaug.benchmark.benchmark_plan import plan_of, settled, setup_of
from medaug.benchmark.results_folder import TrainingRecord
from medaug.benchmark.verify_results import verify_benchmark
from medaug.cli import app
from medaug.errors import OutputError, RunError
from medaug.processes import threads
from tests.support import toy_benchmark


class Killed(BaseException):
    """As a signal would end it."""


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Killed after its third training, then run again; ``before`` holds what was there between."""
    folder = toy_benchmark.export(tmp_path_factory.mktemp("toy"))
    asked = toy_benchmark.request(folder, folder / "bench")

    def kill(done: int, _of: int, _record: TrainingRecord) -> None:
        if done == 3:
            raise Killed

    with threads.taken(1):  # two test processes with two threads each wait for one another
        with pytest.raises(Killed):
            run_benchmark(plan_benchmark(asked), kill)
        shutil.copytree(folder / "bench", folder / "before")
        run_benchmark(plan_benchmark(asked))
    return folder


def test_what_was_killed_goes_on_and_repeats_no_training(bench: Path) -> None:
    before = {path.name: path.read_bytes() for path in (bench / "before" / results_folder.TRAININGS).iterdir()}
    after = {path.name: path.read_bytes() for path in (bench / "bench" / results_folder.TRAININGS).iterdir()}
    assert len(before) == 3
    assert len(after) == len(list(toy_benchmark.DESIGN.trainings))
    assert {name: after[name] for name in before} == before
    assert json.loads((bench / "before" / results_folder.RESULTS).read_bytes())["trainings"]["done"] == 3


def test_every_arm_has_equal_steps_and_equal_images_of_its_own_training_part(bench: Path) -> None:
    done = list(trainings_of(bench / "bench", toy_benchmark.DESIGN))
    plan = results_folder.read(bench / "bench" / results_folder.PLAN)
    for one in done:
        fold = plan["folds"][one.fold]
        groups = {n: image["group"] for n, image in enumerate(plan["labelled"])}
        outside = {groups[n] for n in (*fold["validation"], *fold["test"])}
        assert not outside & {groups[n] for n in one.real}
        assert {source for source, _ in one.added} <= {plan["labelled"][n]["source"] for n in one.real}
    for same in {(one.fold, one.seed) for one in done}:
        some = [one for one in done if (one.fold, one.seed) == same]
        assert len({one.real for one in some}) == len({one.steps for one in some}) == 1
        assert {len(one.added) for one in some if one.arm != "real"} == {len(some[0].real)}


def test_what_each_arm_adds_is_there_to_look_at(bench: Path, tmp_path: Path) -> None:
    root = bench / "bench"
    drawn = (root / results_folder.EXAMPLES).read_bytes()
    with Image.open(BytesIO(drawn)) as sheet:
        duplicates, variants = (sheet.crop((0, top, sheet.width, top + 162)).tobytes() for top in (0, 162))
        assert sheet.size == (6 * 144, 2 * 162)  # real images alone add nothing
    assert duplicates != variants
    assert base64.b64encode(drawn).decode() in (root / "report.html").read_text()
    shutil.copytree(root, tmp_path / "copy")
    (tmp_path / "copy" / results_folder.EXAMPLES).unlink()
    assert {fault.code for fault in verify_benchmark(tmp_path / "copy").faults} >= {"file-missing"}


def test_it_learns_says_so_and_ends_with_a_sentence(bench: Path) -> None:
    results = results_folder.read(bench / "bench" / results_folder.RESULTS)
    assert max(row["ap50"] for row in results["settings"]) > 0.15
    assert all(curve["points"][0]["box_loss"] > curve["points"][-1]["box_loss"] for curve in results["curves"])
    assert results["primary"]["low"] <= results["primary"]["estimate"] <= results["primary"]["high"]
    report = (bench / "bench" / "report.md").read_text()
    assert "of variants at a ratio of 1 over duplicates was shown" in report
    assert "<svg" in (bench / "bench" / "report.html").read_text()


def test_verify_finds_it_sound_and_finds_what_was_changed(bench: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["verify", str(bench / "bench")])
    assert (done.exit_code, "0 faults" in done.output) == (0, True)
    root = tmp_path / "bench"
    shutil.copytree(bench / "bench", root)
    path = min((root / results_folder.TRAININGS).iterdir())
    data = results_folder.read(path)
    data["found"]["test"] = data["found"]["test"][1:]
    results_folder.write(path, data)
    assert [fault.code for fault in verify_benchmark(root).faults] == ["file-changed", "record-differs"]
    results_folder.write(
        root / results_folder.DIGESTS, results_folder.digests_of(root)
    )  # whoever changes a file can digest it, too
    assert [fault.code for fault in verify_benchmark(root).faults] == ["record-differs"]
    data["added"] = [["0" * 64, digest] for _, digest in data["added"]] or [["0" * 64, "1"]]
    results_folder.write(path, data)
    assert "reference" in {fault.code for fault in verify_benchmark(root).faults}


def test_what_was_declared_is_not_changed_afterwards(bench: Path) -> None:
    asked = toy_benchmark.request(bench, bench / "bench", replace(toy_benchmark.DESIGN, seeds=3))
    with pytest.raises(OutputError, match="another plan"):
        run_benchmark(plan_benchmark(asked))


def test_a_folder_of_something_else_is_left_alone(bench: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(OutputError, match="holds no benchmark"):
        run_benchmark(plan_benchmark(toy_benchmark.request(bench, tmp_path)))
    with pytest.raises(OutputError, match="no benchmark"):
        report_benchmark(tmp_path)


def test_the_command_tells_time_and_declares_before_it_does_anything(bench: Path, tmp_path: Path) -> None:
    words = ["benchmark", bench / "in", "-a", bench / "boxes.json", "-p", bench / "profile" / "small.yaml"]
    words += ["-o", tmp_path / "new", "--accept-identity", "drawn", "--size", "64", "--detector", "random-features"]
    done = CliRunner().invoke(app, [*map(str, words), "--budget", "10min", "--dry-run"])
    assert done.exit_code == 0, done.output
    assert "declared: medaug less duplicates at 25 % of the images, ratio 1" in done.output
    assert "on one core" in done.output
    assert not (tmp_path / "new").exists()


def test_the_command_takes_profiles_of_the_users_own_as_arms(bench: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text((bench / "profile" / "small.yaml").read_text().replace("name: small", "name: mine"))
    words = ["benchmark", bench / "in", "-a", bench / "boxes.json", "-p", bench / "profile" / "small.yaml"]
    words += ["-o", tmp_path / "new", "--accept-identity", "drawn", "--size", "64", "--detector", "random-features"]
    words += ["--arms", "duplicates,medaug,pretraining:mine", "--dry-run"]
    done = CliRunner().invoke(app, [*map(str, words), "--arm-profile", str(mine)])
    assert done.exit_code == 0, done.output
    assert "pretraining:mine" in done.output
    refused = CliRunner().invoke(app, list(map(str, words)))
    assert refused.exit_code != 0
    assert "--arm-profile" in str(refused.exception)


def test_parts_as_given_are_the_one_fold_and_verify_reads_them_back(bench: Path, tmp_path: Path) -> None:
    rows = ["0.png,train,a", "1.png,train,b", "2.png,train,c", "3.png,val,d", "4.png,test,e", "in/5.png,test,f"]
    (tmp_path / "parts.csv").write_text(
        "\n".join(["file,part,patient", *rows, "6.png,train,e", "10.png,test,", "11.png,train,"])
    )
    design = replace(toy_benchmark.DESIGN, parts=True, folds=1, fractions=(1.0,))
    asked = replace(toy_benchmark.request(bench, tmp_path / "new", design), parts=tmp_path / "parts.csv")
    planned = plan_benchmark(asked)
    results_folder.declare(tmp_path / "new", plan_of(asked, planned.setup, planned.detector))
    for setup in (planned.setup, setup_of(tmp_path / "new")):
        (fold,) = setup.folds
        assert [len(part) for part in (fold.training, fold.validation, fold.test)] == [
            3,
            1,
            1,
        ]
        assert [len(part) for part in setup.parts(fold).values()] == [1, 1, 1]
        assert len(setup.data.labelled) == 6
    assert settled(planned.setup) == settled(setup_of(tmp_path / "new"))


def test_one_fold_needs_parts_and_parts_have_no_folds() -> None:
    for parts, folds in ((False, 1), (True, 2)):
        with pytest.raises(RunError, match="one by given parts"):
            replace(toy_benchmark.DESIGN, parts=parts, folds=folds)
