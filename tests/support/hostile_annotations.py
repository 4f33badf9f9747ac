"""Every kind of bad annotation that the tests know, built in code: what it is, and how the command ends."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import RLELossless

from medaug.imaging.volume import Volume
from tests.support import make
from tests.support.annotation_objects import item, saved
from tests.support.dicom_bytes import part10

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


def kinds() -> Iterator[Kind]:
    """All of them."""
    for group in (of_numbers,):
        yield from group()
