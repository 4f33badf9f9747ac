"""An instance as a hospital has it: a canary wherever a person's data may stand."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medaug.processes.quiet import quiet

CANARY = "ZQXCANARY"


def identified(ds: Dataset) -> Dataset:
    """Put canaries into an instance, in items, private and unknown elements and its preamble, too; in place."""
    with quiet():
        _put(ds)
        inner = Dataset()
        _put(inner)
        inner.ReferencedSOPClassUID, inner.ReferencedSOPInstanceUID = ds.SOPClassUID, "1.2.3.4"
        ds.ReferencedImageSequence = [inner]
        ds.RequestAttributesSequence = [inner]
        ds.preamble = CANARY.encode().ljust(128, b"\0")
        ds.file_meta.SourceApplicationEntityTitle = CANARY
        for keyword in ("PatientIdentityRemoved", "DeidentificationMethod", "DeidentificationMethodCodeSequence"):
            if keyword in ds:
                del ds[keyword]
    return ds


def _put(ds: Dataset) -> None:
    ds.PatientName = ds.ReferringPhysicianName = ds.OperatorsName = f"{CANARY}^Jane"
    ds.PatientID, ds.AccessionNumber, ds.StudyID = f"{CANARY}1", f"{CANARY}2", f"{CANARY}3"
    ds.StudyDescription = ds.SeriesDescription = ds.InstitutionName = ds.ProtocolName = CANARY
    ds.StationName = ds.DeviceSerialNumber = ds.ImageComments = ds.AdmissionID = ds.PatientAddress = CANARY
    ds.PatientBirthDate = "19700102"
    ds.RetrieveURL = f"https://pacs.example/{CANARY}"
    ds.private_block(0x0029, CANARY, create=True).add_new(0x01, "LO", CANARY)
    ds.add_new(0x60020022, "LO", CANARY)  # Overlay Description
    ds.add_new(0x00080FFE, "LO", CANARY)  # in no dictionary
