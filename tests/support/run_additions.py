"""Run all that `additions` adds at once: ``python -m tests.support.run_additions FOLDER``; prints what came of it."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import medaug
from medaug.inverse.priors.library.lookup import folder_digest
from medaug.verification.verify import verify
from tests.support import make
from tests.support.small_runs import UNCHECKED, small_profile


def main(folder: Path) -> None:
    make.radiograph(folder / "in", name="x.dcm", rows=120, columns=100, seed=1)
    (folder / "labels.toy").write_text("x.dcm lesion 30 40 50 60\n")
    (folder / "prior").mkdir()
    (folder / "prior" / "toy.json").write_text("{}")
    profile = small_profile(
        folder,
        solver={"kind": "toy", "steps": 3, "start": 0.3, "gain": 0.5},
        regions={"kind": "stripes", "margin": {"value": 0.04}},
        prior={"kind": "folder", "path": str(folder / "prior"), "sha256": folder_digest(folder / "prior")},
        checks={name: [None, None] for name in (*UNCHECKED, "change")} | {"toy_share": [0.02, 1]},
    )
    out = folder / "out"
    summary = medaug.run(folder / "in", out, profile=profile, annotations=folder / "labels.toy", variants=1, seed=7)
    (record,) = summary.records
    sound = [str(fault) for fault in verify(out, source=folder / "in").faults]
    listed = json.loads((out / "toy.json").read_text())
    (out / "toy.json").write_text("{}")
    found = {
        "status": [record.status, record.message],
        "boxes": [[box.label, box.start, box.stop] for box in record.boxes],
        "checks": {check.name: check.limit for check in record.checks},
        "prior": record.prior.name if record.prior else "",
        "toy.json": listed,
        "faults": sound,
        "faults of another list": sorted({fault.code for fault in verify(out).faults}),
    }
    sys.stdout.write(json.dumps(found) + "\n")


main(Path(sys.argv[1]))
