from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import Result
from typer.testing import CliRunner

from medaug import assemble
from medaug.audit import layout, ledger
from medaug.cli import app
from medaug.errors import PriorError
from medaug.inverse.priors.card import EMBEDDED, SolverWeights, read_card
from medaug.inverse.priors.library.lookup import stored_card
from medaug.inverse.priors.library.store import add
from medaug.profile.load import load_profile, parse_profile
from medaug.profile.prior_choice import with_prior
from medaug.training.finetuning.recipe import finetuning
from tests.support import make
from tests.support import prior_models as models
from tests.support.small_runs import boxes, export, small_profile
from tests.support.training import RECIPE


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MEDAUG_PRIORS", str(tmp_path / "store"))
    return tmp_path / "store"


def prior(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["prior", *map(str, arguments)])


def test_a_prior_is_added_listed_shown_checked_and_carried(root: Path, tmp_path: Path) -> None:
    assert prior("add", EMBEDDED, "--name", "mine").exit_code == 0
    listed = prior("list").output.splitlines()
    assert [line.split()[0] for line in listed] == ["radiograph-256", "brain-mr-256", "head-ct-256", "mine"]
    assert "calibrated for psld" in listed[-1]
    assert json.loads(prior("show", "mine").output)["sha256"] == read_card(EMBEDDED).sha256
    assert json.loads(prior("show").output)["name"] == read_card(EMBEDDED).name
    checked = prior("check", "mine")
    assert checked.exit_code == 0
    assert "round trip" in checked.output
    written = prior("export", "mine", "-o", tmp_path / "mine.tar")
    assert written.output.endswith("  mine.tar\n")
    assert prior("import", tmp_path / "mine.tar", "--name", "again").exit_code == 0
    assert stored_card(root, "again").sha256 == read_card(EMBEDDED).sha256
    (root / "again" / "scheduler.json").write_text("{}")
    spoiled = prior("check", "again")
    assert isinstance(spoiled.exception, PriorError)
    assert "scheduler.json: expected sha256" in str(spoiled.exception)


def test_a_check_on_ones_own_image_fails_a_prior_that_cant_keep_it(root: Path, tmp_path: Path) -> None:
    image = make.radiograph(tmp_path / "in", name="x.dcm", rows=120, columns=100)
    models.plain(tmp_path / "random")
    checked = prior("check", tmp_path / "random", "--image", image, "--profile", small_profile(tmp_path))
    assert checked.exit_code == 1
    assert "NO  round trip" in checked.output
    assert not root.exists()


def test_nothing_is_fetched_before_the_licence_is_accepted(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medaug.inverse.priors.library import fetch as fetching

    asked: list[str] = []
    monkeypatch.setattr(fetching, "look", lambda *_: fetching.Offer("openrail", 4_000_000, 5))
    monkeypatch.setattr(fetching, "fetch", lambda *a: (asked.append(a[0]), read_card(EMBEDDED))[1])
    common = ("fetch", "owner/model", "--revision", "0" * 40, "--sha256", "1" * 64)
    refused = prior(*common)
    assert refused.exit_code == 2
    assert "licence openrail; 5 files, 4 MB" in refused.output
    assert asked == []
    assert prior(*common, "--accept-licence").exit_code == 0
    assert asked == ["owner/model"]
    assert not root.exists()


def test_a_run_takes_a_stored_prior_by_name_and_pins_what_its_card_says(root: Path) -> None:
    add(EMBEDDED, root, "mine")
    base = load_profile("chest-xray")
    chosen = with_prior(base, "mine")
    assert chosen.prior.kind == "folder"
    assert (str(chosen.prior.path), chosen.prior.sha256) == ("mine", read_card(EMBEDDED).sha256)
    weights = read_card(EMBEDDED).weights_for("psld", base.solver.steps, base.solver.start)
    assert (chosen.solver.omega, chosen.solver.gamma) == (weights.omega, weights.gamma)
    assert with_prior(base, "embedded").prior == base.prior
    stated = base.model_copy(update={"solver": base.solver.model_copy(update={"omega": 0.5})})
    assert with_prior(stated, "mine").solver.omega == 0.5
    assert assemble.load_prior(parse_profile(chosen.to_yaml(), "x"), "cpu").card.name == "mine"


def test_the_run_itself(root: Path, tmp_path: Path) -> None:
    add(EMBEDDED, root, "mine")
    export(tmp_path / "in")
    arguments = [
        *("run", tmp_path / "in", "-o", tmp_path / "out", "--prior", "mine"),
        *("--profile", small_profile(tmp_path), "-a", boxes(tmp_path / "boxes.json")),
    ]
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert "2 written" in result.output
    records = list(ledger.read(tmp_path / "out" / layout.LEDGER))
    assert {record.prior.name for record in records if record.prior} == {"mine"}
    assert str(root) not in (tmp_path / "out" / "profile.yaml").read_text()


def test_calibrating_writes_the_card(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from medaug.training import calibration

    add(EMBEDDED, root, "mine")
    make.radiograph(tmp_path / "in", name="x.dcm", rows=120, columns=100)
    monkeypatch.setattr(
        calibration.calibrate,
        "__kwdefaults__",
        {**calibration.calibrate.__kwdefaults__, "grid": ((0.03, 0.01), (0.1, 0.1))},
    )
    common = ("calibrate", "mine", tmp_path / "in", "--profile", small_profile(tmp_path), "--count", 1)
    solve = ("--size", 128, "--steps", 4, "--start", 0.5)
    assert isinstance(prior(*common, *solve, "--budget", 0.001).exception, PriorError)
    assert stored_card(root, "mine").weights == read_card(EMBEDDED).weights
    result = prior(*common, *solve, "--budget", 0.3)
    assert result.exit_code == 0, result.output
    assert result.output.count("observed") == 2
    (found,) = [w for w in stored_card(root, "mine").weights if w.steps == 4]
    assert found in {SolverWeights("psld", 4, 0.5, 0.03, 0.01), SolverWeights("psld", 4, 0.5, 0.1, 0.1)}
    assert f"omega {found.omega:g}, gamma {found.gamma:g} at 4 steps from 0.5" in result.output


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    changed: dict[str, Any] = json.loads(json.dumps(RECIPE))
    changed["data"]["shares"] = {}
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(changed))
    return tmp_path / "tiny.yaml"


def test_training_on_an_export(root: Path, tmp_path: Path, recipe: Path) -> None:
    export(tmp_path / "in")
    common = ("--recipe", recipe, "--profile", small_profile(tmp_path))
    done = prior("train", tmp_path / "in", "-o", tmp_path / "one", *common)
    assert done.exit_code == 0, done.output
    assert "one/prior, sha256" in done.output
    unseen = ("-a", boxes(tmp_path / "boxes.json"), "--ambient", "--from", tmp_path / "one" / "prior")
    assert prior("train", tmp_path / "in", "-o", tmp_path / "two", *common, *unseen).exit_code == 0
    assert prior("add", tmp_path / "two" / "prior", "--name", "own").exit_code == 0
    assert stored_card(root, "own").trained_on == "noise"


@pytest.mark.usefixtures("root")
def test_fine_tuning_a_shrunk_stable_diffusion_on_an_export(tmp_path: Path) -> None:
    export(tmp_path / "in")
    base = models.speaking(models.colour(tmp_path / "sd"))
    data = yaml.safe_load(finetuning().read_text())
    data["data"]["size"] = 64
    data["training"] |= {"steps": 2, "batch": 2, "accumulate": 2, "precision": "float32"}
    (tmp_path / "tune.yaml").write_text(yaml.safe_dump(data))
    common = (
        "train",
        tmp_path / "in",
        "--from",
        base,
        "--profile",
        small_profile(tmp_path),
        "-a",
        boxes(tmp_path / "b.json"),
    )
    label = json.loads((tmp_path / "b.json").read_text())["categories"][0]["name"]
    done = prior(*common, "--recipe", tmp_path / "tune.yaml", "-o", tmp_path / "run", "--token", label)
    assert done.exit_code == 0, done.output
    assert f"prompt: {{{label}: a radiograph with <{label}>}}" in done.output
    assert prior("add", tmp_path / "run" / "prior", "--name", "tuned").exit_code == 0
    assert "LoRA of rank 16" in json.loads(prior("show", "tuned").output)["recipe"]
    refused = prior(*common, "-o", tmp_path / "no", "--ambient")
    assert refused.exit_code == 2
    assert not (tmp_path / "no").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        *((), ("in", "--data", "in"), ("in", "--ambient"), ("--data", "in", "--from", "embedded")),
        *(("in", "--token", "x"), ("in", "--no-lora"), ("in", "-a", "in", "--token", "x", "--from", "embedded")),
    ],
)
def test_training_on_two_things_or_none_is_a_usage_error(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    assert prior("train", "-o", tmp_path / "run", *arguments).exit_code == 2
    assert not (tmp_path / "run").exists()


def test_a_bundle_is_converted_with_a_scale_from_ones_images(root: Path, tmp_path: Path) -> None:
    from tests.support.monai_bundles import bundle_folder

    make.radiograph(tmp_path / "in", name="x.dcm", rows=120, columns=100)
    folder = bundle_folder(tmp_path / "zoo", pickled=False)
    common = ("convert", folder, "-o", tmp_path / "prior", "--profile", small_profile(tmp_path))
    result = prior(*common, "--images", tmp_path / "in", "--axes", "rows-columns", "--value-range", 0, 1)
    assert result.exit_code == 0, result.output
    assert json.loads((tmp_path / "prior" / "latent.json").read_text())["scale_from"] == "estimated from 1 images"
    assert prior("add", tmp_path / "prior", "--name", "bundle").exit_code == 0
    assert isinstance(prior(*common, "--scale-factor", 1).exception, PriorError)
    assert stored_card(root, "bundle").multiple == 8
