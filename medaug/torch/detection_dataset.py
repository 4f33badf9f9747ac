"""A PyTorch data set of labelled pictures, in the convention of torchvision's detectors."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from medaug.assemble import window_of
from medaug.errors import ManifestError, SourceError
from medaug.formats.registry import format_of
from medaug.imaging.volume import Volume
from medaug.inverse.aligned import from_array
from medaug.manifests.rendering import bytes_of
from medaug.profile.profile import Profile
from medaug.torch.coco_items import CocoImage

Target = dict[str, Tensor]
Transform = Callable[[Tensor, Target], tuple[Tensor, Target]]


class Pictures(Dataset[tuple[Tensor, Target]]):
    """Pictures and targets: an image is (1, rows, columns), float32 in [0, 1], bright is high.

    A target has ``boxes`` (n, 4) float32 as [x0, y0, x1, y1] in pixels, ``labels`` (n,) int64 from 1, ``image_id``,
    ``area``, ``iscrowd``, as torchvision's detectors take it, and two booleans: ``synthetic``, medaug made
    it, and ``classic``, as a copy of which nothing was generated.

    Args:
        items: what it holds.
        classes: names; the first is label 1.
        profile: whose window shows real images and variants alike.
        transform: called with image and target, such as a detector's own augmentation.
    """

    def __init__(
        self, items: Sequence[CocoImage], classes: Sequence[str], profile: Profile, transform: Transform | None = None
    ) -> None:
        self.items, self.classes = tuple(items), tuple(classes)
        self.profile, self.transform = profile, transform

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int) -> tuple[Tensor, Target]:
        item = self.items[index]
        volume = _read(item.path)
        shown = bytes_of(volume, window_of(self.profile, volume), item.frame)
        image = from_array(shown)[None].float() / 255
        target = _target(item, self.classes, index)
        return self.transform(image, target) if self.transform else (image, target)


def collate(batch: Sequence[tuple[Tensor, Target]], longest: int | None = None) -> tuple[list[Tensor], list[Target]]:
    """For a DataLoader: images and targets as lists, since pictures have sizes of their own.

    Args:
        batch: of `Pictures`.
        longest: px; images that are longer along a side are made smaller, boxes and areas along. None: none are.
            (``functools.partial(collate, longest=1024)`` bounds what a batch takes of memory.)
    """
    bounded = batch if longest is None else [_at_most(longest, image, target) for image, target in batch]
    return [image for image, _ in bounded], [target for _, target in bounded]


def collate_monai(
    batch: Sequence[tuple[Tensor, Target]], longest: int | None = None
) -> tuple[list[Tensor], list[Target]]:
    """`collate` for MONAI's detectors: images are (1, columns, rows), so that a box's first axis is the image's first.

    Labels count from 0.
    """
    images, targets = collate(batch, longest)
    return [image.mT for image in images], [{**target, "labels": target["labels"] - 1} for target in targets]


def _at_most(longest: int, image: Tensor, target: Target) -> tuple[Tensor, Target]:
    """Rows and columns of at most ``longest`` px, each the mean of what it covers."""
    rows, columns = image.shape[1:]
    if max(rows, columns) <= longest:
        return image, target
    scale = longest / max(rows, columns)
    size = max(round(rows * scale), 1), max(round(columns * scale), 1)
    down, across = size[0] / rows, size[1] / columns
    boxes = target["boxes"] * torch.tensor([across, down, across, down])
    smaller = torch.nn.functional.interpolate(image[None], size, mode="area")[0]
    return smaller, {**target, "boxes": boxes, "area": target["area"] * (down * across)}


def _target(item: CocoImage, classes: Sequence[str], index: int) -> Target:
    boxes = torch.tensor(item.boxes, dtype=torch.float32).reshape(-1, 4)
    sizes = boxes[:, 2:] - boxes[:, :2]
    return {
        "boxes": boxes,
        "labels": torch.tensor([classes.index(label) + 1 for label in item.labels], dtype=torch.int64),
        "image_id": torch.tensor(index),
        "area": sizes[:, 0] * sizes[:, 1],
        "iscrowd": torch.zeros(len(boxes), dtype=torch.int64),
        "synthetic": torch.tensor(item.synthetic),
        "classic": torch.tensor(item.classic),
    }


def _read(path: Path) -> Volume:
    try:
        path = path.resolve()  # a data set of links is as good as its files
        kind: Any = format_of(path)
        if kind is not None:
            volume: Volume = kind.read(path)
            return volume
        from medaug.dicom.read.discover import discover
        from medaug.dicom.read.read import read_series

        (series,) = discover(path).series
        return read_series(series)[0]
    except (SourceError, OSError, ValueError) as error:
        raise ManifestError(
            f"a picture can't be read ({error.__class__.__name__}); try `medaug inspect` on it"
        ) from None
