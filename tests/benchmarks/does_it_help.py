"""docs/explanation/does-it-help.md from what was measured: ``python tests/benchmarks/does_it_help.py``.

With ``--bench BENCH --export FOLDER`` (of `fracatlas_export.py` or `brain_mr_export.py`) its figures are first put
before those that stand in docs/measurements/does-it-help.json, or take the place of the same comparison's; without, the
page and its curves are made again from that file alone. ``--search BENCH`` does likewise with a search's scores.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from medaug.benchmark import results_folder
from medaug.benchmark.report import tables
from medaug.benchmark.report.curves import curves
from medaug.profile.load import load_profile, shipped_profiles
from medaug.profile.strength import NAMES, with_strength
from tests.benchmarks import at_a_glance, searched, unseen, utility_rule
from tests.benchmarks.at_a_glance import interval

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "measurements" / "does-it-help.json"
PAGE = ROOT / "docs" / "explanation" / "does-it-help.md"
FIGURES = {"ap50": "AP50 on validation", "objectness_loss": "objectness loss", "box_loss": "box loss"}
MADE = """Made by `python tests/benchmarks/does_it_help.py` from `docs/measurements/does-it-help.json`; the figures are
those of [`medaug benchmark`](../how-to/benchmark.md) on fractures of FracAtlas and on tumours in MR of heads, newest
first. Each comparison declared its primary contrast before its first training; between comparisons nothing is corrected
for, so that a small p of one of several is worth less than it looks."""
LIMITS = """* A screening detector: frozen ImageNet features and a small head. On all training images of FracAtlas'
  official split it comes to .18 to .20 AP50, where YOLO models pretrained on COCO at 640 px are published with .39 to
  .58; near the floor, arms that help a strong detector may look alike.
* Copies and variants were made once an image. A trainer that flips and scales anew in each epoch gains more by naive
  transforms than this arm shows.
* FracAtlas names no patients: an image is its own patient here but for near-duplicates.
* Only 8 % of the images that the arm of transplants adds hold a lesion that was set in (77 of 936); for the others no
  place of a host looked like any lesion's surroundings, and the real image stood again. So that arm says nothing yet.
* The searches were small: two or three trainings a setting on MR, one on limbs, on shared cores within hours. They
  can't tell settings apart that differ by less than .05. Ratios and transplants were searched on MR alone; fractions,
  margins and strengths other than the tables' weren't.
* `mr-transplant` is `brain-mr-transplant` in bfloat16. Its lesions come from the same training set, but a picture
  states no patient, so host and donor may be two slices of one head.
* The second detector, `retinanet`, got three seeds for the search's three settings, on the same parts as `frozen` with
  seven: all three lie above duplicates and below naive copies there, too, and no interval excludes 0.
* In the first search its tests and the confirmation's are of other patients, but what is trained on is the same half.
  In the newest, of transplants, no run of slices is in both.
* But for the five folds over all images `bone-xray` is as it was until 2026-11, without `restore.fine`
  ([ADR 47](../adr/0047-a-judge-in-the-rule.md)).
* The five folds over all images have one ratio, one strength and few steps (400): there naive copies lose against
  duplicates, so a setting that gains only where training is longer isn't seen. Their test images weren't among those
  the prior was trained on, but for what `fracatlas_export.py` couldn't tell by near-duplicates.
* Two detectors on the same features, two data sets, one machine. Confirm with your own: `--detector command`."""
DATA_SETS = {"fracatlas": "Fractures, FracAtlas", "brain-mr": "Tumours, brain MR"}
OLD_HEAD = """The detector's first head, which saw single places
([ADR 34](../adr/0034-the-screening-head-looks-around.md)): every arm ended at its floor, so this says little."""


def main(options: argparse.Namespace) -> None:
    data = json.loads(DATA.read_text())
    comparisons, searches = data["comparisons"], data.get("searches", [])
    if options.bench:
        newest = taken(options.bench, options.export)
        comparisons = [newest, *(one for one in comparisons if what(one) != what(newest))]
    if options.search:
        new = searched.taken(options.search, options.export)
        searches = [new, *(one for one in searches if (one["data"], one["design"]) != (new["data"], new["design"]))]
    if options.bench or options.search:
        told = {"comparisons": comparisons, "searches": searches}
        DATA.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    for figure, up in FIGURES.items():
        drawn = curves(comparisons[0]["results"], figure, up)
        (DATA.parent / f"does-it-help-{figure.replace('_', '-')}.svg").write_text(drawn)
    PAGE.write_text(page(comparisons, searches))


def taken(bench: Path, export: Path) -> dict[str, Any]:
    """A comparison's figures, without its predictions."""
    plan = results_folder.read(bench / results_folder.PLAN)
    told = json.loads((export / "export.json").read_text())
    seen = told.pop("seen", [])
    return {
        "results": results_folder.read(bench / results_folder.RESULTS),
        "plan": {key: plan[key] for key in ("detector", "prior", "profiles", "data", "versions")},
        "export": told | ({"test_seen": len(seen)} if seen else {}),
        **({"unseen": unseen.taken(bench, seen)} if seen else {}),
    }


def what(comparison: dict[str, Any]) -> tuple[object, ...]:
    """What a comparison compares."""
    return comparison["plan"]["data"], comparison["plan"]["profiles"], comparison["results"]["design"]


def page(comparisons: list[dict[str, Any]], searches: list[dict[str, Any]]) -> str:
    newest = comparisons[0]
    limbs = [one for one in comparisons if name_of(one) == "fracatlas"]
    tried = [line for one in searches for line in searched.section(one, DATA_SETS[name_of(one)])]
    sections = [line for one in comparisons for line in section(one)]
    return "\n".join(
        [
            "# Does it help?",
            "",
            f"**{tables.sentence(newest['results'])}**",
            "",
            *caution(newest["results"]),
            MADE,
            "",
            *at_a_glance.section(comparisons, [DATA_SETS[name_of(one)] for one in comparisons]),
            *sections,
            "## What was searched",
            "",
            searched.SAYS,
            "",
            *tried,
            "## What the defaults follow",
            "",
            *utility_rule.section(utility_rule.settings_of(limbs), "bone-xray"),
            "",
            "## Curves of the newest, by gradient step",
            "",
            *(f"![{up}](../measurements/does-it-help-{name.replace('_', '-')}.svg)\n" for name, up in FIGURES.items()),
            "## What this can't say",
            "",
            *limits(comparisons),
            "",
        ]
    )


def section(comparison: dict[str, Any]) -> list[str]:
    """One comparison: what was compared, every arm, the contrasts and what could have been seen."""
    results, plan = comparison["results"], comparison["plan"]
    ratios = ", ".join(f"{ratio:g}" for ratio in results["design"]["ratios"])
    real, done = results["real"][0], results["trainings"]
    laws = ", ".join(f"`{name}`" for name in laws_of(plan))
    return [
        f"## {DATA_SETS[name_of(comparison)]}: {real} real images, ratio {ratios}: {laws}{_detector(results)}",
        "",
        *(
            [OLD_HEAD, ""]
            if results["design"]["detector"] == "frozen" and "around" not in plan["detector"]["head"]
            else []
        ),
        *tables.facts(results),
        *(
            []
            if done["done"] == done["of"]
            else [f"* It was stopped: {done['done']} of {done['of']} trainings are done."]
        ),
        "",
        *tables.arms_table(results),
        "",
        "AP50–95 by size is at the detector's square: small is under 32² px there.",
        "",
        *tables.contrasts_table(results),
        "",
        *unseen.sentence(comparison.get("unseen")),
        *tables.power(results),
        "",
    ]


def _detector(results: dict[str, Any]) -> str:
    """For a heading, where it isn't the screening one."""
    detector = results["design"]["detector"]
    return "" if detector == "frozen" else f", detector `{detector}`"


def laws_of(plan: dict[str, Any]) -> list[str]:
    """Names of the profiles that variants were made by; a digest where the shipped one has changed since."""
    own = {digest: arm.partition(":")[2].partition("@")[0] for arm, digest in plan["profiles"].items() if ":" in arm}
    names = {digest: name for digest, name in own.items() if name not in shipped_profiles()}
    for name in shipped_profiles():
        profile = load_profile(name)
        halved = profile.levers.model_copy(update={"precision": "bfloat16"})
        names[profile.model_copy(update={"levers": halved}).sha256] = f"{name}, in bfloat16"
        names |= {with_strength(profile, rung).sha256: f"{name}@{rung}" for rung in NAMES if profile.strengths}
        names[profile.sha256] = name
    return sorted({names.get(digest, f"a profile {digest[:8]}…") for digest in plan["profiles"].values()})


def caution(results: dict[str, Any]) -> list[str]:
    """What naive transforms show, which help elsewhere: where they show nothing, the detector can't tell arms apart."""
    found = [one for one in results["others"] if one["arm"]["arm"] == "naive" and one["control"]["arm"] == "duplicates"]
    if not found:
        return []
    if found[0]["low"] > 0:
        return beside_naive(results, found[0])
    low, high = (tables.signed(found[0][end]) for end in ("low", "high"))
    told = (
        "**This is weak evidence.** Naive transforms, known to help, show nothing here either "
        f"({tables.signed(found[0]['estimate'])}, {low} to {high}): with {results['real'][0]} training images this "
        "detector can't tell them from copies. What it doesn't show may be there for a detector that learns more."
    )
    return [told, ""]


def beside_naive(results: dict[str, Any], naive: dict[str, Any]) -> list[str]:
    """Where plain transforms gain more, and what variants among them do, this stands beside the sentence."""
    mixed = [one for one in results["others"] if one["control"]["arm"] == "naive"]
    if naive["estimate"] <= (results["primary"]["estimate"] or 0.0):
        over = "; ".join(f"`{one['arm']['arm']}` {interval(one)}" for one in mixed)
        return [f"Over naive copies alone: {over}. Where that interval holds 0, it isn't shown.", ""] if over else []
    said = "; ".join(f"`{one['arm']['arm']}` comes to {interval(one)} over `naive`" for one in mixed)
    told = f"**Naive copies gain more**: {interval(naive)} over the same duplicates{'; ' if said else ''}{said}."
    return [f"{told} A gain over duplicates isn't one over plain transforms.", ""]


def name_of(comparison: dict[str, Any]) -> str:
    """Of its data set; the first ones stated none."""
    return str(comparison["export"].get("name", "fracatlas"))


def limits(comparisons: list[dict[str, Any]]) -> list[str]:
    newest = {name_of(one): one for one in reversed(comparisons)}
    return [
        *seen_heads([one["export"] for one in comparisons if name_of(one) == "brain-mr"]),
        *seen_limbs(newest["fracatlas"]["export"], newest["fracatlas"]["results"]),
        LIMITS,
    ]


def seen_heads(exports: list[dict[str, Any]]) -> list[str]:
    if not exports:
        return []
    seen = dict.fromkeys(f"{one['test_seen']} of {one['test']}" for one in exports if one.get("test_seen"))
    return [
        (
            "* **The prior of heads saw the training images of brain MR** "
            f"({exports[0]['trained_on']} slices, without boxes) and, in the same way, test images: {', '.join(seen)} "
            "in the comparisons that say what holds without them, and those of searches. All others that are tested "
            "are of runs that its training held out. Runs were cut by number, 40 slices each, so a patient at a run's "
            "end may be on both sides, in every arm alike."
        )
    ]


def seen_limbs(export: dict[str, Any], results: dict[str, Any]) -> list[str]:
    used = results["images"]["labelled"]
    sample = f" Of the {export['labelled']} left, the newest comparison used {used}."
    return [
        (
            "* **The prior saw FracAtlas**: its normals and 82 of its fractures, which are none of these images. "
            f"{export['left_out_as_near_a_training_image']} labelled images that look like one of the "
            f"{export['trained_on']} it was trained on (10 of 240 bits of a fingerprint) were left out; normal images "
            f"are ones that its training held out.{sample if used < export['labelled'] else ''}"
        ),
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--search", type=Path)
    parser.add_argument("--export", type=Path)
    main(parser.parse_args())
