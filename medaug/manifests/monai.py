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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from medaug.audit.layout import RECORD
from medaug.audit.record import Record
from medaug.audit.record_order import Ordered
from medaug.audit.recorded_source import RecordedSource
from medaug.audit.source_names import DONOR, NamedSource, Sources, donor_of, origin
from medaug.formats.registry import FORMATS
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import SourceRef
from medaug.manifests.splits import TRAINING, SplitImage, check_parts, fold_of
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import document
from medaug.storage.disk_map import DiskMap, Reiterable

MONAI = "monai.json"


def write_monai(records: Iterable[Record], output: Path, sources: Sources | None = None) -> Path:
    """List every written image in OUTPUT/monai.json, and the real ones that plan.json says where to find.

    A class's number is its place among the sorted class names.
    "codes" gives, by that number, the coded meanings of a class's boxes, where they have some.

    There is a "training" split and no other: a synthetic image inherits its source's patient and may not be used to
    judge a model. "fold" is that patient's: who validates on real images of fold n leaves out all items of fold n.
    "synthetic" tells what medaug made from real images; of a classic copy, of which nothing was generated, "classic"
    says so beside it.
    Where lesions were set in, an item shows two patients: it has "folds", both of them, and no "fold", so that who asks
    for one is told.

    Args:
        records: of all units; those that were not written are left out.
        output: OUTPUT, to which image paths are relative.
        sources: how plan.json names the source files, and where it says that the real images lie.

    Raises:
        OutputError: the file can't be written; an older one is as it was.
        ManifestError: a record says nothing of its patient.
    """
    ordered = Ordered.of(records)
    check_parts(
        SplitImage(source.patient, TRAINING, source.series_uid, synthetic=True)
        for record in ordered.written
        for source in record.shown
    )
    return replace_file(output / MONAI, document(monai_content(ordered, sources)))


def monai_content(ordered: Ordered, sources: Sources | None = None) -> dict[str, Any]:
    """What `write_monai` writes; its items are made as they are taken."""
    named: Sources = DiskMap() if sources is None else sources
    labels = ordered.labels
    what = "Classic copies" if ordered.tally.copies else "Synthetic variants"
    if any(source.image for source in named.values()):
        labels = sorted({*labels, *(box.label for r in ordered if r.geometry for box in r.boxes)})
    items = Reiterable(lambda: _items(ordered, labels, named))
    return {
        "name": "medaug",
        "description": f"{what} for training only. Split by medaug.patient; never validate or test on them.",
        **named_classes(labels, ordered.codes),
        "numTraining": len(items),
        "training": items,
    }


def _items(ordered: Ordered, labels: Sequence[str], named: Sources) -> Iterator[dict[str, Any]]:
    """Source by source: the real image where it is listed, then its variants; all have the same keys."""
    two = any(record.transplant for record in ordered)
    for key, group in itertools.groupby(ordered, key=lambda record: record.source.key):
        source, real = named.get(key), True
        for record in group:
            if real and source and source.image and record.geometry:
                item = _real_item(record, labels, source)
                yield _of_two(item, replace(record, transplant=None), named) if two else item
                real = False
            if record.status == "written":
                item = _item(record, labels, source)
                yield _of_two(item, record, named) if two else item


def _of_two(item: dict[str, Any], record: Record, named: Sources) -> dict[str, Any]:
    """An item of a list in which images show two patients."""
    fold, donor = item.pop("fold"), donor_of(record, named) or dict.fromkeys(DONOR, "")
    other = fold_of(donor["donor_patient"]) if record.transplant else fold
    return item | {"folds": [fold, other], "medaug": item["medaug"] | donor}


def named_classes(labels: Sequence[str], codes: Mapping[str, Any]) -> dict[str, Any]:
    """Number → class, and number → the coded meanings of those that have some."""
    numbered = {str(labels.index(label)): found for label, found in codes.items()}
    return {"labels": {str(n): label for n, label in enumerate(labels)}, **({"codes": numbered} if codes else {})}


def array_axes(slices: int, *, multi_frame: bool, flat: bool) -> tuple[int, ...]:
    """The axes of the array that MONAI's readers give, each as its place in (slice, row, column).

    Args:
        slices: of the image.
        multi_frame: several of them lie in one DICOM file.
        flat: a format that needs no third axis for one slice: DICOM and pictures.
    """
    if slices == 1 and flat:
        return (2, 1)
    return (1, 0, 2) if multi_frame else (2, 1, 0)


def axis_names(axes: Sequence[int]) -> str:
    """What the axes of the array count, such as ``column row slice``."""
    return " ".join(("slice", "row", "column")[axis] for axis in axes)


def plain_box(box: Box, axes: Sequence[int]) -> list[int]:
    """A box on such an array: its low corner, then its high one, which is exclusive."""
    return [corner[axis] for corner in (box.start, box.stop) for axis in axes]


def axes_of(record: Record) -> tuple[int, ...]:
    """`array_axes` of a variant."""
    assert record.geometry is not None
    frames = record.images[0].path.endswith(".dcm") and any(frame for _, frame in record.slice_frames)
    return array_axes(record.geometry.shape[0], multi_frame=frames, flat=record.planar)


def source_axes(reference: SourceRef | RecordedSource, kind: str | None) -> tuple[int, ...]:
    """`array_axes` of a real image of this format."""
    flat = kind == "dicom" or (kind in FORMATS and not FORMATS[kind].volumetric)
    frames = kind == "dicom" and any(reference.frames)
    return array_axes(len(reference.instance_uids), multi_frame=frames, flat=flat)


def world(box: Box, geometry: Geometry) -> list[float]:
    """The least box along the axes of LPS that holds the voxels of ``box`` whole: [x0, y0, z0, x1, y1, z1] in mm.

    Its corners lie on voxel edges, half a voxel beyond the centres; all eight are mapped, so that neither a flipped nor
    an oblique axis cuts anything off.
    """
    edges = np.array([(box.start[axis] - 0.5, box.stop[axis] - 0.5) for axis in range(3)])
    corners = geometry.to_world(np.array(list(itertools.product(*edges))))
    return [round(float(x), 4) for x in (*corners.min(axis=0), *corners.max(axis=0))]


def _item(record: Record, labels: Sequence[str], named: NamedSource | None) -> dict[str, Any]:
    first = PurePosixPath(record.images[0].path)
    made = {
        "unit": record.unit,
        "variant": record.variant,
        "seed": record.seed,
        "record": f"{record.folder}/{RECORD}",
        "synthetic": True,
        **({"classic": True} if record.kind == "classic" else {}),
    }
    image = str(first.parent if first.suffix == ".dcm" else first)
    return _entry(record, image, axes_of(record), labels, made | origin(record.source, named))


def _real_item(record: Record, labels: Sequence[str], named: NamedSource) -> dict[str, Any]:
    """With the same keys as a variant's, so that data loaders can collate both."""
    real = {"unit": "", "variant": -1, "seed": "", "record": "", "synthetic": False}
    real |= {"classic": False} if record.kind == "classic" else {}
    axes = source_axes(record.source, record.source.format)
    there = replace(record, boxes=record.source_boxes)
    return _entry(there, named.image, axes, labels, real | origin(record.source, named))


def _entry(
    record: Record, image: str, axes: Sequence[int], labels: Sequence[str], more: Mapping[str, Any]
) -> dict[str, Any]:
    """Provenance is flat, strings and numbers only, so that data loaders can collate it; the rest is in the record."""
    assert record.geometry is not None
    item: dict[str, Any] = {
        "image": image,
        "box": [plain_box(box, axes) for box in record.boxes],
        "label": [labels.index(box.label) for box in record.boxes],
        "fold": fold_of(record.source.patient),
        "medaug": {
            **more,
            "source": record.source.key,
            "source_series_uid": record.source.series_uid,
            "patient": record.source.patient,
            "axes": axis_names(axes),
        },
    }
    if record.geometry.space == "patient":
        item["box_lps"] = [world(box, record.geometry.geometry) for box in record.boxes]
    return item
