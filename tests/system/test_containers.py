"""The recipes of docs/how-to: pinned, without root, with what the wheel needs; read, not built. Conda's, too."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from medaug.version import __version__
from tests.support.paths import ROOT

HOW_TO = ROOT / "docs" / "how-to"
INSTRUCTIONS = {"FROM", "ENV", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "CMD"}
SECTIONS = {"files", "post", "environment", "runscript", "test", "labels"}


def instructions() -> list[tuple[str, str]]:
    """(name, rest) of each; lines that end in a backslash go on."""
    text = re.sub(r"\\\n\s*", " ", (HOW_TO / "Dockerfile").read_text())
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [(name, rest) for name, _, rest in (line.partition(" ") for line in lines)]


def sections() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {"": []}
    current = ""
    for line in (HOW_TO / "medaug.def").read_text().splitlines():
        if line.startswith("%"):
            current = line[1:].strip()
            found[current] = []
        elif line.strip() and not line.startswith("#"):
            found[current].append(line.strip())
    return found


def needed() -> set[str]:
    """What a wheel is built from, and the versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    files = {project["project"]["readme"], *project["project"]["license-files"]}
    return {"pyproject.toml", "constraints.txt", *files, *wheel.get("packages", []), *wheel.get("force-include", {})}


def test_the_dockerfile_is_pinned_ends_without_root_and_starts_medaug() -> None:
    steps = instructions()
    assert {name for name, _ in steps} <= INSTRUCTIONS
    assert steps[0][0] == "FROM"
    assert re.fullmatch(r"python:3\.\d+-slim-\w+", steps[0][1])
    by_name = dict(steps)  # the last of each counts
    assert by_name["USER"] == "1000"
    assert json.loads(by_name["ENTRYPOINT"]) == ["medaug"]
    json.loads(by_name["CMD"])
    names = [name for name, _ in steps]
    assert names.index("USER") > max(n for n, name in enumerate(names) if name == "RUN")
    install = next(rest for name, rest in steps if name == "RUN" and "pip install" in rest)
    assert "--constraint constraints.txt" in install


def test_both_recipes_copy_what_the_wheel_needs() -> None:
    docker = {word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]}
    apptainer = {line.split()[0] for line in sections()["files"]}
    for copied in (docker, apptainer):
        missing = {path for path in needed() if not any(path == top or path.startswith(f"{top}/") for top in copied)}
        assert not missing
        assert all((ROOT / path).exists() for path in copied)


def test_the_apptainer_recipe_has_its_sections() -> None:
    found = sections()
    assert set(found) - {""} == SECTIONS
    assert found[""] == ["Bootstrap: docker", f"From: {instructions()[0][1]}"]
    assert found["labels"] == [f"Version {__version__}"]
    (install,) = (line for line in found["post"] if "pip install" in line)
    assert "--constraint constraints.txt" in install
    assert found["runscript"] == ['exec medaug "$@"']


def test_kubernetes_names_the_image_that_the_dockerfile_says_how_to_build() -> None:
    job = yaml.safe_load((HOW_TO / "kubernetes-job.yaml").read_text())
    (container,) = job["spec"]["template"]["spec"]["containers"]
    assert container["image"] == f"medaug:{__version__}"
    for page in ("Dockerfile", "containers.md"):
        assert f"--tag {container['image']} ." in (HOW_TO / page).read_text()
    assert container["securityContext"]["runAsUser"] == int(dict(instructions())["USER"])


@pytest.mark.parametrize("page", ["Dockerfile", "medaug.def", "containers.md"])
def test_every_version_that_is_named_is_this_one(page: str) -> None:
    assert set(re.findall(r"\d+\.\d+\.\d+", (HOW_TO / page).read_text())) <= {__version__}


CONDA = {"torch": "pytorch", "python-gdcm": "gdcm", "SimpleITK": "simpleitk"}  # pip's names for what conda calls so
PARTS = {"schema_version", "context", "package", "source", "build", "requirements", "tests", "about"}


def test_the_conda_recipe_asks_for_what_the_wheel_asks_for() -> None:
    recipe = yaml.safe_load((HOW_TO / "recipe.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    assert set(recipe) == PARTS
    python = project["project"]["requires-python"].removeprefix(">=")
    assert recipe["context"] == {"version": __version__, "python_min": python}
    assert (recipe["package"]["name"], (HOW_TO / recipe["source"]["path"]).resolve()) == ("medaug", ROOT)
    asked = [re.split(r"(?=>=)", line, maxsplit=1) for line in project["project"]["dependencies"]]
    named = sorted(f"{CONDA.get(name, name)} {least}" for name, least in asked)
    assert recipe["requirements"]["run"] == ["python >=${{ python_min }}", *named]
    build = [line.replace(">=", " >=") for line in project["build-system"]["requires"]]
    assert recipe["requirements"]["host"] == ["python ${{ python_min }}.*", "pip", *build]
    scripts = [f"{name} = {target}" for name, target in project["project"]["scripts"].items()]
    assert recipe["build"]["python"]["entry_points"] == scripts
    about = recipe["about"]
    assert (about["summary"], about["license"]) == (project["project"]["description"], project["project"]["license"])
    assert (ROOT / about["license_file"]).is_file()
