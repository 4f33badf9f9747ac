"""A record as a run would write it, for the tests of all that reads records."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medaug.audit.record import CheckResult, Grid, Identity, Output, PriorRef, Record
from medaug.audit.recorded_source import RecordedSource
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar


def digest(*names: object) -> str:
    return hashlib.sha256("/".join(map(str, names)).encode()).hexdigest()


def record(name: str = "a", **overrides: Any) -> Record:
    unit = digest("unit", name)
    built = Record(
        unit=unit,
        status="written",
        source=RecordedSource(
            key=digest("source", name),
            series_uid="1.2.826.0.1.1",
            study_uid="1.2.826.0.1",
            instance_uids=("1.2.826.0.1.1.1",),
            sha256=(digest("file", name),),
            modality="CR",
            patient=digest("patient", name)[:16],
        ),
        variant=0,
        seed=str(2**64 - 1),
        profile_sha256=digest("profile"),
        versions={"medaug": "0.1.0", "numpy": "2.4.6", "torch": "2.13.0+cpu"},
        device="cpu",
        batch_size=8,
        identity=Identity("declared"),
        created="2026-01-02T03:04:05+00:00",
        prior=PriorRef("radiograph-256", digest("prior")),
        recipe={"seed": str(2**64 - 1), "numerics": 1, "share": 0.1},
        checks=(
            CheckResult("box_unchanged", 0.0, (None, 0.0), True),
            CheckResult("psnr_db", 31.25, (20.0, None), True),
        ),
        outputs=(
            Output(f"variants/{unit[:16]}/image/0001.dcm", digest("out", name), digest("pixels", name), "2.25.1"),
        ),
        boxes=(Box((0, 10, 20), (1, 14, 26), "nodule", "7"),),
        geometry=Grid.of(planar(64, 48, (0.2, 0.25))),
    )
    return replace(built, **overrides)


def failed(name: str = "b", **overrides: Any) -> Record:
    """A unit that ended before anything was written."""
    defaults = {
        "status": "failed",
        "code": "missing-slice",
        "message": "slice 12 is missing",
        "outputs": (),
        "checks": (),
    }
    return record(name, **{**defaults, "prior": None, **overrides})


def outputs(unit: str, files: Sequence[Path], root: Path) -> tuple[Output, ...]:
    """What a run would note about files that lie in OUTPUT."""
    assert all(path.relative_to(root).parts[1] == unit[:16] for path in files)
    return tuple(
        Output(path.relative_to(root).as_posix(), hashlib.sha256(path.read_bytes()).hexdigest()) for path in files
    )
