"""The prior in use, against fills that know nothing: ``python tests/benchmarks/prior_controls.py --data POOL``.

Held-out images of the training pool at 256 px, a drawn box each, the paper's mask law, the default solve of bone-xray
and chest-xray, through `medaug.augment`; all methods get the same protected and observed pixels and the same paste.

  distance   sliced Wasserstein of the free regions' Laplacian pyramid to that of the real images in the same places;
             less is better, and only a method that returns the source has none
  to others  likewise, to other real images; mostly the difference between two small sets of images
  sharpness, noise   free region over its source; 1 is as in the source
  seam       worst tile, over its source; up to 1 no seam can be seen
  diversity  mean |difference| of two seeds in the free region, in display units (range 2); every pair is to be above
             `FLOOR`

Distance is of the whole set. The three ratios are judged image by image, by how far off they are: the median of
|log ratio|, of a seam above 1 only. (A median of the ratios themselves would call a method good that is far too rough
on one half of the images and far too smooth on the other.) medaug is to be better than each control in all four; exit
code 1 if it isn't, or if a pair of seeds is below the floor.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

import medaug
from medaug.augmentation.tools import Tools
from medaug.errors import RegionError
from medaug.imaging.presentation import Presentation
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Volume
from medaug.quality.figures import Pair, noise, seam, sharpness
from medaug.training.image_pool import Pool, read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks.measures import FILLS, Image, Mask, patches, sliced_wasserstein
from tests.support.presented import to_native

RECIPE = Path("medaug/training/recipes/radiograph-256.yaml")
AUTOENCODED = "autoencoded Gaussian fill"
WINDOW = medaug.Window.spanning(0, 255)
FLOOR = 0.02  # of range 2: two and a half of 255 grey levels, about what an eye can tell apart on a display
JUDGED = ("distance", "sharpness", "noise", "seam")


@dataclass(frozen=True, eq=False)
class Subject:
    """One held-out image with its box, and medaug's two variants of it."""

    source: Volume
    variants: tuple[medaug.Variant, medaug.Variant]

    @property
    def free(self) -> Mask:
        return np.asarray(self.variants[0].regions.free[0])


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    pool = read_pool(options.data, read_recipe(RECIPE).data)
    subjects: list[Subject] = []
    profiles = {
        "bone": _profile("bone-xray", options.prior),
        "chest": _profile("chest-xray", options.prior),
    }
    benches = {kind: medaug.tools(profile, "cpu") for kind, profile in profiles.items()}
    for kind, index in _chosen(pool, options.count):
        volume = medaug.from_array(_cropped(pool, index), window=WINDOW)
        boxes = (_box(volume, index),)
        case = medaug.Case(volume, boxes)
        recipes = [medaug.Recipe.of(volume, boxes, profiles[kind], variant=n, seed=1) for n in (0, 1)]
        try:
            first, second = (medaug.augment(case, recipe, benches[kind]) for recipe in recipes)
        except RegionError:
            continue  # a box that covers all of a small limb
        subjects.append(Subject(volume, (first, second)))
        print(f"{len(subjects)} {kind}", flush=True)
    references = [_display(medaug.from_array(_cropped(pool, i), window=WINDOW)) for i in _others(pool, options.count)]
    real = patches(references, [image > -0.9 for image in references])
    results: dict[str, list[Volume]] = defaultdict(list)
    for subject in subjects:
        for name, volume in _methods(subject, benches["bone"]).items():
            results[name].append(volume)
    table = {name: _figures(volumes, subjects, real) for name, volumes in results.items()}
    made = [name for name in table if name != "medaug"]
    table["real (free region of the sources)"] = _real(subjects, real)
    apart = [
        2 / 255 * np.abs(np.subtract(*(v.volume.stored.astype(float) for v in s.variants)))[0][s.free].mean()
        for s in subjects
    ]
    beaten = {name: [key for key in JUDGED if _off(table["medaug"], key) >= _off(table[name], key)] for name in made}
    report = {
        "images": len(subjects),
        "prior": benches["bone"].solve.prior.card.sha256,
        "methods": table,
        "diversity": {"least": round(float(min(apart)), 3), **_spread(apart)},
        "not better than": {name: keys for name, keys in beaten.items() if keys},
        "diverse": bool(min(apart) > FLOOR),
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    _print(report)
    sys.exit(1 if report["not better than"] or not report["diverse"] else 0)


def _off(figures: dict, key: str) -> float:
    return float(figures[key] if key == "distance" else figures[key]["off"])


def _print(report: dict) -> None:
    print("\n| | distance | sharpness | off | noise | off | seam | off |\n|---|---|---|---|---|---|---|---|")
    for name, row in report["methods"].items():
        if "seam" in row:
            told = [
                f"{f['median']:.2f} ({f['q1']:.2f}-{f['q3']:.2f}) | {f['off']:.3f}" for f in map(row.get, JUDGED[1:])
            ]
            print(f"| {name} | {row['distance']:.3f} | {' | '.join(told)} |")
    print(f"\n{report['images']} images; two seeds differ by {report['diversity']}, floor {FLOOR}: {report['diverse']}")
    print(f"not better than: {report['not better than'] or 'none, it is better than each in all four'}")


def _profile(name: str, prior: Path | None) -> medaug.Profile:
    profile = medaug.load_profile(name)
    if prior is None:
        return profile
    from medaug.profile.prior_choice import with_prior

    return with_prior(profile, str(prior))


def _methods(subject: Subject, tools: Tools) -> dict[str, Volume]:
    """Every method's result on the native grid; protected voxels are the source's in all."""
    source, regions = subject.source, subject.variants[0].regions
    image, known = _display(source), np.asarray(regions.observed[0])
    filled = {name: fill(image, known) for name, fill in FILLS.items()}
    view = Presentation.of(source, WINDOW, tools.present.size)
    presented = view.present(_volume(source, filled["Gaussian fill"], regions.free).modality)
    with torch.no_grad():
        again = tools.solve.prior.decode(tools.solve.prior.encode(torch.from_numpy(presented[None]))).numpy()[0]
    filled[AUTOENCODED] = to_native(view, again)[0]
    made = {name: _volume(source, fill, regions.free) for name, fill in filled.items()}
    return {"medaug": subject.variants[0].volume, **made}


def _figures(volumes: list[Volume], subjects: list[Subject], real: list) -> dict:
    pairs = [Pair(s.source, v, ~s.variants[0].regions.free, WINDOW) for s, v in zip(subjects, volumes, strict=True)]
    found = patches([_display(volume) for volume in volumes], [subject.free for subject in subjects])
    return {
        "distance": round(sliced_wasserstein(found, _own(subjects)), 4),
        "to others": round(sliced_wasserstein(found, real), 4),
        **{take.__name__: _ratios([take(pair) for pair in pairs], take is seam) for take in (sharpness, noise, seam)},
    }


def _ratios(values: list[float], only_above: bool) -> dict[str, float]:
    """The spread, and how far off 1 the median image is."""
    logs = np.log(np.maximum(values, 1.0) if only_above else values)
    return {**_spread(values), "off": round(float(np.median(np.abs(logs))), 3)}


def _real(subjects: list[Subject], real: list) -> dict:
    return {"distance": 0.0, "to others": round(sliced_wasserstein(_own(subjects), real), 4)}


def _own(subjects: list[Subject]) -> list:
    return patches([_display(s.source) for s in subjects], [s.free for s in subjects])


def _spread(values: list[float]) -> dict[str, float]:
    """Median and quartiles."""
    low, middle, high = np.percentile(values, [25, 50, 75])
    return {"median": round(float(middle), 3), "q1": round(float(low), 3), "q3": round(float(high), 3)}


def _volume(source: Volume, display: Image, free: Mask) -> Volume:
    return source.with_modality(((display + 1) * 127.5)[None].astype(np.float32), free)


def _display(volume: Volume) -> Image:
    return np.asarray(volume.stored[0].astype(np.float32) / 127.5 - 1)


def _chosen(pool: Pool, count: int) -> list[tuple[str, int]]:
    """Held-out images, two bones to a chest, spread over the pool."""
    chosen = []
    for kind, share in (("bone", 2 * count // 3), ("chest", count // 3)):
        held = [i for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith(kind)]
        chosen += [(kind, int(i)) for i in held[:: max(1, len(held) // share)][:share]]
    return chosen


def _others(pool: Pool, count: int) -> list[int]:
    """As many held-out images of each kind that are not among the chosen."""
    taken = {index for _, index in _chosen(pool, count)}
    others = []
    for kind, share in (("bone", 2 * count // 3), ("chest", count // 3)):
        held = [i for i in np.flatnonzero(pool.held_out) if pool.folders[i].startswith(kind) and i not in taken]
        others += [int(i) for i in held[1 :: max(1, len(held) // share)][:share]]
    return others


def _cropped(pool: Pool, index: int) -> np.ndarray:
    """The image without the canvas around it."""
    rows, columns = (int(n) for n in pool.extents[index])
    top, left = (pool.images.shape[1] - rows) // 2, (pool.images.shape[2] - columns) // 2
    return pool.images[index, top : top + rows, left : left + columns]


def _box(volume: Volume, index: int) -> medaug.Box:
    """A box of 24 to 72 px with its centre on the brighter part of the image."""
    draw = generator("prior-controls", index)
    image = volume.stored[0]
    bright = np.argwhere(image > np.percentile(image, 60))
    centre = bright[draw.integers(len(bright))]
    size = draw.integers(24, 72, 2)
    low = np.maximum(0, centre - size // 2)
    high = np.minimum(image.shape, low + size)
    return medaug.Box((0, int(low[0]), int(low[1])), (1, int(high[0]), int(high[1])), "lesion")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", type=Path, help="a prior's folder; the embedded one if left out")
    parser.add_argument("--count", type=int, default=24)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args())
