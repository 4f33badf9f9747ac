"""The front on CT and MR: ``python tests/benchmarks/solver_front_slices.py --data DATA [--slices 2] [--jobs 2]``.

Slices of the development cases as their profiles present them, a drawn box of a tenth of each axis, two seeds; restored
as the profiles do. Distance is not to the slice itself but to other slices of the same series, in their free regions:
what another real slice would have. Upstream is run on one slice of each modality, 1000 steps from pure noise.

Writes solver-front-slices.json and solver-front-slices.md into --out (docs/explanation), and prints what the rule
chooses for CT and for MR (`solver_rule`).
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import medaug
from medaug.augmentation import present
from medaug.dicom.discover import discover
from medaug.dicom.read import read_series
from medaug.imaging.volume import Volume
from medaug.nifti import read_nifti
from medaug.training.calibration import Layouts
from tests.benchmarks import solver_bench as bench
from tests.benchmarks import solver_rows
from tests.benchmarks.solver_rows import BASELINES, SOLVERS
from tests.benchmarks.solver_rule import chosen
from tests.benchmarks.upstream import upstream

CASES = {
    "CT": {"03_ct_liver_seg_dcmqi/ct": "body-ct", "04_ct_head_tilt_ge": "brain-ct"},
    "MR": {"07_mr_t1_studyforrest/mr": "brain-mr", "12_nifti_brain_label_pyradiomics/brain1_image.nii.gz": "brain-mr"},
}
OTHERS = 8  # slices that a slice is compared with, at most
GRID = [(6, 0.3), (12, 0.3), (12, 0.4), (12, 0.6)]  # steps, start
RUNS = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
        for name, run in SOLVERS.items() if name not in BASELINES for n, t0 in GRID}  # fmt: skip
PUBLIC, AT = "upstream", " | "
GROUPS: dict[str, Group] = {}
LEAST = (
    "The embedded prior has seen radiographs only. The cases are few: {cases}. So few "
    "tell little of what is realistic, and what is left is mostly what changes most. The profiles don't follow: "
    "they keep `psld`, 12 steps from 0.3, until there are more cases, or a prior for them."
)
DISTANCE = (
    "*Distance* is to other slices of the same series; the slices themselves are at {source} (CT) and {other} (MR), so "
    "what lies there is as near as a real slice."
)


@dataclass(frozen=True, eq=False)
class Group:
    """Slices of one modality, and for each the patches of other slices of its series."""

    these: bench.Subjects
    others: list[solver_rows.Reference]

    def distance(self, these: bench.Subjects, made: np.ndarray) -> list[float]:
        return solver_rows.distances(these, made, self.others)


def slices_of(path: Path) -> list[Volume]:
    """Each slice as a volume of its own, along the normal."""
    if not path.is_file():
        found = [read_series(series, slices=True) for series in discover(path).series if series.modality in CASES]
        return list(max(found, key=len))
    whole = read_nifti(path)
    _, height, width = whole.geometry.spacing
    pairs = zip(whole.stored, whole.rescale, strict=True)
    return [medaug.from_array(image, spacing=(height, width), rescale=rescale) for image, rescale in pairs]


def presented(volume: Volume, profile: medaug.Profile, tools: medaug.Tools):
    _, height, width = volume.stored.shape
    box = medaug.Box((0, height * 9 // 20, width * 9 // 20), (1, height * 11 // 20, width * 11 // 20), "lesion")
    return present(medaug.Case(volume, (box,)), medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1), tools)


def group(data: Path, modality: str, count: int) -> Group:
    """The first slice of each case, then the second of each, …"""
    found: list[list] = []
    for place, name in CASES[modality].items():
        profile, volumes = medaug.load_profile(name), slices_of(data / place)
        tools = medaug.tools(profile, "cpu")
        at = [(n + 1) * len(volumes) // (count + 1) for n in range(count)]
        rest = [k for k in range(len(volumes)) if k not in at]
        rest = rest[:: max(1, -(-len(rest) // OTHERS))]
        seen = {k: presented(volumes[k], profile, tools) for k in [*at, *rest]}
        images = [seen[k].scene.pixels[0] for k in rest]
        others = solver_rows.reference(images, [~seen[k].on_grid.protected[0] for k in rest])
        found.append([(seen[k], others) for k in at])
    rows = [case[n] for n in range(count) for case in found]
    stack = [torch.from_numpy(np.stack([take(row) for row, _ in rows])) for take in (
        lambda row: row.scene.pixels, lambda row: row.on_grid.protected, lambda row: row.on_grid.observed,
    )]  # fmt: skip
    return Group(bench.Subjects(stack[0], Layouts(stack[1], stack[2], stack[1])), [others for _, others in rows])


def measure(unit: str) -> dict:
    """One solve of a group's slices, or upstream's residual on one of them."""
    modality, name = unit.split(AT)
    these = GROUPS[modality].these
    if name in RUNS:
        return solver_rows.measured(name, RUNS[name], these, GROUPS[modality].distance)
    one = these.one(int(name.removeprefix(PUBLIC)))
    done = bench.solve(partial(upstream, steps=1000), one, f"slice {name}", 0.05)
    return {"delivered": bench.figures(one, done.solved, "replace")[0]["delivered"]}


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-front-slices.json"
    GROUPS.update({modality: group(options.data, modality, options.slices) for modality in CASES})
    about = {"slices": options.slices, "upstream": options.upstream, "prior": bench.embedded().card.sha256}
    about |= {"seeds": len(solver_rows.SEEDS), "threads": 1}
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {}
    if {key: report.get(key) for key in about} != about:
        report = about | {"units": {}}
    wanted = [f"{modality}{AT}{PUBLIC}{n}" for modality in CASES for n in range(options.upstream)]
    wanted += [f"{modality}{AT}{name}" for modality in CASES for name in RUNS]
    missing = [unit for unit in wanted if unit not in report["units"] and not options.written]
    for closing in solver_rows.CLOSINGS if missing else ():
        for run in RUNS.values():
            solver_rows.counted(run.func, closing, GROUPS["CT"].these)
    for unit, found in bench.rows(measure, missing, options.jobs):
        report["units"][unit] = {key: value for key, value in found.items() if key != "peak_mib"}
        print(unit, flush=True)
        path.write_text(json.dumps(report) + "\n")
    report["units"] = {unit: report["units"][unit] for unit in wanted if unit in report["units"]}
    sections = [line for modality in CASES for line in section(report, modality)]
    path.write_text(json.dumps(report) + "\n")
    path.with_suffix(".md").write_text(page(report, sections))
    print(json.dumps(report["chosen"]))


def section(report: dict, modality: str) -> list[str]:
    """The choice and the rows of a modality; the choice and the sources' own distance go into the report."""
    units = {unit.split(AT)[1]: found for unit, found in report["units"].items() if unit.startswith(modality)}
    rows = {name: row for found in units.values() for name, row in found.get("rows", {}).items()}
    public = [found["delivered"] for found in units.values() if "delivered" in found]
    choice, own = chosen(rows, public), GROUPS[modality]
    source = np.mean(own.distance(own.these, own.these.x[:, 0].numpy()))
    report.setdefault("chosen", {})[modality] = choice.name
    report.setdefault("source", {})[modality] = round(float(source), 4)
    told = solver_rows.told(choice, modality, len(rows))
    return [f"## {modality}", "", *told, *solver_rows.table(rows, public, lambda _: True), ""]


def page(report: dict, sections: list[str]) -> str:
    cases = sum(map(len, CASES.values()))
    of = f"{cases} series, {report['slices']} slices of each"
    lines = [
        "# The front on CT and MR",
        "",
        (
            f"{of}, {report['seeds']} seeds, one thread; upstream on {report['upstream']} of CT and as many of MR. "
            "Written by `tests/benchmarks/solver_front_slices.py`."
        ),
        "",
        *solver_rows.rule(),
        LEAST.format(cases=of),
        "",
        DISTANCE.format(source=report["source"]["CT"], other=report["source"]["MR"]),
        "",
        *sections,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of development cases")
    parser.add_argument("--slices", type=int, default=2, help="of each case")
    parser.add_argument("--upstream", type=int, default=1, help="slices of each modality that upstream is run on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--written", action="store_true", help="write the page from the JSON's rows, measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/explanation"))
    main(parser.parse_args())
