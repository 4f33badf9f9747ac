"""Every kind of bad annotation that the tests know, built in code: what it is, and how the command ends."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_objects import item, saved
from tests.support.dicom_bytes import part10
from tests.support.hostile_kinds import detached, png

IMPLICIT = b"1.2.840.10008.1.2\0"
SEG, RTSTRUCT = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.481.3"
Build = Callable[[Path, Volume], Path]
READ = ""  # it is read all the same


@dataclass(frozen=True)
class Kind:
    """A bad annotation beside a good radiograph.

    Attributes:
        name: short, for the table.
        build: makes it in a folder, for the radiograph, and says which path is given as annotations.
        said: what the command must say; ``READ`` where the label is read all the same.
        code: exit code of `medaug plan`.
    """

    name: str
    build: Build
    said: str
    code: int


def radiograph(folder: Path) -> Volume:
    """The good one, read back."""
    from medaug.dicom.read.discover import discover
    from medaug.dicom.read.read import read_series

    make.radiograph(folder, name="x1.dcm", rows=120, columns=100, seed=1)
    (volume,) = read_series(discover(folder).series[0])
    return volume


def segmentation(change: Callable[[Dataset], object]) -> Build:
    def build(folder: Path, volume: Volume) -> Path:
        mask = np.zeros((1, 120, 100), dtype=np.uint8)
        mask[make.lesion(mask.shape).slices] = 1
        path = make.seg(folder, volume.source.files, mask, ["lesion"])
        dataset = pydicom.dcmread(path)
        change(dataset)
        dataset.save_as(path)
        return path

    return build


def _frames(count: int, rows: int = 0, syntax: str = "") -> Callable[[Dataset], None]:
    def change(dataset: Dataset) -> None:
        if syntax:
            dataset.file_meta.TransferSyntaxUID = syntax
            dataset.BitsAllocated, dataset.BitsStored, dataset.HighBit = 8, 8, 7
            dataset.PixelData = encapsulate([struct.pack("<16I", 1, 64, *[0] * 14) + b"\x81\0" * 100], has_bot=False)
            dataset["PixelData"].VR, dataset["PixelData"].is_undefined_length = "OB", True
        if rows:
            dataset.Rows = dataset.Columns = rows
        dataset.NumberOfFrames = count

    return change


def contours(numbers: int, *, implicit: bool) -> Build:
    """A structure set whose one contour has so many numbers, as DS or, beyond 64 KiB, as UN."""

    def build(folder: Path, volume: Volume) -> Path:
        text = b"\\".join([b"1", b"2", b"3"] * (numbers // 3))
        contour = item(ContourImageSequence=[item(ReferencedSOPInstanceUID=volume.source.instance_uids[0])])
        contour[0x30060050] = pydicom.DataElement(0x30060050, "UN", text + b" " * (len(text) % 2))
        dataset = item(
            StructureSetROISequence=[item(ROINumber=7, ROIName="lesion")],
            ROIContourSequence=[item(ReferencedROINumber=7, ContourSequence=[contour])],
        )
        return saved(folder / "rt.dcm", RTSTRUCT, dataset, IMPLICIT.decode().strip("\0") if implicit else "")

    return build


def promised(length: int, group: int = 0x0008, number: int = 0x0005, sop_class: str = RTSTRUCT) -> Build:
    """An implicit value of so many bytes, in a sparse file that has them."""

    def build(folder: Path, _: Volume) -> Path:
        path = folder / "big.dcm"
        with path.open("wb") as file:
            file.write(part10(IMPLICIT, b""))
            if (group, number) > (8, 0x16):
                file.write(struct.pack("<HHI", 8, 0x16, len(sop_class)) + sop_class.encode())
            file.write(struct.pack("<HHI", group, number, length))
            file.seek(length - 1, 1)
            file.write(b"\0")
        return path

    return build


def bare(build: Build) -> Build:
    """The same without preamble and file meta."""

    def stripped(folder: Path, volume: Volume) -> Path:
        path = build(folder, volume)
        size, head = path.stat().st_size, len(part10(IMPLICIT, b""))
        with path.open("rb") as file:
            file.seek(head)
            first = file.read(64)
        with (folder / "bare.dcm").open("wb") as file:
            file.write(first)
            file.truncate(size - head)
        path.unlink()
        return folder / "bare.dcm"

    return stripped


def of_numbers() -> Iterator[Kind]:
    """Numbers that promise more than the file holds."""
    yield Kind("SEG of 1e9 frames", segmentation(_frames(10**9)), "expected 1 frames", 2)
    yield Kind("SEG of 65,535 × 65,535", segmentation(_frames(1, 65535)), "its pixels can't be decoded", 2)
    yield Kind("SEG of 65,535 × 65,535, RLE", segmentation(_frames(1, 65535, RLELossless)), "more than the 896 MiB", 2)
    yield Kind("RTSTRUCT, a million numbers in a contour", contours(999_999, implicit=False), "grid-differs", 3)
    yield Kind("RTSTRUCT, 12 million numbers in a contour", contours(12_000_000, implicit=True), "grid-differs", 3)
    yield Kind("implicit value of 3 GB in a sparse file", promised(3 << 30), "found none of them", 2)
    yield Kind("the same after its SOP class", promised(3 << 30, 0x10, 0x10), "found something else", 2)
    yield Kind("the same without file meta", bare(promised(3 << 30)), "found none of them", 2)
    yield Kind("SEG with a value of 3 GB", promised(3 << 30, 0x10, 0x10, SEG), "found something else", 2)


def document(name: str, content: str | bytes, given: str = "", **beside: str) -> Build:
    """A file of that name, or of several, of which one is given."""

    def build(folder: Path, _: Volume) -> Path:
        (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        for other, text in beside.items():
            (folder / other.replace("_", ".")).write_text(text)
        return folder / (given or name)

    return build


def yolo(yaml: str) -> Build:
    """A label file and its list of classes."""
    return document("x1.txt", "0 0.5 0.5 0.2 0.2\n", data_yaml=yaml)


def labelme(*points: float, label: str = "lesion") -> Build:
    shape = {"label": label, "points": [points[:2], points[2:]], "shape_type": "rectangle"}
    return document("x1.json", json.dumps({"shapes": [shape], "imagePath": "x1.dcm"}))


def coco(**changes: Any) -> Build:
    annotation = {"id": 1, "image_id": 1, "category_id": 0, "bbox": [10, 10, 20, 20]}
    images = [{"id": 1, "file_name": "x1.dcm"}]
    content = {"images": images, "annotations": [{**annotation, **changes}], "categories": [{"id": 0, "name": "a"}]}
    return document("boxes.json", json.dumps(content))


def label_map(name: str, data: bytes, **beside: str) -> Build:
    return document(name, data, **beside)


def of_documents() -> Iterator[Kind]:
    """YAML, JSON and XML that blow up, and numbers and texts that no reader can hold."""
    laughs = "".join(f"k{n}: &k{n} [{', '.join([f'*k{n - 1}'] * 9) if n else 'x'}]\n" for n in range(40))
    yield Kind("data.yaml of aliases of aliases", yolo(laughs), "data.yaml: expected YAML without aliases", 2)
    merges = "a0: &a0 {k: v}\n" + "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    yield Kind("data.yaml of merges of merges", yolo(merges), "data.yaml: expected YAML without aliases", 2)
    yield Kind("data.yaml, 100,000 lists in each other", yolo("[" * 100_000), "data.yaml: expected YAML", 2)
    yield Kind("data.yaml, a number of 5,000 digits", yolo(f"names: {{{'9' * 5000}: a}}"), "data.yaml: expected", 2)
    yield Kind("XML, a million elements in each other", document("x1.xml", "<a>" * 1_000_000), "at most 32 elements", 2)
    wide = "<annotation>" + "<a/>" * 500_000 + "</annotation>"
    yield Kind("XML of 2 MB", document("x1.xml", wide), READ, 3)
    yield Kind("JSON, a million lists in each other", document("boxes.json", "[" * 1_000_000), "shallow nesting", 2)
    yield Kind(
        "JSON, a million lists beside each other", document("b.json", f"[{'[],' * 1_000_000}[]]"), "COCO file", 2
    )
    digits = document("boxes.json", json.dumps({"images": [1]}).replace("1", "9" * 5000))
    yield Kind("JSON, a number of 5,000 digits", digits, "expected finite numbers", 2)
    yield Kind("COCO, a corner of 1e308", coco(bbox=[1e308, 0, 1e308, 5]), "bad-entry", 3)
    yield Kind("COCO, a corner of 400 digits", coco(bbox=[10**400, 0, 5, 5]), "bad-entry", 3)
    yield Kind("COCO, an image of 400 digits", coco(image_id=10**400), "annotation 0: expected", 2)
    yield Kind("COCO, an id of half a surrogate pair", coco(id="\ud800"), READ, 0)
    yield Kind(
        "COCO, 200,000 runs",
        coco(bbox=None, segmentation={"size": [120, 100], "counts": [1] * 200_000}),
        "bad-entry",
        3,
    )
    yield Kind("LabelMe, corners of 1e308", labelme(-1e308, 0, 1e308, 5), "number up to 1e+12", 3)
    yield Kind("LabelMe, a label of 315 characters", labelme(1, 1, 20, 20, label="a" * 315), "at most 64 characters", 3)
    head = "image,label,x,y,width,height\n"
    yield Kind(
        "CSV, a number of 5,000 digits", document("b.csv", f"{head}x1.dcm,a,{'9' * 5000},1,5,5\n"), "bad-entry", 3
    )
    yield Kind("CSV, 1e308 twice", document("b.csv", f"{head}x1.dcm,a,1e308,1,1e308,5\n"), "bad-entry", 3)
    yield Kind("YOLO, a class of 5,000 digits", document("x1.txt", f"{'9' * 5000} 0.5 0.5 0.1 0.1\n"), "bad-entry", 3)
    yield Kind("VOC, a corner of 5,000 digits", document("x1.xml", _voc("9" * 5000)), "bad-entry", 3)
    yield Kind("VOC, a turn of 1e308", document("x1.xml", _voc("1", "<rotation>1e308</rotation>")), "bad-entry", 3)


def _voc(corner: str, more: str = "") -> str:
    box = f"<bndbox><xmin>{corner}</xmin><ymin>5</ymin><xmax>20</xmax><ymax>20</ymax></bndbox>"
    return f"<annotation><filename>x1.dcm</filename><object><name>a</name>{box}{more}</object></annotation>"


def of_label_maps() -> Iterator[Kind]:
    """Label maps that are something else, or lie elsewhere."""
    dicom = part10(b"1.2.840.10008.1.2.4.90", bytes(500))
    for suffix in ("nii", "nii.gz", "nrrd"):
        yield Kind(f"DICOM named .{suffix}", label_map(f"x1.{suffix}", dicom), "label map: ", 2)
    yield Kind("PNG named .nrrd", label_map("x1.nrrd", png(64, 64)), "label map: NRRD file", 2)
    yield Kind("NIfTI named .dcm", label_map("x1.dcm", bytes(400)), "found none of them", 2)
    for name, field in (
        ("a data file", "data file: /etc/passwd"),
        ("a list", "datafile: LIST"),
        ("a FIFO", "data file: fifo"),
    ):
        content = detached(70 << 10, field)
        yield Kind(
            f"NRRD with {name} named behind 70 KB of comments", label_map("x1.nrrd", content), "in another file", 2
        )
    yield Kind(
        "NRRD with 300 KB of comments", label_map("x1.nrrd", detached(300 << 10, "min: 0")), "NRRD header that ends", 2
    )


def kinds() -> Iterator[Kind]:
    """All of them."""
    for group in (of_numbers, of_documents, of_label_maps):
        yield from group()
