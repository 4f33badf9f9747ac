"""A plan's boxes in other formats, image by image.

Images are named by SOP Instance UID and by their file's digest. The file's own name stands there only where that was
asked for, and no other name is invented for it.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath

from medaug.errors import AnnotationError
from medaug.execution.planning.naming import relative_name
from medaug.execution.planning.units import Unit
from medaug.imaging.boxes import Box, codes_by_label
from medaug.manifests.coco import coco_box
from medaug.manifests.monai import axis_names, named_classes, plain_box, source_axes
from medaug.manifests.yolo import yolo_lines


@dataclass(frozen=True)
class LabelledSlice:
    """One slice with boxes.

    Attributes:
        uid: SOP Instance UID; of another file the name made from its content.
        slice: k where one instance holds several slices, else None.
        rows: image height in px.
        columns: image width in px.
        boxes: those that reach into the slice.
        sha256: digest of its file.
        name: of its file relative to INPUT, where names were asked for; else ``""``.
    """

    uid: str
    slice: int | None
    rows: int
    columns: int
    boxes: tuple[Box, ...]
    sha256: str
    name: str = ""


def labelled(units: Sequence[Unit], root: Path | None = None) -> Iterator[LabelledSlice]:
    """Every slice with boxes, each source once; a box over several slices is one on each of them.

    Args:
        units: of the plan.
        root: INPUT, where the names of its files may be shown.
    """
    for unit in _sources(units):
        slices, rows, columns = unit.shape
        uids, digests, files = unit.reference.instance_uids, unit.reference.sha256, unit.reference.files
        for k in range(slices):
            here = tuple(box for box in unit.boxes if box.start[0] <= k < box.stop[0])
            if here:
                name = relative_name(files[k], root) if root and files else ""
                several = k if uids.count(uids[k]) > 1 else None
                yield LabelledSlice(uids[k], several, rows, columns, here, digests[k], name)


def to_csv(images: Sequence[LabelledSlice]) -> str:
    """Comma-separated, as `annotations.tabular` reads it: half-open pixels from 0."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("sop_instance_uid", "slice", "x_min", "y_min", "x_max", "y_max", "label"))
    for image in images:
        for box in image.boxes:
            (_, top, left), (_, bottom, right) = box.start, box.stop
            writer.writerow(
                (image.uid, "" if image.slice is None else image.slice, left, top, right, bottom, box.label)
            )
    return stream.getvalue()


def to_coco(images: Sequence[LabelledSlice]) -> str:
    """COCO JSON with ``sop_instance_uid``, ``sha256``, ``slice`` where it is needed, and ``file_name`` where known."""
    labels = _labels(images)
    content = {
        "images": [
            {
                "id": n,
                **({"file_name": image.name} if image.name else {}),
                "sop_instance_uid": image.uid,
                "sha256": image.sha256,
                "width": image.columns,
                "height": image.rows,
                **({} if image.slice is None else {"slice": image.slice}),
            }
            for n, image in enumerate(images, 1)
        ],
        "annotations": [
            {"id": m, "image_id": n, "category_id": labels.index(box.label) + 1, "iscrowd": 0, **coco_box(box)}
            for m, (n, box) in enumerate(((n, b) for n, i in enumerate(images, 1) for b in i.boxes), 1)
        ],
        "categories": [{"id": n, "name": label} for n, label in enumerate(labels, 1)],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def to_yolo(images: Sequence[LabelledSlice]) -> dict[str, str]:
    """File name → content: one ``.txt`` per image, called like it, and ``classes.txt``.

    Raises:
        AnnotationError: an instance holds several slices, for which YOLO has no words.
    """
    if any(image.slice is not None for image in images):
        raise AnnotationError("YOLO: expected one slice per image, found several in one; convert to coco or csv")
    labels = _labels(images)
    files = {"classes.txt": "".join(f"{label}\n" for label in labels)}
    for image in images:
        stem = PurePosixPath(image.name).with_suffix("") if image.name else image.uid
        files[f"{stem}.txt"] = yolo_lines(image.boxes, labels, image.rows, image.columns)
    return files


def to_monai(units: Sequence[Unit], root: Path | None = None) -> str:
    """A datalist, one item for each source, with boxes as in monai.json.

    An image is its file (or the folder of its files) relative to ``root`` where that is given, else its SOP Instance
    UID, or the series' UID where it has several.
    """
    sources = _sources(units)
    labels = sorted({box.label for unit in sources for box in unit.boxes})
    content = {
        **named_classes(labels, codes_by_label(box for unit in sources for box in unit.boxes)),
        "numTraining": len(sources),
        "training": [_item(unit, labels, root) for unit in sources],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _item(unit: Unit, labels: Sequence[str], root: Path | None) -> dict[str, object]:
    reference = unit.reference
    axes = source_axes(reference, reference.format)
    alone = len(set(reference.instance_uids)) == 1
    image = reference.instance_uids[0] if alone else reference.series_uid
    if root and reference.files:
        file = reference.files[0]
        image = relative_name(file if len(set(reference.files)) == 1 else file.parent, root)
    return {
        "image": image,
        "box": [plain_box(box, axes) for box in unit.boxes],
        "label": [labels.index(box.label) for box in unit.boxes],
        "medaug": {
            "sop_instance_uid": reference.instance_uids[0],
            "series_uid": reference.series_uid,
            "sha256": reference.sha256[0],
            "axes": axis_names(axes),
        },
    }


def write_sr(units: Sequence[Unit], folder: Path, created: datetime) -> None:
    """One measurement report (TID 1500) for each DICOM source in a new folder; it names the instances it lies on.

    Raises:
        AnnotationError: a source is no DICOM series, and only such can be referred to.
        WriteError: no report can be built from its headers.
        OutputError: the disk didn't take it.
    """
    from medaug.dicom.evidence.source_report import write_labels

    sources = _sources(units)
    if any(unit.reference.format != "dicom" for unit in sources):
        raise AnnotationError("SR: expected DICOM series only, found another format; convert to monai, coco or csv")
    folder.mkdir(parents=True)
    for unit in sources:
        path = folder / f"boxes-{unit.recipe.source[:16]}.dcm"
        write_labels(unit.reference, unit.boxes, created=created, path=path)


def _labels(images: Sequence[LabelledSlice]) -> list[str]:
    return sorted({box.label for image in images for box in image.boxes})


def _sources(units: Sequence[Unit]) -> list[Unit]:
    """One unit of each source."""
    return list({unit.recipe.source: unit for unit in units}.values())
