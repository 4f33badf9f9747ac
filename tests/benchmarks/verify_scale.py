"""How long `medaug verify` takes: ``python tests/benchmarks/verify_scale.py FOLDER [INSTANCES] [WORKERS]``.

Makes an OUTPUT of 50-slice CT series of 512 × 512 with the run's own writers, evidence and records, but without a
solve: the outer third of each slice is drawn at random. Then verifies it without and with the source, each in a process
of its own, and prints wall time, CPU time and the peak of memory as a table, also in FOLDER/verify_scale.json. FOLDER
is used again when it is there.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from medaug.audit import ledger
from medaug.audit.layout import FORMAT, declaration
from medaug.audit.record import CheckResult, Grid, Identity, PriorRef, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.audit.seal import seal
from medaug.augmentation.recipe import Recipe
from medaug.dicom.evidence.segmentation import write_segmentation
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.dicom.write.stated import stated
from medaug.dicom.write.write import write_series
from medaug.execution.worker.image_files import describe_output
from medaug.imaging.boxes import Box
from medaug.imaging.volume import Volume
from medaug.manifests.coco import write_coco
from medaug.manifests.croissant import write_croissant
from medaug.manifests.monai import write_monai
from medaug.profile import profile as profiles
from medaug.profile.load import load_profile
from medaug.quality.checks import DEFAULT_LIMITS, Limits
from medaug.version import versions
from tests.support import make

SLICES = 50
CREATED = datetime(2026, 1, 1, tzinfo=UTC)
RUN = "0123456789abcdef"


def main(folder: Path, instances: int, workers: int) -> None:
    """Make the OUTPUT when it isn't there, and time both ways to verify it."""
    if not (folder / "out" / "seal.json").exists():
        started = time.monotonic()
        os.fsync = lambda _: None  # the making isn't what is measured
        build(folder, instances // SLICES)
        print(f"{instances} instances made in {time.monotonic() - started:.0f} s")
    command = [sys.executable, __file__, "--time", str(folder)]
    found = [
        json.loads(subprocess.run([*command, source, str(workers)], check=True, capture_output=True).stdout)
        for source in ("0", "1")
    ]
    (folder / "verify_scale.json").write_text(json.dumps(found, indent=1) + "\n")
    print(f"| {' | '.join(found[0])} |\n|{'---|' * len(found[0])}")
    for row in found:
        print(f"| {' | '.join(map(str, row.values()))} |")


def build(folder: Path, units: int) -> None:
    """One source, ``units`` variants."""
    make.series(folder / "in", slices=SLICES, rows=512, columns=512)
    (volume,) = read_series(discover(folder / "in").series[0])
    profile, root, records = load_profile("body-ct"), folder / "out", []
    root.mkdir()
    (root / "profile.yaml").write_text(profile.to_yaml())
    (root / FORMAT).write_bytes(declaration(CREATED.isoformat(), RUN))
    for variant in range(units):
        records.append(unit(root, volume, profile, variant))
        ledger.append(root / "ledger", "bench", records[-1], 0.0)
    write_monai(records, root)
    write_coco(records, root)
    write_croissant(records, root)
    seal(root)


def unit(root: Path, volume: Volume, profile: profiles.Profile, variant: int) -> Record:
    """Write one variant and its record."""
    boxes = (Box((20, 200, 200), (30, 260, 270), "lesion"),)
    recipe = Recipe.of(volume, boxes, profile, variant=variant)
    shape, folder = volume.geometry.shape, root / "variants" / recipe.id[:16]
    free = np.ones(shape, dtype=np.bool_)
    free[:, 85:-85, 85:-85] = False
    drawn = np.random.default_rng(variant).integers(900, 1100, shape).astype(volume.stored.dtype)
    made = replace(volume, stored=np.where(free, drawn, volume.stored))
    label = np.zeros(shape, dtype=np.bool_)
    label[boxes[0].slices] = True
    said = stated(
        profile,
        unit=recipe.id,
        variant=variant,
        seed="0",
        run=RUN,
        created=CREATED,
        prior=("none", recipe.prior_sha256),
    )
    files = write_series(made, made.stored != volume.stored, source=volume, provenance=said, folder=folder / "image")
    (folder / "evidence").mkdir()
    write_segmentation(
        [file.path for file in files], (free, ~free, label), provenance=said, path=folder / "evidence" / "regions.dcm"
    )
    record = Record(
        unit=recipe.id,
        status="written",
        source=RecordedSource.of(volume.source, "0" * 16),
        variant=variant,
        seed="0",
        profile_sha256=recipe.profile_sha256,
        versions=versions(),
        device="cpu",
        batch_size=1,
        identity=Identity("declared"),
        created=CREATED.isoformat(),
        prior=PriorRef("none", recipe.prior_sha256),
        recipe=recipe.plain,
        checks=passed({**DEFAULT_LIMITS, **profile.checks}),
        outputs=describe_output(folder, folder.relative_to(root).as_posix()),
        boxes=boxes,
        geometry=Grid.of(volume.geometry),
    )
    (folder / "record.json").write_text(record.to_json() + "\n")
    return record


def passed(limits: Mapping[str, Limits]) -> tuple[CheckResult, ...]:
    """Every check of the gate, with a figure on its limit."""
    return tuple(
        CheckResult(name, next((end for end in limit if end is not None), 0.0), tuple(limit), True)
        for name, limit in limits.items()
    )


def timed(folder: Path, source: bool, workers: int) -> None:
    """Verify once and print."""
    from medaug.verification.verify import verify

    started = time.monotonic()
    verdict = verify(folder / "out", source=folder / "in" if source else None, workers=workers)
    wall = time.monotonic() - started
    mine, theirs = resource.getrusage(resource.RUSAGE_SELF), resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = sum(usage.ru_utime + usage.ru_stime for usage in (mine, theirs))
    row = {
        "source": "given" if source else "not given",
        "instances": verdict.units * SLICES,
        "files": verdict.files,
        "faults": len(verdict.faults),
        "voxels compared": verdict.compared,
        "workers": workers,
        "wall s": round(wall, 1),
        "CPU s": round(cpu, 1),
        "peak MiB": peak(),
        "peak MiB of a worker": theirs.ru_maxrss >> 10,
    }
    print(json.dumps(row))


def peak() -> int:
    """MiB of this process; ru_maxrss would count the parent's, too (getrusage(2) after vfork and exec)."""
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) >> 10


if __name__ == "__main__":
    if sys.argv[1] == "--time":
        timed(Path(sys.argv[2]), sys.argv[3] == "1", int(sys.argv[4]))
    else:
        count, processes = (*map(int, sys.argv[2:]), *(5000, 2)[len(sys.argv) - 2 :])
        main(Path(sys.argv[1]), count, processes)
