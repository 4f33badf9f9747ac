"""Solving in a process of its own, which holds the prior: no other work takes its interpreter away.

A solve is thousands of short calls into a library, and after each of them Python waits for its lock; beside threads
that read and write, a solve takes a fifth longer. What goes to and fro is small, slices at the prior's size, or lies in
shared memory (`shared_slices`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from medaug.augmentation.solve import PresentedSlice, SolvedSlice, SolveTools
from medaug.errors import SourceError
from medaug.execution.output.quarantine import WORKER_DIED, over_time
from medaug.execution.worker.shared_slices import SharedSlice
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.inverse.protocols import Prior
from medaug.processes.last_resort import ended_so
from medaug.processes.task_process import TaskProcess
from medaug.profile.profile import Profile

CHILD = "medaug.children.solve"


class SolverProcess(TaskProcess):
    """The process; started when first asked, and again after it died. One thread at a time may ask.

    Args:
        profile: the resolved profile.
        device: where the prior lies.
        threads: of the processor's that a solve takes, which decides its last digits; None on a device.
    """

    def __init__(self, profile: Profile, device: str, threads: int | None) -> None:
        super().__init__(CHILD, (profile, device, threads), "the process that solves", "loaded the prior")

    def prior(self) -> RemotePrior:
        """Start the process; what stands here for its prior.

        Raises:
            MedaugError: as `assemble.tools` raises it there.
            RunError: the process can't be started, or dies while it loads the prior.
        """
        return RemotePrior(self.start())

    def solve_slices(
        self,
        slices: Sequence[PresentedSlice],
        prior: Prior,
        tools: SolveTools,
        on_step: Callable[[int, int], None] | None = None,
    ) -> list[SolvedSlice]:
        """`augmentation.solve.solve_slices`, there.

        Raises:
            SourceError: ``worker-died``: the process died over these slices; the next call starts another.
                ``time-limit``: likewise, for one step took far too long.
            MedaugError: as `prior`, where another one is started.
            Exception: what was raised there.
        """
        assert isinstance(prior, RemotePrior)
        try:
            solved = self.ask((list(slices), prior.prompt, tools.batch_size, tools.full), on_step)
        except EOFError as died:
            if ended_so(died.args[0]):
                raise over_time("solve") from None
            raise SourceError(
                f"the process that solved it died (status {died}), most often for lack of memory", code=WORKER_DIED
            ) from None
        return [one.answer if isinstance(one, SharedSlice) else mine for one, mine in zip(slices, solved, strict=True)]
