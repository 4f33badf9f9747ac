"""What an instance states of the anatomy that it shows: part, side and view."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pydicom.dataset import Dataset

from medaug.dicom import fields
from medaug.dicom.read.parse import header

PAIRED = frozenset({"L", "R"})
NEEDED = (
    "SOPClassUID", "BodyPartExamined", "AnatomicRegionSequence", "Laterality", "ImageLaterality", "ViewPosition",
    "ViewCodeSequence",
)  # fmt: skip


@dataclass(frozen=True)
class Anatomy:
    """As stated; "" where it isn't.

    Attributes:
        parts: (0018,0015) and the code of (0008,2218).
        side: L or R.
        views: (0018,5101) and the code of (0054,0220).
        sop_class: of the instance.
    """

    parts: tuple[str, str] = ("", "")
    side: str = ""
    views: tuple[str, str] = ("", "")
    sop_class: str = ""

    def unlike(self, other: Anatomy) -> str:
        """What both state, and otherwise; "" where nothing speaks against the same."""
        if _differ(self.parts, other.parts):
            return "another body part"
        if self.side and other.side and self.side != other.side:
            return "another side"
        return "another view" if _differ(self.views, other.views) else ""


def anatomy_of(path: Path) -> Anatomy:
    """Of a DICOM file.

    Raises:
        ReadError: it can't be read.

    Source: PS3.3 C.7.3.1, C.8.11.1, C.8.11.2, C.10.5.
    """
    ds, _ = header(path, NEEDED)
    side = (fields.text(ds, "ImageLaterality") or fields.text(ds, "Laterality")).upper()
    return Anatomy(
        parts=(fields.text(ds, "BodyPartExamined").upper(), _code(ds, "AnatomicRegionSequence")),
        side=side if side in PAIRED else "",
        views=(fields.text(ds, "ViewPosition").upper(), _code(ds, "ViewCodeSequence")),
        sop_class=fields.text(ds, "SOPClassUID"),
    )


def _code(ds: Dataset, keyword: str) -> str:
    items = fields.value(ds, keyword) or ()
    return next((fields.text(item, "CodeValue") for item in items), "")


def _differ(one: tuple[str, str], other: tuple[str, str]) -> bool:
    return any(a and b and a != b for a, b in zip(one, other, strict=True))
