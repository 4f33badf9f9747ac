"""A score for each variant by the judge of realism: how hard its generated regions are to tell from real ones."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from medaug.benchmark.realism.judge import out_of_fold
from medaug.benchmark.realism.pairs import pairs_of
from medaug.benchmark.realism.patches import owners, patches_of
from medaug.errors import OutputError


def judge_scores(output: Path, source: Path, seed: int = 0) -> dict[str, float]:
    """Unit → 1 less the mean rank of its generated patches, by judges that learned from other patients.

    Args:
        output: OUTPUT; only read.
        source: what it was made from; found by content.
        seed: of places, folds, weights and batches.

    Returns:
        From 0, told at once, to 1; of those variants alone that have room for a patch.

    Raises:
        OutputError: nothing was written, nothing has room for a patch, or there are too few patients.
        ReadError: a source isn't there any more, byte for byte.
    """
    pairs = list(pairs_of(output, source))
    try:
        patches = patches_of(pairs, seed)
        told = out_of_fold(patches, seed, lambda _: None)
    except ValueError as error:
        raise OutputError(f"OUTPUT: {error}") from None
    ranks: dict[str, list[float]] = defaultdict(list)
    for unit, made, rank in zip(owners(pairs, seed), patches.made, told, strict=True):
        if made:
            ranks[unit].append(float(rank))
    return {unit: 1 - float(np.mean(found)) for unit, found in ranks.items()}
