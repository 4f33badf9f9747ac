"""Patches of what was generated and of what is real, at native resolution, from the same places of the same images.

The two kinds share anatomy, window and place, so that a judge has nothing to go by but how they were made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from medaug.imaging.volume import Float32, Mask

SIDE = 48  # px: a few trabeculae, a gyrus, an edge with both its sides
SHARE = 0.8  # of a patch that is free anatomy, at least
PER_IMAGE = 8  # patches; further ones of an image say little that these don't


@dataclass(frozen=True, eq=False)
class SlicePair:
    """A real slice and the same slice with its free region generated.

    Attributes:
        group: whose it is: patients, or what stands for them; a judge never meets one in training and in its test.
        real, made: (rows, columns) float32, in shares of the window, 0 to 1.
        free: True where the image may have been changed, within the domain.
        unit: the variant's, where that matters.
    """

    group: str
    real: Float32
    made: Float32
    free: Mask
    unit: str = ""


@dataclass(frozen=True, eq=False)
class Patches:
    """What a judge learns from and is tested on.

    Attributes:
        pixels: (N, SIDE, SIDE) float32, in shares of the window.
        made: (N,), True where generated.
        groups: (N,) int64: the number of the group each came from.
    """

    pixels: Float32
    made: NDArray[np.bool_]
    groups: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.made)

    def where(self, chosen: NDArray[np.bool_]) -> Patches:
        """The chosen ones, in their order."""
        return Patches(self.pixels[chosen], self.made[chosen], self.groups[chosen])


def patches_of(pairs: Iterable[SlicePair], seed: int) -> Patches:
    """Up to `PER_IMAGE` patches a pair, each once as it is and once as it was generated.

    Args:
        pairs: slices; those without room for a patch are passed over.
        seed: of the places.

    Raises:
        ValueError: no slice has room for a patch.
    """
    names: dict[str, int] = {}
    pixels: list[Float32] = []
    groups: list[int] = []
    for number, pair in enumerate(pairs):
        group = names.setdefault(pair.group, len(names))
        for row, column in patch_corners(pair.free, np.random.default_rng((seed, number))):
            part = np.s_[row : row + SIDE, column : column + SIDE]
            pixels += [pair.real[part], pair.made[part]]
            groups += [group, group]
    if not pixels:
        raise ValueError(f"realism: no free region has room for a patch of {SIDE} px; nothing can be judged")
    made = np.tile([False, True], len(pixels) // 2)
    return Patches(np.stack(pixels).astype(np.float32), made, np.array(groups, dtype=np.int64))


def owners(pairs: Iterable[SlicePair], seed: int) -> list[str]:
    """The unit of each patch that `patches_of` gives of these pairs, in its order."""
    return [
        pair.unit
        for number, pair in enumerate(pairs)
        for _ in patch_corners(pair.free, np.random.default_rng((seed, number)))
        for _ in ("real", "made")
    ]


def halves(patches: Patches, seed: int) -> Patches:
    """The real ones alone, half of the groups under the name of generated ones: what a judge says of no difference."""
    real = patches.where(~patches.made)
    known = np.unique(real.groups)
    named = np.random.default_rng(seed).permutation(known)[: len(known) // 2]
    return Patches(real.pixels, np.isin(real.groups, named), real.groups)


def patch_corners(free: Mask, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
    """First row and column of patches that lie `SHARE` in the free region and overlap by a quarter at most."""
    if min(free.shape) < SIDE:
        return
    share = uniform_filter(free.astype(np.float32), SIDE, mode="constant")
    first = share[SIDE // 2 : free.shape[0] - SIDE // 2 + 1, SIDE // 2 : free.shape[1] - SIDE // 2 + 1]
    candidates: NDArray[np.int64] = rng.permutation(np.argwhere(first >= SHARE))
    taken: list[NDArray[np.int64]] = []
    for one in candidates:
        if all(_disjoint(one, other) for other in taken):
            taken.append(one)
            yield int(one[0]), int(one[1])
        if len(taken) == PER_IMAGE:
            return


def _disjoint(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    overlap = np.clip(SIDE - np.abs(one - other), 0, None)
    return bool(overlap.prod() <= SIDE * SIDE / 4)
