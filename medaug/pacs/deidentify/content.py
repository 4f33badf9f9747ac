"""What annotations say in words: of reports codes, numbers, outlines and references; of regions known words."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from medaug.dicom import fields

# Value types of content items that hold no free text (PS3.3 C.17.3.2.1).
KEPT = frozenset({"CODE", "COMPOSITE", "CONTAINER", "IMAGE", "NUM", "SCOORD", "SCOORD3D", "UIDREF"})


def clean_report(items: Iterable[Dataset], words: Collection[str]) -> Sequence:
    """Content items without text, names, dates and times; a text that is one of the words stays.

    Source: PS3.15 E.3.3 (Clean Structured Content Option).
    """
    kept = []
    for each in items:
        kind = fields.text(each, "ValueType")
        if kind not in KEPT and not (kind == "TEXT" and _known(fields.text(each, "TextValue"), words)):
            continue
        if "ContentSequence" in each:
            each.ContentSequence = clean_report(each.ContentSequence, words)
        kept.append(each)
    return Sequence(kept)


def region_names(ds: Dataset, words: Collection[str]) -> tuple[str, ...]:
    """What segments and regions of interest may be called: by a name that is one of the words, else by their codes.

    Args:
        ds: as it came.
        words: in lower case.

    Returns:
        Names for `name_regions`.
    """
    types = {
        roi.get("ReferencedROINumber"): fields.text(roi, "RTROIInterpretedType")
        for roi in ds.get("RTROIObservationsSequence") or ()
    }
    segments = (_name(one.get("SegmentLabel"), _meaning(one), words) for one in ds.get("SegmentSequence") or ())
    regions = (
        _name(one.get("ROIName"), types.get(one.get("ROINumber")) or "ROI", words)
        for one in ds.get("StructureSetROISequence") or ()
    )
    return (*segments, *regions)


def name_regions(ds: Dataset, names: Iterable[str]) -> None:
    """Give segments and regions their names, and take what else describes them in words; in place."""
    left = iter(names)
    for segment in ds.get("SegmentSequence") or ():
        segment.SegmentLabel = next(left)
        for keyword in ("SegmentDescription", "TrackingID"):
            if keyword in segment:
                del segment[keyword]
    for roi in ds.get("StructureSetROISequence") or ():
        roi.ROIName = next(left)


def _name(stated: Any, coded: str, words: Collection[str]) -> str:
    name = str(stated or "").strip()
    return name if _known(name, words) else coded


def _meaning(segment: Dataset) -> str:
    for code in segment.get("SegmentedPropertyTypeCodeSequence") or ():
        return fields.text(code, "CodeMeaning")[:64] or "segment"
    return "segment"


def _known(text: str, words: Collection[str]) -> bool:
    return text.strip().lower() in words
