"""How much two images differ that are both real: where the limits of the gate that sees come from.

``python -m tests.benchmarks.gate_limits --data SHARED`` with the folders ``pool`` and ``pool_slices``, and the pairs
of ``dev/01…/near_duplicates.csv``. Prints the quantiles of every figure of `quality.structure` and `quality.added` for
each kind of pair, and the limits that follow, for `quality.checks`;
those of `blobs_new` and `ghosting` for the profiles of heads, since the defaults are wider.
"""

from __future__ import annotations

import argparse
import csv
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

import medaug
from medaug.quality.checks import FIGURES as ALL
from medaug.quality.figures import Pair

SEEN = (
    "structure_lost", "structure_new", "clouding", "blobs", "changed_share", "blobs_new", "ghosting", "calm_texture",
)  # fmt: skip
FIGURES: dict[str, Callable[[Pair], float]] = {name: ALL[name] for name in SEEN}
WINDOW = medaug.Window.spanning(0, 255)
Grey = np.ndarray
Values = dict[str, list[float]]


def grey(path: Path) -> Grey:
    with Image.open(path) as opened:
        image = opened.convert("L")
        image.thumbnail((256, 256), Image.Resampling.BOX)
        return np.asarray(image, dtype=np.float32)


def pair(one: Grey, other: Grey) -> Pair:
    """Free is the body without its rim: where neither the air nor the frame's edge plays a part."""
    body = ndimage.binary_fill_holes(ndimage.gaussian_filter(one, 2) > 20)
    free = ndimage.binary_erosion(body, iterations=3)
    before, after = (medaug.from_array(np.clip(x, 0, 255).astype(np.float32), spacing=(1.0, 1.0)) for x in (one, other))
    return Pair(before, after, ~free[None], WINDOW)


def drawn(paths: list[Path], count: int) -> list[Path]:
    return [paths[i] for i in np.random.default_rng(0).permutation(len(paths))[:count]]


def moved(data: Path, folder: str, count: int) -> Iterator[Pair]:
    """A radiograph or slice, and itself a pixel of 256 down and to the right, with noise of a grey level."""
    draw = np.random.default_rng(1)
    for path in drawn(sorted((data / folder).glob("*.jpg")), count):
        one = grey(path)
        yield pair(one, ndimage.shift(one, (1, 1), order=1, mode="nearest") + draw.normal(0, 1, one.shape))


def neighbours(data: Path, folder: str, count: int) -> Iterator[Pair]:
    """Neighbouring slices of a series."""
    by_number = {}
    for path in sorted((data / "pool_slices" / folder).glob("*.jpg")):
        series, number = re.fullmatch(r"(\w+?)_(\d+)", path.stem).groups()
        by_number[series, int(number)] = path
    keys = [key for key in by_number if (key[0], key[1] + 1) in by_number]
    for i in np.random.default_rng(0).permutation(len(keys))[:count]:
        series, number = keys[i]
        yield pair(grey(by_number[series, number]), grey(by_number[series, number + 1]))


def exported_twice(data: Path, greatest: float = 2.0) -> Iterator[Pair]:
    """Near-duplicates of one radiograph under two names; a mean difference above ``greatest`` is another exposure."""
    (folder,) = (data / "dev").glob("01_*")
    with (folder / "near_duplicates.csv").open() as file:
        for row in csv.DictReader(file):
            paths = [folder / row[f"split_{side}"] / "images" / row[f"image_{side}"] for side in "ab"]
            if all(path.exists() for path in paths):
                one, other = map(grey, paths)
                if one.shape == other.shape and np.abs(one - other).mean() < greatest:
                    yield pair(one, other)


def show(name: str, pairs: Iterator[Pair]) -> dict[str, list[float]]:
    values = {figure: [] for figure in FIGURES}
    for each in pairs:
        for figure, take in FIGURES.items():
            values[figure].append(take(each))
    for figure, found in values.items():
        half, high, most = np.percentile(found, 50), np.percentile(found, 97.5), max(found)
        print(f"| {name} | {len(found)} | `{figure}` | {half:.3f} | {high:.3f} | {most:.3f} |", flush=True)
    return values


def limits(twice: Values, limbs: Values, chests: Values, slices: Values) -> dict[str, float]:
    """As docs/explanation/gate.md says: of what moved, the greatest; of clouds, the 97.5th percentile."""
    of_moved = "structure_lost", "structure_new", "blobs", "blobs_new", "ghosting"
    found = {name: round(max(limbs[name] + chests[name]), 2) for name in of_moved}
    found |= {name: round(float(np.percentile(slices[name], 97.5)), 1) for name in ("clouding", "calm_texture")}
    return found | {"changed_share": float(np.ceil(100 * max(twice["changed_share"]))) / 100}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=40)
    given = parser.parse_args()
    twice = show("radiographs exported twice", exported_twice(given.data))
    limbs = show("limbs, a pixel moved", moved(given.data, "pool/bone", given.pairs))
    chests = show("chests, a pixel moved", moved(given.data, "pool/chest", given.pairs))
    show("T1 with contrast, a pixel moved", moved(given.data, "pool_slices/brain_mr_t1c", given.pairs))
    show("head CT, a pixel moved", moved(given.data, "pool_slices/head_ct", given.pairs))
    slices = show("head CT, neighbouring slices", neighbours(given.data, "head_ct", given.pairs))
    print("limits that follow:", limits(twice, limbs, chests, slices))


if __name__ == "__main__":
    main()
