"""A small, sound OUTPUT of three kinds of sources, and the means of somebody who may rewrite all of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import yaml

import medaug
from medaug.audit import ledger
from medaug.audit.crate import write_crate
from medaug.audit.output_files import sha256_of
from medaug.audit.record import Output, Record
from medaug.audit.seal import seal
from medaug.audit.source_names import read_sources
from medaug.audit.stored_pixels import stored_of
from medaug.formats.nifti import write_nifti
from medaug.imaging.geometry import Geometry
from medaug.imaging.pixels import pixels_digest
from medaug.imaging.volume import Rescale
from medaug.manifests.coco import write_coco
from medaug.manifests.croissant import write_croissant
from medaug.manifests.monai import write_monai
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.small_runs import UNCHECKED

SMALL = {
    "name": "small",
    "size": 64,
    "modalities": ["CR", "CT", "NIFTI"],
    "domain": ["not-padding"],
    "solver": {"kind": "psld", "steps": 2, "start": 0.3, "omega": 0.05, "gamma": 0.01},
    "checks": {name: [None, None] for name in (*UNCHECKED, "through_plane")},
}


def export(folder: Path) -> None:
    """A radiograph, a CT of four slices and a NIfTI volume in ``folder``/in, and what marks their lesions beside it."""
    source = folder / "in"
    make.radiograph(source, name="x1.dcm", rows=120, columns=100, seed=1)
    box = make.lesion((1, 120, 100))
    (_, top, left), (_, bottom, right) = box.start, box.stop
    coco = {
        "images": [{"id": 1, "file_name": "x1.dcm", "width": 100, "height": 120}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "bbox": [left, top, right - left, bottom - top]}],
        "categories": [{"id": 1, "name": "lesion"}],
    }
    (folder / "boxes.json").write_text(json.dumps(coco))
    slices = make.series(source / "ct", slices=4, seed=2)
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[1:3, 20:30, 25:40] = 1
    make.seg(folder / "labels", slices, mask, ["tumour"])
    volume = make.volume((3, 40, 40), dtype=np.int16)
    geometry = Geometry(volume.geometry.shape, np.diag([-1.0, -1, 1, 1])[:, [2, 1, 0, 3]], "patient")
    volume = replace(volume, geometry=geometry, rescale=(Rescale(),) * 3, padding=None)
    mask = np.zeros((3, 40, 40), np.uint8)
    mask[1, 10:20, 12:22] = 1
    write_nifti(volume, source / "case.nii.gz")
    write_nifti(replace(volume, stored=mask), folder / "labels" / "case_seg.nii.gz")
    (folder / "labels" / "case_seg.json").write_text('{"1": "tumour"}')


def build(folder: Path) -> Path:
    """Run it: a variant of each source."""
    export(folder)
    path = folder / "small.yaml"
    path.write_text(yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | SMALL))
    return run(folder, variants=1)


def run(folder: Path, variants: int) -> Path:
    """So many variants of each source; those that are there stay."""
    labels = folder / "labels"
    with in_place_of_the_embedded():
        summary = medaug.run(
            folder / "in",
            folder / "out",
            profile=str(folder / "small.yaml"),
            annotations=[folder / "boxes.json", *labels.glob("*.dcm"), labels / "case_seg.nii.gz"],
            variants=variants,
            seed=7,
            accept_identity="a test",
            extend=True,
        )
    assert set(summary.counts) == {"written"}, [record.message for record in summary.records]
    return folder / "out"


def records(root: Path) -> tuple[Record, ...]:
    return ledger.read(root / "ledger")


def of(root: Path, modality: str) -> Record:
    """The first unit of a modality; ``""`` is NIfTI."""
    return next(record for record in records(root) if record.source.modality == modality and record.variant == 0)


def rewrite(root: Path, unit: str, change: Callable[[Record], Record], *, lists: bool = True) -> Record:
    """Change a record as somebody would who covers every trace: record.json, a new chain, the lists, a new seal."""
    changed = [change(record) if record.unit == unit else record for record in records(root)]
    relog(root, changed)
    for record in changed:
        if record.status == "written":
            (root / record.folder / "record.json").write_text(record.to_json() + "\n")
    if lists:
        sources = read_sources(root)
        write_monai(changed, root, sources)
        write_coco(changed, root, sources)
        write_croissant(changed, root)
        write_crate(changed, root)
    seal(root)
    return next(record for record in changed if record.unit == unit)


def relog(root: Path, changed: list[Record]) -> None:
    shutil.rmtree(root / "ledger")
    for record in changed:
        ledger.append(root / "ledger", "w", record, 1.0)


def redigest(root: Path, record: Record) -> Record:
    """The digests of a record as its files are now; the pixels', too."""

    def again(output: Output) -> Output:
        path = root / output.path
        image = output in record.images
        pixels = output.pixels_sha256
        if image:
            pixels = pixels_digest(stored_of(path))
        return replace(output, sha256=sha256_of(path), pixels_sha256=pixels)

    return replace(record, outputs=tuple(again(output) for output in record.outputs))
