"""Hostile files through commands, in one process that is measured."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.support.hostile_measure import Measured
from tests.support.paths import ROOT

SECONDS, MEMORY = 20.0, 1024.0  # of a file, unless its size gives it more; MiB


def each_measured(folder: Path, commands: Sequence[Sequence[object]]) -> list[Measured]:
    """Every command in turn; what they share is loaded by the first, so that should be one that loads it."""
    specification, answer = folder / "specification.json", folder / "answer.json"
    specification.write_text(json.dumps([[str(word) for word in command] for command in commands]))
    command = [sys.executable, "-m", "tests.support.hostile_measure", specification, answer]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, text=True, timeout=1500)
    assert done.returncode == 0, done.stderr[-2000:]
    return [Measured(**each) for each in json.loads(answer.read_text())]


def broken(found: Measured, said: str, code: int) -> list[str]:
    """What is wrong with how a command ended."""
    wrong = [] if found.code == code else [f"exit code {found.code}"]
    wrong += [] if said in found.console else [f"it doesn't say {said!r}"]
    wrong += [word for word in ("Traceback", "unexpected", "crashed", "Doe") if word in found.console]
    if found.cpu > SECONDS or found.wall > 5 * SECONDS:  # a busy machine is no fault of ours
        wrong.append(f"{found.wall:.1f} s, {found.cpu:.1f} of the processor")
    if found.peak > MEMORY:
        wrong.append(f"{found.peak:.0f} MiB")
    return [*wrong, found.console[-500:]] if wrong else []
