"""What a case is worked with, stage by stage; `medaug.assemble.tools` builds it from a profile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medaug.augmentation.prepare import Latest, PreparedCase, PresentTools
from medaug.augmentation.restore import RestoreTools
from medaug.augmentation.solve import SliceSolver, SolveTools, solve_slices


@dataclass(frozen=True, eq=False)
class Tools:
    """The tools of each stage of `medaug.augmentation.augment.augment`.

    Attributes:
        present: from a case to what the prior sees.
        solve: what slices are solved with.
        restore: from a solution to a checked variant.
        solve_slices: how a batch is solved: here, or in the process that holds the prior.
        latest: what the variants of one case share is found once; no pixel depends on it.
    """

    present: PresentTools
    solve: SolveTools
    restore: RestoreTools
    solve_slices: SliceSolver = solve_slices
    latest: Latest[PreparedCase] = field(default_factory=Latest)

    def with_batch(self, size: int) -> Tools:
        """The same, solving so many slices at once."""
        return replace(self, solve=replace(self.solve, batch_size=size))
