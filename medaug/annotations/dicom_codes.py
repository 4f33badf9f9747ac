"""Code sequences of DICOM objects → codes; what isn't a whole code stays absent."""

from __future__ import annotations

import html
import unicodedata
from typing import Any

from medaug.annotations.parsing import FORBIDDEN
from medaug.imaging.boxes import OWN_SCHEME, Code, label_code

VALUES = ("CodeValue", "LongCodeValue", "URNCodeValue")  # exactly one of them stands in an item (PS3.3 table 8.8-1)
LIMITS = (1024, 16, 64)  # characters of value, scheme (SH) and meaning (LO)


def code_of(holder: Any, keyword: str) -> Code | None:
    """The first item of a code sequence, or None where it is missing, incomplete or medaug's own.

    A code that medaug made up for a label without one (`label_code`) means no more than the label, so it isn't one.

    Args:
        holder: the data set or item that has the sequence.
        keyword: of the sequence, such as ``ConceptCodeSequence``.
    """
    items = holder.get(keyword) or []
    if not items:
        return None
    value = next((str(found) for name in VALUES if (found := items[0].get(name))), "")
    parts = [value, str(items[0].get("CodingSchemeDesignator") or ""), str(items[0].get("CodeMeaning") or "")]
    parts = [unicodedata.normalize("NFC", part.strip()) for part in parts]
    if not all(0 < len(part) <= limit and _plain(part) for part, limit in zip(parts, LIMITS, strict=True)):
        return None
    if not (parts[0].isascii() and parts[1].isascii()) or "\\" in parts[0] + parts[1]:
        return None
    return None if parts[1] == OWN_SCHEME else Code(*parts)


def own_label(items: Any) -> str | None:
    """The label behind a code that medaug made up for it, or None for any other code."""
    if not items or str(items[0].get("CodingSchemeDesignator")) != OWN_SCHEME:
        return None
    label = html.unescape(str(items[0].get("CodeMeaning") or ""))
    return label if label_code(label) == str(items[0].get("CodeValue")) else None


def _plain(text: str) -> bool:
    return not any(unicodedata.category(character) in FORBIDDEN for character in text)
