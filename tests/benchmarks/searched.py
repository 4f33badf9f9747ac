"""The search's part of docs/explanation/does-it-help.md: which settings were tried, and what each came to.

A search chooses; it shows nothing. Its scores are means of few trainings, of which the best are best by chance, too, so
that no interval stands beside them. What was chosen is confirmed on other patients by other seeds.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from medaug.benchmark import results_folder
from medaug.benchmark.benchmark import trainings_of
from medaug.benchmark.benchmark_plan import setup_of
from medaug.benchmark.report.tables import signed

SAYS = """Each setting was trained a few times on one half of the patients; differences are means over the same folds
and seeds. These scores are for choosing alone: the best of several is best by chance, too. What was chosen was then
compared anew on the other half's patients, with other seeds, by a contrast declared before. `retinanet` saw that
comparison's images."""
Score = Mapping[str, Any]


def taken(bench: Path, export: Path) -> dict[str, Any]:
    """A search's scores, and the settings that they are of.

    Args:
        bench: BENCH of the search.
        export: folder of the export's export.json.
    """
    setup, plan = setup_of(bench), results_folder.read(bench / results_folder.PLAN)
    done = [
        {
            "arm": one.arm,
            "fraction": one.fraction,
            "ratio": one.ratio,
            "fold": one.fold,
            "seed": one.seed,
            "real": len(one.real),
            "ap50": round(one.figures.ap50, 5),
            "refused": one.refused,
            "added": len(one.added),
        }
        for one in trainings_of(bench, setup.design)
    ]
    settings = {arm: _setting(bench, digest) for arm, digest in plan["profiles"].items()}
    return {
        "design": setup.design.data,
        "images": len(setup.data.labelled),
        "data": plan["data"],
        "detector": plan["detector"],
        "settings": settings,
        "trainings": done,
        "export": json.loads((export / "export.json").read_text()),
    }


def _setting(bench: Path, digest: str) -> dict[str, Any]:
    """Law and solve of the variants of a profile, as their OUTPUT states them."""
    folder = next((bench / results_folder.VARIANTS).glob(f"{digest[:16]}*"))
    profile = yaml.safe_load((folder / "profile.yaml").read_text())
    solver = {key: profile["solver"][key] for key in ("kind", "start", "steps")}
    return {"profile": profile["name"], "regions": profile["regions"], "solver": solver}


def section(search: Mapping[str, Any], title: str) -> list[str]:
    """A table of every setting, the best first."""
    design = search["design"]
    real = sorted({one["real"] for one in search["trainings"]})
    span = " to ".join(map(str, real[:: max(1, len(real) - 1)]))
    dealt = "Parts as given" if design["parts"] else f"{design['folds']} folds"
    head = ("setting", "law", "start", "ratio", "AP50", "− `duplicates`", "− `naive`", "trainings")
    return [
        f"### {title}, `{design['detector']}`: {search['images']} images, {span} trained on",
        "",
        f"{dealt}, {design['steps']} gradient steps.",
        "",
        f"| {' | '.join(head)} |",
        "|" + "---|" * len(head),
        *(f"| {' | '.join(row)} |" for row in _rows(search)),
        "",
    ]


def _rows(search: Mapping[str, Any]) -> list[tuple[str, ...]]:
    by_setting: dict[tuple[str, float], list[Score]] = defaultdict(list)
    for one in search["trainings"]:
        by_setting[one["arm"], one["ratio"]].append(one)
    ordered = sorted(by_setting.items(), key=lambda item: -_mean(item[1]))
    return [_row(search, arm, ratio, some) for (arm, ratio), some in ordered]


def _row(search: Mapping[str, Any], arm: str, ratio: float, some: Sequence[Score]) -> tuple[str, ...]:
    setting = search["settings"].get(arm)
    law = _law(setting["regions"]) if setting else ""
    start = f"{setting['solver']['start']:g}" if setting else ""
    less = (_less(search["trainings"], some, control) for control in ("duplicates", "naive"))
    return (f"`{arm}`", law, start, f"{ratio:g}", signed(_mean(some)), *less, str(len(some)))


def _law(regions: Mapping[str, Any]) -> str:
    kind, margin = regions["kind"], regions["margin"]["value"]
    moved = f" {regions['what']}, {regions['rotation']:g}°" if kind == "moved" else ""
    return f"{kind}{moved}, margin {margin:g}"


def _mean(some: Sequence[Score]) -> float:
    return float(np.mean([one["ap50"] for one in some]))


def _less(everything: Sequence[Score], some: Sequence[Score], control: str) -> str:
    """Mean difference to the same folds' and seeds' trainings of the control."""
    known = {_where(one): one["ap50"] for one in everything if one["arm"] == control}
    found = [one["ap50"] - known[_where(one)] for one in some if _where(one) in known]
    return signed(float(np.mean(found))) if found and some[0]["arm"] != control else ""


def _where(one: Score) -> tuple[float, float, int, int]:
    return one["fraction"], one["ratio"], one["fold"], one["seed"]
