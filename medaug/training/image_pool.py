"""Images of a folder as one array, and which of them are held out."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from medaug.errors import PriorError
from medaug.storage.plain_files import open_plain, text_of
from medaug.training.framing import Box, frames
from medaug.training.recipe import DataRecipe

UInt8 = npt.NDArray[np.uint8]
SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
INDEX = "index.csv"
NEAR = 10  # differing bits of 240 under which two images count as near-duplicates


@dataclass(frozen=True, eq=False)
class Pool:
    """A folder of images on canvases of one size.

    Attributes:
        names: paths below the root, with ``/``; sorted.
        images: (N, size, size) uint8, bright is high, centred on black.
        extents: (N, 2) rows and columns that hold image; the rest of the canvas is padding.
        held_out: (N,) True for the validation part.
        hidden: (N, size, size) True for pixels that were replaced because nothing may learn them; None where none was.
        labels: those of each image's boxes; empty where nobody asked.
    """

    names: tuple[str, ...]
    images: UInt8
    extents: npt.NDArray[np.int64]
    held_out: npt.NDArray[np.bool_]
    hidden: npt.NDArray[np.bool_] | None = None
    labels: tuple[tuple[str, ...], ...] = ()

    @property
    def folders(self) -> tuple[str, ...]:
        """The top folder of each image; "" for an image right below the root."""
        return tuple(name.split("/")[0] if "/" in name else "" for name in self.names)


def read_pool(root: Path, recipe: DataRecipe) -> Pool:
    """Read every JPEG and PNG below ``root``, or below the folder of it that the recipe names.

    Raises:
        PriorError: there are too few images to hold some out, a folder named in ``shares`` holds none, or the index
            doesn't say which group an image belongs to.
    """
    found = (root / (recipe.folder or "")).rglob("*")
    names = sorted(p.relative_to(root).as_posix() for p in found if p.suffix.lower() in SUFFIXES)
    missing = sorted(set(recipe.shares) - {name.split("/")[0] for name in names})
    if len(names) < 2 or missing:
        raise PriorError(
            f"training data: {len(names)} JPEG or PNG images found, none in folders {missing}", code="training-data"
        )
    groups = groups_of(root / INDEX, names, recipe.groups) if recipe.groups else None
    boxes = frames([root / name for name in names], groups or names) if recipe.crop else [None] * len(names)
    read = (_read(root / name, recipe, box) for name, box in zip(names, boxes, strict=True))
    canvases, extents = zip(*read, strict=True)
    images = np.stack(canvases)
    held_out = (
        split_groups(groups, recipe.validation) if groups else split(names, fingerprints(images), recipe.validation)
    )
    return Pool(tuple(names), images, np.array(extents, dtype=np.int64), held_out)


def groups_of(index: Path, names: Sequence[str], column: str) -> tuple[str, ...]:
    """What ``column`` of a pool's index says of each image.

    Args:
        index: CSV with the columns ``path``, below its folder, and ``column``.
        names: paths below its folder.
        column: of the groups.

    Raises:
        PriorError: it says nothing of an image, or can't be read.
    """
    try:
        with text_of(open_plain(index)) as file:
            group = {row["path"]: row[column] for row in csv.DictReader(file)}
        return tuple(group[name] for name in names)
    except (OSError, KeyError, csv.Error) as error:
        raise PriorError(
            f"training data: {index.name}: expected columns path and {column} with a row for each image, found none "
            f"for {error}; name another column in data.groups, or none",
            code="training-data",
        ) from error


def split_groups(groups: Sequence[str], share: float) -> npt.NDArray[np.bool_]:
    """Hold out a fixed ``share`` of the groups, at least one and not all, by hash of their names.

    Raises:
        PriorError: there is one group only.
    """
    ranked = sorted(set(groups), key=_rank)
    if len(ranked) < 2:
        raise PriorError(
            f"training data: expected at least two groups, so that one can be held out, found {ranked}",
            code="training-data",
        )
    held = set(ranked[: min(len(ranked) - 1, max(1, round(share * len(ranked))))])
    return np.array([group in held for group in groups], dtype=np.bool_)


def on_canvas(image: Image.Image, size: int) -> tuple[UInt8, tuple[int, int]]:
    """Scale the longest side to ``size``, keep the aspect, centre on black; also the (rows, columns) of image."""
    scale = size / max(image.size)
    columns, rows = (max(1, round(side * scale)) for side in image.size)
    small = np.asarray(image.convert("L").resize((columns, rows), Image.Resampling.BICUBIC))
    canvas = np.zeros((size, size), dtype=np.uint8)
    top, left = (size - rows) // 2, (size - columns) // 2
    canvas[top : top + rows, left : left + columns] = small
    return canvas, (rows, columns)


def fingerprints(images: UInt8) -> UInt8:
    """(N, 30) packed bits: whether each cell of a 16×16 thumbnail is brighter than its left neighbour."""
    thumbnails = [np.asarray(Image.fromarray(i).resize((16, 16), Image.Resampling.BOX)) for i in images]
    cells = np.stack(thumbnails).astype(np.int16)
    return np.packbits((cells[:, :, 1:] > cells[:, :, :-1]).reshape(len(images), -1), axis=1)


def split(names: Sequence[str], prints: UInt8, share: float) -> npt.NDArray[np.bool_]:
    """Hold out a fixed ``share`` by hash of the path; near-duplicates follow the first of their group."""
    return np.array([_rank(names[i]) < share * 2**64 for i in duplicate_groups(prints)], dtype=np.bool_)


def duplicate_groups(prints: UInt8) -> list[int]:
    """Of each image the first of its group of near-duplicates; those of a near-duplicate belong to it, too."""
    first = np.arange(len(prints))  # the least index of each image's group so far
    for index in range(1, len(prints)):
        distance = np.bitwise_count(prints[:index] ^ prints[index]).sum(axis=1, dtype=np.int32)
        near = np.unique(first[:index][distance <= NEAR])
        if near.size:
            first[index] = near[0]
            first[np.isin(first, near[1:])] = near[0]
    return [int(index) for index in first]


def _rank(name: str) -> int:
    return int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big")


def _read(path: Path, recipe: DataRecipe, box: Box | None) -> tuple[UInt8, tuple[int, int]]:
    with open_plain(path) as file, Image.open(file) as image:
        grey = image.convert("L").crop(box) if box else image
        if recipe.levels:
            grey = _levelled(grey.convert("L"), recipe.levels)
        return on_canvas(grey, recipe.size)


def _levelled(image: Image.Image, percentiles: tuple[float, float]) -> Image.Image:
    values = np.asarray(image).astype(np.float32)
    low, high = np.percentile(values, percentiles)
    scaled = (values - low) * (255 / max(high - low, 1.0))
    return Image.fromarray(np.rint(scaled.clip(0, 255)).astype(np.uint8))
