"""Small exports and profiles, and a run over them in seconds."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from medaug.profile.load import load_profile
from tests.support import make

# what three steps of a solve at 64 px can't keep
UNCHECKED = (
    *("seam", "sharpness", "noise", "air_noise", "observed_residual"),
    *("structure_lost", "structure_new", "clouding", "blobs", "changed_share"),
)
SMALL = {
    "size": 64,
    "modalities": ["CR", "DX", "CT", "NIFTI", "NRRD", "RASTER"],
    "domain": ["not-padding"],
    "solver": {"kind": "psld", "steps": 3, "start": 0.3, "omega": 0.05, "gamma": 0.01},
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
