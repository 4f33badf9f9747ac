"""The corpus that fuzzing starts from: small files of every kind that the readers know, built in code."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGLSLossless,
    RLELossless,
)

from medaug.dicom.read.discover import discover
from medaug.dicom.read.read import read_series
from medaug.formats.nifti import write_nifti
from medaug.formats.nrrd import write_nrrd
from medaug.imaging.volume import Rescale, Volume
from tests.support import make
from tests.support.dicom_multiframe import enhanced, placed

CANARY = "ZQXCANARY"  # stands where a person's data would: no message may repeat it


Seeds = Iterator[tuple[str, bytes]]  # name and content of each


def dicom_seeds() -> Seeds:
    """Small instances of every transfer syntax and of several kinds."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        plain = make.radiograph(root / "cr", rows=33, columns=34)
        _named(plain)
        yield "cr", plain.read_bytes()
        for syntax in (RLELossless, JPEGLSLossless, JPEG2000Lossless):
            ds = pydicom.dcmread(plain)
            ds.compress(syntax, generate_instance_uid=False)
            yield syntax.name.split()[0] + syntax[-2:], _bytes(ds, root / "one")
        for syntax in (ImplicitVRLittleEndian, DeflatedExplicitVRLittleEndian):
            ds = Dataset()
            source = pydicom.dcmread(plain)
            ds.update(source)
            ds.file_meta = source.file_meta
            ds.file_meta.TransferSyntaxUID = syntax
            yield syntax.name[:8].replace(" ", ""), _bytes(ds, root / "one")
        yield "ct", make.series(root / "ct", slices=1, rows=8, columns=8)[0].read_bytes()
        yield "mr", _named(enhanced(root / "mr", [placed(3.0 * n) for n in range(3)])).read_bytes()
        yield "headless", plain.read_bytes()[132:]
        yield "meta", bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", 0)


def image_seeds() -> Seeds:
    """NIfTI and pictures."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        for name in ("a.nii", "a.nii.gz"):
            write_nifti(_stack(root / "stack"), root / name)
            yield name, (root / name).read_bytes()
        for kind in ("PNG", "JPEG", "TIFF"):
            Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(root / "one", format=kind)
            yield kind, (root / "one").read_bytes()


def nrrd_seeds() -> Seeds:
    """Gzipped, raw, of both ends first, with comments and pairs; and one whose voxels lie elsewhere."""
    with TemporaryDirectory() as folder:
        root = Path(folder)
        volume = replace(_stack(root / "stack"), rescale=(Rescale(),) * 3)
        write_nrrd(volume, root / "a.nrrd")
        data = (root / "a.nrrd").read_bytes()
    yield "gzip", data
    head = data.partition(b"\n\n")[0]
    raw, voxels = head.replace(b"encoding: gzip", b"encoding: raw"), volume.stored
    yield "raw", raw + b"\n\n" + voxels.astype("<i2").tobytes()
    big = raw.replace(b"endian: little", b"endian: big")
    yield "big", big + b"\n\n" + voxels.astype(">i2").tobytes()
    named = raw + f'\n# {CANARY}\nname:={CANARY}\ncontent: {CANARY}\nspace units: "mm" "mm" "mm"'.encode()
    yield "named", named + b"\n\n" + voxels.astype("<i2").tobytes()
    yield "detached", raw + b"\ndata file: a.raw\n\n"
    yield "windows", raw.replace(b"\n", b"\r\n") + b"\r\n\r\n" + voxels.astype("<i2").tobytes()


def _stack(folder: Path) -> Volume:
    if not folder.exists():
        make.series(folder, slices=3, rows=8, columns=8)
    (volume,) = read_series(discover(folder).series[0])
    return volume


def _named(path: Path) -> Path:
    ds = pydicom.dcmread(path)
    ds.PatientName = ds.PatientID = ds.StudyDescription = ds.Manufacturer = CANARY
    ds.private_block(0x0029, CANARY, create=True).add_new(0x01, "LO", CANARY)
    ds.save_as(path)
    return path


def _bytes(ds: Dataset, path: Path) -> bytes:
    ds.save_as(path, enforce_file_format=True)
    return path.read_bytes()
