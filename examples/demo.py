"""The main job in one go: make a small PACS-like export, augment it, say where to look.

    python examples/demo.py FOLDER

Writes FOLDER/export and FOLDER/output. The radiographs are the prior's own samples with findings drawn in: there is no
patient in them. Given again, it finds nothing left to do.
"""

from __future__ import annotations

import csv
import json
import subprocess
import sys
import time
from pathlib import Path

import files
import numpy as np
import samples
from PIL import Image

PARTIAL = 4  # the exit code when something was refused, as the broken series here is


def make_export(folder: Path, steps: int = 50) -> list[Path]:
    """Write the export, radiographs drawn in ``steps``; return its annotation files.

    xray/limb.dcm (DX), xray/chest.dcm (CR, MONOCHROME1), followed/ (one patient's series of two CR images),
    pictures/leg.png, and ct-broken/, a CT series that lacks a slice. COCO boxes go by file name, the CSV file names SOP
    Instance UIDs.
    """
    images = samples.drawn(steps)
    _radiograph(folder / "xray" / "limb.dcm", images["limb"], "DX", "LEG", "MONOCHROME2")
    _radiograph(folder / "xray" / "chest.dcm", images["chest"], "CR", "CHEST", "MONOCHROME1")
    (folder / "pictures").mkdir(exist_ok=True)
    Image.fromarray(np.rint(images["leg"] * 255).astype(np.uint8)).save(folder / "pictures" / "leg.png")
    followed = {name: _followed(folder / "followed", images[name], name) for name in ("before", "after")}
    _broken(folder / "ct-broken")
    (folder / "annotations").mkdir(exist_ok=True)
    coco, table = folder / "annotations" / "boxes.json", folder / "annotations" / "followed.csv"
    named = {"limb.dcm": "limb", "chest.dcm": "chest", "leg.png": "leg"}
    coco.write_text(json.dumps(_coco({file: (images[name], samples.PICKS[name]) for file, name in named.items()})))
    with table.open("w", newline="") as stream:
        rows = csv.writer(stream)
        rows.writerow(["sop_instance_uid", "x", "y", "width", "height", "label"])
        rows.writerows([uid, *_bbox(samples.PICKS[name]), samples.PICKS[name].label] for name, uid in followed.items())
    return [coco, table]


def main() -> int:
    """Make the export, run medaug on it as a user would, and print what came of it."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    export, output = root / "export", root / "output"
    annotations = make_export(export)
    profile = Path(__file__).parent / "demo.yaml"
    command = ["medaug", "run", str(export), "-o", str(output), "--profile", str(profile)]
    command += [word for path in annotations for word in ("--annotations", str(path))]
    command += ["--variants", "2", "--seed", "7"]
    print("$", " ".join(command), flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "medaug", *command[1:]], check=False).returncode
    print(f"exit code {code} after {time.monotonic() - started:.0f} s", end="")
    print(": all but the broken series was done, which is what this demo expects" if code == PARTIAL else "")
    return 0 if code == PARTIAL else 1


def _radiograph(path: Path, image: samples.Image, modality: str, part: str, photometric: str) -> None:
    ds = files.header(modality, path.stem)
    ds.SOPInstanceUID = files.uid(path.stem)
    files.save(files.with_grey(files.as_radiograph(ds, part), image, photometric, 12), path)


def _followed(folder: Path, image: samples.Image, name: str) -> str:
    """Write one image of a series of two; return its SOP Instance UID."""
    ds = files.as_radiograph(files.header("CR", "followed"), "CHEST")
    ds.SOPInstanceUID, ds.InstanceNumber = files.uid("followed", name), 1 if name == "before" else 2
    files.save(files.with_grey(ds, image, "MONOCHROME2", 10), folder / f"{name}.dcm")
    return str(ds.SOPInstanceUID)


def _broken(folder: Path) -> None:
    """Write a CT series of seven slices, 3 mm apart, with a gap after the third; there is nothing in it to look at."""
    for k in range(7):
        ds = files.as_slice(files.header("CT", "broken"))
        ds.SOPInstanceUID, ds.InstanceNumber = files.uid("broken", k), k + 1
        ds.ImageOrientationPatient, ds.ImagePositionPatient = [1, 0, 0, 0, 1, 0], [-26, -26, 3 * (k + (k >= 3))]
        ds.PixelSpacing, ds.SliceThickness = [0.8, 0.8], 3
        uniform = np.full((64, 64), 1064, dtype=np.int16)  # 40 HU
        files.save(files.with_pixels(ds, uniform, "MONOCHROME2", 16), folder / f"{k + 1}.dcm")


def _coco(findings: dict[str, tuple[samples.Image, samples.Pick]]) -> dict[str, object]:
    classes = sorted({pick.label for _, pick in findings.values()})
    images, annotations = [], []
    for number, (name, (image, pick)) in enumerate(findings.items(), start=1):
        rows, columns = image.shape
        images.append({"id": number, "file_name": name, "width": columns, "height": rows})
        category = classes.index(pick.label) + 1
        annotations.append({"id": number, "image_id": number, "category_id": category, "bbox": _bbox(pick)})
    categories = [{"id": number, "name": name} for number, name in enumerate(classes, start=1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _bbox(pick: samples.Pick) -> list[int]:
    (_, top, left), (_, bottom, right) = pick.box.start, pick.box.stop
    return [left, top, right - left, bottom - top]


if __name__ == "__main__":
    sys.exit(main())
