"""Ways back to the native grid: ``python tests/benchmarks/native_resolution.py --data DATA --out FILE.json``.

Three hands and legs of 2304–2880 px with their own fracture boxes, a mammogram of 4664 × 3064 px and its mass. One
coarse solve of each at 256 px; then, on a crop of 768 px around the box:

  delta          source + up(D(z*) − D(E(x))), with the seam's taper over 3, 6 and 12 px of the prior; once
                 deblocked, as the profiles have it
  delta, edges   likewise, and the source's own band above 256 px is weighted by how much of its local contrast the
                 solve kept, so that a ghost of an edge doesn't stay where the solve moved it
  replace        the decoded image, scaled up
  tiles          no coarse solve: the whole crop at native resolution, in overlapping tiles of 256 px (`tiles`)
  tiles, delta   likewise, and what comes back is source + D(z*) − D(E(x))
  coarse, tiles  `replace`, refined in tiles from a low start
  delta, tiles   `delta`, refined in tiles from a low start; what the refinement changed is added

Figures on the crop: sharpness, noise and seam of `medaug.quality`; sliced Wasserstein of the free region to the
source's there (4 levels from the native one); the same on means of 4 × 4 px (`coarse`), since the native pyramid hardly
sees blotches; the ghost: correlation of the variant's fine band with the source's, where the coarse solve took most of
the local contrast away (1 is the source's own fine edges, less is better); the line: how steeply the change rises
within 4 px of the prior from what was kept, over how steeply it does elsewhere; CPU seconds.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from PIL import Image as Picture
from scipy import ndimage

import medaug
from medaug.augmentation.restore import Solution, restore_delta, restore_replace, seam_taper
from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.imaging.presentation import Presentation
from medaug.imaging.resample import resize, spread_matrix
from medaug.imaging.volume import Strip, Volume
from medaug.inverse.noise import SampleNoise
from medaug.inverse.operators import Inpainting
from medaug.inverse.protocols import Problem
from medaug.inverse.solvers.ddnm import ddnm
from medaug.quality.figures import Pair, noise, seam, sharpness
from tests.benchmarks.measures import patches, sliced_wasserstein
from tests.benchmarks.tables import markdown
from tests.benchmarks.tiles import tiled
from tests.support.cases import changed
from tests.support.presented import to_native

REACH = 2.0  # px of the prior: how far around a pixel its local contrast is taken
COARSE = 4  # native px per px of the second distance
SIDE = 768  # px of the crop; a multiple of the prior's stride
KEPT = 0.7  # of its local contrast; where less is left, the solve took an edge away
LIMBS = ("IMG0000092", "IMG0000143", "IMG0002319")
Image = np.ndarray


@dataclass(frozen=True, eq=False)
class Scene:
    """One image, its coarse solve, and the crop that is compared."""

    name: str
    volume: Volume
    variant: medaug.Variant
    view: Presentation
    solution: Solution
    bench: medaug.Tools
    crop: tuple[slice, slice]

    @property
    def source(self) -> Image:
        return self.view.to_display(self.volume.modality)[0][self.crop]

    def restored(self, restore: Callable, feather: float = 3) -> Image:
        """The crop as the coarse solve gives it back, display units."""
        kept = self.view.shrink(self.variant.regions.protected, 0.0)
        values = self.volume.modality
        for strip in restore(self.volume, self.view, replace(self.solution, taper=seam_taper(kept, feather))):
            values[strip.slice][strip.area] = strip.values
        return self.view.to_display(values)[0][self.crop]


def kept_contrast(solution: Solution) -> Image:
    """(1, size, size) in [0, 1]: the local contrast of D(z*) over that of D(E(x)), smoothed."""
    after, before = (
        ndimage.gaussian_filter(ndimage.gaussian_gradient_magnitude(x[0], 1.0), REACH)
        for x in (solution.solved, solution.round_trip)
    )
    return np.clip((after + 0.005) / (before + 0.005), 0.0, 1.0)[None].astype(np.float32)


def restore_edges(volume: Volume, view: Presentation, solution: Solution) -> Iterator[Strip]:
    display = view.to_display(volume.modality)
    fine = display - to_native(view, view.present(volume.modality))
    lost = to_native(view, solution.taper * (1 - kept_contrast(solution)))
    step = view.to_modality_step(lost * fine)
    for strip in restore_delta(volume, view, solution):
        yield replace(strip, values=strip.values - step[strip.slice][strip.area])


def in_tiles(scene: Scene, first: Image, start: float, steps: int) -> tuple[Image, Image]:
    """(D(z*), D(E(first))): the crop solved at native resolution, from ``first`` noised to ``start``."""
    prior = tiled(scene.bench.prior)
    x, begin = (torch.from_numpy(np.ascontiguousarray(image))[None, None] for image in (scene.source, first))
    operator = Inpainting(torch.from_numpy(scene.variant.regions.observed[0][scene.crop].copy())[None, None])
    drawn = SampleNoise([scene.variant.recipe.seed_of("canvas")])
    with torch.no_grad():
        z = prior.encode(begin)
        back = prior.decode(z)
    made = ddnm(Problem(prior, operator, operator.forward(x), drawn, z), steps=steps, t0=start)
    return made[0, 0].numpy(), back[0, 0].numpy()


def ways(scene: Scene, low: float) -> Iterator[tuple[str, Callable[[], Image]]]:
    """Each way by its name: what it gives for the crop, display units, before what is protected goes back."""
    source = scene.source
    kept = ~scene.variant.regions.free[0][scene.crop]
    reach = 6 / scene.view.scale  # native px
    share = np.clip(ndimage.distance_transform_edt(~kept) / reach, 0, 1).astype(np.float32)
    taper = share * share * (3 - 2 * share)

    def added(first: Image, start: float, steps: int) -> Image:
        made, back = in_tiles(scene, first, start, steps)
        return first + taper * (made - back)

    def blended(first: Image, start: float, steps: int) -> Image:
        return source + taper * (in_tiles(scene, first, start, steps)[0] - source)

    yield "delta, taper 3", lambda: scene.restored(restore_delta)
    yield "delta, taper 6", lambda: scene.restored(restore_delta, 6)
    spread = spread_matrix(scene.view.size, scene.bench.prior.card.stride)
    yield "delta, taper 6, deblocked", lambda: scene.restored(partial(restore_delta, spread=spread), 6)
    yield "delta, taper 12", lambda: scene.restored(restore_delta, 12)
    yield "delta, edges, taper 6", lambda: scene.restored(restore_edges, 6)
    yield "replace, taper 6", lambda: scene.restored(restore_replace, 6)
    yield "tiles from 0.6", lambda: blended(source, 0.6, 12)
    yield "tiles from 0.6, delta", lambda: added(source, 0.6, 12)
    yield f"coarse, tiles from {low:g}", lambda: blended(scene.restored(restore_replace, 6), low, 6)
    yield f"delta, tiles from {low:g}", lambda: added(scene.restored(restore_delta, 6), low, 6)


def figures(scene: Scene, made: Image, seconds: float) -> dict[str, float]:
    """The row of one way."""
    free = scene.variant.regions.free[0][scene.crop]
    window = medaug.Window.spanning(-1, 1)
    source = scene.source
    result = np.where(free, np.clip(made, -1, 1), source).astype(np.float32)
    pair = Pair(*(medaug.from_array(x, window=window) for x in (source, result)), ~free[None], window)
    side = tuple(round(n * scene.view.scale) for n in source.shape)
    change = resize((result - source)[None], side)[0]
    line = _line(change, resize(free[None].astype(np.float32), side)[0] > 0.99)
    fine = [x - ndimage.gaussian_filter(x, 1 / scene.view.scale) for x in (source, result)]
    lost = to_native(scene.view, scene.solution.taper * (kept_contrast(scene.solution) < KEPT))[0][scene.crop] > 0.5
    lost &= free
    ghost = float(np.corrcoef(fine[0][lost], fine[1][lost])[0, 1]) if lost.sum() > 300 else float("nan")
    row = {"distance": _distance(source, result, free), "coarse": _coarse(source, result, free)}
    row |= {take.__name__: take(pair) for take in (sharpness, noise, seam)}
    row |= {"ghost": ghost, "line": line, "change": float(np.abs(result - source)[free].mean())}
    return {name: round(float(value), 3) for name, value in row.items()} | {"cpu_s": round(seconds, 1)}


def _distance(source: Image, result: Image, free: Image) -> float:
    return sliced_wasserstein(patches([result], [free]), patches([source], [free]))


def _coarse(source: Image, result: Image, free: Image) -> float:
    shape = (SIDE // COARSE, SIDE // COARSE)
    small = [resize(x[None].astype(np.float32), shape)[0] for x in (source, result, free)]
    return _distance(small[0], small[1], small[2] > 0.5)


def _line(change: Image, free: Image) -> float:
    """Root mean square slope of the change near what was kept, over that farther away; NaN without a far part."""
    slope = ndimage.gaussian_gradient_magnitude(change, 1.0)
    away = ndimage.distance_transform_edt(free)
    near, far = (away > 0) & (away <= 4), away > 8
    return float(np.sqrt(np.mean(slope[near] ** 2) / np.mean(slope[far] ** 2))) if far.any() else float("nan")


def scene(name: str, volume: Volume, box: medaug.Box, options: argparse.Namespace) -> Scene:
    profile = medaug.load_profile(options.profile)
    caught: list[tuple[Presentation, Solution]] = []

    def catch(source: Volume, view: Presentation, solution: Solution) -> Iterator[Strip]:
        caught.append((view, solution))
        return restore_delta(source, view, solution)

    solve = partial(ddnm, steps=12, t0=0.6)
    bench = changed(medaug.tools(profile, "cpu"), restore=catch, solver=solve)
    recipe = medaug.Recipe.of(volume, (box,), profile, variant=0, seed=1)
    variant = medaug.augment(medaug.Case(volume, (box,)), recipe, bench)
    shape = volume.geometry.shape[1:]
    centre = [(a + b) // 2 for a, b in zip(box.start[1:], box.stop[1:], strict=True)]
    corner = [min(max(0, c - SIDE // 2), n - SIDE) for c, n in zip(centre, shape, strict=True)]
    if box.shape[1] * box.shape[2] > SIDE**2 / 4:  # a box that would fill the crop: its upper left corner instead
        corner = [min(max(0, a - SIDE // 2), n - SIDE) for a, n in zip(box.start[1:], shape, strict=True)]
    crop = slice(corner[0], corner[0] + SIDE), slice(corner[1], corner[1] + SIDE)
    return Scene(name, volume, variant, *caught[0], bench, crop)


def cases(data: Path) -> Iterator[tuple[str, Volume, medaug.Box]]:
    folder = data / "01_fracture_boxes_fracatlas" / "train"
    for stem in LIMBS:
        grey = np.asarray(Picture.open(folder / "images" / f"{stem}.jpg").convert("L"))
        rows, columns = grey.shape
        _, x, y, width, height = (float(word) for word in (folder / "labels" / f"{stem}.txt").read_text().split()[:5])
        start = (0, int((y - height / 2) * rows), int((x - width / 2) * columns))
        stop = (1, int((y + height / 2) * rows) + 1, int((x + width / 2) * columns) + 1)
        volume = medaug.from_array(grey, window=medaug.Window.spanning(0, 255))
        yield f"limb {columns} × {rows}", volume, medaug.Box(start, stop, "fractured")
    mammogram = read_series(discover(data / "06_mg_nema" / "MG1_J2KI.dcm").series[0])[0]
    yield "mammogram 3064 × 4664", mammogram, medaug.Box((0, 1470, 730), (1, 2230, 1360), "mass")


def main(options: argparse.Namespace) -> None:
    rows = []
    for name, volume, box in list(cases(options.data))[: options.images]:
        one = scene(name, volume, box, options)
        for way, make in ways(one, options.low):
            began = time.process_time()
            made = make()
            rows.append({"image": name, "way": way} | figures(one, made, time.process_time() - began))
            print(json.dumps(rows[-1]), flush=True)
            if options.pictures:
                kept = np.where(one.variant.regions.free[0][one.crop], made, one.source)
                grey = np.clip((np.hstack([one.source, kept]) + 1) * 127.5, 0, 255).astype(np.uint8)
                stem = f"{len(rows):02d}-{way}".replace(" ", "-").replace(",", "")
                Picture.fromarray(grey).save(options.pictures / f"{stem}.png")
    print(markdown(rows))
    print(markdown(medians(rows)))
    if options.out:
        options.out.write_text(json.dumps(rows, indent=1) + "\n")


def medians(rows: list[dict]) -> list[dict]:
    """One row per way: the median over the images of every figure."""
    names = [key for key in rows[0] if key not in {"image", "way"}]
    made = []
    for way in dict.fromkeys(row["way"] for row in rows):
        found = [row for row in rows if row["way"] == way]
        known = {name: [row[name] for row in found if row[name] == row[name]] for name in names}  # without NaN
        made.append({"way": way} | {name: round(float(np.median(x)), 3) if x else None for name, x in known.items()})
    return made


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder of development cases")
    parser.add_argument("--profile", default="bone-xray")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--low", type=float, default=0.25, help="the low start of a refinement")
    parser.add_argument("--pictures", type=Path, help="a folder for crops: source and variant side by side")
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
