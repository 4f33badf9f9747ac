"""Whether the folder of a benchmark is what its record says: digests, design, predictions, figures, report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from medaug.audit import ledger
from medaug.audit.layout import LEDGER
from medaug.benchmark import results_folder
from medaug.benchmark.benchmark_plan import settled, setup_of
from medaug.benchmark.design.design import Setting, Training
from medaug.benchmark.report.results_page import page
from medaug.benchmark.report.tables import markdown
from medaug.benchmark.results import results_of
from medaug.benchmark.results_folder import TrainingRecord
from medaug.benchmark.runs import set_of
from medaug.benchmark.training import BenchmarkSetup, judged
from medaug.errors import OutputError
from medaug.storage.canonical_json import canonical
from medaug.storage.plain_files import is_plain, read_plain
from medaug.verification.faults import Fault
from medaug.verification.verify import Verdict, verify

OTHERS = ("data and images: they aren't in BENCH; the plan holds their digests",)


def verify_benchmark(root: Path) -> Verdict:
    """Check a BENCH from its files alone: every figure is taken again from the recorded predictions and labels.

    Args:
        root: BENCH.

    Raises:
        OutputError: a file can't be read.
    """
    faults = [*_files(root)]
    try:
        setup = setup_of(root)
    except OutputError as error:
        return Verdict(
            (*faults, Fault("format", str(error), results_folder.PLAN)), 0, 0, 0, False, ("everything else",)
        )
    faults += [*_plan(root, setup), *_donors(root, setup)]
    records: list[TrainingRecord] = []
    for training in setup.design.trainings:
        found = _read(root, training)
        if isinstance(found, Fault):
            faults.append(found)
        elif found is not None:
            records.append(found)
            faults += _training(setup, training, found)
    if not faults:
        faults += _report(root, results_of(setup, records))
    runs = [verify(path) for path in sorted((root / results_folder.VARIANTS).glob("*")) if path.is_dir()]
    faults += [fault for verdict in runs for fault in verdict.faults]
    files = len(list(results_folder.recorded(root))) + sum(verdict.files for verdict in runs)
    units = len(records) + sum(verdict.units for verdict in runs)
    return Verdict(tuple(sorted(set(faults))), units, files, 0, False, OTHERS)


def _files(root: Path) -> Iterator[Fault]:
    """The digests against the files, both ways."""
    try:
        known: Mapping[str, str] = results_folder.read(root / results_folder.DIGESTS)
    except (OSError, ValueError):
        yield Fault("seal-missing", "the run hasn't ended, or the digests were removed", results_folder.DIGESTS)
        return
    digests = results_folder.digests_of(root)
    for name in sorted(known.keys() | digests.keys()):
        if name not in digests:
            yield Fault("file-missing", "the digests name it", name)
        elif name not in known:
            yield Fault("file-unknown", "the digests don't name it", name)
        elif known[name] != digests[name]:
            yield Fault("file-changed", "it has another digest", name)


def _plan(root: Path, setup: BenchmarkSetup) -> Iterator[Fault]:
    plan = results_folder.read(root / results_folder.PLAN)
    for key, value in settled(setup).items():
        if canonical(plan.get(key)) != canonical(value):
            yield Fault("record-differs", f"{key} don't follow from the design and the groups", results_folder.PLAN)


def _donors(root: Path, setup: BenchmarkSetup) -> Iterator[Fault]:
    """Where a lesion was set in, host and donor are of the training set that the folder is named by."""
    sets = {set_of(trained): trained for trained in map(setup.trained_on, setup.design.trainings)}
    for path in sorted((root / results_folder.VARIANTS).glob("*")):
        allowed = sets.get(path.name.partition("-")[2], set())
        if not (path / LEDGER).is_dir():
            continue
        for record in ledger.shelved(path / LEDGER):
            if record.transplant and not {shown.key for shown in record.shown} <= allowed:
                what = f"unit {record.unit[:16]}: host or donor isn't of the training set that it was made for"
                yield Fault("reference", what, f"{results_folder.VARIANTS}/{path.name}")


def _read(root: Path, training: Training) -> TrainingRecord | Fault | None:
    path = results_folder.training_file(root, training.id)
    if not path.exists():
        return None
    try:
        return results_folder.read_training(path)
    except OutputError as error:
        return Fault("unreadable", str(error), f"{results_folder.TRAININGS}/{path.name}")


def _training(setup: BenchmarkSetup, training: Training, found: TrainingRecord) -> Iterator[Fault]:
    """It is the planned one, saw nothing of validation and test, and its figures follow from its predictions."""
    name = f"{results_folder.TRAININGS}/{found.id}.json"
    made = Training(Setting(found.arm, found.fraction, found.ratio), found.fold, found.seed)
    if made != training or found.steps != setup.design.steps or found.real != setup.real(training):
        yield Fault("recipe-differs", "it isn't the training that the plan asks for", name)
        return
    allowed = {setup.data.labelled[n].source for n in found.real}
    if {source for source, _ in found.added} - allowed:
        yield Fault("reference", "an added image was made from one that isn't trained on", name)
    try:
        again = judged(setup, found.fold, found.found)
    except (KeyError, ValueError, TypeError):
        yield Fault("unreadable", "its predictions aren't of the images that the plan names", name)
        return
    if again != found.figures:
        yield Fault("record-differs", "its figures don't follow from its predictions", name)


def _report(root: Path, results: Mapping[str, Any]) -> Iterator[Fault]:
    made = {
        results_folder.RESULTS: canonical(results) + b"\n",
        results_folder.REPORTS[0]: markdown(results).encode(),
        results_folder.REPORTS[1]: page(results, results_folder.examples_in(root)).encode(),
    }
    for name, content in made.items():
        if is_plain(root / name) and read_plain(root / name) != content:
            yield Fault("list-differs", "it doesn't follow from the trainings", name)
