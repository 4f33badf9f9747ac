"""`medaug benchmark`: planned, estimated, run, reported. Killed anywhere, it repeats no finished training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path
from typing import Any, assert_never

from medaug.benchmark import results_folder
from medaug.benchmark.arms.arm_table import Chosen, chosen
from medaug.benchmark.benchmark_plan import plan_of, setup_of
from medaug.benchmark.design.design import Design, Training
from medaug.benchmark.detectors.build import detector_of
from medaug.benchmark.detectors.detector import Detector
from medaug.benchmark.images.dataset import Dataset, Picture, read_dataset
from medaug.benchmark.images.stated_parts import read_places
from medaug.benchmark.making.fills import Fills, filling
from medaug.benchmark.making.variants import Variants, make_variants
from medaug.benchmark.report.examples import examples
from medaug.benchmark.report.results_page import page
from medaug.benchmark.report.tables import markdown
from medaug.benchmark.request import BenchmarkRequest
from medaug.benchmark.results import results_of
from medaug.benchmark.results_folder import TrainingRecord, examples_in
from medaug.benchmark.runs import folder_of, runs_of
from medaug.benchmark.training import BenchmarkSetup, Making, add, train
from medaug.execution.execute import check_disjoint
from medaug.execution.summary import Progress
from medaug.storage.atomic import replace_file

JUDGING = 6.0  # seconds: a training's boxes found, matched and stored
SECONDS_PER_STEP, SECONDS_PER_UNIT = 0.05, 1.0  # of a solve at 256 px on two cores, and of all else of a variant


@dataclass(frozen=True, eq=False)
class PlannedBenchmark:
    """What would be done.

    Attributes:
        request: with the design as it fits the budget.
        setup: the design and the images; nothing is made yet.
        detector: what is trained.
        variants: images that runs have to make.
        seconds: estimated on one core; of an external trainer's share nothing is known.
    """

    request: BenchmarkRequest
    setup: BenchmarkSetup
    detector: Detector
    variants: int
    seconds: float


def plan_benchmark(request: BenchmarkRequest, budget: float | None = None) -> PlannedBenchmark:
    """Read the export, and work out what would be trained and how long it takes.

    Args:
        request: what is asked.
        budget: seconds; seeds, then arms, are left out until the estimate fits.

    Raises:
        ReadError: there is no such export.
        AnnotationError: an annotation file is malformed.
        ProfileError: the profile has no such strength.
        RunError: the images or the design don't allow it.
    """
    check_disjoint(request.run.input, request.root)
    data = read_dataset(request.run, request.design.size, read_places(request.parts) if request.parts else None)
    detector = _detector(request, data)
    if budget is not None:
        request = replace(request, design=_within(request, data, detector, budget))
    setup = BenchmarkSetup(request.design, data)
    per_training = request.design.steps * detector.speed.step + JUDGING
    count, seconds = _making(request, setup, detector)
    seconds += per_training * len(list(request.design.trainings))
    return PlannedBenchmark(request, setup, detector, count, seconds)


def run_benchmark(
    planned: PlannedBenchmark,
    on_training: Callable[[int, int, TrainingRecord], None] | None = None,
    on_unit: Callable[[Progress], None] | None = None,
) -> dict[str, Any]:
    """Do what is planned, or go on with it, and write the report; also when it is stopped on the way.

    Args:
        planned: by `plan_benchmark`.
        on_training: called with (done, of, record) after each training.
        on_unit: called after each variant.

    Returns:
        results.json.

    Raises:
        OutputError: BENCH holds something else, or a benchmark with another plan.
        RunError: a variant or a training can't be made.
    """
    request, root = planned.request, planned.request.root
    results_folder.declare(root, plan_of(request, planned.setup, planned.detector))
    _make(request, planned.setup, on_unit)
    setup = replace(planned.setup, made=_made(request, planned.setup))
    trainings = list(request.design.trainings)
    replace_file(root / results_folder.EXAMPLES, examples(_first_added(setup, trainings)))
    try:
        for done, one in enumerate(_done(setup, trainings, planned.detector, root), 1):
            if on_training:
                on_training(done, len(trainings), one)
    finally:
        results = report_benchmark(root)
    return results


def _first_added(setup: BenchmarkSetup, trainings: list[Training]) -> dict[str, tuple[Picture, ...]]:
    """By arm, what its first training adds, and the real images that it stands for."""
    first = {one.setting.arm: one for one in reversed(trainings) if one.setting.arm != "real"}
    rows = {}
    for arm in (text for text in setup.design.arms if text in first):
        real = [setup.data.labelled[n] for n in setup.real(first[arm])]
        rows[arm] = add(setup, first[arm], real).pictures
    return rows


def report_benchmark(root: Path) -> dict[str, Any]:
    """Results, report and digests from the trainings that are there; what `--report-only` does.

    Raises:
        OutputError: there is no benchmark, or a file of it can't be read.
    """
    setup = setup_of(root)
    results = results_of(setup, trainings_of(root, setup.design))
    results_folder.write(root / results_folder.RESULTS, results)
    replace_file(root / results_folder.REPORTS[0], markdown(results).encode())
    replace_file(root / results_folder.REPORTS[1], page(results, examples_in(root)).encode())
    results_folder.write(root / results_folder.DIGESTS, results_folder.digests_of(root))
    return results


def trainings_of(root: Path, design: Design) -> Iterator[TrainingRecord]:
    """The planned trainings that are done."""
    for training in design.trainings:
        path = results_folder.training_file(root, training.id)
        if path.exists():
            yield results_folder.read_training(path)


def _done(setup: BenchmarkSetup, trainings: list[Training], detector: Detector, root: Path) -> Iterator[TrainingRecord]:
    for training in trainings:
        path = results_folder.training_file(root, training.id)
        if not path.exists():
            results_folder.write_training(root, train(setup, training, detector))
        yield results_folder.read_training(path)


def _detector(request: BenchmarkRequest, data: Dataset) -> Detector:
    cache = request.root / results_folder.CACHE
    return detector_of(request.design.detector, cache, data.classes, request.command)


def _making(request: BenchmarkRequest, setup: BenchmarkSetup, detector: Detector) -> tuple[int, float]:
    """How many variants, and how long they and the features of all pictures take."""
    variants, seconds, pictures = 0, 0.0, len(setup.data.everything)
    turns = ceil(max(request.design.ratios))
    for run in runs_of(request, setup):
        count = turns * len(run.sources)
        solver, size = run.request.profile.solver, run.request.profile.size
        variants += count
        seconds += count * (solver.steps * SECONDS_PER_STEP * (size / 256) ** 2 + SECONDS_PER_UNIT)
    pictures += sum(
        turns * len(setup.sources(one.text)) for one in request.design.chosen if one.text not in {"real", "duplicates"}
    )
    return variants, seconds + pictures * detector.speed.picture


def _within(request: BenchmarkRequest, data: Dataset, detector: Detector, budget: float) -> Design:
    """The design that fits, with the costs of the whole one; a smaller one costs less."""
    cost = _making(request, BenchmarkSetup(request.design, data), detector)[1]
    return request.design.within(budget, cost, request.design.steps * detector.speed.step + JUDGING)


def _make(request: BenchmarkRequest, setup: BenchmarkSetup, on_unit: Callable[[Progress], None] | None) -> None:
    for run in runs_of(request, setup):
        make_variants(run.request, request.root / results_folder.VARIANTS / run.folder, run.sources, on_unit)


def _made(request: BenchmarkRequest, setup: BenchmarkSetup) -> Callable[[Training], Making]:
    """Where a training's made images are found; each place is opened once."""
    known: dict[str, Making] = {}

    def made(training: Training) -> Making:
        arm = chosen(training.setting.arm)
        where = folder_of(request, setup, training) if arm.arm.making == "run" else arm.text
        if where not in known:
            known[where] = _making_of(arm, request, setup.data, where)
        return known[where]

    return made


def _making_of(one: Chosen, request: BenchmarkRequest, data: Dataset, folder: str) -> Making:
    making = one.arm.making
    match making:
        case "none":
            return lambda _picture, _number: None
        case "run":
            output = request.root / results_folder.VARIANTS / folder
            return _kept(Variants.of(output, request.run.profile, request.design.size, data.classes))
        case "round-trip" | "blur" | "noise":
            profile, cache = request.profile_of(one), request.root / results_folder.CACHE / making
            return Fills(filling(making, profile), profile, data.usable, cache, data.classes)
        case _:
            assert_never(making)


def _kept(variants: Variants) -> Making:
    """Each variant is read from its files once."""
    known: dict[tuple[str, int], Picture | None] = {}

    def made(picture: Picture, number: int) -> Picture | None:
        key = picture.source, number
        if key not in known:
            known[key] = variants(picture, number)
        return known[key]

    return made
