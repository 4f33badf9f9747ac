"""Values that stand where one must stand, and say nothing."""

from __future__ import annotations

from typing import Any

from pydicom.dataelem import DataElement

from medaug.dicom.write.attribute_values import item

TEXT = "REMOVED"  # legal in every VR of text, CS included
DUMMIES: dict[str, Any] = {
    **dict.fromkeys(("AE", "CS", "LO", "LT", "PN", "SH", "ST", "UC", "UT"), TEXT),
    "AS": "000Y",
    "DA": "19000101",
    "DT": "19000101000000",
    "TM": "000000",
    "UR": "http://removed.invalid",  # reserved for this by RFC 2606
    **dict.fromkeys(("DS", "IS"), "0"),
    **dict.fromkeys(("FD", "FL", "SL", "SS", "SV", "UL", "US", "UV"), 0),
}
_PERSONS = {"PersonIdentificationCodeSequence", "OperatorIdentificationSequence"}


def dummy_of(element: DataElement) -> Any:
    """A dummy for an element; None where there is none, and the element is to go.

    Source: PS3.15 E.1.1 (action D).
    """
    if element.keyword in _PERSONS:
        return [item(CodeValue="0", CodingSchemeDesignator="99MEDAUG", CodeMeaning=TEXT)]
    return DUMMIES.get(str(element.VR))
