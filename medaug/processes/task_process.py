"""A process of ours that is set up once and asked one thing after the other; what is said is pickled, through pipes.

Arrays that are large travel in shared memory, see `shared_memory`. `answer_tasks` is the other end.
"""

from __future__ import annotations

import pickle
import subprocess
import weakref
from collections.abc import Callable, Mapping
from typing import IO, Any

from medaug.errors import RunError, placed
from medaug.processes.child import started

STEP, ANSWER, ERROR = "step", "answer", "error"  # what the process says first
STARTS = 3  # of one that is killed while it is set up, by somebody who may not kill it again
ENDING = 5.0  # seconds for one whose input ended
OnStep = Callable[[int, int], None]


class TaskProcess:
    """The process. One thread at a time may ask.

    Args:
        module: of this package, which calls `answer_tasks`.
        setup: what it is set up with.
        role: how messages call it, such as ``the process that solves``.
        start: what it does at its start, such as ``loaded the prior``.
        environment: variables that are other there.
    """

    def __init__(
        self, module: str, setup: object, role: str, start: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._module, self._setup, self._environment = module, setup, environment
        self.role, self._started = role, start
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> Any:
        """Start it; what it says to its setup.

        Raises:
            RunError: it can't be started, or dies as it is set up, or is killed then each of `STARTS` times.
            Exception: what was raised there.
        """
        for left in reversed(range(STARTS)):
            try:
                return self._set_up()
            except EOFError:
                status = self.close() or 0
                if status >= 0 or not left:
                    raise RunError(
                        f"{self.role} died while it {self._started} (status {status}); look at the machine's memory "
                        "and log"
                    ) from None
        raise AssertionError

    def _set_up(self) -> Any:
        try:
            self._process = started(self._module, environment=self._environment)
        except OSError as error:
            raise RunError(f"{self.role} can't be started ({error.strerror})") from error
        weakref.finalize(self, _end, self._process)
        try:
            return self._answer(self._process, self._setup)
        except EOFError:
            raise
        except BaseException:
            self.close()
            raise

    def ask(self, task: object, on_step: OnStep | None = None) -> Any:
        """What it says to a task; started before, where it isn't there.

        Raises:
            EOFError: it died of it; its argument is the exit status. The next task has another one.
            Exception: what was raised there.
        """
        if self._process is None:
            self.start()
        assert self._process is not None
        try:
            return self._answer(self._process, task, on_step)
        except EOFError:
            raise EOFError(self.close()) from None

    @property
    def pid(self) -> int | None:
        """Of the process, while there is one."""
        return self._process.pid if self._process else None

    def close(self) -> int | None:
        """End the process; its exit status, None where there is none."""
        process, self._process = self._process, None
        return _end(process) if process else None

    def _answer(self, process: subprocess.Popen[bytes], task: object, on_step: OnStep | None = None) -> Any:
        try:
            assert process.stdin is not None
            assert process.stdout is not None
            say(process.stdin, task)
            while (answer := hear(process.stdout))[0] == STEP:
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


def say(stream: IO[bytes], said: object) -> None:
    """Send a value.

    Raises:
        EOFError: nobody hears any more.
    """
    try:
        pickle.dump(said, stream, pickle.HIGHEST_PROTOCOL)
        stream.flush()
    except OSError:
        raise EOFError from None


def hear(stream: IO[bytes]) -> Any:
    """The next value.

    Raises:
        EOFError: there is none.
    """
    try:
        return pickle.load(stream)  # noqa: S301 - from a process of ours, through a pipe
    except (OSError, pickle.UnpicklingError):
        raise EOFError from None


def answer_tasks(
    asked: IO[bytes],
    answers: IO[bytes],
    set_up: Callable[[Any], tuple[object, Callable[[Any, OnStep], object]]],
    failed: Callable[[Exception], None],
) -> None:
    """In the process: answer until there is nothing more to answer, or it can't be set up.

    Args:
        asked: what the caller says.
        answers: where it hears.
        set_up: from what it is set up with to what is said to that, and what answers tasks; steps go to its callable.
        failed: told of what is raised, before the caller is.
    """
    answer: Callable[[Any, OnStep], object] | None = None
    while True:
        try:
            task = hear(asked)
        except EOFError:
            return
        try:
            if answer is None:
                said, answer = set_up(task)
            else:
                said = answer(task, lambda *step: say(answers, (STEP, step)))
            say(answers, (ANSWER, said))
        except Exception as error:  # noqa: BLE001 - the caller raises it
            failed(error)
            say(answers, (ERROR, _portable(error)))
            if answer is None:
                return


def _portable(error: Exception) -> Exception:
    """The error as it can be sent, with its place."""
    try:
        pickle.loads(pickle.dumps(placed(error)))  # noqa: S301 - just made
    except Exception:  # noqa: BLE001 - a library's error may need arguments that it didn't keep
        return placed(RuntimeError(type(error).__name__).with_traceback(error.__traceback__))
    return error


def _end(process: subprocess.Popen[bytes]) -> int:
    try:
        process.communicate(timeout=ENDING)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
    return process.returncode
