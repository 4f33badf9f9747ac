"""The main job in one go: make a small PACS-like export, augment it, say where to look.

    python examples/demo.py FOLDER

Writes FOLDER/export (two chest radiographs with COCO boxes, a CT series with a DICOM SEG, a series with a missing
slice) and FOLDER/output. The radiographs are the prior's own samples, the CT series are geometric phantoms: there is no
patient in them. Given again, it finds nothing left to do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import phantoms
import samples

PARTIAL = 4  # the exit code when something was refused, as the broken series here is


def make_export(folder: Path, steps: int = 50) -> tuple[Path, Path]:
    """Write the export, radiographs drawn in ``steps``; return the paths of the COCO file and of the SEG."""
    (folder / "annotations").mkdir(parents=True, exist_ok=True)
    kinds: list[dict[str, Any]] = [{"modality": "DX"}, {"modality": "CR", "photometric": "MONOCHROME1"}]
    chests = samples.chests(steps)
    for number, ((seed, image), kind) in enumerate(zip(chests.items(), kinds, strict=True), start=1):
        phantoms.radiograph(folder / "xray", name=f"chest-{number}.dcm", image=image, seed=seed, **kind)
    coco = folder / "annotations" / "boxes.json"
    coco.write_text(json.dumps(_coco(list(chests)), indent=2))
    shape = (8, 192, 192)
    slices = phantoms.series(folder / "ct", slices=shape[0], rows=shape[1], columns=shape[2], seed=3)
    mask = np.zeros(shape, dtype=np.uint8)
    mask[phantoms.lesion(shape).slices] = 1
    seg = phantoms.seg(folder / "annotations", slices, mask, ["lesion"])
    phantoms.series(folder / "ct-broken", slices=7, rows=64, columns=64, gap_at=3, seed=4)
    return coco, seg


def main() -> int:
    """Make the export, run medaug on it as a user would, and print what came of it."""
    root = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    export, output = root / "export", root / "output"
    coco, seg = make_export(export)
    profile = Path(__file__).parent / "demo.yaml"
    command = ["medaug", "run", str(export), "-o", str(output), "--profile", str(profile)]
    command += ["--annotations", str(coco), "--annotations", str(seg), "--variants", "2", "--seed", "7"]
    print("$", " ".join(command), flush=True)
    started = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "medaug", *command[1:]], check=False).returncode
    print(f"exit code {code} after {time.monotonic() - started:.0f} s", end="")
    print(": all but the broken series was done, which is what this demo expects" if code == PARTIAL else "")
    return 0 if code == PARTIAL else 1


def _coco(seeds: list[int]) -> dict[str, object]:
    images, annotations = [], []
    for number, seed in enumerate(seeds, start=1):
        box = samples.opacity_box(seed)
        (_, top, left), (_, bottom, right) = box.start, box.stop
        name = f"chest-{number}.dcm"
        images.append({"id": number, "file_name": name, "width": samples.SIDE, "height": samples.SIDE})
        bbox = [left, top, right - left, bottom - top]
        annotations.append({"id": number, "image_id": number, "category_id": 1, "bbox": bbox})
    return {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "opacity"}]}


if __name__ == "__main__":
    sys.exit(main())
