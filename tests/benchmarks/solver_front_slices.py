"""The front on CT and MR: ``python tests/benchmarks/solver_front_slices.py --data DATA [--pairs 4] [--jobs 2]``.

Pairs of neighbouring slices of the development cases as their profiles present them, a drawn box of a tenth of each
axis, two seeds; the slices of a pair share their noise, as those of a volume do; restored as the profiles do. Distance
is not to the slice itself but to other slices of the same series, in their free regions: what another real slice would
have. Upstream is run on one slice of each of the first pairs, 1000 steps from pure noise.

Rows that the profile of a prior or restoration had before are dropped. The rule asks the judge of some rows, on the
pictures that --judge gives for a profile.

Writes solver-front-slices.json, .md, and a plot for each profile into --out (docs/measurements), and prints what the
rule chooses for each (`solver_rule`).
"""

from __future__ import annotations

import argparse
import itertools
import json
from collections import Counter
from collections.abc import Callable
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
from medaug.inverse.priors.loaders.trained import load_embedded
from medaug.training.calibration import Layouts
from tests.benchmarks import solver_bench as bench
from tests.benchmarks import solver_rows
from tests.benchmarks.solver_judged import JudgedImages, asked, judged, of_pictures
from tests.benchmarks.solver_judged import table as judge_table
from tests.benchmarks.solver_rows import BASELINES, SOLVERS
from tests.benchmarks.solver_rule import Among, chosen
from tests.benchmarks.upstream import upstream

CASES = {  # of a profile
    "body-ct": {"03": "03_ct_liver_seg_dcmqi/ct"},
    "brain-ct": {"04": "04_ct_head_tilt_ge/ct"},
    "brain-mr": {
        "07": "07_mr_t1_studyforrest/mr",
        "08 FLAIR": "08_mr_enhanced_multiframe_nema/BRTUM003.dcm",
        "08 T1": "08_mr_enhanced_multiframe_nema/BRTUM008.dcm",
        "12": "12_nifti_brain_label_pyradiomics/brain1_image.nii.gz",
    },
}
OTHERS = 8  # slices that a slice is compared with, at most
MOST = 8  # pairs of a profile
GRID = [(6, 0.4), (12, 0.4), (18, 0.45), (12, 0.6), (24, 0.6)]  # steps, start
RUNS = {f"{name}, {n} from {t0:g}": partial(run, steps=n, t0=t0)
        for name, run in SOLVERS.items() if name not in BASELINES for n, t0 in GRID}  # fmt: skip
PUBLIC, SLICES, AT = "upstream", "slices", " | "
GROUPS: dict[str, Group] = {}
ABOUT = (
    "Prior and restoration are the profile's. The series, numbers of the development cases: {cases}. Where a cell "
    "holds two figures they are the least and the greatest of the series' medians. *Through-plane*: how much the two "
    "slices of a pair differ where both are free, over how much they do in the source, on the prior's grid. *Distance* "
    "is to other slices of the same series; the slices themselves are at {source}, so what lies there is as near as a "
    "real slice. The judge was asked on {judged}; the choice is among the rows that it was asked about, or needn't be."
)
JUDGED = {
    "body-ct": "soft-tissue slices of chest CT of the pool, one of each patient, with a drawn box",
    "brain-ct": "slices of head CT of the pool, one of each patient, of whom nearly all were in the prior's training",
    "brain-mr": "slices of the prior's pool that it was not trained on, with their tumours' boxes",
}


@dataclass(frozen=True, eq=False)
class Group:
    """Pairs of slices of one profile, and for each slice the patches of other slices of its series."""

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
    series = [one for one in discover(path).series if one.modality in profile.modalities]
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


def group(data: Path, name: str, count: int) -> Group:
    """The first pair of each series of a profile, then the second of each, …"""
    profile = medaug.load_profile(name)
    found = {case: pairs_of(slices_of(data / place, profile), count) for case, place in CASES[name].items()}
    order = [(case, n) for n in range(count) for case in found if n < len(found[case])][:MOST]
    images = [one for case, n in order for one in found[case][n][0]]
    pixels, protected, observed = (
        torch.from_numpy(np.stack([getattr(one, key) for one in images])[:, None])
        for key in ("pixels", "protected", "observed")
    )
    others = [found[case][n][1] for case, n in order for _ in range(2)]
    prior, layouts = load_embedded(sha256=profile.prior.sha256), Layouts(protected, observed, protected)
    these = bench.Subjects(pixels, layouts, neighbours=2, prior=prior, restore=profile.restore)
    return Group(these, others, Among(tuple(case for case, _ in order), 2))


def measure(unit: str) -> dict:
    """One solve of a group's slices, or upstream's residual on one of them, or what they are."""
    profile, name = unit.split(AT)
    own, these = GROUPS[profile], GROUPS[profile].these
    if name == SLICES:
        source = np.mean(own.distance(these, these.x[:, 0].numpy()))
        return {"source": round(float(source), 4), "series": own.among.series}
    if name in RUNS:
        return solver_rows.measured(name, RUNS[name], these, own.distance)
    one = these.one(2 * int(name.removeprefix(PUBLIC)))
    done = bench.solve(partial(upstream, steps=1000), one, f"slice {name}", 0.05)
    return {"delivered": bench.figures(one, done.solved, "replace")[0]["delivered"]}


def main(options: argparse.Namespace) -> None:
    path = options.out / "solver-front-slices.json"
    about = {"pairs": options.pairs, "upstream": options.upstream, "seeds": len(solver_rows.SEEDS), "threads": 1}
    report = json.loads(path.read_text()) if path.is_file() and not options.fresh else {}
    if {key: report.get(key) for key in about} != about:
        report = about | {"units": {}, "judged": {}, "priors": {}}
    for name in CASES:
        forget_others(report, name)
    names = [SLICES, *(f"{PUBLIC}{n}" for n in range(options.upstream)), *RUNS]
    wanted = [f"{profile}{AT}{name}" for profile in options.profiles for name in names]
    missing = [unit for unit in wanted if unit not in report["units"] and not options.written]
    needed = dict.fromkeys(unit.split(AT)[0] for unit in missing)
    GROUPS.update({profile: group(options.data, profile, options.pairs) for profile in needed})
    for own in GROUPS.values():
        for run, closing in itertools.product(RUNS.values(), solver_rows.CLOSINGS):
            solver_rows.counted(run.func, closing, own.these)
    for unit, found in bench.rows(measure, missing, options.jobs):
        report["units"][unit] = {key: value for key, value in found.items() if key != "peak_mib"}
        print(unit, flush=True)
        solver_rows.keep(path, report)
    images = JudgedImages.by_profile(options.judge, options.scratch)
    measured = [name for name in CASES if f"{name}{AT}{SLICES}" in report["units"]]
    sections = [
        line
        for name in measured
        for line in section(report, name, images.get(name), partial(solver_rows.keep, path, report))
    ]
    solver_rows.keep(path, report)
    path.with_suffix(".md").write_text(page(report, sections))
    for name in measured:
        path.with_name(f"{path.stem}-{name}.svg").write_text(solver_rows.plot(rows_of(report, name)[0], lambda _: True))
    print(json.dumps(report["chosen"]))


def forget_others(report: dict, name: str) -> None:
    """Drop what was measured for a profile with another prior or restoration than it has today."""
    profile = medaug.load_profile(name)
    today = {"prior": profile.prior.sha256, **bench.restored_by(profile.restore)}
    if report["priors"].get(name) != today:
        report["units"] = {unit: found for unit, found in report["units"].items() if unit.split(AT)[0] != name}
        report["judged"].pop(name, None)
        report["priors"][name] = today


def rows_of(report: dict, profile: str) -> tuple[dict, list[float]]:
    """A profile's rows, and upstream's residuals."""
    units = {unit.split(AT)[1]: found for unit, found in report["units"].items() if unit.split(AT)[0] == profile}
    rows = {name: row for found in units.values() for name, row in found.get("rows", {}).items()}
    return rows, [found["delivered"] for found in units.values() if "delivered" in found]


def section(report: dict, name: str, images: JudgedImages | None, kept: Callable[[], object]) -> list[str]:
    """The choice and the rows of a profile; the choice and what the judge said go into the report."""
    (rows, public), own = rows_of(report, name), report["units"][f"{name}{AT}{SLICES}"]
    among, known = Among(tuple(own["series"]), 2), report["judged"].setdefault(name, {})
    ask = images and partial(judged, of_pictures(medaug.load_profile(name)), images=images)
    standing = rows if ask else {row: found for row, found in rows.items() if row in known}
    choice = chosen(standing, public, among, asked(known, ask, kept))
    report.setdefault("chosen", {})[name] = choice.name
    told = solver_rows.told(choice, name, len(standing))
    counts = Counter(among.series)
    cases = ", ".join(f"{case} ({count} pairs)" for case, count in counts.items())
    return [
        f"## {name}",
        "",
        ABOUT.format(cases=cases, source=own["source"], judged=JUDGED[name]),
        "",
        f"![Distance against FLOPs, {name}](solver-front-slices-{name}.svg)",
        "",
        *told,
        *judge_table(known),
        "",
        *solver_rows.table(rows, public, lambda _: True, among),
        "",
    ]


def page(report: dict, sections: list[str]) -> str:
    lines = [
        "# The front on CT and MR",
        "",
        (
            f"Up to {report['pairs']} pairs of neighbouring slices of each series and {MOST} of a profile, "
            f"{report['seeds']} seeds, one thread; upstream on {report['upstream']} slices of each profile. Written "
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
    parser.add_argument("--upstream", type=int, default=4, help="slices of each profile that upstream is run on")
    parser.add_argument("--profiles", nargs="+", choices=CASES, default=list(CASES), help="whose rows are measured")
    parser.add_argument("--judge", nargs=3, action="append", default=[], metavar=("PROFILE", "EXPORT", "BOXES"),
                        help="pictures that a profile's rows are judged on")  # fmt: skip
    parser.add_argument(
        "--scratch", type=Path, default=Path("judged"), help="where judged runs are written for a while"
    )
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--written", action="store_true", help="write the page from the JSON's rows, measure nothing")
    parser.add_argument("--fresh", action="store_true", help="measure rows again that the JSON holds")
    parser.add_argument("--out", type=Path, default=Path("docs/measurements"))
    main(parser.parse_args())
