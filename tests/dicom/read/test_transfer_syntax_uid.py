"""The transfer syntax is read once, as the parser reads it: what one of them alone takes for deflated is refused."""

from __future__ import annotations

import io

import pytest

from medaug.dicom.read.preflight import outline
from medaug.errors import ReadError

DEFLATED = b"1.2.840.10008.1.2.1.99"


def stated(syntax: bytes) -> bytes:
    length = len(syntax).to_bytes(2, "little")
    return b"\0" * 128 + b"DICM" + b"\x02\0\x10\0UI" + length + syntax


@pytest.mark.parametrize(
    "syntax", [b" " + DEFLATED + b"\0", b"\t" + DEFLATED + b"\0", b" " * 100 + DEFLATED, b"\x1b[31m1.2", b"1.2\x003.4 "]
)
def test_anything_but_a_uid_is_refused(syntax: bytes) -> None:
    data = stated(syntax)
    with pytest.raises(ReadError, match="no UID") as refused:
        outline(io.BytesIO(data), len(data))
    assert refused.value.code == "bad-value"


@pytest.mark.parametrize("padding", [b"", b"\0", b" "])
def test_a_padded_uid_is_read(padding: bytes) -> None:
    data = stated(b"1.2.840.10008.1.2.1" + padding)
    assert outline(io.BytesIO(data), len(data)).transfer_syntax == "1.2.840.10008.1.2.1"
