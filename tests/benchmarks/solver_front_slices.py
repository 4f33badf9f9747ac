"""The front on CT and MR: ``python tests/benchmarks/solver_front_slices.py --data DATA [--pairs 4] [--jobs 2]``.

Pairs of neighbouring slices of the development cases as their profiles present them, a drawn box of a tenth of each
axis, two seeds; the slices of a pair share their noise, as those of a volume do; restored as the profiles do. Distance
is not to the slice itself but to other slices of the same series, in their free regions: what another real slice would
have. Upstream is run on one slice of each of the first pairs, 1000 steps from pure noise.

Writes solver-front-slices.json, .md, and a plot for each modality into --out (docs/measurements), and prints what the
rule chooses for CT and for MR (`solver_rule`).
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import torch

import medaug
from medaug.augmentation.augment import present
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from medaug.formats.nifti import read_nifti
from medaug.imaging.volume import Volume
from medaug.training.calibration import Layouts
from tests.benchmarks import solver_bench as bench
from tests.benchmarks import solver_rows
from tests.benchmarks.solver_rows import BASELINES, SOLVERS
from tests.benchmarks.solver_rule import Among, chosen
from tests.benchmarks.upstream import upstream

CASES = {
    "CT": {"03": ("03_ct_liver_seg_dcmqi/ct", "body-ct"), "04": ("04_ct_head_tilt_ge/ct", "brain-ct")},
    "MR": {
        "07": ("07_mr_t1_studyforrest/mr", "brain-mr"),
        "08 FLAIR": ("08_mr_enhanced_multiframe_nema/BRTUM003.dcm", "brain-mr"),
        "08 T1": ("08_mr_enhanced_multiframe_nema/BRTUM008.dcm", "brain-mr"),
        "12": ("12_nifti_brain_label_pyradiomics/brain1_image.nii.gz", "brain-mr"),
    },
}
OTHERS = 8  # slices that a slice is compared with, at most
MOST = 12  # pairs of a modality
GRID = [(6, 0.4), (12, 0.3), (12, 0.4), (12, 0.6)]  # steps, start
RUNS = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
        for name, run in SOLVERS.items() if name not in BASELINES for n, t0 in GRID}  # fmt: skip
PUBLIC, SLICES, AT = "upstream", "slices", " | "
GROUPS: dict[str, Group] = {}
ABOUT = (
    "The embedded prior has seen radiographs only. The series, numbers of the development cases: {cases}. Where a cell "
    "holds two figures they are the least and the greatest of the series' medians. *Through-plane*: how much the two "
    "slices of a pair differ where both are free, over how much they do in the source, on the prior's grid. *Distance* "
    "is to other slices of the same series; the slices themselves are at {source}, so what lies there is as near as a "
    "real slice."
)


@dataclass(frozen=True, eq=False)
class Group:
    """Pairs of slices of one modality, and for each slice the patches of other slices of its series."""

    these: bench.Subjects
    others: list[solver_rows.Reference]
    among: Among

    def distance(self, these: bench.Subjects, made: np.ndarray) -> list[float]:
        return solver_rows.distances(these, made, self.others)


@dataclass(frozen=True, eq=False)
class Slice:
    """A slice on the prior's grid, (size, size) each."""

    pixels: np.ndarray
    protected: np.ndarray
    observed: np.ndarray


def slices_of(path: Path, profile: medaug.Profile) -> list[Slice]:
    """The slices of a series in order, presented as one volume, or each by itself where they are no regular grid."""
    tools = medaug.tools(profile, "cpu")
    if path.is_file() and path.suffix != ".dcm":
        return presented(read_nifti(path), profile, tools)
    series = [one for one in discover(path).series if one.modality in CASES]
    try:
        volumes = max((read_series(one) for one in series), key=_slices)
    except ReadError:
        volumes = max((read_series(one, slices=True) for one in series), key=_slices)
    return [part for volume in volumes for part in presented(volume, profile, tools)]


def _slices(volumes: tuple[Volume, ...]) -> int:
    return sum(len(volume.stored) for volume in volumes)


def presented(volume: Volume, profile: medaug.Profile, tools: medaug.Tools) -> list[Slice]:
    count, height, width = volume.stored.shape
    start, stop = (0, height * 9 // 20, width * 9 // 20), (count, height * 11 // 20, width * 11 // 20)
    box = medaug.Box(start, stop, "lesion")
    seen = present(medaug.Case(volume, (box,)), medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1), tools)
    return list(map(Slice, seen.prepared.pixels, seen.on_grid.protected, seen.on_grid.observed))


def pairs_of(slices: list[Slice], count: int) -> list[tuple[list[Slice], solver_rows.Reference]]:
    """Pairs of neighbours evenly along the series, and for each patches of slices that aren't in it."""
    count, found = min(count, len(slices) - 1), []
    for first in ((n + 1) * (len(slices) - 1) // (count + 1) for n in range(count)):
        rest = [one for k, one in enumerate(slices) if k not in (first, first + 1) and not one.protected.all()]
        rest = rest[:: max(1, -(-len(rest) // OTHERS))]
        others = solver_rows.reference([one.pixels for one in rest], [~one.protected for one in rest])
        found.append((slices[first : first + 2], others))
    return found


def group(data: Path, modality: str, count: int) -> Group:
    """The first pair of each series, then the second of each, …"""
    cases = CASES[modality].items()
    found = {name: pairs_of(slices_of(data / place, medaug.load_profile(own)), count) for name, (place, own) in cases}
    order = [(name, n) for n in range(count) for name in found if n < len(found[name])][:MOST]
    images = [one for name, n in order for one in found[name][n][0]]
    pixels, protected, observed = (
        torch.from_numpy(np.stack([getattr(one, key) for one in images])[:, None])
        for key in ("pixels", "protected", "observed")
    )
    others = [found[name][n][1] for name, n in order for _ in range(2)]
    these = bench.Subjects(pixels, Layouts(protected, observed, protected), neighbours=2)
    return Group(these, others, Among(tuple(name for name, _ in order), 2))


def measure(unit: str) -> dict:
    """One solve of a group's slices, or upstream's residual on one of them, or what they are."""
    modality, name = unit.split(AT)
    own, these = GROUPS[modality], GROUPS[modality].these
    if name == SLICES:
        source = np.mean(own.distance(these, these.x[:, 0].numpy()))
        return {"source": round(float(source), 4), "series": own.among.series}
    if name in RUNS:
        return solver_rows.measured(name, RUNS[name], these, GROUPS[modality].distance)
    one = these.one(2 * int(name.removeprefix(PUBLIC)))
    done = bench.solve(partial(upstream, steps=1000), one, f"slice {name}", 0.05)
    return {"delivered": bench.figures(one, done.solved, "replace")[0]["delivered"]}


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-front-slices.json"
    about = {"pairs": options.pairs, "upstream": options.upstream, "prior": bench.embedded().card.sha256}
    about |= {"seeds": len(solver_rows.SEEDS), "threads": 1}
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {}
    if {key: report.get(key) for key in about} != about:
        report = about | {"units": {}}
    names = [SLICES, *(f"{PUBLIC}{n}" for n in range(options.upstream)), *RUNS]
    wanted = [f"{modality}{AT}{name}" for modality in CASES for name in names]
    missing = [unit for unit in wanted if unit not in report["units"] and not options.written]
    needed = dict.fromkeys(unit.split(AT)[0] for unit in missing)
    GROUPS.update({modality: group(options.data, modality, options.pairs) for modality in needed})
    for closing in solver_rows.CLOSINGS if missing else ():
        for run in RUNS.values():
            solver_rows.counted(run.func, closing, next(iter(GROUPS.values())).these)
    for unit, found in bench.rows(measure, missing, options.jobs):
        report["units"][unit] = {key: value for key, value in found.items() if key != "peak_mib"}
        print(unit, flush=True)
        path.write_text(json.dumps(report) + "\n")
    report["units"] = {unit: report["units"][unit] for unit in wanted if unit in report["units"]}
    sections = [line for modality in CASES for line in section(report, modality)]
    path.write_text(json.dumps(report) + "\n")
    path.with_suffix(".md").write_text(page(report, sections))
    for modality in CASES:
        rows = rows_of(report, modality)[0]
        path.with_name(f"{path.stem}-{modality.lower()}.svg").write_text(solver_rows.plot(rows, lambda _: True))
    print(json.dumps(report["chosen"]))


def rows_of(report: dict, modality: str) -> tuple[dict, list[float]]:
    """A modality's rows, and upstream's residuals."""
    units = {unit.split(AT)[1]: found for unit, found in report["units"].items() if unit.startswith(modality)}
    rows = {name: row for found in units.values() for name, row in found.get("rows", {}).items()}
    return rows, [found["delivered"] for found in units.values() if "delivered" in found]


def section(report: dict, modality: str) -> list[str]:
    """The choice and the rows of a modality; the choice goes into the report."""
    (rows, public), own = rows_of(report, modality), report["units"][f"{modality}{AT}{SLICES}"]
    among = Among(tuple(own["series"]), 2)
    choice = chosen(rows, public, among)
    report.setdefault("chosen", {})[modality] = choice.name
    told = solver_rows.told(choice, modality, len(rows))
    names = Counter(among.series)
    cases = ", ".join(f"{name} ({count} pairs)" for name, count in names.items())
    return [
        f"## {modality}",
        "",
        ABOUT.format(cases=cases, source=own["source"]),
        "",
        f"![Distance against FLOPs on {modality}](solver-front-slices-{modality.lower()}.svg)",
        "",
        *told,
        *solver_rows.table(rows, public, lambda _: True, among),
        "",
    ]


def page(report: dict, sections: list[str]) -> str:
    lines = [
        "# The front on CT and MR",
        "",
        (
            f"Up to {report['pairs']} pairs of neighbouring slices of each series and {MOST} of a modality, "
            f"{report['seeds']} seeds, one thread; upstream on {report['upstream']} slices of each modality. Written "
            "by `tests/benchmarks/solver_front_slices.py`."
        ),
        "",
        *solver_rows.rule(),
        *sections,
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of development cases")
    parser.add_argument("--pairs", type=int, default=4, help="of each series, at most")
    parser.add_argument("--upstream", type=int, default=4, help="slices of each modality that upstream is run on")
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--written", action="store_true", help="write the page from the JSON's rows, measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
