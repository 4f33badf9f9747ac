"""What the autoencoder keeps: ``python tests/benchmarks/prior_autoencoder.py --data POOL --out FILE``.

PSNR (range 2) of held-out images inside the image, padding not counted, and of its pixels that the window doesn't clip
(0 and 255 are easy, and half of a head CT); and the power of decode(encode(x)) over that
of x by spatial frequency, median of the images. The mid band is the middle third of the octaves between the image's
side and two pixels: details of 10 to 51 px. Its bound is 10 %.
"""

from __future__ import annotations

import argparse
import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

from medaug.inverse.priors.card import EMBEDDED
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.load import load_folder
from medaug.training.autoencoder import to_tensor
from medaug.training.image_pool import Pool, read_pool
from medaug.training.recipe import read_recipe

RECIPE = Path("medaug/training/recipes/radiograph-256.yaml")
EDGES = 2.0 ** np.arange(-7, -0.99, 0.5)  # cycles per px: half octaves from 1/128 to 1/2
MID = (1 / 51, 1 / 10)
BOUND = 0.10
CLIPPED = 1 - 1 / 255  # display units: all but grey levels 0 and 255 lie inside


@torch.no_grad()
def main(options: argparse.Namespace) -> None:
    torch.set_num_threads(options.threads)
    pool, prior = read_pool(options.data, read_recipe(options.recipe).data), load_folder(options.prior)
    held = np.flatnonzero(pool.held_out)[:: options.every]
    psnr, open_psnr, bands, mid = [], [], [], []
    for index in held:
        x = to_tensor(pool.images[index : index + 1])
        before, after = (_inside(image, pool, index) for image in (x, prior.decode(prior.encode(x)).clamp(-1, 1)))
        psnr.append(_decibels((before - after) ** 2))
        open_psnr.append(_decibels((before - after)[np.abs(before) < CLIPPED] ** 2))
        bands.append(_ratios(before, after, EDGES))
        mid.append(_ratios(before, after, np.array(MID))[0])
    limits = list(pairwise(EDGES))
    curve = {_named(*both): _spread(column) for both, column in zip(limits, np.transpose(bands), strict=True)}
    inside = [low >= MID[0] and high <= MID[1] for low, high in limits]
    worst = max(abs(figures["median"] - 1) for figures, yes in zip(curve.values(), inside, strict=True) if yes)
    report = {
        "prior": prior.card.sha256,
        "images": len(held),
        "psnr_db": round(float(np.mean(psnr)), 2),
        "psnr_db in the window": round(float(np.nanmean(open_psnr)), 2),
        "spectrum": curve,
        "mid band": _spread(np.array(mid)),
        "within bound": bool(max(worst, abs(np.median(mid) - 1)) <= BOUND),
        "cpu_ms": _costs(prior, to_tensor(pool.images[held[:1]])),
    }
    options.out.write_text(json.dumps(report, indent=1) + "\n")
    _print(report)


def _decibels(squares: np.ndarray) -> float:
    return float(10 * np.log10(4 / max(float(np.mean(squares)), 1e-12))) if squares.size else float("nan")


def _inside(image: torch.Tensor, pool: Pool, index: int) -> np.ndarray:
    rows, columns = (int(n) for n in pool.extents[index])
    top, left = (image.shape[-2] - rows) // 2, (image.shape[-1] - columns) // 2
    return image[0, 0, top : top + rows, left : left + columns].double().numpy()


def _ratios(before: np.ndarray, after: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Power after over before in each band, under a Hann window; NaN where the image is too small for the band."""
    rows, columns = before.shape
    window = np.outer(np.hanning(rows), np.hanning(columns))
    radius = np.hypot(np.fft.fftfreq(rows)[:, None], np.fft.fftfreq(columns)[None])
    place = np.digitize(radius.ravel(), edges)
    sums = [
        np.bincount(place, np.abs(np.fft.fft2((x - before.mean()) * window)).ravel() ** 2, len(edges) + 1)[1:-1]
        for x in (before, after)
    ]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(sums[0] > 0, sums[1] / sums[0], np.nan))


def _costs(prior: LatentPrior, x: torch.Tensor, repeats: int = 10) -> dict[str, float]:
    """CPU milliseconds of one image's pass."""
    z, t = prior.encode(x), torch.tensor([500])
    passes = {
        "encode": lambda: prior.encode(x),
        "decode": lambda: prior.decode(z),
        "network": lambda: prior.denoise(z, t),
    }
    found = {}
    for name, run in passes.items():
        run()
        began = time.process_time()
        for _ in range(repeats):
            run()
        found[name] = round(1000 * (time.process_time() - began) / repeats, 2)
    return found


def _named(low: float, high: float) -> str:
    return f"{1 / high:.0f}-{1 / low:.0f} px"


def _spread(values: np.ndarray) -> dict[str, float]:
    low, middle, high = np.nanpercentile(values, [25, 50, 75])
    return {"median": round(float(middle), 3), "q1": round(float(low), 3), "q3": round(float(high), 3)}


def _print(report: dict) -> None:
    print(
        f"{report['images']} images, PSNR {report['psnr_db']} dB, "
        f"in the window {report['psnr_db in the window']} dB; mid band (10-51 px) {report['mid band']}"
    )
    print(f"CPU ms a pass: {report['cpu_ms']}; within {BOUND:.0%}: {report['within bound']}\n")
    print("| detail | power kept | quartiles |\n|---|---|---|")
    for band, figures in report["spectrum"].items():
        print(f"| {band} | {figures['median']:.3f} | {figures['q1']:.3f}-{figures['q3']:.3f} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--prior", type=Path, default=EMBEDDED)
    parser.add_argument("--recipe", type=Path, default=RECIPE, help="how the pool is read and held out")
    parser.add_argument("--every", type=int, default=1, help="one of so many held-out images")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    main(parser.parse_args())
