"""What a wheel holds: everything that a run needs, found without the repository."""

from __future__ import annotations

import ast
import email
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from importlib.metadata import packages_distributions
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


def metadata(wheel: Path) -> str:
    with zipfile.ZipFile(wheel) as opened:
        (name,) = (name for name in opened.namelist() if name.endswith(".dist-info/METADATA"))
        return opened.read(name).decode()


def test_pip_shows_addresses_of_the_methods_and_none_that_is_invented(wheel: Path) -> None:
    text = metadata(wheel)
    urls = dict(line.split(", ") for line in email.message_from_string(text).get_all("Project-URL") or ())
    assert urls["Method (PSLD)"] == "https://arxiv.org/abs/2307.00619"
    assert {re.sub("[^/]*$", "", url) for url in urls.values()} == {"https://arxiv.org/abs/"}
    cited = (ROOT / "CITATION.cff").read_text() + (ROOT / "docs/explanation/solvers.md").read_text()
    assert [url for url in urls.values() if url.rpartition("/")[2] not in cited] == []
    assert set(re.findall(r"https?://([^/\s]+)", text)) == {"arxiv.org"}, "no registry, no home that isn't there"


def test_metadata_name_nothing_of_the_machine_that_built_them(wheel: Path) -> None:
    text = metadata(wheel)
    here = [str(ROOT), str(Path.home()), *filter(None, map(os.environ.get, ("PIP_INDEX_URL", "UV_INDEX_URL")))]
    assert [place for place in here if place in text] == []
    with zipfile.ZipFile(wheel) as opened:
        assert [
            n for n in opened.namelist() if n.endswith((".py", ".json")) and str(ROOT).encode() in opened.read(n)
        ] == []


NOT_IMPORTED = {
    "pyjpegls": "pydicom finds it: JPEG-LS",
    "pylibjpeg": "pydicom finds it: JPEG",
    "pylibjpeg-openjpeg": "pydicom finds it: JPEG 2000",
    "simpleitk": "CONTRIBUTING.md says why it stays",
}


def imports(folder: Path) -> set[str]:
    """The top modules that a folder's code imports, anywhere in it."""
    nodes = [node for path in folder.rglob("*.py") for node in ast.walk(ast.parse(path.read_text()))]
    whole = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    parts = {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in whole | parts}


def test_each_dependency_is_imported_or_it_is_said_why_it_is_one() -> None:
    stated = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    needed = {re.split("[<>=]", requirement)[0].lower() for requirement in stated}
    found = packages_distributions()
    used = {name.lower() for module in imports(ROOT / "medaug") for name in found.get(module, ())}
    assert needed - used == set(NOT_IMPORTED)
    assert "SimpleITK is imported by no module" in (ROOT / "CONTRIBUTING.md").read_text()
