"""Writes what the demo reads: small DICOM files, the same bytes on every machine, in which dciodvfy finds no error."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    CTImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    MRImageStorage,
)

SOP_CLASSES = {
    "CR": ComputedRadiographyImageStorage,
    "DX": DigitalXRayImageStorageForPresentation,
    "CT": CTImageStorage,
    "MR": MRImageStorage,
}
PARTS = {"LEG": ("30021000", "Lower leg"), "CHEST": ("51185008", "Chest")}  # with their SNOMED CT codes


def uid(*names: str | int | None) -> str:
    """A UID from names: the same names give the same UID."""
    return f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, '/'.join(map(str, names))).int}"


def header(modality: str, *names: str | int | None) -> Dataset:
    """What every image has, with declared identity; the names enter the UIDs of study and series."""
    ds = Dataset()
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    ds.SOPClassUID, ds.Modality = SOP_CLASSES[modality], modality
    ds.StudyInstanceUID, ds.SeriesInstanceUID = uid(*names, "study"), uid(*names, "series")
    ds.PatientName = ds.PatientBirthDate = ds.PatientSex = ""
    ds.PatientID = f"P{uid(*names)[-6:]}"
    ds.PatientIdentityRemoved, ds.DeidentificationMethod = "YES", "drawn by a program: there never was a patient"
    ds.StudyDate = ds.SeriesDate = ds.ContentDate = ds.AcquisitionDate = "20260101"
    ds.StudyTime = ds.SeriesTime = ds.ContentTime = ds.AcquisitionTime = "120000"
    ds.StudyID, ds.SeriesNumber, ds.AccessionNumber, ds.ReferringPhysicianName = "1", 1, "", ""
    ds.Manufacturer, ds.ManufacturerModelName = "medaug", "demo"
    return ds


def as_radiograph(ds: Dataset, part: str) -> Dataset:
    """Add what CR, or DX for presentation (PS3.3 A.26), ask for; of a part of the body in `PARTS`."""
    ds.BodyPartExamined, ds.PatientOrientation, ds.InstanceNumber = part, ["L", "F"], 1
    ds.ImagerPixelSpacing = ds.PixelSpacing = [0.2, 0.2]
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    if ds.Modality == "CR":
        ds.ViewPosition = "AP"
        if part == "LEG":
            ds.Laterality = "R"
        return ds
    ds.ImageType = ["ORIGINAL", "PRIMARY", ""]
    ds.PresentationIntentType, ds.AcquisitionContextSequence = "FOR PRESENTATION", []
    ds.ImageLaterality = "R" if part == "LEG" else "U"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.LossyImageCompression, ds.BurnedInAnnotation, ds.DetectorType = "00", "NO", "SCINTILLATOR"
    ds.PositionerType, ds.FrameOfReferenceUID = "NONE", uid(ds.SOPInstanceUID, "frame")
    ds.PositionReferenceIndicator = ""
    region = Dataset()
    region.CodeValue, region.CodeMeaning = PARTS[part]
    region.CodingSchemeDesignator = "SCT"
    ds.AnatomicRegionSequence = [region]
    return ds


def with_grey(ds: Dataset, image: npt.NDArray[np.float64], photometric: str, bits: int) -> Dataset:
    """Add rows × columns in [0, 1], bright is dense, over the whole range of ``bits``, and a window that shows it."""
    top = 2**bits - 1
    stored = np.rint(image * top)
    stored = top - stored if photometric == "MONOCHROME1" else stored
    ds.WindowCenter, ds.WindowWidth = (top + 1) / 2, top + 1
    return with_pixels(ds, stored.astype(np.uint8 if bits <= 8 else np.uint16), photometric, bits)


def with_pixels(ds: Dataset, stored: npt.NDArray[Any], photometric: str, bits: int) -> Dataset:
    """Add stored values, rows × columns."""
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, photometric
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = stored.dtype.itemsize * 8, bits, bits - 1
    ds.PixelRepresentation = int(np.issubdtype(stored.dtype, np.signedinteger))
    if ds.Modality == "DX":
        ds.PresentationLUTShape = "INVERSE" if photometric == "MONOCHROME1" else "IDENTITY"
    ds.add_new("PixelData", "OB" if stored.dtype.itemsize == 1 else "OW", stored.tobytes())
    return ds


def as_slice(ds: Dataset) -> Dataset:
    """Add what a slice of CT asks for beside its place, of the abdomen."""
    ds.BodyPartExamined = "ABDOMEN"
    ds.ImageType, ds.KVP, ds.AcquisitionNumber = ["ORIGINAL", "PRIMARY", "AXIAL"], 120, 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = -1024, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = 40, 400
    ds.PatientPosition, ds.PositionReferenceIndicator, ds.FrameOfReferenceUID = "HFS", "", uid(ds.StudyInstanceUID, 0)
    return ds


def save(ds: Dataset, path: Path) -> Path:
    """Write a file; its folder is made when missing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    ds.save_as(path, enforce_file_format=True)
    return path
