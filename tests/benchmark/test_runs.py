"""Runs of a benchmark: one a profile, or one a training set where lesions are set in: none may be of a test image."""

from __future__ import annotations

from dataclasses import replace

import pytest

from medaug.audit import ledger
from medaug.audit.layout import LEDGER
from medaug.benchmark import results_folder
from medaug.benchmark.benchmark import plan_benchmark
from medaug.benchmark.benchmark_plan import plan_of
from medaug.benchmark.making.variants import make_variants
from medaug.benchmark.request import BenchmarkRequest
from medaug.benchmark.runs import VariantRun, folder_of, runs_of, set_of
from medaug.benchmark.training import BenchmarkSetup
from medaug.benchmark.verify_results import verify_benchmark
from medaug.profile.load import load_profile
from tests.support import toy_benchmark
from tests.support.small_runs import small_profile

LAW = {"kind": "transplant", "ring": 0.1, "likeness": 0.0, "tried": 8, "margin": {"value": 0.01}}


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> BenchmarkRequest:
    folder = toy_benchmark.export(tmp_path_factory.mktemp("toy"), labelled=16)
    asked = toy_benchmark.request(folder, folder / "bench", replace(toy_benchmark.DESIGN, fractions=(0.8,)))
    profile = load_profile(small_profile(folder / "transplant", regions=LAW))
    return replace(asked, run=replace(asked.run, profile=profile))


@pytest.fixture(scope="module")
def setup(asked: BenchmarkRequest) -> BenchmarkSetup:
    return plan_benchmark(asked).setup


@pytest.fixture(scope="module")
def made(asked: BenchmarkRequest, setup: BenchmarkSetup) -> VariantRun:
    results_folder.declare(asked.root, plan_of(asked, setup, plan_benchmark(asked).detector))
    run = runs_of(asked, setup)[0]
    make_variants(run.request, asked.root / results_folder.VARIANTS / run.folder, run.sources)
    return run


def test_each_training_set_has_its_own_lesions_to_set_in(asked: BenchmarkRequest, setup: BenchmarkSetup) -> None:
    trainings = [one for one in asked.design.trainings if one.setting.arm == "medaug"]
    runs = {run.folder: run for run in runs_of(asked, setup)}
    assert len(runs) == len({frozenset(setup.trained_on(one)) for one in trainings}) == 4
    for one in trainings:
        assert runs[folder_of(asked, setup, one)].sources == setup.trained_on(one)


def test_a_law_of_one_image_has_one_run_for_all_trainings(setup: BenchmarkSetup, asked: BenchmarkRequest) -> None:
    plain = replace(asked, run=replace(asked.run, profile=load_profile("bone-xray")))
    (run,) = runs_of(plain, setup)
    assert run.sources == set().union(*map(setup.trained_on, asked.design.trainings))
    assert run.folder == plain.run.profile.sha256[:16]


def test_no_host_and_no_donor_is_of_another_set(asked: BenchmarkRequest, made: VariantRun) -> None:
    records = ledger.read(asked.root / results_folder.VARIANTS / made.folder / LEDGER)
    written = [record for record in records if record.status == "written"]
    assert written
    for record in written:
        assert record.transplant
        assert {shown.key for shown in record.shown} <= made.sources


def test_verify_finds_a_lesion_that_is_set_in_from_elsewhere(
    asked: BenchmarkRequest, setup: BenchmarkSetup, made: VariantRun
) -> None:
    folder = asked.root / results_folder.VARIANTS / made.folder
    where = f"{results_folder.VARIANTS}/"

    def found() -> list[str]:
        return [one.message for one in verify_benchmark(asked.root).faults if one.file.startswith(where)]

    assert found() == []
    head, _, _ = made.folder.partition("-")
    others = {run.folder for run in runs_of(asked, setup)} - {made.folder}
    for name in (min(others), f"{head}-{set_of(['0' * 64])}", head):
        other = folder.rename(folder.with_name(name))
        assert all("isn't of the training set" in message for message in found())
        assert found()
        other.rename(folder)


def test_a_run_request_varies_as_often_as_the_greatest_ratio_needs(asked: BenchmarkRequest) -> None:
    several = replace(asked, design=replace(asked.design, ratios=(0.5, 2.5)))
    setup = plan_benchmark(several).setup
    assert {run.request.variants for run in runs_of(several, setup)} == {3}
