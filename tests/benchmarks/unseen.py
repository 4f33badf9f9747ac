"""A comparison's contrasts on those test images alone that the prior never saw, from recorded predictions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from medaug.benchmark.benchmark import trainings_of
from medaug.benchmark.benchmark_plan import setup_of
from medaug.benchmark.report.tables import signed
from medaug.benchmark.results import results_of
from medaug.benchmark.training import BenchmarkSetup


def taken(bench: Path, seen: Sequence[str]) -> dict[str, Any]:
    """The same contrasts without the test images of these keys.

    Args:
        bench: BENCH, of parts as given.
        seen: keys of test images that the prior was trained on, without their boxes.
    """
    setup, out = setup_of(bench), set(seen)
    sources = [picture.source for picture in setup.data.everything]
    parts = tuple("" if source in out else part for source, part in zip(sources, setup.data.parts, strict=True))
    left = BenchmarkSetup(setup.design, replace(setup.data, parts=parts))
    records = [
        replace(
            one, found={part: [box for box in some if box["image_id"] not in out] for part, some in one.found.items()}
        )
        for one in trainings_of(bench, setup.design)
    ]
    results = results_of(left, records)
    kept = ("arm", "control", "estimate", "low", "high")
    told = [results["primary"], *results["others"]]
    return {
        "images": len(left.folds[0].test),
        "patients": len({left.groups[n] for n in left.folds[0].test}),
        "contrasts": [{key: one[key] for key in kept} for one in told if one["estimate"] is not None],
    }


def sentence(found: Mapping[str, Any] | None) -> list[str]:
    """What they come to, over duplicates; nothing where no test image was seen."""
    if not found:
        return []
    told = (
        f"`{one['arm']['arm']}` {signed(one['estimate'])} ({signed(one['low'])} to {signed(one['high'])})"
        for one in found["contrasts"]
        if one["control"]["arm"] == "duplicates"
    )
    where = (
        f"On the {found['images']} test images of {found['patients']} groups that the prior never saw, over duplicates"
    )
    return [f"{where}: {', '.join(told)}.", ""]
