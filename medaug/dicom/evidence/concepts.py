"""Labels as coded concepts: their own code where the annotation states one, else one made from the text."""

from __future__ import annotations

from medaug.dicom.write.attribute_values import PRIVATE_SCHEME
from medaug.imaging.boxes import Box, Code, label_code

_LO = 64  # characters of a code's meaning
Triple = tuple[str, str, str]


def coded(box: Box) -> Triple:
    """What a box holds, as (value, scheme, meaning)."""
    return stated(box.code) if box.code else finding(box.label)


def stated(code: Code) -> Triple:
    """A code as the annotation states it; the meaning as plain as `finding` makes it."""
    return code.value, code.scheme, _plain(code.meaning)


def finding(label: str) -> Triple:
    """A code for a label that has none of its own: (value, scheme, meaning).

    The value is made from the whole label. The meaning holds it as text: a character beyond ASCII stands as its
    number (``&#228;``), since the identity beside it fixes the file's character set, and a backslash as ``/``.
    """
    return label_code(label), PRIVATE_SCHEME, _plain(label) or "label without a name"


def _plain(text: str) -> str:
    ascii_only = text.replace("\\", "/").encode("ascii", "xmlcharrefreplace").decode()
    return "".join(c if c.isprintable() else " " for c in ascii_only).strip()[:_LO].strip()
