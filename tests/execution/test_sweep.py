"""What a killed driver of a Ray cluster left is removed by the next one; nothing else is."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from medaug.execution.executors import ray_cluster
from medaug.execution.executors.ray_cluster import HELD, LOGS, sweep
from medaug.storage.locks import locked

LIVING = """
import sys, time
from pathlib import Path
from medaug.storage.locks import locked
with locked(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def left(parent: Path, name: str) -> Path:
    folder = parent / name
    (folder / "session").mkdir(parents=True)
    (folder / HELD).touch()
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="nothing is removed there")
def test_only_folders_of_dead_drivers_of_this_user_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    killed, living = left(tmp_path, f"{LOGS}killed"), left(tmp_path, f"{LOGS}living")
    other = left(tmp_path, "other-killed")
    new = left(tmp_path, f"{LOGS}new")
    (new / HELD).unlink()  # made this moment: its lock comes next
    target = left(tmp_path, "target")
    (tmp_path / f"{LOGS}link").symlink_to(target)
    child = subprocess.Popen([sys.executable, "-c", LIVING, str(living / HELD)], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout
        assert child.stdout.readline() == "held\n"
        monkeypatch.setattr(os, "getuid", lambda: -1)  # another user's
        sweep(tmp_path)
        assert killed.exists()
        monkeypatch.undo()
        sweep(tmp_path)
        assert not killed.exists()
        assert all(folder.exists() for folder in (living / "session", other, new, target / "session"))
    finally:
        child.kill()
        child.communicate()
    sweep(tmp_path)  # killed, it let go
    assert not living.exists()


def test_a_driver_holds_its_folder_and_takes_it_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.gettempdir", lambda: str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    before = left(tmp_path, f"{LOGS}killed")
    with ray_cluster._logs(None) as folder:
        assert folder
        assert not before.exists()
        sweep(tmp_path)
        assert Path(folder).parent == tmp_path
        assert Path(folder, HELD).exists()
    assert list(tmp_path.iterdir()) == []
    with ray_cluster._logs("host:1") as none, locked(tmp_path / "x"):
        assert none is None
