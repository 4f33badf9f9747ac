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
from medaug.imaging.volume import Rescale
from tests.support import make
from tests.support.dicom_multiframe import enhanced, placed

CANARY = "ZQXCANARY"  # stands where a person's data would: no message may repeat it


def seeds() -> Iterator[tuple[str, bytes]]:
    """Name and content of each."""
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
        make.series(root / "stack", slices=3, rows=8, columns=8)
        (volume,) = read_series(discover(root / "stack").series[0])
        for name in ("a.nii", "a.nii.gz"):
            write_nifti(volume, root / name)
            yield name, (root / name).read_bytes()
        write_nrrd(replace(volume, rescale=(Rescale(),) * 3), root / "a.nrrd")
        yield "a.nrrd", (root / "a.nrrd").read_bytes()
        for kind in ("PNG", "JPEG", "TIFF"):
            Image.fromarray(np.arange(400, dtype=np.uint8).reshape(20, 20)).save(root / "one", format=kind)
            yield kind, (root / "one").read_bytes()
        yield "meta", bytes(128) + b"DICM" + struct.pack("<HH2sH", 2, 0x10, b"UI", 0)


def _named(path: Path) -> Path:
    ds = pydicom.dcmread(path)
    ds.PatientName = ds.PatientID = ds.StudyDescription = ds.Manufacturer = CANARY
    ds.private_block(0x0029, CANARY, create=True).add_new(0x01, "LO", CANARY)
    ds.save_as(path)
    return path


def _bytes(ds: Dataset, path: Path) -> bytes:
    ds.save_as(path, enforce_file_format=True)
    return path.read_bytes()
