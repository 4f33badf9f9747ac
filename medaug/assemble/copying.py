"""The tools of a law that generates nothing: a window and a map, no prior and no solver."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NoReturn

from torch import Tensor

from medaug.augmentation.prepare import PresentTools
from medaug.augmentation.restore import RestoreTools, Solution
from medaug.augmentation.solve import SolveTools
from medaug.augmentation.tools import Tools
from medaug.imaging.presentation import Presentation
from medaug.imaging.volume import Strip, Volume
from medaug.inverse.priors.card import PriorCard
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.inverse.protocols import Problem

NO_PRIOR = PriorCard(
    name="none", sha256="", licence="", attribution="", trained_on="", size=1, channels=1, stride=1,
    latent_channels=1, prediction_type="sample",
)  # fmt: skip


def copying_tools(present: PresentTools, rows: int) -> Tools:
    """What `augment` needs for classic copies; nothing is loaded.

    Args:
        present: with the draw of a copy.
        rows: of the profile's batches, which stand in every record.
    """
    solve = SolveTools(RemotePrior(NO_PRIOR), _unsolved, None, 0.0, rows, "cpu")
    return Tools(present, solve, RestoreTools(_unrestored, {}))


def _unsolved(problem: Problem) -> Tensor:
    _never(problem)


def _unrestored(volume: Volume, view: Presentation, solution: Solution) -> Iterator[Strip]:
    _never(volume, view, solution)


def _never(*_: object) -> NoReturn:
    raise AssertionError("a law that generates nothing has nothing solved")
