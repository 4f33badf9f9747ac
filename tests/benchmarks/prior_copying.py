"""Does the prior repeat its training images? ``python tests/benchmarks/prior_copying.py --data POOL --out FILE``.

For each patch: the distance to the nearest training image's patch in the same place (shifted by up to 8 px, and
mirrored: training mirrors, too). The distance is the root mean square difference of both patches brought to mean 0
and variance 1, at 128 px; 0 is a copy, sqrt(2) is unrelated. Three kinds of patches:

  regions   64 px of the 256, where most of the image was generated: medaug's variants of held-out images (by
            bone-xray and chest-xray, or the profile given), against the held-out images themselves in the same places
  whole     unconditional draws, against whole held-out images
  copies    training images through the autoencoder: what the measure says of a real copy

A prior that copies gives generated patches that lie nearer to training images than real ones do.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path

import numpy as np
import torch
from scipy import ndimage

import medaug
from examples.unconditional import draw, with_attention_guidance
from medaug.errors import RegionError
from medaug.imaging.seeds import seed_for
from medaug.inverse.priors.embedded import embedded_with
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.training.autoencoder import to_tensor
from medaug.training.image_pool import Pool, read_pool
from medaug.training.recipe import read_recipe
from tests.benchmarks.prior_controls import RECIPE, WINDOW, _box, _chosen, _cropped

SIDE = 32  # of a region's patch, in px of 128
SHIFTS = (-4, 0, 4)  # likewise
MM = (0.94, 0.94)  # a head's 240 mm on 256 px; asked for by margins in mm alone
Patch = np.ndarray


def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    pool = read_pool(options.data, read_recipe(options.recipe).data)
    training = _halved(pool.images[~pool.held_out])
    profiles = [options.profile] if options.profile else ["bone-xray", "chest-xray"]
    benches = {name: medaug.tools(medaug.load_profile(name), "cpu") for name in profiles}
    regions: dict[str, list[float]] = {"regions, generated": [], "regions, held out": []}
    for name, index in _subjects(pool, options):
        found = _region(pool, index, name, benches[name])
        if found is None:
            continue
        (top, left), patches = found
        nearest = _nearest_at(training, top, left, patches)
        regions["regions, held out"].append(nearest[0])
        regions["regions, generated"] += nearest[1:]
        print(f"{name} {index}: {[round(value, 3) for value in nearest]}", flush=True)
    prior = benches[profiles[0]].solve.prior
    assert isinstance(prior, LatentPrior)
    whole = _whole(pool, training, prior, options)
    table = {name: _told(values) for name, values in {**regions, **whole}.items()}
    pairs = np.array(regions["regions, generated"]).reshape(-1, 2) / np.array(regions["regions, held out"])[:, None]
    report = {"prior": prior.card.sha256, "nearest": table, "regions, ratio": round(float(np.median(pairs)), 3)}
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    print("| patches | number | least | 5 % | median |\n|---|---|---|---|---|")
    for name, told in table.items():
        print(f"| {name} | {told['number']} | {told['least']:.3f} | {told['p5']:.3f} | {told['median']:.3f} |")
    print(f"\ngenerated region over the held-out one in its place: median {report['regions, ratio']}")


def _subjects(pool: Pool, options: argparse.Namespace) -> list[tuple[str, int]]:
    """Held-out images, each with the profile that varies it."""
    if not options.profile:
        return [(f"{kind}-xray", index) for kind, index in _chosen(pool, options.regions)]
    held = np.flatnonzero(pool.held_out)
    return [(options.profile, int(i)) for i in held[:: max(1, len(held) // options.regions)][: options.regions]]


def _region(pool: Pool, index: int, name: str, tools: medaug.Tools) -> tuple[tuple[int, int], list[Patch]] | None:
    """Where most is generated, at 128 px, and the patches there: the source's, then two variants'."""
    volume = medaug.from_array(_cropped(pool, index), window=WINDOW, spacing=MM)
    boxes, profile = (_box(volume, index),), medaug.load_profile(name)
    try:
        variants = [
            medaug.augment(
                medaug.Case(volume, boxes), medaug.Recipe.of(volume, boxes, profile, variant=n, seed=1), tools
            )
            for n in (0, 1)
        ]
    except RegionError:
        return None  # a box that covers all of a small limb
    free = _on_canvas(pool, index, variants[0].regions.free[0].astype(np.uint8) * 255)
    share = ndimage.uniform_filter(_halved(free[None])[0].astype(float), SIDE)
    margin = SIDE // 2 + max(SHIFTS)
    inner = share[margin:-margin, margin:-margin]
    row, column = (int(n) + margin for n in np.unravel_index(inner.argmax(), inner.shape))
    top, left = row - SIDE // 2, column - SIDE // 2
    shown = [volume.stored[0], *(variant.volume.stored[0] for variant in variants)]
    halves = [_halved(_on_canvas(pool, index, image)[None])[0] for image in shown]
    return (top, left), [half[top : top + SIDE, left : left + SIDE] for half in halves]


def _whole(pool: Pool, training: np.ndarray, prior: LatentPrior, options: argparse.Namespace) -> dict[str, list[float]]:
    """The nearest training image of whole images, at 64 px; drawn as the samples of the demo are."""
    guided = with_attention_guidance(embedded_with(prior.card.sha256))
    seeds = [seed_for("prior-copying", n) for n in range(options.draws)]
    drawn = np.concatenate([_bytes(draw(guided, seeds[n : n + 8], 50, eta=1.0)) for n in range(0, len(seeds), 8)])
    held = pool.images[pool.held_out][:: max(1, int(pool.held_out.sum()) // options.draws)][: options.draws]
    some = np.flatnonzero(~pool.held_out)[:: max(1, int((~pool.held_out).sum()) // 32)][:32]
    with torch.no_grad():
        copies = _bytes(prior.decode(prior.encode(to_tensor(pool.images[some]))))
    known = _standardised(_halved(training))
    known = np.concatenate([known, _standardised(_halved(training)[:, :, ::-1])])
    return {
        name: [_nearest(known, patch) for patch in _standardised(_halved(_halved(images)))]
        for name, images in {"whole, generated": drawn, "whole, held out": held, "whole, copies": copies}.items()
    }


def _nearest_at(training: np.ndarray, top: int, left: int, patches: Sequence[Patch]) -> list[float]:
    queries = _standardised(np.stack(patches))
    best = np.full(len(patches), np.inf)
    for image, down, right in product((training, training[:, :, ::-1]), SHIFTS, SHIFTS):
        there = image[:, top + down : top + down + SIDE, left + right : left + right + SIDE]
        known = _standardised(there)
        best = np.minimum(best, [_nearest(known, query) for query in queries])
    return [float(value) for value in best]


def _nearest(known: np.ndarray, query: np.ndarray) -> float:
    """Root mean square difference to the most similar of ``known``, all of mean 0 and variance 1."""
    likeness = float((known @ query).max()) / len(query)
    return float(np.sqrt(max(0.0, 2 - 2 * likeness)))


def _standardised(patches: np.ndarray) -> np.ndarray:
    """(N, rows · columns) float32 of mean 0 and variance 1; a blank patch becomes zeros, which resemble nothing."""
    flat = patches.reshape(len(patches), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    scatter = flat.std(axis=1, keepdims=True)
    return np.where(scatter > 2.0, flat / np.maximum(scatter, 1e-6), 0.0).astype(np.float32)


def _halved(images: np.ndarray) -> np.ndarray:
    """(N, H, W) uint8 at half the size: means of 2 × 2."""
    count, rows, columns = images.shape
    return np.concatenate(
        [
            np.rint(part.reshape(len(part), rows // 2, 2, columns // 2, 2).mean(axis=(2, 4))).astype(np.uint8)
            for part in np.array_split(images, max(1, count // 512))
        ]
    )


def _on_canvas(pool: Pool, index: int, image: np.ndarray) -> np.ndarray:
    canvas = np.zeros(pool.images.shape[1:], dtype=np.uint8)
    rows, columns = image.shape
    top, left = (canvas.shape[0] - rows) // 2, (canvas.shape[1] - columns) // 2
    canvas[top : top + rows, left : left + columns] = image
    assert (rows, columns) == tuple(pool.extents[index])
    return canvas


def _bytes(images: torch.Tensor) -> np.ndarray:
    return np.asarray(((images[:, 0].clamp(-1, 1) + 1) * 127.5).round().byte().numpy())


def _told(values: Sequence[float]) -> dict[str, float]:
    low, middle = np.percentile(values, [5, 50])
    return {
        "number": len(values),
        "least": round(min(values), 3),
        "p5": round(float(low), 3),
        "median": round(float(middle), 3),
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="how the pool is read and held out")
    parser.add_argument("--profile", help="by which held-out images are varied, in place of the radiographs'")
    parser.add_argument("--regions", type=int, default=24, help="held-out images with a generated region")
    parser.add_argument("--draws", type=int, default=64, help="whole images from noise, and whole held-out ones")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args())
