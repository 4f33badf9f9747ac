"""A disk that the processes of one run share: their steps are counted together, and at one of them a process dies."""

from __future__ import annotations

import os
import signal
import struct
from pathlib import Path
from threading import Lock

from tests.support.disk import Disk

VARIABLE = "TESTS_SHARED_DISK"
ALL = "all"  # of the run's processes die, as where a container is ended
ONE = "one"  # dies, whose step it is
OTHER = "other"  # than the run's own dies: the first whose step it is from there on
_STEP = struct.Struct("<q")  # who took it, by its process id


class SharedDisk(Disk):
    """Hooks around what changes the disk, in one of these processes.

    Args:
        taken: a file in which every process writes its steps; its end is the count.
        stop: the step, from 1, that isn't taken: at it a process is killed.
        dies: `ALL`, `ONE` or `OTHER`.
    """

    def __init__(self, taken: Path, stop: int, dies: str) -> None:
        super().__init__(stop)
        self._write, self._turn = os.write, Lock()
        self._taken = os.open(taken, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self._dies = dies
        self._said = f"{stop} {dies} {taken}"

    @classmethod
    def of_environment(cls) -> SharedDisk:
        """In another process of the run."""
        stop, dies, taken = os.environ[VARIABLE].split(" ", 2)
        return cls(Path(taken), int(stop), dies)

    def for_others(self) -> None:
        """Let the processes that this one will start find it."""
        os.environ[VARIABLE] = self._said

    def _step(self) -> None:
        with self._turn:
            self._write(self._taken, _STEP.pack(os.getpid()))
            number = os.lseek(self._taken, 0, os.SEEK_CUR) // _STEP.size
        if number == self.stop if self._dies != OTHER else number >= self.stop and self._first_other(number):
            os.kill(0 if self._dies == ALL else os.getpid(), signal.SIGKILL)  # 0 for its group

    def _first_other(self, number: int) -> bool:
        """Whether a step is this process's, which isn't the run's own, and only the run's own took those before it."""
        since = os.pread(self._taken, (number - self.stop) * _STEP.size, (self.stop - 1) * _STEP.size)
        return os.getpid() != os.getpgrp() and all(pid == os.getpgrp() for (pid,) in _STEP.iter_unpack(since))


def steps_of(taken: Path) -> list[int]:
    """Who took each step, by process id."""
    return [pid for (pid,) in _STEP.iter_unpack(taken.read_bytes())]
