"""Faults of the kinds that people saw, planted into real images that no limit of the gate was set on: who catches them?

``python -m tests.benchmarks.gate_planted --data SHARED`` with the folder ``dev``. Each image gets each fault by
itself, at about 256 px along the longer side and 255 grey levels of its window. A line says how many of the images
fail which of the eight checks of `quality.structure` and `quality.added`, by the limits of the profile for them. With
``--variants`` the faults are planted into variants of the shipped profiles instead, and what is compared with is their
source. With ``--picture FILE`` it also draws four faults into the first of docs/images/prior-samples-brain-mr.png, a
head that the prior drew: there is no patient in it.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from PIL import Image
from scipy import ndimage

import medaug
from medaug.execution.planning.sources import collect
from medaug.quality import DEFAULT_LIMITS
from medaug.quality.levels import levels
from tests.benchmarks.gate_limits import FIGURES, Grey, grey, pair
from tests.benchmarks.strength import labelled, spread, with_drawn_box
from tests.support.paths import ROOT

COUNT, SIDE = 8, 256
DRAWN = ("brain-mr", "brain-ct")
OF = {"limbs": "bone-xray", "chests": "chest-xray", "T1": "brain-mr", "head CT": "brain-ct", "liver CT": "body-ct"}
PICTURES = {"limbs": "01_*/test/images/*.jpg", "chests": "02_*/images/*"}
SLICES = {"T1": ("07_*/mr", "brain-mr"), "head CT": ("04_*/ct", "brain-ct"), "liver CT": ("03_*/ct", "body-ct")}
SAMPLE = (slice(0, SIDE), slice(0, SIDE))  # of the page of samples
Random = np.random.Generator


def body_of(image: Grey) -> Grey:
    return ndimage.binary_erosion(ndimage.binary_fill_holes(ndimage.gaussian_filter(image, 2) > 20), iterations=3)


def discs(image: Grey, draw: Random, count: int) -> Grey:
    """Discs of 12 px of the body's mean, where the image is at least 30 levels off it: plugs in a band."""
    inside = body_of(image)
    mean, found = image[inside].mean(), image.copy()
    off = np.argwhere(inside & (np.abs(ndimage.gaussian_filter(image, 3) - mean) > 30))
    rows, columns = np.indices(image.shape)
    for row, column in off[draw.permutation(len(off))[:count]]:
        found[np.hypot(rows - row, columns - column) <= 6] = mean
    return found


def clouds(image: Grey, draw: Random, level: float) -> Grey:
    """Blotches of some 12 px, of ``level`` grey levels in standard deviation."""
    field = ndimage.gaussian_filter(draw.normal(size=image.shape), 4)
    return image + level * field / field.std()


def specks(image: Grey, draw: Random, share: float) -> Grey:
    """A share of the pixels, lighter or darker by 40 levels, and nothing else."""
    hit = draw.random(image.shape) < share
    return image + 40 * hit * draw.choice([-1, 1], image.shape)


def vanished(image: Grey, draw: Random) -> Grey:
    """Every other quarter of the height without what is finer than 10 px: bones that end and go on."""
    band = (np.arange(len(image)) * 4 // len(image) + draw.integers(2)) % 2 == 0
    return np.where(band[:, None], ndimage.gaussian_filter(image, 10), image)


def ghost(image: Grey, draw: Random) -> Grey:  # noqa: ARG001 - all faults take it
    """The image's own detail once more, 8 px beside it, at 0.8 of its contrast: doubled outlines."""
    detail = image - ndimage.gaussian_filter(image, 6)
    return image + 0.8 * ndimage.shift(detail, (0, 8), order=1)


def turned(image: Grey, draw: Random) -> Grey:  # noqa: ARG001 - all faults take it
    """The image's own detail once more, turned by 6°, at 0.7: a ghost that lies elsewhere at each place."""
    return image + 0.7 * ndimage.rotate(image - ndimage.gaussian_filter(image, 6), 6, reshape=False, order=1)


def ghost_in_part(image: Grey, draw: Random) -> Grey:
    """`ghost` in the middle third of the height alone."""
    rows = np.arange(len(image))[:, None] * 3 // len(image)
    return np.where(rows == 1, ghost(image, draw), image)


FAULTS: dict[str, Callable[[Grey, Random], Grey]] = {
    "vanished in bands": vanished,
    "outlines doubled, 8 px aside": ghost,
    "outlines doubled in a third": ghost_in_part,
    "outlines doubled, turned by 6°": turned,
    "one plug of 12 px": lambda image, draw: discs(image, draw, 1),
    "six plugs of 12 px": lambda image, draw: discs(image, draw, 6),
    "clouds of 4 levels": lambda image, draw: clouds(image, draw, 4),
    "clouds of 12 levels": lambda image, draw: clouds(image, draw, 12),
    "specks in 0.5 % of the pixels": lambda image, draw: specks(image, draw, 0.005),
}


def shown(data: Path) -> Iterator[tuple[str, list[Grey]]]:
    """A kind of image, and some of them."""
    for kind, pattern in PICTURES.items():
        yield kind, [grey(path) for path in spread(sorted((data / "dev").glob(pattern)), COUNT)]
    for kind, (pattern, name) in SLICES.items():
        (folder,) = (data / "dev").glob(pattern)
        profile = medaug.load_profile(name)
        each = profile.model_copy(update={"volumes": profile.volumes.model_copy(update={"slices": "each"})})
        volumes = [volume for source in collect(folder, each, ()).sources for volume in source.load()]
        quarter = len(volumes) // 4 if len(volumes) > 3 else 0
        yield kind, [reduced(one, profile) for one in spread(volumes[quarter : len(volumes) - quarter], COUNT)]


def reduced(volume: medaug.Volume, profile: medaug.Profile) -> Grey:
    from medaug.assemble import window_of

    bytes_ = np.clip(levels(volume, window_of(profile, volume), 0) * 255, 0, 255).astype(np.uint8)
    image = Image.fromarray(bytes_)
    image.thumbnail((SIDE, SIDE), Image.Resampling.BOX)
    return np.asarray(image, dtype=np.float32)


def varied(data: Path) -> Iterator[tuple[str, list[tuple[Grey, Grey]]]]:
    """A kind of image, and sources with a variant each by the shipped profile."""
    for name, cases in (("bone-xray", labelled), ("chest-xray", labelled), *((name, with_drawn_box) for name in DRAWN)):
        profile, found = medaug.load_profile(name), []
        tools = medaug.tools(profile, "cpu", threads=1)
        for case in cases(data / "dev", name, COUNT):
            variant = medaug.augment(case, medaug.Recipe.of(case.volume, case.boxes, profile, seed=11), tools)
            if all(check.passed for check in variant.checks):
                found.append((reduced(variant.before, profile), reduced(variant.volume, profile)))
        yield name, found


def failing(one: Grey, other: Grey, profile: str = "brain-mr") -> dict[str, float]:
    """The checks that a pair fails by a profile's limits, with their figures."""
    both, found = pair(one, other), {}
    limits = {**DEFAULT_LIMITS, **medaug.load_profile(profile).checks}
    for name, take in FIGURES.items():
        low, high = limits[name]
        value = take(both)
        if not (-np.inf if low is None else low) <= value <= (np.inf if high is None else high):
            found[name] = value
    return found


def table(images: Iterator[tuple[str, list[tuple[Grey, Grey]]]]) -> None:
    print("| images | fault | caught | by |\n|---|---|---|---|")
    for kind, pairs in images:
        for fault, plant in FAULTS.items():
            draws = map(np.random.default_rng, range(len(pairs)))
            twice = zip(pairs, draws, strict=True)
            found = [failing(one, plant(other, draw), OF.get(kind, kind)) for (one, other), draw in twice]
            by = Counter(name for each in found for name in each)
            told = ", ".join(f"`{name}` {count}" for name, count in by.items()) or "–"
            print(f"| {kind} | {fault} | {sum(map(bool, found))} of {len(pairs)} | {told} |", flush=True)


def picture(path: Path) -> None:
    with Image.open(ROOT / "docs/images/prior-samples-brain-mr.png") as samples:
        source = np.asarray(samples.convert("L"), dtype=np.float32)[SAMPLE]
    chosen = [
        "outlines doubled, 8 px aside",
        "six plugs of 12 px",
        "clouds of 12 levels",
        "specks in 0.5 % of the pixels",
    ]
    tiles = [source, *(FAULTS[name](source, np.random.default_rng(0)) for name in chosen)]
    Image.fromarray(np.hstack([np.clip(tile, 0, 255).astype(np.uint8) for tile in tiles])).save(path, optimize=True)
    for name, tile in zip(chosen, tiles[1:], strict=True):
        print(name, {check: round(value, 2) for check, value in failing(source, tile).items()})


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--variants", action="store_true")
    given = parser.parse_args()
    twice = ((kind, [(one, one) for one in images]) for kind, images in shown(given.data))
    table(varied(given.data) if given.variants else twice)
    if given.picture:
        picture(given.picture)
