"""The table of docs/explanation/prior.md from a run's log: ``python tests/benchmarks/prior_curve.py RUN/log.jsonl``."""

from __future__ import annotations

import json
import sys
from pathlib import Path

LEVELS = (50, 200, 400, 600, 800, 950)

if __name__ == "__main__":
    lines = [json.loads(line) for line in Path(sys.argv[1]).read_text(encoding="utf-8").splitlines()]
    validation = {line["step"]: line for line in lines if line["stage"] == "validation"}
    print(
        "| step | mean | in the image | "
        + " | ".join(f"t = {t}" for t in LEVELS)
        + " |\n|"
        + "---|" * (3 + len(LEVELS))
    )
    for step, line in sorted(validation.items()):
        shown = f"{line['image_loss']:.3f}" if "image_loss" in line else ""
        print(
            f"| {step:,} | {line['loss']:.3f} | {shown} | "
            + " | ".join(f"{line[f'loss_{t}']:.3f}" for t in LEVELS)
            + " |"
        )
