"""Enhanced CT and MR objects, built in code: frames in any order, with repeats, a slope and a window of their own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import EnhancedCTImageStorage, EnhancedMRImageStorage, ExplicitVRLittleEndian

from tests.support.make import uid

CLASSES = {"CT": EnhancedCTImageStorage, "MR": EnhancedMRImageStorage}
Macros = dict[str, dict[str, Any]]


def values(frames: int, rows: int = 40, columns: int = 36) -> np.ndarray:
    """(frames, rows, columns) of 12 bits; every frame differs from every other."""
    noise = np.random.default_rng(7).integers(0, 1000, (frames, rows, columns))
    return (noise + 100 * np.arange(frames)[:, None, None]).astype(np.uint16) % 4096


def enhanced(
    folder: Path,
    frames: Sequence[Macros],
    *,
    modality: str = "MR",
    shared: Macros | None = None,
    dimensions: Sequence[tuple[str, str]] = (),
    orientation: Sequence[float] = (1, 0, 0, 0, 1, 0),
    change: Callable[[Dataset], object] | None = None,
    name: str = "enhanced.dcm",
) -> Path:
    """Write one object.

    Args:
        folder: where to; made when missing.
        frames: per frame its macros, sequence keyword → attributes; see `placed`.
        modality: ``CT`` or ``MR``.
        shared: macros of all frames; orientation, pixel measures and rescale are there unless given.
        dimensions: (DimensionIndexPointer, FunctionalGroupPointer) keywords, in order.
        orientation: ImageOrientationPatient.
        change: a last change to the data set.
        name: of the file; enters the UIDs.
    """
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality = CLASSES[modality], modality
    ds.SOPInstanceUID, ds.SeriesInstanceUID, ds.StudyInstanceUID = uid(name), uid(name, "series"), uid("study")
    ds.PatientID, ds.PatientIdentityRemoved, ds.DeidentificationMethod = "phantom", "YES", "a phantom"
    ds.FrameOfReferenceUID, ds.ImageType = uid("frame"), ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]
    ds.NumberOfFrames = len(frames)
    stored = values(len(frames))
    ds.Rows, ds.Columns = stored.shape[1:]
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, "MONOCHROME2"
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 0
    everywhere: Macros = {
        "PlaneOrientationSequence": {"ImageOrientationPatient": [f"{x:.10g}" for x in orientation]},
        "PixelMeasuresSequence": {"PixelSpacing": [0.8, 0.9], "SliceThickness": 3},
        "PixelValueTransformationSequence": {"RescaleSlope": 1, "RescaleIntercept": 0, "RescaleType": "US"},
        "MRImageFrameTypeSequence": {"FrameType": ["ORIGINAL", "PRIMARY", "VOLUME", "NONE"]},
    }
    ds.SharedFunctionalGroupsSequence = [_groups({**everywhere, **(shared or {})})]
    ds.PerFrameFunctionalGroupsSequence = [_groups(macros) for macros in frames]
    ds.DimensionIndexSequence = [_item(DimensionIndexPointer=a, FunctionalGroupPointer=b) for a, b in dimensions]
    ds.add_new("PixelData", "OW", stored.tobytes())
    if change:
        change(ds)
    folder.mkdir(parents=True, exist_ok=True)
    ds.save_as(folder / name, enforce_file_format=True)
    return folder / name


def placed(depth: float, *, normal: Sequence[float] = (0, 0, 1), **macros: dict[str, Any]) -> Macros:
    """A frame at ``depth`` mm along the normal."""
    position = [f"{x:.10g}" for x in np.array([-30.0, -25.0, -100.0]) + depth * np.array(normal)]
    return {"PlanePositionSequence": {"ImagePositionPatient": position}, **macros}


def delimit(ds: Dataset) -> None:
    """Sequences and items of undefined length, all the way down."""
    for element in ds:
        if element.VR == "SQ":
            element.is_undefined_length = True
            for item in element.value:
                item.is_undefined_length_sequence_item = True
                delimit(item)


def _groups(macros: Macros) -> Dataset:
    return _item(**{keyword: [_item(**attributes)] for keyword, attributes in macros.items()})


def _item(**attributes: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    return ds
