"""``monai.json``: a Decathlon datalist of the written images and boxes, for `monai.data.load_decathlon_datalist`.

Three habits of MONAI decide its form:

* The loader turns any string it meets on an item's first level into a path when a file of that name exists, and string
  labels always. So labels are integers, named once on top, and provenance sits one level down.
* Its DICOM and NIfTI readers index arrays [column, row, slice]. So a box is [x, y, z] low, then high, with x the
  column, y the row and z the slice, high exclusive: ``image[x0:x1, y0:y1, z0:z1]`` is the lesion.
* Given a folder, `PydicomReader` stacks its files by InstanceNumber, and gives a 2-D array when there is only one. So
  "image" is a folder for DICOM, and a box has four numbers for one DICOM slice or a picture, six for all else.
* `PydicomReader` gives a multi-frame file as [row, frame, column], and knows nothing of where it lies. A box follows
  the array that the reader gives: `axes` says in which order. Its world box is the same as any other's.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medaug.audit.layout import MONAI, RECORD
from medaug.audit.record import Record
from medaug.audit.record_order import Ordered
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.manifests.splits import TRAINING, SplitImage, check_parts, fold_of
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import Again


def write_monai(records: Iterable[Record], output: Path) -> Path:
    """List every written image in OUTPUT/monai.json; a class's number is its place among the sorted class names.

    "codes" gives, by that number, the coded meanings of a class's boxes, where they have some.

    There is a "training" split and no other: a synthetic image inherits its source's patient and may not be used to
    judge a model. "fold" is that patient's: who validates on real images of fold n leaves out all items of fold n.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT, to which image paths are relative.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
        ManifestError: a record says nothing of its patient.
    """
    ordered = Ordered.of(records)
    check_parts(SplitImage(r.source.patient, TRAINING, r.source.series_uid, synthetic=True) for r in ordered.written)
    return replace_file(output / MONAI, document(monai_content(ordered)))


def monai_content(ordered: Ordered) -> dict[str, Any]:
    """What `write_monai` writes; its items are made as they are taken."""
    written, labels = ordered.written, ordered.labels
    return {
        "name": "medaug",
        "description": "Synthetic variants for training only. Split by medaug.patient; never validate or test on them.",
        **named_classes(labels, ordered.codes),
        "numTraining": len(written),
        "training": Again(lambda: (_item(record, labels) for record in written)),
    }


def named_classes(labels: Sequence[str], codes: Mapping[str, Any]) -> dict[str, Any]:
    """Number → class, and number → the coded meanings of those that have some."""
    numbered = {str(labels.index(label)): found for label, found in codes.items()}
    return {"labels": {str(n): label for n, label in enumerate(labels)}, **({"codes": numbered} if codes else {})}


def axes_of(record: Record) -> tuple[int, ...]:
    """The axes of the array that MONAI's readers give, each as its place in (slice, row, column)."""
    if record.planar:
        return (2, 1)
    if not record.images[0].path.endswith(".dcm"):
        return (2, 1, 0)
    frames = max(frame for _, frame in record.places)
    return (1, 0, 2) if frames else (2, 1, 0)


def world(box: Box, geometry: Geometry) -> list[float]:
    """The least box along the axes of LPS that holds the voxels of ``box`` whole: [x0, y0, z0, x1, y1, z1] in mm.

    Its corners lie on voxel edges, half a voxel beyond the centres; all eight are mapped, so that neither a flipped nor
    an oblique axis cuts anything off.
    """
    edges = np.array([(box.start[axis] - 0.5, box.stop[axis] - 0.5) for axis in range(3)])
    corners = geometry.to_world(np.array(list(itertools.product(*edges))))
    return [round(float(x), 4) for x in (*corners.min(axis=0), *corners.max(axis=0))]


def _item(record: Record, labels: Sequence[str]) -> dict[str, Any]:
    first = PurePosixPath(record.images[0].path)
    axes = axes_of(record)
    assert record.geometry is not None
    item: dict[str, Any] = {
        "image": str(first.parent if first.suffix == ".dcm" else first),
        "box": [[corner[axis] for corner in (box.start, box.stop) for axis in axes] for box in record.boxes],
        "label": [labels.index(box.label) for box in record.boxes],
        "fold": fold_of(record.source.patient),
        "medaug": _provenance(record),
    }
    if record.geometry.space == "patient":
        item["box_lps"] = [world(box, record.geometry.geometry) for box in record.boxes]
    return item


def _provenance(record: Record) -> dict[str, Any]:
    """Flat, strings and numbers only, so that data loaders can collate it; the rest is in the record."""
    return {
        "unit": record.unit,
        "variant": record.variant,
        "seed": record.seed,
        "source": record.source.key,
        "source_series_uid": record.source.series_uid,
        "patient": record.source.patient,
        "record": f"{record.folder}/{RECORD}",
        "axes": " ".join(("slice", "row", "column")[axis] for axis in axes_of(record)),
    }
