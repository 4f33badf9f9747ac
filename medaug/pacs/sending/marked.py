"""Whether an instance says of itself that it is synthetic."""

from __future__ import annotations

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.read.parse import coded


def is_marked(ds: Dataset) -> bool:
    """True for what medaug writes: SyntheticData YES, ContentQualification RESEARCH, and an image's type DERIVED.

    Source: PS3.3 C.12.1 (0008,001C), (0018,9004); C.7.6.1.1.2 (0008,0008).
    """
    with coded():
        said = fields.text(ds, "SyntheticData"), fields.text(ds, "ContentQualification")
        kind = fields.texts(ds, "ImageType")
    return said == ("YES", "RESEARCH") and (not kind or kind[0] == "DERIVED")
