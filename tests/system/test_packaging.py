"""What a wheel holds: everything that a run needs, found without the repository."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.paths import ROOT


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(out)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = out.glob("*.whl")
    return built


def test_a_wheel_holds_profiles_weights_recipes_and_templates(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    for needed in (
        "medaug/py.typed",
        "medaug/profiles/bone-xray.yaml",
        "medaug/inverse/priors/radiograph_256/unet.safetensors",
        "medaug/training/recipes/radiograph-256.yaml",
        "medaug/report/page.html.jinja",
        "medaug/manifests/croissant.json",
        "medaug/audit/crate.json",
        "medaug/review/page/main.js",
    ):
        assert needed in names
    assert not [name for name in names if name.startswith(("tests/", "examples/"))]
    assert wheel.stat().st_size < 40e6


def test_profiles_are_found_in_an_unpacked_wheel(wheel: Path, tmp_path: Path) -> None:
    zipfile.ZipFile(wheel).extractall(tmp_path)
    script = (
        "import medaug, medaug.profile.load as p; print(medaug.__file__); "
        "print(p.load_profile('bone-xray').name, *p.shipped_profiles())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    where, listed = done.stdout.splitlines()
    assert where.startswith(str(tmp_path))
    assert "paper" in listed
