"""What a benchmark is asked, in one value."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

from medaug.benchmark.arms.arm_table import Chosen
from medaug.benchmark.design.design import Design
from medaug.benchmark.making.variants import profile_of
from medaug.execution.planning.request import RunRequest


@dataclass(frozen=True)
class BenchmarkRequest:
    """What is compared, on what, and where the results go.

    Attributes:
        run: the export, its annotations and the profile, as for `medaug run`.
        root: BENCH.
        design: what is compared.
        command: of the detector ``command``, with {data} and {project}.
        parts: a table of parts (`images.stated_parts.read_places`); None: folds are dealt.
    """

    run: RunRequest
    root: Path
    design: Design
    command: str = ""
    parts: Path | None = None

    def run_of(self, arm: Chosen) -> RunRequest:
        """The run that makes an arm's variants: as many as the greatest ratio needs.

        Raises:
            ProfileError: the profile has no such strength.
        """
        return replace(self.run, profile=profile_of(self.run, arm), variants=ceil(max(self.design.ratios)))
