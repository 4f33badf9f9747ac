"""The job templates of docs/how-to: what they run is run, share by share, on one OUTPUT."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from medaug.cli import app
from medaug.execution.output.lists import read_listing
from medaug.execution.output.open import attach
from tests.support.outputs import written
from tests.support.paths import ROOT

HOW_TO = ROOT / "docs" / "how-to"
RECORD = '#!/bin/sh\nfor word in "$@"; do printf "%s\\n" "$word"; done > "$ASKED"\n'


def run(command: Sequence[str], profile: object) -> int:
    """A command of a template, with the small profile."""
    return CliRunner().invoke(app, [*command, "--profile", str(profile), "--device", "cpu"]).exit_code


def check_whole(output: Path) -> None:
    lines = [record.unit for record in written(output)]
    assert sorted(lines) == list(read_listing(output).units)
    assert len(lines) == 2
    listed = json.loads((output / "monai.json").read_text())["training"]
    assert {item["medaug"]["unit"] for item in listed} == set(lines)
    assert {unit for unit, how in attach(output).look().items() if how == "written"} == set(lines)


@pytest.mark.skipif(shutil.which("bash") is None, reason="the template is a bash script")
@pytest.mark.parametrize("first", [0, 5])
def test_every_task_of_a_slurm_array_does_its_share(arguments: dict[str, Any], tmp_path: Path, first: int) -> None:
    program = tmp_path / "bin" / "medaug"
    program.parent.mkdir()
    program.write_text(RECORD)
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    asked = []
    for task in range(first, first + 3):
        env = {
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "ASKED": str(tmp_path / "asked"),
            "INPUT": str(arguments["input"]),
            "OUTPUT": str(tmp_path / "out"),
            "LABELS": str(arguments["annotations"]),
            "SLURM_ARRAY_TASK_ID": str(task),
            "SLURM_ARRAY_TASK_MIN": str(first),
            "SLURM_ARRAY_TASK_COUNT": "3",
        }
        subprocess.run(["bash", str(HOW_TO / "slurm-array.sh")], env=env, check=True)
        asked.append((tmp_path / "asked").read_text().splitlines())
    assert [words[-1] for words in asked] == ["0/3", "1/3", "2/3"]
    if not first:  # the others ask for the same
        assert [run(words, arguments["profile"]) for words in asked]
        check_whole(tmp_path / "out")


@pytest.mark.skipif(shutil.which("bash") is None, reason="the template is a bash script")
def test_a_slurm_task_without_its_places_says_which_is_missing(tmp_path: Path) -> None:
    env = {"PATH": os.environ["PATH"], "INPUT": str(tmp_path)}
    done = subprocess.run(["bash", str(HOW_TO / "slurm-array.sh")], env=env, capture_output=True, check=False)
    assert done.returncode != 0
    assert b"OUTPUT" in done.stderr


def test_every_index_of_a_kubernetes_job_does_its_share(arguments: dict[str, Any], tmp_path: Path) -> None:
    job = yaml.safe_load((HOW_TO / "kubernetes-job.yaml").read_text())
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert (job["apiVersion"], job["kind"], spec["completionMode"]) == ("batch/v1", "Job", "Indexed")
    assert pod["restartPolicy"] == "Never"  # a pod's failure policy needs it
    count = spec["completions"]
    assert spec["parallelism"] == count
    assert container["command"][-1] == f"$(JOB_COMPLETION_INDEX)/{count}"
    assert {mount["name"] for mount in container["volumeMounts"]} == {volume["name"] for volume in pod["volumes"]}
    assert all(mount.get("readOnly", False) == (mount["name"] != "out") for mount in container["volumeMounts"])
    places = {"/in": arguments["input"], "/labels": arguments["annotations"], "/out/augmented": tmp_path / "out"}
    for index in range(count):
        words = [str(places.get(word, word)) for word in container["command"]]
        expanded = [
            re.sub(r"\$\((\w+)\)", {"JOB_COMPLETION_INDEX": str(index)}["JOB_COMPLETION_INDEX"], w) for w in words
        ]
        assert expanded[0] == "medaug"
        run(expanded[1:], arguments["profile"])
    check_whole(tmp_path / "out")
