"""How a run is asked for: what contradicts itself is refused before anything is read."""

from __future__ import annotations

import importlib
import inspect
import pickle
import sys
from dataclasses import fields
from pathlib import Path
from typing import get_type_hints

import pytest

import medaug
from medaug.cli.archives import access_of
from medaug.cli.run import run_command
from medaug.cli.run_archive import wanted_of
from medaug.errors import MedaugError, RunError
from medaug.execution.planning.request import RunOptions, RunRequest
from medaug.execution.worker.worker import Worker
from medaug.processes.shared_memory import AVAILABLE
from tests.support import null


@pytest.mark.parametrize(
    ("wrong", "word"),
    [
        ({"executor": "threads"}, "expected one of serial, processes, ray, found 'threads'"),
        ({"executor": "serial", "workers": 2}, "serial has one worker"),
        ({"address": "auto"}, "--executor ray"),
        ({"address": "auto", "executor": "processes"}, "--executor ray"),
        ({"workers": 0}, "at least 1"),
        ({"io_workers": -1}, "0 or more"),
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


def test_python_takes_the_command_lines_options_by_their_names() -> None:
    said = {"dry_run", "quiet", "verbose", "log_file", "show_names", "as_json"}  # what is told, and where
    of_an_address = {*inspect.signature(wanted_of).parameters, *inspect.signature(access_of).parameters}  # fetch's
    on_the_command_line = set(inspect.signature(run_command).parameters) - {"input", "output", *said, *of_an_address}
    assert set(get_type_hints(RunOptions)) == on_the_command_line
    held = {each.name for each in fields(RunRequest)} - {"input"}
    of_the_profile = {"prior", "strength", "slices", "pictures", "unlabelled"}
    assert on_the_command_line - held == of_the_profile


def test_options_end_in_one_request() -> None:
    asked = {"annotations": "a.json", "protect": ["p.nii"], "key": "k", "shard": (1, 3), "accept_identity": "checked"}
    request = RunRequest.of("in", profile="bone-xray", **asked, slices=True, pictures="secondary-capture")
    assert (request.input, request.annotations, request.protect) == (Path("in"), (Path("a.json"),), (Path("p.nii"),))
    assert (request.key, request.shard, request.accept_identity) == (Path("k"), (1, 3), "checked")
    assert (request.profile.volumes.slices, request.profile.pictures) == ("each", "secondary-capture")
    plain = RunRequest.of("in", profile=null.PROFILE, annotations=["a", Path("b")])
    assert plain == RunRequest(Path("in"), null.PROFILE, (Path("a"), Path("b")))
    other = RunRequest.of("in", profile=null.PROFILE, annotations="a", prior="embedded").profile
    assert other.prior.sha256 == null.PROFILE.prior.sha256
    with pytest.raises(RunError, match="file or secondary-capture"):
        RunRequest.of("in", profile="bone-xray", annotations="a", pictures="gif")
    with pytest.raises(TypeError, match="annotations, profile"):
        RunRequest.of("in")
    with pytest.raises(TypeError, match="colour"):
        RunRequest.of("in", profile="bone-xray", annotations="a", colour="red")


def test_the_package_lists_its_names_and_its_exceptions() -> None:
    assert {"run", "plan", "augment", "tools", "from_array", "RunRequest", "__version__"} <= set(dir(medaug))
    assert all(getattr(medaug, name) is not None for name in dir(medaug))
    errors = {name for name in dir(medaug) if name.endswith("Error")}
    assert errors == {
        kind.__name__ for kind in (MedaugError, *_below(MedaugError)) if kind.__module__ == "medaug.errors"
    }
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = medaug.nothing


def _below(kind: type[Exception]) -> set[type[Exception]]:
    children = [child for child in kind.__subclasses__() if child.__module__ == kind.__module__]
    return {each for child in children for each in (child, *_below(child))}


def test_a_worker_travels_without_what_it_loaded(tmp_path: Path) -> None:
    worker = Worker(null.plan().request, tmp_path, threads=3, solver_process=True)
    worker.__dict__["tools"] = lambda: "can't be pickled"
    there = pickle.loads(pickle.dumps(worker))
    assert (there.request, there.root, there.threads) == (worker.request, tmp_path, 3)
    assert "tools" not in vars(there)
    assert there._solver is not None


@pytest.mark.skipif(not AVAILABLE, reason="needs Linux")
def test_a_device_has_a_process_for_each_core_of_its_share(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medaug.execution.worker.worker.cores", lambda: 16)

    def of(device: str, given: int | None = None, sharing: int = 1) -> int:
        worker = Worker(null.plan().request, tmp_path, io_workers=given, sharing=sharing)
        worker.__dict__["device"] = device
        return worker.io_workers

    assert (of("cuda"), of("cuda:1", sharing=4), of("cuda", sharing=16)) == (15, 3, 1)
    assert (of("cpu"), of("cpu", given=2), of("cuda", given=0)) == (0, 2, 0)
    assert len(Worker(null.plan().request, tmp_path, io_workers=3).io_processes) == 3
