"""What each rung of a profile's ladder comes to on real cases: ``python -m tests.benchmarks.strength --data DEV``.

Median over the images of a profile (least to greatest): mean change of the free region in grey levels of 255, the share
of it that changed by more than the source's own noise there (at least one grey level), and how many variants passed
all checks. Images without a label of their own have a drawn box.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path

import numpy as np

import medaug
from medaug.execution.planning.plan import plan
from medaug.execution.planning.sources import collect
from medaug.profile.strength import NAMES
from medaug.quality.levels import levels, moved

GREYS = 255
LABELLED = {
    "bone-xray": ("01_fracture_boxes_fracatlas/test", "annotations.coco.json"),
    "bone-xray-moved": ("01_fracture_boxes_fracatlas/test", "annotations.coco.json"),
    "chest-xray": ("02_chest_masks_generalblockchain", "lesion_boxes.coco.json"),
}
UNLABELLED = {
    "brain-mr": "07_mr_t1_studyforrest/mr",
    "brain-ct": "04_ct_head_tilt_ge/ct",
    "body-ct": "03_ct_liver_seg_dcmqi/ct",
}


def spread(items: list, count: int) -> list:
    return [items[i] for i in np.linspace(0, len(items) - 1, min(count, len(items))).astype(int)]


def labelled(data: Path, profile: str, count: int) -> Iterator[medaug.Case]:
    folder, boxes = LABELLED[profile]
    images, annotations = data / folder / "images", data / folder / boxes
    planned = plan(images, profile=profile, annotations=annotations, accept_identity="benchmark")
    for unit in spread(list(planned.units), count):
        yield medaug.Case(unit.source.load()[0], unit.boxes)


def with_drawn_box(data: Path, profile: str, count: int, place: str = "") -> Iterator[medaug.Case]:
    """The slices of the middle half, each an image of its own; ``place`` stands for the profile's case."""
    loaded = medaug.load_profile(profile)
    loaded = loaded.model_copy(update={"volumes": loaded.volumes.model_copy(update={"slices": "each"})})
    volumes = [
        v for source in collect(data / (place or UNLABELLED[profile]), loaded, ()).sources for v in source.load()
    ]
    quarter = len(volumes) // 4 if len(volumes) > 3 else 0
    for volume in spread(volumes[quarter : len(volumes) - quarter], count):
        _, rows, columns = volume.geometry.shape
        start, stop = (0, rows * 9 // 20, columns * 7 // 20), (1, rows * 11 // 20, columns * 9 // 20)
        yield medaug.Case(volume, (medaug.Box(start, stop, "drawn"),))


def noise_of(variant: medaug.Variant, source: medaug.Volume) -> float:
    """The source's noise in the free region: median size of its finest diagonal detail (Donoho & Johnstone 1994)."""
    found = []
    for k, free in enumerate(variant.regions.free):
        x = levels(source, variant.window, k)
        detail = (x[1:, 1:] - x[1:, :-1] - x[:-1, 1:] + x[:-1, :-1]) / 2
        found.append(detail[free[1:, 1:] & free[1:, :-1] & free[:-1, 1:] & free[:-1, :-1]])
    return float(np.median(np.abs(np.concatenate(found))) / 0.6745)


def figures(variant: medaug.Variant, source: medaug.Volume) -> tuple[float, float, bool]:
    whole = (slice(None), slice(None))
    changes = [
        np.abs(moved(source, variant.volume, variant.window, k, whole))[free]
        for k, free in enumerate(variant.regions.free)
    ]
    change = np.concatenate(changes)
    share = np.mean(change > max(noise_of(variant, source), 1 / GREYS))
    return float(change.mean() * GREYS), float(share), all(check.passed for check in variant.checks)


def row(name: str, profile: medaug.Profile, cases: list[medaug.Case], seeds: int) -> str:
    tools = medaug.tools(profile, "cpu", threads=1)
    found = []
    for case in cases:
        for seed in range(seeds):
            variant = medaug.augment(case, medaug.Recipe.of(case.volume, case.boxes, profile, seed=seed), tools)
            found.append(figures(variant, variant.before))  # the source, moved where the law moves
            for check in variant.checks:
                if not check.passed:
                    print(f"    {check}")
    (change, share, passed), solver = zip(*found, strict=True), profile.solver
    return (
        f"| `{profile.name}` | {name} | {solver.start:g} / {solver.steps} / {profile.levers.closing} | "
        f"{np.median(change):.1f} ({min(change):.1f}–{max(change):.1f}) | "
        f"{np.median(share):.2f} ({min(share):.2f}–{max(share):.2f}) | {sum(passed)} of {len(passed)} |"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=8)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("profiles", nargs="*", default=[*LABELLED, *UNLABELLED])
    given = parser.parse_args()
    for name in given.profiles:
        cases = list((labelled if name in LABELLED else with_drawn_box)(given.data, name, given.images))
        for rung in NAMES:
            profile = medaug.with_strength(medaug.load_profile(name), rung)
            print(row(rung, profile, cases, given.seeds), flush=True)


if __name__ == "__main__":
    main()
