"""Solving in a process of its own, which holds the prior: no other work takes its interpreter away.

A solve is thousands of short calls into a library, and after each of them Python waits for its lock; beside threads
that read and write, a solve takes a fifth longer. What goes to and fro is small: slices at the prior's size.
"""

from __future__ import annotations

import pickle
import subprocess
import weakref
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import IO, Any

from medaug.augmentation.solve import PresentedSlice, SolvedSlice, SolveTools
from medaug.errors import RunError, SourceError
from medaug.execution.output.quarantine import WORKER_DIED
from medaug.inverse.priors.remote_prior import DistantPrior
from medaug.inverse.protocols import Prior
from medaug.processes.child import started
from medaug.profile.profile import Profile

CHILD = "medaug.children.solve"
CARD, STEP, SOLVED, ERROR = "card", "step", "solved", "error"  # what the child says first of an answer
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
        self._end: Callable[[], object] | None = None

    def prior(self) -> DistantPrior:
        """What stands here for the prior.

        Raises:
            MedaugError: as `assemble.tools` raises it there.
            RunError: the process can't be started, or dies while it loads the prior.
        """
        try:
            process = started(CHILD)
        except OSError as error:
            raise RunError(f"the process that solves can't be started ({error.strerror})") from error
        self._process, self._end = process, weakref.finalize(self, _end, process)
        try:
            _say(process, self._setup)
            return DistantPrior(self._heard(_hear(process)))
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
        assert isinstance(prior, DistantPrior)
        if self._process is None:
            self.prior()
        process = self._process
        assert process is not None
        try:
            _say(process, (list(slices), prior.prompt, tools.batch_size, tools.full))
            while (answer := _hear(process))[0] == STEP:
                if on_step:
                    on_step(*answer[1:])
        except EOFError:
            raise SourceError(
                f"the process that solved it died (status {self.close()}), most often for lack of memory",
                code=WORKER_DIED,
            ) from None
        except BaseException:  # an interrupt, too: what is left in the pipe would be the next answer
            self.close()
            raise
        solved: list[SolvedSlice] = self._heard(answer)
        return solved

    def close(self) -> int | None:
        """End the process; its exit status, None where there is none."""
        process, self._process = self._process, None
        if self._end is not None:
            self._end()
        return process.returncode if process else None

    def _heard(self, answer: tuple[Any, ...]) -> Any:
        kind, said = answer
        if kind == ERROR:
            raise said
        return said


def _say(process: subprocess.Popen[bytes], said: object) -> None:
    assert process.stdin is not None
    try:
        pickle.dump(said, process.stdin, pickle.HIGHEST_PROTOCOL)
        process.stdin.flush()
    except OSError:
        raise EOFError from None


def _hear(process: subprocess.Popen[bytes]) -> tuple[Any, ...]:
    """An answer.

    Raises:
        EOFError: the process is dead, or dies as it speaks.
    """
    assert process.stdout is not None
    try:
        answer: tuple[Any, ...] = pickle.load(process.stdout)  # noqa: S301 - from a process of ours, through a pipe
    except (OSError, pickle.UnpicklingError):
        raise EOFError from None
    return answer


def _end(process: subprocess.Popen[bytes]) -> None:
    _close(process.stdin)
    try:
        process.wait(ENDING if process.poll() is None else None)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _close(process.stdout)


def _close(pipe: IO[bytes] | None) -> None:
    with suppress(OSError):  # what was not sent any more
        if pipe is not None:
            pipe.close()
