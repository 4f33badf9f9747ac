"""A picture's variant as a DICOM Secondary Capture: for those who have a PACS and pictures only."""

from __future__ import annotations

from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

from medaug.dicom.uids import derived_uid
from medaug.imaging.volume import SourceRef, Stored
from medaug.storage import archive

# Type 2 (PS3.3 C.7.1.1, C.7.2.1): there, and empty, since a picture says nothing of whom it shows.
EMPTY = ("PatientName", "PatientID", "PatientBirthDate", "PatientSex", "StudyDate", "StudyTime", "StudyID",
         "AccessionNumber", "ReferringPhysicianName", "PatientOrientation", "Laterality")  # fmt: skip


def study_uid(name: str) -> str:
    """The study of a picture's variants, from the name that is made of its pixels."""
    return derived_uid("study", name)


def picture(source: SourceRef, stored: Stored) -> Dataset:
    """The instance that a picture would be, had it been captured; what is derived from it is what gets written.

    Nothing is invented: no identity, no spacing, no BurnedInAnnotation, and neither that identity was removed.

    Args:
        source: of the picture.
        stored: (rows, columns), uint8 or uint16.

    Source: PS3.3 A.8.1 (Secondary Capture Image IOD).
    """
    bits = 8 * stored.dtype.itemsize
    ds = Dataset()
    ds.SOPClassUID = SecondaryCaptureImageStorage
    ds.SOPInstanceUID = derived_uid("picture", source.instance_uids[0])
    ds.StudyInstanceUID = study_uid(source.study_uid)
    ds.SeriesInstanceUID = derived_uid("series", source.series_uid)
    for keyword in EMPTY:
        setattr(ds, keyword, "")
    ds.Modality, ds.SeriesNumber, ds.InstanceNumber = "OT", 1, 1
    ds.ConversionType = "WSD"  # workstation
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PixelRepresentation = 1, "MONOCHROME2", 0
    ds.Rows, ds.Columns = stored.shape
    ds.BitsAllocated, ds.BitsStored, ds.HighBit = bits, bits, bits - 1
    if source.format == "jpeg":  # the picture lost detail before it came here
        ds.LossyImageCompression, ds.LossyImageCompressionMethod = "01", "ISO_10918_1"
        ds.LossyImageCompressionRatio = round(stored.nbytes / archive.size(source.files[0]), 3)
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    return ds
