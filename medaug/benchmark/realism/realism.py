"""An OUTPUT before the judge."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from medaug.benchmark.realism.judge import Judgement, judge
from medaug.benchmark.realism.pairs import pairs_of
from medaug.benchmark.realism.patches import patches_of
from medaug.benchmark.realism.variety import Variety, variety
from medaug.errors import OutputError


@dataclass(frozen=True)
class Realism:
    """Whether generated regions can be told from real ones, and how far they are from their sources.

    Attributes:
        judgement: by a network that learned from other patients.
        variety: mean change, and the share that is new.
    """

    judgement: Judgement
    variety: Variety

    def to_json(self) -> str:
        """All figures, as indented JSON."""
        return json.dumps(asdict(self), indent=2) + "\n"

    def sentences(self) -> list[str]:
        """The figures in words, one line each."""
        told, null = self.judgement.told, self.judgement.null
        return [
            (
                f"judge: AUC {told.value:.2f}, 95 % interval {told.low:.2f} to {told.high:.2f} (0.5: it can't tell); "
                f"real against real {null.value:.2f}, {null.low:.2f} to {null.high:.2f}"
            ),
            f"judged: {self.judgement.patches} patches of {self.judgement.groups} patients",
            (
                f"variety: mean change {self.variety.change:.1f} of 255 grey levels in the free region; "
                f"{self.variety.share:.0%} of it changed by more than its source's noise"
            ),
        ]


def realism(output: Path, source: Path, seed: int = 0, on_fold: Callable[[int, int], None] | None = None) -> Realism:
    """Judge what an OUTPUT holds; nothing is written.

    Args:
        output: OUTPUT; only read.
        source: what it was made from; found by content.
        seed: of places, folds, weights and batches.
        on_fold: called with (judges trained, judges in all).

    Raises:
        OutputError: nothing was written, nothing has room for a patch, or there are too few patients.
        ReadError: a source isn't there any more, byte for byte.
    """
    pairs = list(pairs_of(output, source))
    try:
        return Realism(judge(patches_of(pairs, seed), seed, on_fold), variety(pairs))
    except ValueError as error:
        raise OutputError(f"OUTPUT: {error}") from None
