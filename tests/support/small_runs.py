"""Small exports and profiles, and a run over them in seconds."""

from __future__ import annotations

import json
import shutil
import socket
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

import medaug
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.quick_prior import in_place_of_the_embedded

# what three steps of a solve at 64 px can't keep
UNCHECKED = (
    *("seam", "sharpness", "noise", "air_noise", "observed_residual"),
    *("structure_lost", "structure_new", "clouding", "blobs", "changed_share"),
    *("blobs_new", "ghosting", "calm_texture"),
)
SMALL = {
    "size": 64,
    "modalities": ["CR", "DX", "CT", "NIFTI", "NRRD", "RASTER"],
    "domain": ["not-padding"],
    "solver": {"kind": "psld", "steps": 3, "start": 0.3, "omega": 0.05, "gamma": 0.01},
    "restore": {"kind": "delta", "feather": 6, "deblock": True},  # the shipped 8 px of `fine` are an eighth of 64
    "checks": {name: [None, None] for name in UNCHECKED},
}


def small_profile(folder: Path, **changes: object) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "small.yaml"
    path.write_text(
        yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | {"name": "small"} | SMALL | changes)
    )
    return str(path)


def export(folder: Path) -> Path:
    """Two radiographs with COCO boxes, one without, a CT with a gap, and a text file."""
    for number in (1, 2, 3):
        make.radiograph(folder / "xray", name=f"x{number}.dcm", rows=120, columns=100, seed=number)
    make.series(folder / "gap", slices=6, gap_at=2, seed=9)
    (folder / "readme.txt").write_text("not an image")
    return folder


def boxes(path: Path, names: tuple[str, ...] = ("x1.dcm", "x2.dcm")) -> Path:
    lesion = make.lesion((1, 120, 100))
    (_, top, left), (_, bottom, right) = lesion.start, lesion.stop
    path.write_text(
        json.dumps(
            {
                "images": [{"id": i, "file_name": name, "width": 100, "height": 120} for i, name in enumerate(names)],
                "annotations": [
                    {"id": i, "image_id": i, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}
                    for i in range(len(names))
                ],
                "categories": [{"id": 1, "name": "lesion"}],
            }
        )
    )
    return path


def contents(output: Path) -> dict[str, bytes]:
    """Everything a run wrote below ``variants``, by relative path, without the date of the run."""
    found = {}
    for path in sorted((output / "variants").rglob("*")):
        if path.is_file():
            data = path.read_bytes()
            if path.name == "record.json":
                record = json.loads(data)
                record["created"] = 0
                data = json.dumps(record).encode()
            found[path.relative_to(output).as_posix()] = data
    return found


# --- a run that many tests look at

DATE = "1750000000"


@dataclass(frozen=True)
class Finished:
    """A run that every test may look at and none may change.

    Attributes:
        arguments: as those of the fixture of that name.
        summary: what the run answered.
        before: the bytes of the input before it ran, by path.
    """

    arguments: dict[str, object]
    summary: medaug.Summary
    before: dict[Path, bytes]

    @property
    def output(self) -> Path:
        return self.summary.output

    def copied(self, folder: Path) -> dict[str, object]:
        """Arguments of the same run, its OUTPUT copied to a folder where it may be gone on with."""
        shutil.copytree(self.output, folder / "copied")
        return self.arguments | {"output": folder / "copied"}


def finish(folder: Path) -> Finished:
    """Run it, dated, on a machine that refuses every connection."""
    arguments = arguments_in(folder)
    with pytest.MonkeyPatch.context() as patch, in_place_of_the_embedded():
        patch.setenv("SOURCE_DATE_EPOCH", DATE)
        patch.setattr(socket.socket, "connect", _refused)
        patch.setattr(socket, "getaddrinfo", _refused)
        before = content_of(arguments)
        return Finished(arguments, medaug.run(**arguments), before)


def arguments_in(folder: Path) -> dict[str, object]:
    """Of `medaug.run`: two variants of each of `export`'s radiographs, with a key."""
    (folder / "key").write_bytes(bytes(range(32)))
    return {
        "input": export(folder / "in"),
        "output": folder / "out",
        "profile": small_profile(folder),
        "annotations": boxes(folder / "boxes.json"),
        "variants": 2,
        "seed": 7,
        "key": folder / "key",
    }


def content_of(arguments: dict[str, object]) -> dict[Path, bytes]:
    """The bytes of the input, by path."""
    return {path: path.read_bytes() for path in Path(str(arguments["input"])).rglob("*") if path.is_file()}


def _refused(*_: object, **__: object) -> None:
    raise AssertionError("a socket was opened")
