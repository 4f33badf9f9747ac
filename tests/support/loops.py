"""Real images and their variants as files, with the lists that a run would write of them; nothing is solved."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from medaug.audit.record import Grid, Record
from medaug.audit.source_names import NamedSource
from medaug.formats.nifti import write_nifti
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import planar
from medaug.imaging.seeds import generator
from medaug.imaging.volume import Rescale
from medaug.manifests.coco import write_coco
from medaug.manifests.monai import write_monai
from medaug.storage.disk_map import DiskMap
from tests.support import make
from tests.support.records import digest, outputs, record

PLANE, SPACE = (1, 40, 32), (6, 24, 20)


@dataclass(frozen=True)
class Loop:
    """Real items (image, box, label) with the patient of each, and OUTPUT."""

    items: list[dict[str, Any]]
    patients: list[str]
    output: Path


def loop(folder: Path, *, axes: int = 2, sources: int = 3, variants: int = 2) -> Loop:
    """Each source holds its number + 1 everywhere, its variants 100 + that, and 200 inside the box."""
    records: list[Record] = []
    items, named = [], {}
    (folder / "real").mkdir(parents=True)
    for n in range(sources):
        name = f"{n}.png" if axes == 2 else f"{n}.nii.gz"
        box = Box((0, 5, 4), (1, 15, 12), "lesion") if axes == 2 else Box((1, 5, 4), (3, 15, 12), "lesion")
        real = _write(folder / "real" / name, n + 1, box)
        digits = hashlib.sha256(real.read_bytes()).hexdigest()
        corners = [*box.start[::-1][:axes], *box.stop[::-1][:axes]]
        items.append({"image": str(real), "box": [corners], "label": [0], "medaug": {"source_sha256": digits}})
        for variant in range(variants):
            built = _record(folder / "out", f"{n}-{variant}", n, variant, box)
            count = len(built.source.instance_uids)
            built = replace(built, source=replace(built.source, key=digits, sha256=(digits,) * count))
            records.append(built)
        named[digits] = NamedSource(digits, (name,), f"../real/{name}")
    listed = DiskMap(named.items())
    write_monai(records, folder / "out", listed)
    write_coco(records, folder / "out", listed)
    return Loop(items, [f"patient {n}" for n in range(sources)], folder / "out")


def _record(output: Path, name: str, n: int, variant: int, box: Box) -> Record:
    built = record(name, variant=variant, boxes=(box,))
    flat = box.shape[0] == 1
    file = _write(output / built.folder / ("image.png" if flat else "image.nii.gz"), 101 + n, box)
    grid = Grid.of(planar(*PLANE[1:], (1.0, 1.0)) if flat else make.volume(SPACE).geometry)
    uids = tuple(f"2.25.{n}.{k}" for k in range(grid.shape[0]))
    source = replace(built.source, patient=digest("patient", n)[:16], modality="", instance_uids=uids)
    return replace(built, source=source, outputs=outputs(built.unit, [file], output), geometry=grid)


def _write(path: Path, value: int, box: Box) -> Path:
    """Noise of one grey level, so that files differ, around a box of 200."""
    path.parent.mkdir(parents=True, exist_ok=True)
    flat = path.suffix == ".png"
    numbers = np.full(PLANE if flat else SPACE, value, dtype=np.uint8)
    numbers[0, 0] = generator(len(str(path)) + value).integers(0, 250, numbers.shape[2])
    numbers[box.slices] = 200
    if flat:
        Image.fromarray(numbers[0]).save(path)
    else:
        plain = replace(make.volume(SPACE), padding=None, rescale=(Rescale(),) * SPACE[0])
        write_nifti(replace(plain, stored=numbers.astype(np.int16)), path)
    return path
