"""The judge's AUC of a front's row: its profile is run on labelled images with that row's solver, and judged.

Images are of people that the prior wasn't trained on; `medaug.benchmark.realism` says what the judge is.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from medaug.benchmark.realism.realism import realism
from medaug.profile.profile import Profile
from tests.benchmarks.realism_by_strength import run
from tests.benchmarks.solver_rows import WEIGHTS

ROW = re.compile(r"(?P<kind>\w+), (?P<steps>\d+) from (?P<start>[\d.]+)(, closed (?P<closing>\d))?")

PASSING = 0.9  # of a row's variants, at least


@dataclass(frozen=True)
class JudgedImages:
    """Where rows are judged: images, their boxes, and a folder for what is written, emptied row by row."""

    export: Path
    annotations: Path
    scratch: Path

    @classmethod
    def by_profile(cls, given: list[list[str]], scratch: Path) -> dict[str, JudgedImages]:
        """Of an option's profile and two paths, given any number of times."""
        return {name: cls(Path(export), Path(boxes), scratch) for name, export, boxes in given}


def with_row(profile: Profile, row: str) -> Profile:
    """The profile with a row's solver, steps, start and closing."""
    found = ROW.fullmatch(row)
    assert found, row
    solver = {"kind": found["kind"], "steps": int(found["steps"]), "start": float(found["start"])}
    solver |= WEIGHTS if found["kind"] in {"psld", "diffstategrad"} else {}
    changed = profile.model_dump(mode="json", exclude={"strengths"}, exclude_none=True) | {"solver": solver}
    changed["levers"] = changed.get("levers", {}) | {"closing": int(found["closing"] or 0)}
    return Profile.model_validate(changed)


def of_pictures(profile: Profile) -> Profile:
    """A profile of slices for pictures of slices: no millimetres, and a window where they aren't windowed already."""
    own = profile.model_dump(mode="json", exclude={"strengths"}, exclude_none=True)
    window = own["window"] if own["window"]["kind"] == "percentile" else {"kind": "file"}
    regions = own["regions"] | {"margin": {"value": 0.02, "unit": "relative"}}
    return Profile.model_validate(own | {"modalities": ["RASTER"], "window": window, "regions": regions})


def judged(profile: Profile, row: str, images: JudgedImages) -> dict[str, float]:
    """AUC with its interval, mean change and new share, and how many were written."""
    output = images.scratch / row.replace(" ", "-").replace(",", "")
    shutil.rmtree(output, ignore_errors=True)
    written, of = run(with_row(profile, row), images.export, images.annotations, output)
    found = realism(output, images.export)
    shutil.rmtree(output)
    told, variety = found.judgement.told, found.variety
    figures = {"auc": told.value, "low": told.low, "high": told.high, "change": variety.change, "share": variety.share}
    return {key: round(value, 4) for key, value in figures.items()} | {"written": written, "of": of}


def asked(
    known: dict[str, dict[str, float]], ask: Callable[[str], dict[str, float]] | None, keep: Callable[[], object]
) -> Callable[[str], float]:
    """A row's AUC: from what is known, else by asking, which then is known, and kept.

    1 where fewer than `PASSING` of the variants pass the gate: nobody needs a network to tell those.
    """

    def auc(row: str) -> float:
        if row not in known:
            if ask is None:
                raise SystemExit(f"{row}: expected the judge's figures, found none; run again with --judge")
            known[row] = ask(row)
            keep()
            print(row, known[row], flush=True)
        passing = known[row]["written"] / known[row]["of"]
        return known[row]["auc"] if passing >= PASSING else 1.0

    return auc


def table(known: dict[str, dict[str, float]]) -> list[str]:
    """What the judge said, in Markdown."""
    lines = ["| row | AUC (95 %) | change, of 255 | new | written |", "|---|---|---|---|---|"]
    return lines + [
        f"| {row} | {f['auc']:.2f} ({f['low']:.2f}–{f['high']:.2f}) | {f['change']:.1f} | {f['share']:.0%} | "
        f"{f['written']} of {f['of']} |"
        for row, f in known.items()
    ]
