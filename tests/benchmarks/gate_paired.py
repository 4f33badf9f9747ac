"""Would a figure that compares blotches block by block see faint clouds that `calm_texture` passes? It would not.

``python -m tests.benchmarks.gate_paired --data SHARED`` with the folders ``dev``, ``pool`` and ``pool_slices``. The
figure is the median, over all whole blocks of the free region, of how much stronger the band of blotches is in the
variant than in its source; `calm_texture` takes the calmest quarter of each by itself. It prints what real pairs come
to, images of ``dev`` with clouds of 4 grey levels planted, and shipped variants that pass today's gate.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable
from pathlib import Path

import numpy as np

import medaug
from medaug.quality.figures import Pair
from medaug.quality.structure import GREY, block_means
from tests.benchmarks.gate_limits import moved, neighbours, pair
from tests.benchmarks.gate_planted import clouds, shown
from tests.benchmarks.strength import labelled

LEVEL, FEW = 4, 4  # grey levels of the clouds; blocks below which nothing can be said
RADIOGRAPHS = ("bone-xray", "chest-xray")


def paired(both: Pair) -> float:
    """The median ratio of amplitudes; 1 where the texture is another of the same strength."""
    ratios = [np.zeros(0)]
    for one in both.seen:
        whole = block_means(one.free.astype(np.float32)) == 1
        bands = one.source.band, one.source.band + one.added_band
        before, after = (block_means(np.square(band))[whole] + GREY**2 for band in bands)
        ratios.append(np.sqrt(after / before))
    every = np.concatenate(ratios)
    return float(np.median(every)) if every.size >= FEW else 1.0


def show(name: str, pairs: Iterable[Pair], limit: float) -> list[float]:
    values = sorted(paired(each) for each in pairs)
    least, half, most = values[0], np.median(values), values[-1]
    print(f"| {name} | {len(values)} | {least:.2f} | {half:.2f} | {most:.2f} | {sum(v > limit for v in values)} |")
    return values


def passing(data: Path, name: str, rung: str, count: int) -> Iterable[Pair]:
    profile = medaug.with_strength(medaug.load_profile(name), rung)
    tools = medaug.tools(profile, "cpu", threads=1)
    for case in labelled(data / "dev", name, count):
        made = medaug.augment(case, medaug.Recipe.of(case.volume, case.boxes, profile, seed=5), tools)
        if all(check.passed for check in made.checks):
            yield Pair(made.before, made.volume, made.regions.protected, made.window)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--pairs", type=int, default=40)
    parser.add_argument("--cases", type=int, default=16)
    given = parser.parse_args()
    data = given.data
    print("| pairs | n | least | median | greatest | above the limit |\n|---|---|---|---|---|---|")
    real = [
        value
        for folder in ("pool/bone", "pool/chest", "pool_slices/brain_mr_t1c", "pool_slices/head_ct")
        for value in show(f"{folder}, a pixel moved", moved(data, folder, given.pairs), np.inf)
    ]
    limit = round(max(real), 2)
    show("head CT, neighbouring slices", neighbours(data, "head_ct", given.pairs), limit)
    for kind, images in shown(data):
        planted = (pair(one, clouds(one, np.random.default_rng(k), LEVEL)) for k, one in enumerate(images))
        show(f"{kind}, clouds of {LEVEL} levels", planted, limit)
    for name in RADIOGRAPHS:
        for rung in ("medium", "strong"):
            show(f"{name} at {rung}, passing", passing(data, name, rung, given.cases), limit)
    print(f"limit of what moved: {limit}")


if __name__ == "__main__":
    main()
