"""What the writer's tests share: sources with every trap in their headers, and variants of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset

from medaug.dicom.write.provenance import Provenance
from medaug.dicom.write.write import Style, write_series
from medaug.imaging.geometry import Geometry, planar
from medaug.imaging.volume import Mask, Rescale, SourceRef, Volume

PROVENANCE = Provenance(
    unit=hashlib.sha256(b"a unit of the tests").hexdigest(),
    variant=2,
    seed="18446744073709551615",
    summary="PSLD, 100 steps, strength 0.4",
    software_version="0.1.0",
    created=datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC),
    prior="tiny-limb sha256:0123456789abcdef",
    run="0123456789abcdef",
)


def as_volume(files: Sequence[Path]) -> Volume:
    """The volume of single-frame files in this order, read without medaug."""
    read = [pydicom.dcmread(path) for path in files]
    first, shape = read[0], (len(read), read[0].Rows, read[0].Columns)
    bits, signed = first.BitsStored, first.PixelRepresentation
    padding = first.get("PixelPaddingValue")
    return Volume(
        stored=np.stack([ds.pixel_array for ds in read]),
        geometry=planar(*shape[1:], None) if len(read) == 1 else Geometry(shape, np.eye(4), "patient"),
        rescale=(Rescale(),) * len(read),
        window=None,
        stored_range=(-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1),
        padding=None if padding is None else (padding, first.get("PixelPaddingRangeLimit", padding)),
        inverted=first.PhotometricInterpretation == "MONOCHROME1",
        source=SourceRef(
            format="dicom",
            modality=first.Modality,
            study_uid=first.StudyInstanceUID,
            series_uid=first.SeriesInstanceUID,
            instance_uids=tuple(str(ds.SOPInstanceUID) for ds in read),
            files=tuple(files),
            sha256=tuple(hashlib.sha256(path.read_bytes()).hexdigest() for path in files),
        ),
    )


def ring(volume: Volume, slices: slice = slice(None)) -> Mask:
    """The outer third of these slices, without padding: what a variant generates in these tests."""
    _, rows, columns = volume.stored.shape
    changed = np.zeros(volume.stored.shape, dtype=np.bool_)
    changed[slices] = True
    changed[:, rows // 6 : -rows // 6, columns // 6 : -columns // 6] = False
    return changed & ~volume.padded


def variant_of(volume: Volume, changed: Mask) -> Volume:
    """Other values at ``changed``, in range and never padding."""
    low, high = int(volume.stored.min()), int(volume.stored.max())
    drawn = np.random.default_rng(0).integers(low, high + 1, volume.stored.shape).astype(volume.stored.dtype)
    filler = volume.stored[~volume.padded].max()
    drawn[replace(volume, stored=drawn.copy()).padded] = filler
    return replace(volume, stored=np.where(changed, drawn, volume.stored))


def written(volume: Volume, folder: Path, changed: Mask | None = None, **options: Any) -> tuple[Path, ...]:
    """The files of a variant of ``volume``."""
    changed = ring(volume) if changed is None else changed
    provenance = options.pop("provenance", PROVENANCE)
    variant, style = variant_of(volume, changed), Style(**options)
    files = write_series(variant, changed, source=volume, provenance=provenance, folder=folder, style=style)
    return tuple(file.path for file in files)


def edited(path: Path, edit: Callable[[Dataset], None]) -> Path:
    """The file with its header edited in place."""
    ds = pydicom.dcmread(path)
    edit(ds)
    ds.save_as(path, enforce_file_format=True)
    return path


def full_of_traps(ds: Dataset) -> None:
    """Give a source everything that must not survive, and text that must stay where it is."""
    ds.PatientName, ds.InstitutionName, ds.OperatorsName = "CANARYNAME^A", "CANARYINSTITUTION", "CANARYOPERATOR^B"
    ds.StationName, ds.DeviceSerialNumber = "CANARYSTATION", "CANARYSERIAL"
    ds.PatientID, ds.AccessionNumber, ds.SeriesDescription = "CANARYID", "CANARYACC", "CANARYDESCRIPTION"
    for keyword in ("ImagePixelValue", "PixelValueInSeries"):
        ds.add_new(f"Smallest{keyword}", "SS" if ds.PixelRepresentation else "US", 0)
        ds.add_new(f"Largest{keyword}", "SS" if ds.PixelRepresentation else "US", 1)
    ds.DerivationDescription, ds.SOPInstanceStatus = "denoised by the scanner", "AO"
    ds.RetrieveURL, ds.InstanceCreatorUID = "https://pacs.example/CANARY", "1.2.3"
    ds.DerivationCodeSequence = [_code("113061", "DCM", "Edge enhancement")]
    ds.SourceImageSequence = [_reference(ds.SOPClassUID, "1.2.3.4")]
    ds.ReferencedPerformedProcedureStepSequence = [_reference("1.2.840.10008.3.1.2.3.3", "1.2.3.5")]
    ds.IconImageSequence = [Dataset()]
    ds.OriginalAttributesSequence = [Dataset()]
    ds.EncryptedAttributesSequence = [Dataset()]
    ds.MACParametersSequence = [Dataset()]
    ds.DigitalSignaturesSequence = [Dataset()]
    ds.DataSetTrailingPadding = b"\0\0CANARY"
    ds.private_block(0x0029, "CANARYCREATOR", create=True).add_new(0x01, "LO", "CANARYPRIVATE")
    ds.RequestAttributesSequence = [Dataset()]
    nested = ds.RequestAttributesSequence[0]
    nested.RequestedProcedureID = "7"
    nested.DigitalSignaturesSequence = [Dataset()]
    nested.private_block(0x0029, "CANARYCREATOR", create=True).add_new(0x01, "LO", "CANARYNESTED")


def _code(value: str, scheme: str, meaning: str) -> Dataset:
    ds = Dataset()
    ds.CodeValue, ds.CodingSchemeDesignator, ds.CodeMeaning = value, scheme, meaning
    return ds


def _reference(sop_class: str, instance: str) -> Dataset:
    ds = Dataset()
    ds.ReferencedSOPClassUID, ds.ReferencedSOPInstanceUID = sop_class, instance
    return ds
