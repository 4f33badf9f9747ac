"""Who is in training, validation and test: groups stay together, and smaller training sets lie inside greater ones."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from medaug.errors import RunError
from medaug.imaging.seeds import generator
from medaug.manifests.splits import PARTS

VALIDATION = 0.2  # share of the images that are not in test


@dataclass(frozen=True)
class Fold:
    """Places of images, of one fold.

    Attributes:
        training: all that may be trained on.
        validation: where the threshold is fixed.
        test: where the figures are taken; each image is in one fold's.
    """

    training: tuple[int, ...]
    validation: tuple[int, ...]
    test: tuple[int, ...]


def folds_of(groups: Sequence[int], count: int, seed: int) -> tuple[Fold, ...]:
    """Deal groups to folds, the greatest first, each to the fold with the fewest images; equal sizes in drawn order.

    Raises:
        RunError: there are fewer groups than validation and ``count`` folds need.
    """
    if len(set(groups)) < 3 * count:
        raise RunError(
            f"benchmark: {len(set(groups))} groups of patients and near-duplicates are too few for {count} folds; "
            f"expected {3 * count} or more: give fewer --folds"
        )
    parts = _dealt(_drawn(groups, "folds", seed), groups, [1.0] * count)
    folds = []
    for number, part in enumerate(parts):
        others = [group for group in _drawn(groups, "validation", seed, number) if group not in part]
        training, validation = _dealt(others, groups, [1 - VALIDATION, VALIDATION])
        folds.append(Fold(_indices(groups, training), _indices(groups, validation), _indices(groups, part)))
    return tuple(folds)


def given_fold(parts: Sequence[str], groups: Sequence[int]) -> Fold:
    """The one fold of parts that were given; what shares its group with an image that is tested is never learnt from.

    Args:
        parts: of each labelled image.
        groups: likewise.

    Raises:
        RunError: a part has no image left.
    """
    tested = {group for group, part in zip(groups, parts, strict=True) if part == "test"}
    validated = tested | {group for group, part in zip(groups, parts, strict=True) if part == "validation"}
    barred: dict[str, set[int]] = {"training": validated, "validation": tested, "test": set()}
    training, validation, test = (
        tuple(n for n, part in enumerate(parts) if part == wanted and groups[n] not in barred[wanted])
        for wanted in PARTS
    )
    if not (training and validation and test):
        raise RunError(
            f"parts: expected labelled images in each of {', '.join(PARTS)}, found {len(training)}, {len(validation)} "
            f"and {len(test)}, without those whose patient or near-duplicate is tested"
        )
    return Fold(training, validation, test)


def normals_of(groups: Sequence[int], labelled: int, fold: Fold) -> tuple[int, ...]:
    """Places of the normal images of a fold's test: those whose group holds no image of its training or validation.

    Args:
        groups: of all images, the normal ones behind the ``labelled``.
        labelled: how many of them have boxes.
        fold: places of labelled images.
    """
    seen = {groups[n] for n in (*fold.training, *fold.validation)}
    return tuple(n for n in range(labelled, len(groups)) if groups[n] not in seen)


def subset(groups: Sequence[int], training: Sequence[int], fraction: float, *seed: int) -> tuple[int, ...]:
    """A share of the training images, whole groups in drawn order; a smaller one lies inside a greater one's.

    Args:
        groups: of all images.
        training: places of those that may be trained on.
        fraction: in (0, 1].
        seed: names the draw.
    """
    wanted = max(1, round(fraction * len(training)))
    chosen: list[int] = []
    for group in _drawn([groups[n] for n in training], "subset", *seed):
        if len(chosen) >= wanted:
            break
        chosen += [n for n in training if groups[n] == group]
    return tuple(sorted(chosen))


def _drawn(groups: Sequence[int], *names: str | int) -> list[int]:
    """The groups, each once, in an order that depends on the names alone."""
    known = np.unique(groups)
    return [int(group) for group in generator("benchmark", *names).permutation(known)]


def _dealt(order: Sequence[int], groups: Sequence[int], shares: Sequence[float]) -> list[set[int]]:
    """Groups by part, so that the parts' images are near their shares."""
    sizes = {group: list(groups).count(group) for group in order}
    parts: list[set[int]] = [set() for _ in shares]
    filled = np.zeros(len(shares))
    for group in sorted(order, key=lambda group: -sizes[group]):
        number = int(np.argmin(filled / np.array(shares)))
        parts[number].add(group)
        filled[number] += sizes[group]
    return parts


def _indices(groups: Sequence[int], part: set[int]) -> tuple[int, ...]:
    return tuple(n for n, group in enumerate(groups) if group in part)
