from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from medaug.processes import processor as module
from medaug.processes.processor import processor


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "processor", processor.__wrapped__)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ("processor\t: 0\nmodel\t\t: 1\nmodel name\t: Some  Maker 7\nmodel name\t: Some  Maker 7\n", "Some Maker 7"),
        ("processor\t: 0\nCPU implementer\t: 0x41\n", "arm"),  # names a part by its number alone
        (None, "arm"),  # no such file
    ],
)
def test_the_model_is_found_where_it_is_said(
    said: str | None, expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cpuinfo"
    if said is not None:
        path.write_text(said)
    monkeypatch.setattr(module, "_SAID", path)
    monkeypatch.setattr("platform.processor", lambda: "")
    monkeypatch.setattr("platform.machine", lambda: "arm")
    assert module.processor() == f"{expected}, {torch.backends.cpu.get_cpu_capability()}"


def test_narrower_vectors_are_another_kind() -> None:
    command = [sys.executable, "-c", "from medaug.processes.processor import processor; print(processor())"]
    environment = {**os.environ, "ATEN_CPU_CAPABILITY": "default"}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout.strip()
    assert found == f"{processor().rpartition(', ')[0]}, DEFAULT"
