"""Builds what the tests read: small DICOM files, drawn in code, the same on every machine.

The phantoms are crude and mean nothing clinically; they hold what the readers must meet: air, soft tissue, bone,
a lesion whose box is known (`lesion`), and headers that dciodvfy finds no error in.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pydicom
from pydicom.dataset import Dataset

from examples.files import as_radiograph, as_slice, header, save, uid, with_grey, with_pixels
from medaug.imaging.boxes import Box
from medaug.imaging.geometry import Shape

Image = npt.NDArray[np.float64]


def lesion(shape: Shape, label: str = "lesion") -> Box:
    """The box of the lesion that every phantom of this shape holds, radiograph (one slice) or body."""
    center, radius = _lesion(shape)
    inside = _distance(shape, center, radius) <= 1
    spans = [np.flatnonzero(inside.any(axis=tuple({0, 1, 2} - {axis}))) for axis in range(3)]
    k, i, j = ((int(s[0]), int(s[-1]) + 1) for s in spans)
    return Box((k[0], i[0], j[0]), (k[1], i[1], j[1]), label)


def limb(rows: int, columns: int, *, seed: int = 0) -> Image:
    """A limb as a radiograph shows it: rows × columns in [0, 1], bright is dense.

    Air on both sides, soft tissue, two shafts with dense walls, and a lucent lesion in the wider one.
    """
    i, j = np.mgrid[0:rows, 0:columns] / np.array([[[rows]], [[columns]]])
    sway = 0.04 * np.sin(2 * np.pi * (i + 0.1 * seed))
    tissue = np.sqrt(np.clip(1 - ((j - 0.5 - sway) / 0.38) ** 2, 0, None))
    image = 0.04 + 0.34 * tissue
    for center, half in ((0.4, 0.09), (0.66, 0.05)):
        across = np.abs(j - center - sway) / half
        image += np.where(across < 1, 0.22 + 0.2 * across**4, 0.0)
    image -= np.where(_distance((1, rows, columns), *_lesion((1, rows, columns)))[0] <= 1, 0.15, 0.0)
    image += np.random.default_rng(seed).normal(0, 0.008, image.shape)
    return np.clip(image, 0, 1)


def body(shape: Shape, *, seed: int = 0) -> Image:
    """A trunk in Hounsfield units, (slices, rows, columns): air, soft tissue, a spine, and a dense lesion."""
    slices, rows, columns = shape
    k, i, j = np.mgrid[0:slices, 0:rows, 0:columns] / np.array(shape).reshape(3, 1, 1, 1)
    across = np.hypot((i - 0.5) / 0.40, (j - 0.5) / (0.44 - 0.03 * k))
    values = np.where(across <= 1, 40.0, -1000.0)
    values[np.hypot((i - 0.75) / 0.09, (j - 0.5) / 0.09) <= 1] = 600.0
    values[_distance(shape, *_lesion(shape)) <= 1] = 120.0
    return values + np.random.default_rng(seed).normal(0, 8, shape)


def radiograph(
    folder: Path,
    *,
    name: str = "a.dcm",
    rows: int = 256,
    columns: int = 200,
    photometric: str = "MONOCHROME2",
    bits: int = 12,
    modality: str = "CR",
    identity_removed: bool | None = True,
    seed: int = 0,
    study: str | None = None,
) -> Path:
    """Write a radiograph of a limb.

    Args:
        folder: where to; made when missing.
        name: the file's name; it enters the UIDs, so several radiographs may share a study.
        rows: height in px.
        columns: width in px.
        photometric: ``MONOCHROME2``, or ``MONOCHROME1`` (the stored values are then inverted).
        bits: BitsStored; up to 8 are stored in bytes.
        modality: ``CR``, or ``DX`` (Digital X-Ray Image Storage for presentation).
        identity_removed: True declares it, False leaves a person's name, None leaves both out.
        seed: another seed is another patient.
        study: a name shared by radiographs of one study.
    """
    names = ("radiograph", modality, study, seed)
    ds = _dataset(modality, names, identity_removed)
    ds.SeriesInstanceUID, ds.SOPInstanceUID = uid(*names, name, "series"), uid(*names, name)
    with_grey(as_radiograph(ds, "LEG"), limb(rows, columns, seed=seed), photometric, bits)
    return save(ds, folder / name)


def series(
    folder: Path,
    *,
    modality: str = "CT",
    slices: int = 6,
    rows: int = 64,
    columns: int = 64,
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    spacing: tuple[float, float, float] = (3.0, 0.8, 0.8),
    gap_at: int | None = None,
    tilt_deg: float = 0.0,
    identity_removed: bool | None = True,
    padding: int | None = None,
    seed: int = 0,
) -> tuple[Path, ...]:
    """Write a trunk, one file per slice; neither InstanceNumber nor the file names follow the slice normal.

    Args:
        folder: where to; made when missing.
        modality: ``CT`` (signed 16 bit, intercept −1024) or ``MR`` (unsigned 12 bit, no rescale).
        slices: files written.
        rows: height in px.
        columns: width in px.
        orientation: ImageOrientationPatient; two orthogonal unit vectors.
        spacing: mm between slices, rows and columns.
        gap_at: leave out one position before this slice.
        tilt_deg: the table moves this far off the slice normal, as under a tilted gantry.
        identity_removed: True declares it, False leaves a person's name, None leaves both out.
        padding: stored value outside the round field of view; also PixelPaddingValue.
        seed: another seed is another patient.

    Returns:
        The files in order along the slice normal.
    """
    values = body((slices, rows, columns), seed=seed)
    row, column = np.array(orientation[:3], dtype=np.float64), np.array(orientation[3:], dtype=np.float64)
    tilt = math.radians(tilt_deg)
    step = spacing[0] * (math.cos(tilt) * np.cross(row, column) + math.sin(tilt) * column)
    numbers = np.random.default_rng(seed).permutation(slices)
    files = []
    for k in range(slices):
        ds = _slice(modality, ("series", modality, seed), identity_removed, padding)
        ds.SOPInstanceUID = uid("series", modality, seed, k)
        ds.InstanceNumber = int(numbers[k]) + 1
        ds.ImageOrientationPatient = [_decimal(x) for x in orientation]
        position = np.array([-30.0, -25.0, -100.0]) + step * (k + (gap_at is not None and k >= gap_at))
        ds.ImagePositionPatient = [_decimal(x) for x in position]
        ds.PixelSpacing, ds.SliceThickness = list(spacing[1:]), spacing[0]
        if modality == "CT":
            ds.GantryDetectorTilt = tilt_deg
        with_pixels(ds, _stored(values[k], modality, padding), "MONOCHROME2", 16 if modality == "CT" else 12)
        files.append(save(ds, folder / f"IM{numbers[k]:04d}"))
    return tuple(files)


def seg(folder: Path, sources: Sequence[Path], mask: npt.NDArray[Any], labels: Sequence[str]) -> Path:
    """Write a DICOM Segmentation (binary) that refers to a series.

    Args:
        folder: where to; made when missing.
        sources: the series' files; ``sources[k]`` is the slice of ``mask[k]``.
        mask: (slices, rows, columns); the value n marks the segment ``labels[n - 1]``, 0 none.
        labels: one name per segment.
    """
    import highdicom as hd
    from pydicom.sr.coding import Code

    abnormal = Code("49755003", "SCT", "Morphologically Abnormal Structure")
    lesion_code = Code("52988006", "SCT", "Lesion")
    descriptions = [
        hd.seg.SegmentDescription(n, label, abnormal, lesion_code, hd.seg.SegmentAlgorithmTypeValues.MANUAL)
        for n, label in enumerate(labels, 1)
    ]
    names = ("seg", *map(str, labels))
    built = hd.seg.Segmentation(
        source_images=[pydicom.dcmread(path) for path in sources],
        pixel_array=mask.astype(np.uint8),
        segmentation_type=hd.seg.SegmentationTypeValues.BINARY,
        segment_descriptions=descriptions,
        series_instance_uid=uid(*names, "series"),
        series_number=100,
        sop_instance_uid=uid(*names),
        instance_number=1,
        manufacturer="medaug tests",
        manufacturer_model_name="phantom",
        software_versions="1",
        device_serial_number="1",
    )
    for keyword in ("InstanceCreation", "Content", "Series"):
        setattr(built, f"{keyword}Date", "20260101")
        setattr(built, f"{keyword}Time", "120000")
    return save(built, folder / "seg.dcm")


def _lesion(shape: Shape) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
    """Centre and radius in voxels along (k, i, j)."""
    k, i, j = shape
    center = ((k - 1) / 2, 0.42 * i, 0.4 * j) if k == 1 else (0.5 * (k - 1), 0.4 * i, 0.36 * j)
    return center, (max(0.25 * k, 0.5), 0.08 * i, 0.06 * j if k == 1 else 0.08 * j)


def _distance(shape: Shape, center: Sequence[float], radius: Sequence[float]) -> Image:
    axes = np.ogrid[tuple(slice(0, n) for n in shape)]
    return np.asarray(np.sqrt(sum(((x - c) / r) ** 2 for x, c, r in zip(axes, center, radius, strict=True))))


def _dataset(modality: str, names: tuple[str | int | None, ...], identity_removed: bool | None) -> Dataset:
    ds = header(modality, *names)
    ds.PatientID, ds.Manufacturer, ds.ManufacturerModelName = "", "medaug tests", "phantom"
    if identity_removed:
        ds.PatientID = f"phantom-{uid(*names)[-8:]}"
        return ds
    del ds.PatientIdentityRemoved, ds.DeidentificationMethod
    if identity_removed is False:
        ds.PatientName, ds.PatientID, ds.PatientBirthDate = "Doe^Jane", f"MRN-{uid(*names)[-8:]}", "19700101"
    return ds


def _slice(
    modality: str, names: tuple[str | int | None, ...], identity_removed: bool | None, padding: int | None
) -> Dataset:
    ds = _dataset(modality, names, identity_removed)
    if modality == "CT":
        as_slice(ds)
        ds.FrameOfReferenceUID = uid(*names, "frame")
    else:
        ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = uid(*names, "frame"), ""
        ds.PatientPosition, ds.AcquisitionNumber, ds.BodyPartExamined = "HFS", 1, "ABDOMEN"
        ds.ImageType, ds.ScanningSequence, ds.SequenceVariant = ["ORIGINAL", "PRIMARY", "OTHER"], "SE", "NONE"
        ds.ScanOptions, ds.MRAcquisitionType = "", "2D"
        ds.RepetitionTime, ds.EchoTime, ds.EchoTrainLength = 500, 15, 1
        ds.WindowCenter, ds.WindowWidth = 1000, 2000
    if padding is not None:
        ds.add_new("PixelPaddingValue", "SS" if modality == "CT" else "US", padding)
    return ds


def _stored(values: Image, modality: str, padding: int | None) -> npt.NDArray[Any]:
    stored = np.rint(values + 1024) if modality == "CT" else np.clip(np.rint(values + 1000), 0, 4095)
    if padding is not None:
        rows, columns = values.shape
        i, j = np.mgrid[0:rows, 0:columns]
        stored[np.hypot((i + 0.5) / rows - 0.5, (j + 0.5) / columns - 0.5) > 0.5] = padding
    return stored.astype(np.int16 if modality == "CT" else np.uint16)


def _decimal(value: float) -> str:
    """A DS of at most 16 characters."""
    return f"{round(value, 9):.12g}"
