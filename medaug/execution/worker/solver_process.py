"""Solving in a process of its own, which holds the prior: no other work takes its interpreter away.

A solve is thousands of short calls into a library, and after each of them Python waits for its lock; beside threads
that read and write, a solve takes a fifth longer. What goes to and fro is small: slices at the prior's size.
"""

from __future__ import annotations

import pickle
import subprocess
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from medaug.augmentation.solve import PresentedSlice, SolvedSlice, SolveTools
from medaug.errors import RunError, SourceError
from medaug.execution.output.quarantine import WORKER_DIED
from medaug.inverse.priors.remote_prior import RemotePrior
from medaug.inverse.protocols import Prior
from medaug.processes.child import started
from medaug.profile.profile import Profile

CHILD = "medaug.children.solve"
STEP, ANSWER, ERROR = "step", "answer", "error"  # what the child says first
ENDING = 5.0  # seconds for a child whose input ended


class SolverProcess:
    """The process; started when first asked, and again after it died. One thread at a time may ask.

    Args:
        profile: the resolved profile.
        device: where the prior lies.
        threads: of the processor's that a solve takes, which decides its last digits; None on a device.
    """

    def __init__(self, profile: Profile, device: str, threads: int | None) -> None:
        self._setup = profile, device, threads
        self._process: subprocess.Popen[bytes] | None = None

    def prior(self) -> RemotePrior:
        """Start the process; what stands here for its prior.

        Raises:
            MedaugError: as `assemble.tools` raises it there.
            RunError: the process can't be started, or dies while it loads the prior.
        """
        try:
            self._process = started(CHILD)
        except OSError as error:
            raise RunError(f"the process that solves can't be started ({error.strerror})") from error
        weakref.finalize(self, _end, self._process)
        try:
            return RemotePrior(self._answer(self._process, self._setup))
        except EOFError:
            raise RunError(
                f"the process that solves died while it loaded the prior (status {self.close()}); look at the "
                "machine's memory and log"
            ) from None
        except BaseException:
            self.close()
            raise

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
            MedaugError: as `prior`, where another one is started.
            Exception: what was raised there.
        """
        assert isinstance(prior, RemotePrior)
        if self._process is None:
            self.prior()
        assert self._process is not None
        try:
            task = list(slices), prior.prompt, tools.batch_size, tools.full
            solved: list[SolvedSlice] = self._answer(self._process, task, on_step)
        except EOFError:
            raise SourceError(
                f"the process that solved it died (status {self.close()}), most often for lack of memory",
                code=WORKER_DIED,
            ) from None
        return solved

    def close(self) -> int | None:
        """End the process; its exit status, None where there is none."""
        process, self._process = self._process, None
        return _end(process) if process else None

    def _answer(
        self, process: subprocess.Popen[bytes], task: object, on_step: Callable[[int, int], None] | None = None
    ) -> Any:
        """What the process says to a task.

        Raises:
            EOFError: it is dead, or dies as it speaks.
            Exception: what was raised there.
        """
        try:
            _say(process, task)
            while (answer := _hear(process))[0] == STEP:
                if on_step:
                    on_step(*answer[1])
        except EOFError:
            raise
        except BaseException:  # an interrupt, too: what is left in the pipe would be the next answer
            self.close()
            raise
        if answer[0] == ERROR:
            raise answer[1]
        return answer[1]


def _say(process: subprocess.Popen[bytes], task: object) -> None:
    assert process.stdin is not None
    try:
        pickle.dump(task, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
    except OSError:
        raise EOFError from None


def _hear(process: subprocess.Popen[bytes]) -> tuple[str, Any]:
    assert process.stdout is not None
    try:
        answer: tuple[str, Any] = pickle.load(process.stdout)  # noqa: S301 - from a process of ours, through a pipe
    except (OSError, pickle.UnpicklingError):
        raise EOFError from None
    return answer


def _end(process: subprocess.Popen[bytes]) -> int:
    try:
        process.communicate(timeout=ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return process.returncode
