"""What a case is worked with, stage by stage; `medaug.assemble.tools` builds it from a profile."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from medaug.augmentation.prepare import PresentTools, Scenes
from medaug.augmentation.restore import RestoreTools
from medaug.augmentation.solve import RowSolver, SolveTools, solve_rows


@dataclass(frozen=True, eq=False)
class Tools:
    """The tools of each stage of `medaug.augmentation.augment.augment`.

    Attributes:
        present: from a case to what the prior sees.
        solve: what rows are solved with.
        restore: from a solution to a checked variant.
        scenes: what the variants of one case share is found once; no pixel depends on it.
        solve_rows: how a batch is solved: here, or in the process that holds the prior.
    """

    present: PresentTools
    solve: SolveTools
    restore: RestoreTools
    scenes: Scenes = field(default_factory=Scenes)
    solve_rows: RowSolver = solve_rows

    def with_batch(self, size: int) -> Tools:
        """The same, solving so many slices at once."""
        return replace(self, solve=replace(self.solve, batch_size=size))
