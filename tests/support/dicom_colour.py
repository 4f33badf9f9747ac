"""Ultrasound in colour, made byte by byte, and read byte by byte without the code under test."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pydicom
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGBaseline8Bit, JPEGLSLossless, RLELossless, UltrasoundImageStorage

from medaug.processes.quiet import quiet
from tests.support import make
from tests.support.dicom_edit import edit

ROWS, COLUMNS = 120, 100
ENCODINGS = (("RGB", 0), ("RGB", 1), ("YBR_FULL", 0), ("YBR_FULL", 1), ("YBR_FULL_422", 0))
OVERLAY = np.zeros((ROWS, COLUMNS), dtype=np.bool_)
OVERLAY[8:20, 10:30] = OVERLAY[95:105, 60:90] = OVERLAY[60, 50:52] = True  # the last one lies inside the box


def grey(seed: int = 1) -> np.ndarray:
    """(rows, columns), uint8."""
    return np.random.default_rng(seed).integers(30, 220, (ROWS, COLUMNS), dtype=np.uint8)


def samples(encoding: str, where: np.ndarray = OVERLAY) -> np.ndarray:
    """A radiograph's grey levels with a flow's colours over them: (rows, columns, 3) as ``encoding`` has them."""
    level = (np.add.outer(np.arange(ROWS), np.arange(COLUMNS)) // 2 + grey() // 8).astype(np.uint8)
    if encoding == "RGB":
        found = np.stack([level] * 3, axis=-1)
        found[where, 0] += 1  # the least that is colour
        found[8:14, 10:30][where[8:14, 10:30]] = (250, 30, 5)
        return found
    found = np.stack([level, *[np.full_like(level, 128)] * 2], axis=-1)
    found[where, 1] = 127
    found[8:14, 10:30][where[8:14, 10:30], 1:] = (90, 240)
    return found


def tinted(encoding: str) -> np.ndarray:
    """The same grey levels on a blue film: every pixel is coloured by its brightness, and noisily so."""
    level = samples(encoding, np.zeros_like(OVERLAY))[..., 0].astype(int)
    noise = np.random.default_rng(7).integers(-3, 4, (ROWS, COLUMNS))
    if encoding == "RGB":
        film = np.stack([level * 3 // 4 + noise, level * 7 // 8, level * 19 // 20 + 12], axis=-1)
    else:
        film = np.stack([level, 140 - level // 16 + noise, 124 + level // 64 + noise], axis=-1)
    if encoding == "YBR_FULL_422":
        film[:, 1::2, 1:] = film[:, ::2, 1:]
    return np.clip(film, 0, 255).astype(np.uint8)


def packed(found: np.ndarray, encoding: str, planar: int) -> bytes:
    if encoding == "YBR_FULL_422":
        lines = [[y1, y2, cb, cr] for (y1, cb, cr), (y2, _, _) in found.reshape(-1, 2, 3).tolist()]
        return bytes(value for line in lines for value in line)
    return (found.transpose(2, 0, 1) if planar else found).tobytes()


def ultrasound(
    folder: Path, encoding: str = "RGB", planar: int = 0, where: np.ndarray = OVERLAY, found: np.ndarray | None = None
) -> Path:
    """One file, ``x1.dcm``, of the samples ``found``, or of `samples`."""
    path = make.radiograph(folder, name="x1.dcm", rows=ROWS, columns=COLUMNS, seed=1)

    def coloured(ds: Dataset) -> None:
        ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = UltrasoundImageStorage
        ds.Modality, ds.SamplesPerPixel, ds.PhotometricInterpretation = "US", 3, encoding
        ds.PlanarConfiguration, ds.BitsAllocated, ds.BitsStored, ds.HighBit = planar, 8, 8, 7
        ds.PixelData = packed(samples(encoding, where) if found is None else found, encoding, planar)
        for keyword in ("WindowCenter", "WindowWidth", "PixelPaddingValue"):
            if keyword in ds:
                delattr(ds, keyword)

    return edit(path, coloured)


def compressed(path: Path, kind: str) -> np.ndarray:
    """The file in another syntax, in place; returns red, green and blue as they went in, or as Pillow decodes them."""
    ds = pydicom.dcmread(path)
    found = stored(path)
    assert ds.PhotometricInterpretation == "RGB"
    if kind == "jpeg":  # 4:2:2, as most ultrasounds are
        stream = io.BytesIO()
        Image.fromarray(found).save(stream, "JPEG", quality=95, subsampling="4:2:2")
        ds.PixelData, ds.PhotometricInterpretation = encapsulate([stream.getvalue()]), "YBR_FULL_422"
        ds["PixelData"].VR, ds.file_meta.TransferSyntaxUID = "OB", JPEGBaseline8Bit
        ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_10918_1"
        ds.LossyImageCompressionRatio, ds.PlanarConfiguration = "5", 0
        found = np.asarray(Image.open(stream))
    elif kind == "jpeg2000":
        ds.PhotometricInterpretation = "YBR_RCT"
        ds.compress(JPEG2000Lossless, found, encoding_plugin="pylibjpeg", generate_instance_uid=False)
    else:
        ds.compress({"rle": RLELossless, "jpeg-ls": JPEGLSLossless}[kind], generate_instance_uid=False)
    with quiet():
        ds.save_as(path, enforce_file_format=True)
    return found


def stored(path: Path) -> np.ndarray:
    """(rows, columns, 3) from the bytes of a native file; what two pixels share is given to both."""
    with quiet():
        ds = pydicom.dcmread(path)
    data, rows, columns = np.frombuffer(ds.PixelData, np.uint8), ds.Rows, ds.Columns
    if ds.PhotometricInterpretation == "YBR_FULL_422":
        y1, y2, cb, cr = (data[: 2 * rows * columns].reshape(rows, columns // 2, 4)[..., n] for n in range(4))
        found = np.empty((rows, columns, 3), np.uint8)
        found[:, ::2], found[:, 1::2] = np.stack([y1, cb, cr], axis=-1), np.stack([y2, cb, cr], axis=-1)
        return found
    shape = (3, rows, columns) if ds.PlanarConfiguration else (rows, columns, 3)
    found = data[: 3 * rows * columns].reshape(shape)
    return found.transpose(1, 2, 0) if ds.PlanarConfiguration else found


def is_grey(found: np.ndarray, encoding: str) -> np.ndarray:
    """(rows, columns), True where a pixel has no colour."""
    if encoding == "RGB":
        return np.ptp(found, axis=-1) == 0
    return (found[..., 1:] == 128).all(axis=-1)
