"""A small anchor-free head on three feature maps: what is at each place, and how far a box reaches from there.

Source: Tian et al., FCOS (ICCV 2019), on one grid of stride 8, with centre sampling and without centreness; focal
loss by Lin et al. (ICCV 2017), the boxes' loss by Rezatofighi et al. (generalised IoU, CVPR 2019).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from medaug.benchmark.evaluation import MOST, Boxes
from medaug.inverse.aligned import from_array

STRIDE = 8
WIDTH, HIDDEN = 64, 128
DISTANCES = (1, 3)  # of the rings of neighbours that a place sees, in strides: 56 px in all
DROPOUT = 0.2
LEAST_SPREAD = 1e-3
RADIUS = 1.5  # strides around a box's centre that answer for it
ALPHA, GAMMA = 0.25, 2.0
EMPTY = 192  # places without a box that an image gives to a gradient step
LEAST = 0.01  # score of a box that is told
RARE = 0.01  # share of places that hold a lesion, at the start
OVERLAP = 0.5  # above which the weaker of two found boxes goes


class Head(nn.Module):
    """Features of places, and of places around them, to the logits of each class and the distances to four sides.

    A step needs a sample of the places only, and a place looks at its neighbours in two rings at `DISTANCES`. Without
    them AP50 was half as high on fracture radiographs: the frozen features of a place tell too little of what is
    beside it.
    """

    def __init__(self, channels: Sequence[int], classes: int) -> None:
        super().__init__()
        self.scales = nn.ModuleList(Scale(count) for count in channels)
        self.lateral = nn.ModuleList(nn.Linear(count, WIDTH) for count in channels)
        self.norm = nn.LayerNorm(WIDTH)
        self.body = nn.Sequential(*_layer((1 + 8 * len(DISTANCES)) * WIDTH), nn.Dropout(DROPOUT), *_layer(HIDDEN))
        self.classes = nn.Linear(HIDDEN, classes)
        self.sides = nn.Linear(HIDDEN, 4)
        nn.init.constant_(self.classes.bias, -math.log((1 - RARE) / RARE))

    def fit(self, maps: Sequence[Sequence[Tensor]]) -> None:
        """Bring each channel to mean 0 and spread 1 over training images' maps, (rows, columns, channels) a level."""
        for scale, level in zip(self.scales, zip(*maps, strict=True), strict=True):
            assert isinstance(scale, Scale)
            scale.fit(level)

    def merged(self, maps: Sequence[Tensor]) -> Tensor:
        """(B, rows, columns, channels) a level, finest first → (B, rows, columns, `WIDTH`) on the finest grid."""
        side = maps[0].shape[1]
        levels = [layer(scale(x)) for layer, scale, x in zip(self.lateral, self.scales, maps, strict=True)]
        near = [x[:, _coarse(side, x.shape[1])][:, :, _coarse(side, x.shape[2])] for x in levels]
        return functional.relu(self.norm(torch.stack(near).sum(dim=0)))

    def forward(self, merged: Tensor, images: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """What stands at places of images.

        Args:
            merged: see there.
            images: (N,) which of them.
            places: (N,) on the finest grid, row by row.

        Returns:
            (N, classes) logits, (N, 4) px to the left, up, right, down.
        """
        x = self.body(_around(merged, images, places))
        return self.classes(x), torch.exp(self.sides(x).clamp(-4, 4)) * STRIDE


class Scale(nn.Module):
    """Channels brought to mean 0 and spread 1."""

    mean: Tensor
    spread: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(channels))
        self.register_buffer("spread", torch.ones(channels))

    def fit(self, maps: Sequence[Tensor]) -> None:
        """Take both from (rows, columns, channels) of each image."""
        of_each = torch.stack([torch.stack([x.float().mean(dim=(0, 1)), x.float().std(dim=(0, 1))]) for x in maps])
        self.mean, self.spread = of_each.mean(dim=0)
        self.spread = self.spread + LEAST_SPREAD

    def forward(self, x: Tensor) -> Tensor:
        """(…, channels), the same back."""
        return (x.float() - self.mean) / self.spread


def _layer(width: int) -> tuple[nn.Module, ...]:
    return nn.Linear(width, HIDDEN), nn.LayerNorm(HIDDEN), nn.ReLU()


def _coarse(side: int, rows: int) -> Tensor:
    """Which row of a coarser map covers each row of the finest."""
    return torch.arange(side) * rows // side


def _around(merged: Tensor, images: Tensor, places: Tensor) -> Tensor:
    """(N, 17 · `WIDTH`): the features of places, and of the eight around each at every distance; zeros outside.

    They are taken in one look-up: one for each of the 17 costs three times the rest of a gradient step, going back.
    """
    side, widest = merged.shape[2], max(DISTANCES)
    padded = functional.pad(merged, (0, 0, widest, widest, widest, widest))
    rows, columns = padded.shape[1:3]
    around = [(0, 0), *((d * y, d * x) for d in DISTANCES for y in (-1, 0, 1) for x in (-1, 0, 1) if (y, x) != (0, 0))]
    steps = torch.tensor([down * columns + right for down, right in around])
    middle = (images * rows + places // side + widest) * columns + places % side + widest
    return padded.flatten(0, 2)[middle[:, None] + steps].flatten(1)


@dataclass(frozen=True, eq=False)
class Targets:
    """What each place of one image should say, row by row.

    Attributes:
        classes: (places, classes) 0 or 1.
        sides: (places, 4) distances in px where some class is 1.
    """

    classes: Tensor
    sides: Tensor


def targets_of(boxes: Boxes, size: int, classes: int) -> Targets:
    """Places near a box's centre, and inside it, answer for it; the smaller box where two claim one."""
    middle = (np.arange(size // STRIDE) + 0.5) * STRIDE
    y, x = (axis.ravel() for axis in np.meshgrid(middle, middle, indexing="ij"))
    wanted, distances = np.zeros((len(x), classes), np.float32), np.ones((len(x), 4), np.float32)
    corners = boxes.corners
    areas = (corners[:, 2] - corners[:, 0]) * (corners[:, 3] - corners[:, 1])
    for n in np.argsort(-areas, kind="stable"):
        x0, y0, x1, y1 = corners[n]
        across, down = np.abs(x - (x0 + x1) / 2), np.abs(y - (y0 + y1) / 2)
        near = (np.maximum(across, down) < RADIUS * STRIDE) & (x > x0) & (x < x1) & (y > y0) & (y < y1)
        near |= (across <= STRIDE / 2) & (down <= STRIDE / 2)  # a box between places has one, too
        wanted[near] = 0
        wanted[near, boxes.classes[n]] = 1
        distances[near] = np.column_stack([x - x0, y - y0, x1 - x, y1 - y])[near].clip(1)
    return Targets(from_array(wanted), from_array(distances))


def sampled(targets: Targets, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Places of one image for a gradient step: all that hold a box, `EMPTY` of the others; and their weights.

    The others count for all that were not drawn, so that the loss is that of the whole image on average.
    """
    there = targets.classes.amax(dim=1) > 0
    full, empty = torch.nonzero(there)[:, 0], torch.nonzero(~there)[:, 0]
    drawn = empty[from_array(rng.choice(len(empty), min(EMPTY, len(empty)), replace=False))]
    weights = torch.ones(len(full) + len(drawn))
    weights[len(full) :] = len(empty) / max(1, len(drawn))
    return torch.cat([full, drawn]), weights


def losses(found: tuple[Tensor, Tensor], wanted: Targets, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Of the boxes and of the classes, each a mean over the places that hold a box.

    Args:
        found: logits and distances of places, of any images.
        wanted: what the same places should say.
        weights: of the places.
    """
    logits, sides = found
    there = wanted.classes.amax(dim=1) > 0
    count = there.sum().clamp(min=1)
    probability = torch.sigmoid(logits)
    right = torch.where(wanted.classes > 0, probability, 1 - probability)
    focus = torch.where(wanted.classes > 0, ALPHA, 1 - ALPHA) * (1 - right) ** GAMMA
    entropy = functional.binary_cross_entropy_with_logits(logits, wanted.classes, reduction="none")
    objectness = (weights[:, None] * focus * entropy).sum() / count
    return (1 - _generalised_iou(sides[there], wanted.sides[there])).sum() / count, objectness


def _generalised_iou(a: Tensor, b: Tensor) -> Tensor:
    """Of boxes around one place each: (N, 4) distances left, up, right, down."""
    inner, outer = torch.minimum(a, b), torch.maximum(a, b)
    shared = _area(inner)
    union = _area(a) + _area(b) - shared
    hull = _area(outer)
    return shared / union - (hull - union) / hull


def _area(sides: Tensor) -> Tensor:
    left, up, right, down = sides.unbind(dim=1)
    return (left + right) * (up + down)


def decoded(logits: Tensor, sides: Tensor) -> Boxes:
    """The boxes of one image from all its places, row by row: the best `MOST` that don't lie on a better one."""
    places, classes = logits.shape
    side = math.isqrt(places)
    scores, order = torch.sigmoid(logits).flatten().topk(min(2 * MOST, logits.numel()))
    scores, order = scores[scores >= LEAST], order[scores >= LEAST]
    which, place = order % classes, order // classes
    y, x = (place // side + 0.5) * STRIDE, (place % side + 0.5) * STRIDE
    left, up, right, down = sides[place].T
    corners = torch.stack([x - left, y - up, x + right, y + down], dim=1).clamp(0, side * STRIDE)
    return without_overlaps(Boxes(corners.double().numpy(), which.numpy(), scores.double().numpy()))


def without_overlaps(boxes: Boxes) -> Boxes:
    """Of boxes of one class that overlap by more than `OVERLAP` the best; best first, `MOST` at most."""
    x0, y0, x1, y1 = boxes.corners.T
    areas = (x1 - x0) * (y1 - y0)
    left = np.argsort(-boxes.scores, kind="stable")
    kept: list[int] = []
    while left.size and len(kept) < MOST:
        best, rest = int(left[0]), left[1:]
        kept.append(best)
        across = np.minimum(x1[best], x1[rest]) - np.maximum(x0[best], x0[rest])
        down = np.minimum(y1[best], y1[rest]) - np.maximum(y0[best], y0[rest])
        shared = across.clip(0) * down.clip(0)
        overlap = shared / np.maximum(areas[best] + areas[rest] - shared, 1e-9)
        left = rest[(overlap <= OVERLAP) | (boxes.classes[rest] != boxes.classes[best])]
    chosen = np.array(kept, dtype=np.int64)
    return Boxes(boxes.corners[chosen], boxes.classes[chosen], boxes.scores[chosen])
