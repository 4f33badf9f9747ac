"""Make a variant again from its record, and compare; nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from medaug.audit import layout, ledger
from medaug.audit.record import Output, Record
from medaug.audit.stored_pixels import stored_of
from medaug.augmentation.augment import augment
from medaug.augmentation.case import Case, Donor
from medaug.augmentation.recipe import NUMERICS, Recipe
from medaug.augmentation.solve import on_threads
from medaug.errors import OutputError, ReadError, counted
from medaug.execution.planning.recorded_sources import RecordedSources
from medaug.execution.planning.request import RunRequest
from medaug.execution.worker.worker import Worker
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Stored
from medaug.processes.processor import processor
from medaug.profile.load import load_profile
from medaug.profile.prior_choice import with_folder_prior

LEAST_DIGITS = 8  # of a unit key on the command line


@dataclass(frozen=True)
class Difference:
    """One image that came out otherwise.

    Attributes:
        path: of the output.
        voxels: how many differ; -1 where the output can't be read or has another size.
        greatest: greatest difference in stored values, 0 where unknown.
    """

    path: str
    voxels: int
    greatest: float


@dataclass(frozen=True)
class Replay:
    """A unit that was made again.

    Attributes:
        unit: its key.
        images: how many images it has.
        differences: those whose stored values are not the recorded ones.
        changes: what decides last digits and isn't as recorded: name → (recorded, now).
    """

    unit: str
    images: int
    differences: tuple[Difference, ...]
    changes: Mapping[str, tuple[str, str]]

    @property
    def same(self) -> bool:
        """True when every image has the recorded pixels."""
        return not self.differences


def replay(
    output: Path, units: Sequence[str], source: Path, *, device: str = "auto", prior: str | Path | None = None
) -> Iterator[Replay]:
    """Make units again from the source and the profile in OUTPUT, one after the other.

    Args:
        output: OUTPUT; only read.
        units: keys or their first digits, at least 8.
        source: what OUTPUT was made from; found by content.
        device: ``auto``, ``cpu`` or a torch device.
        prior: the prior, stored or a folder, where the profile names one.

    Raises:
        OutputError: no such written unit, or its recipe can't be done by this version.
        ReadError: the source isn't there.
        ProfileError: profile.yaml isn't readable.
        PriorError: the prior isn't the recorded one.
    """
    known = ledger.shelved(output / layout.LEDGER)
    records = [chosen(known, unit) for unit in units]
    profile = load_profile(str(output / layout.PROFILE))
    if prior is not None:
        profile = with_folder_prior(profile, prior)
    worker = Worker(RunRequest(source, profile, device=device), output)
    volumes = RecordedSources(source, profile)
    for record in sorted(records, key=lambda record: record.source.key):
        yield _again(record, worker, _case(record, volumes))


def chosen(records: Iterable[Record], unit: str) -> Record:
    """The written unit whose key begins with ``unit``.

    Raises:
        OutputError: fewer digits than are asked for, no such unit, or several.
    """
    where = "the names of the folders below variants/ are such digits"
    if len(unit) < LEAST_DIGITS:
        expected = f"expected the first {LEAST_DIGITS} or more digits of its key, found {len(unit)}"
        raise OutputError(f"unit: {expected}; {where}")
    matching = [record for record in records if record.status == "written" and record.unit.startswith(unit)]
    if not matching:
        raise OutputError(f"unit: no written unit's key begins with these {len(unit)} digits; {where}")
    if len(matching) > 1:
        raise OutputError(f"unit: {len(matching)} keys begin with these {len(unit)} digits; give more of them: {where}")
    return matching[0]


def _case(record: Record, volumes: RecordedSources) -> Case:
    made = record.transplant
    donor = Donor(volumes.find(made.donor), made.lesion) if made else None
    return Case(volumes.find(record.source), record.source_boxes, donor=donor)


def _again(record: Record, worker: Worker, case: Case) -> Replay:
    threads = record.threads if worker.threads else None
    # memory may have made the batch smaller than the profile's
    tools = replace(worker.tools.with_batch(record.batch_size), solve_slices=on_threads(threads))
    variant = augment(case, _recipe(record), tools)
    images, planes = record.images, variant.volume.samples
    held = [[k for k, (n, _) in enumerate(record.slice_frames) if n == image] for image in range(len(images))]
    parts = [planes[slices] for slices in held if slices]
    if len(parts) != len(images):
        raise OutputError(
            f"unit {record.unit[:16]}: {counted(len(images), 'image')} for {counted(len(parts), 'slice')}; verify it"
        )
    differences = tuple(
        _difference(worker.root, image, made)
        for image, made in zip(images, parts, strict=True)
        if pixels_digest(made) != image.pixels_sha256
    )
    return Replay(record.unit, len(images), differences, _changes(record, worker))


def _recipe(record: Record) -> Recipe:
    try:
        drawn = Recipe(
            source=str(record.recipe["source"]),
            boxes=str(record.recipe["boxes"]),
            variant=int(record.recipe["variant"]),
            seed=int(record.recipe["seed"]),
            profile_sha256=str(record.recipe["profile_sha256"]),
            prior_sha256=str(record.recipe["prior_sha256"]),
            numerics=int(record.recipe["numerics"]),
            kept=str(record.recipe.get("kept", "")),
            donor=str(record.recipe.get("donor", "")),
        )
    except (KeyError, ValueError):
        drawn = None
    if drawn is None or drawn.id != record.unit or drawn.numerics != NUMERICS:
        raise OutputError(
            f"unit {record.unit[:16]}: its recipe is not one that this version can do again (arithmetic {NUMERICS}); "
            f"use medaug {record.versions.get('medaug', '')}"
        )
    if drawn.kept:
        raise OutputError(
            f"unit {record.unit[:16]}: it was made with --protect or --within, and a replay doesn't have their masks; "
            "run it again from its source, and compare"
        )
    return drawn


def _difference(output: Path, image: Output, made: Stored) -> Difference:
    path = output / image.path
    try:
        there = stored_of(path)
    except ReadError:
        return Difference(image.path, -1, 0.0)
    if there.shape != made.shape:
        return Difference(image.path, -1, 0.0)
    by = np.abs(there.astype(np.float64) - made.astype(np.float64))
    return Difference(image.path, int(np.count_nonzero(by)), float(by.max()))


def _changes(record: Record, worker: Worker) -> Mapping[str, tuple[str, str]]:
    now = {**worker.versions, "device": worker.device, "processor": processor()}
    then = {**record.versions, "device": record.device, "processor": record.processor}
    return {name: (then.get(name, ""), value) for name, value in now.items() if then.get(name, "") != value}
