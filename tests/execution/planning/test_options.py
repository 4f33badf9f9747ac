"""How a run is asked for: what contradicts itself is refused before anything is read."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from medaug.errors import RunError
from tests.support import null


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"executor": "threads"}, "expected one of serial, processes, ray, found 'threads'"),
        ({"executor": "serial", "workers": 2}, "serial has one worker"),
        ({"address": "auto"}, "--executor ray"),
        ({"address": "auto", "executor": "processes"}, "--executor ray"),
        ({"workers": 0}, "at least 1"),
    ],
)
def test_what_contradicts_itself_is_refused(wrong: dict[str, object], word: str) -> None:
    with pytest.raises(RunError, match=word):
        null.plan(**wrong)


def test_the_executor_follows_from_the_workers_unless_it_is_named() -> None:
    def chosen(**options: object) -> str:
        return null.plan(**options).request.chosen_executor

    assert chosen() == chosen(workers=1) == "serial"
    assert chosen(workers=2) == "processes"
    assert chosen(workers=1, executor="processes") == "processes"
    assert chosen(workers=2, executor="ray") == "ray"


def test_a_run_without_the_package_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real, loaded = importlib.import_module, set(sys.modules)

    def without(name: str, package: str | None = None) -> object:
        if name == "ray":
            raise ImportError(name)
        return real(name, package)

    monkeypatch.setattr(importlib, "import_module", without)
    with pytest.raises(RunError, match=r"pip install 'medaug\[ray\]'"):
        null.run(tmp_path / "out", 1, executor="ray")
    assert null.run(tmp_path / "out", 1).counts == {"written": 1}
    assert "ray" not in set(sys.modules) - loaded
