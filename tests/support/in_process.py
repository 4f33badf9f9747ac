"""The processes that a worker starts, without processes: what they are asked is answered here, pickled to and fro."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from typing import Any

import pytest

from medaug.children import read_write, solve
from medaug.processes.task_process import OnStep, TaskProcess

SET_UP: dict[str, Callable[[Any], tuple[object, Callable[[Any, OnStep], object]]]] = {
    "medaug.children.read_write": read_write.set_up,
    "medaug.children.solve": solve._set_up,
    "tests.support.quick_solver": solve._set_up,
}


def asked_here(monkeypatch: pytest.MonkeyPatch, dies: Callable[[object], bool] = lambda _: False) -> list[str]:
    """Answer tasks in this process; where ``dies`` says so of a task, as if the process died over it.

    Returns:
        The modules that were started, as they are.
    """
    begun: list[str] = []
    living: dict[TaskProcess, Callable[[Any, OnStep], object]] = {}

    def start(self: TaskProcess) -> object:
        begun.append(self._module)
        said, living[self] = SET_UP[self._module](_sent(self._setup))
        return said

    def ask(self: TaskProcess, task: object, on_step: OnStep = lambda *_: None) -> object:
        if self not in living:
            self.start()
        if dies(task):
            self.close()
            raise EOFError(-9)
        return _sent(living[self](_sent(task), on_step))

    monkeypatch.setattr(TaskProcess, "start", start)
    monkeypatch.setattr(TaskProcess, "ask", ask)
    monkeypatch.setattr(TaskProcess, "close", lambda self: living.pop(self, None) and None)
    return begun


def _sent(value: object) -> Any:
    return pickle.loads(pickle.dumps(value))
