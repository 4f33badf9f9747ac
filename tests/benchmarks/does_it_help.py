"""docs/explanation/does-it-help.md from what was measured: ``python tests/benchmarks/does_it_help.py``.

With ``--bench BENCH --export FOLDER`` (of `fracatlas_export.py`) the figures are first taken over from there into
docs/measurements/does-it-help.json; without, the page and its curves are made again from that file alone.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from medaug.benchmark import results_folder
from medaug.benchmark.report import tables
from medaug.benchmark.report.curves import curves

ROOT = Path(__file__).parents[2]
DATA = ROOT / "docs" / "measurements" / "does-it-help.json"
PAGE = ROOT / "docs" / "explanation" / "does-it-help.md"
FIGURES = {"ap50": "AP50 on validation", "objectness_loss": "objectness loss", "box_loss": "box loss"}
MADE = """Made by `python tests/benchmarks/does_it_help.py` from `docs/measurements/does-it-help.json`; the figures are
those of [`medaug benchmark`](../how-to/benchmark.md) on FracAtlas."""
LIMITS = """* These figures are of the first head, which saw single places. The present one sees the places around,
  too, and finds two to three times as much ([ADR 34](../adr/0034-the-screening-head-looks-around.md)); this is to be
  repeated.
* A screening detector: frozen ImageNet features and a small head, on a share of the images. It is far below
  what is published on the official split (.39 to .58 AP50, YOLO models pretrained on COCO, 640 px); near the floor,
  arms that help a strong detector may look alike.
* Copies and variants were made once an image, at one ratio. A trainer that flips and scales anew in each epoch gains
  more by naive transforms than this arm shows.
* FracAtlas names no patients: an image is its own patient here but for near-duplicates.
* The law was `gaussian-outside`, which keeps the lesion's pixels. Laws that change the lesion's own look or place,
  other ratios, pretraining and the other controls are arms of the same command, and weren't run here.
* One detector, one data set, one machine. Confirm with your own: `--detector retinanet` or `command`."""


def main(options: argparse.Namespace) -> None:
    if options.bench:
        plan = results_folder.read(options.bench / results_folder.PLAN)
        kept = {key: plan[key] for key in ("detector", "prior", "profiles", "data", "versions")}
        told = {
            "results": results_folder.read(options.bench / results_folder.RESULTS),
            "plan": kept,
            "export": json.loads((options.export / "export.json").read_text()),
        }
        DATA.write_text(json.dumps(told, indent=1, sort_keys=True) + "\n")
    told = json.loads(DATA.read_text())
    for figure, up in FIGURES.items():
        (DATA.parent / f"does-it-help-{figure.replace('_', '-')}.svg").write_text(curves(told["results"], figure, up))
    PAGE.write_text(page(told))


def page(told: dict[str, Any]) -> str:
    results, export = told["results"], told["export"]
    return "\n".join(
        [
            "# Does it help?",
            "",
            f"**{tables.sentence(results)}**",
            "",
            *caution(results),
            MADE,
            "",
            "## What was compared",
            "",
            *tables.facts(results),
            "",
            "## Every arm",
            "",
            *tables.arms_table(results),
            "",
            "AP50–95 by size is at the detector's square: small is under 32² px there.",
            "",
            "## Contrasts",
            "",
            *tables.contrasts_table(results),
            "",
            *tables.power(results),
            "",
            "## Curves by gradient step",
            "",
            *(f"![{up}](../measurements/does-it-help-{name.replace('_', '-')}.svg)\n" for name, up in FIGURES.items()),
            "## What this can't say",
            "",
            *limits(export, results),
            "",
        ]
    )


def caution(results: dict[str, Any]) -> list[str]:
    """What naive transforms show, which help elsewhere: where they show nothing, the detector can't tell arms apart."""
    found = [one for one in results["others"] if one["arm"]["arm"] == "naive" and one["control"]["arm"] == "duplicates"]
    if not found or found[0]["low"] > 0:
        return []
    low, high = (tables.signed(found[0][end]) for end in ("low", "high"))
    told = (
        "**This is weak evidence.** Naive transforms, known to help, show nothing here either "
        f"({tables.signed(found[0]['estimate'])}, {low} to {high}): at {results['real'][0]} training images and few "
        "steps this detector is near its floor, and every arm ends there. It shows no gain; it doesn't show that there "
        "is none for a detector that can learn the task."
    )
    return [told, ""]


def limits(export: dict[str, Any], results: dict[str, Any]) -> list[str]:
    used = results["images"]["labelled"]
    sample = (
        f" Of the {export['labelled']} left, the first {used} by their content's digest were used: a random sample."
    )
    return [
        (
            "* **The prior saw FracAtlas**: its normals and 82 of its fractures, which are none of these images. "
            f"{export['left_out_as_near_a_training_image']} labelled images that look like one of the "
            f"{export['trained_on']} it was trained on (10 of 240 bits of a fingerprint) were left out; normal images "
            f"are ones that its training held out.{sample if used < export['labelled'] else ''}"
        ),
        LIMITS,
    ]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bench", type=Path)
    parser.add_argument("--export", type=Path)
    main(parser.parse_args())
