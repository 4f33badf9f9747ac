"""How large a compressed image says it is, read from its first bytes.

A decoder allocates what the codestream declares, whatever Rows and Columns say: 1350 bytes of JPEG 2000 can cost a
gigabyte.
"""

from __future__ import annotations

import struct

# Start-of-frame markers: all SOFn but DHT (C4), JPG (C8), DAC (CC); and SOF55 of JPEG-LS.
START_OF_FRAME = frozenset({*range(0xC0, 0xD0), 0xF7} - {0xC4, 0xC8, 0xCC})


def dimensions(head: bytes) -> tuple[int, int] | None:
    """Rows and columns that a JPEG, JPEG-LS or JPEG 2000 codestream declares; None when it is none of them.

    Args:
        head: the first bytes of the codestream.

    Source: ITU-T T.81 B.2.2 (frame header), T.87 C.2.2 (JPEG-LS), T.800 A.5.1 (SIZ).
    """
    at = head[:4096].find(b"\xff\x4f\xff\x51")  # SOC, SIZ; a JP2 box may lie before
    if at >= 0 and len(head) >= at + 24:
        x, y, x_origin, y_origin = struct.unpack(">4I", head[at + 8 : at + 24])
        return y - y_origin, x - x_origin
    if head[:2] == b"\xff\xd8":
        return _jpeg(head)
    return None


def ended(codestream: bytes) -> bool:
    """Whether a JPEG 2000 codestream ends with its end mark; what is none counts as ended.

    It has no checksum, and decoders make an image of any bytes: a file with a hole in it would pass for a picture.

    Source: ITU-T T.800 A.4.4 (EOC); DICOM PS3.5 A.4.4 (padding).
    """
    if b"\xff\x4f\xff\x51" not in codestream[:4096]:
        return True
    return b"\xff\xd9" in codestream[-16:]


def _jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker == 0xFF:  # fill byte
            at += 1
            continue
        if marker in START_OF_FRAME:
            rows, columns = struct.unpack(">HH", head[at + 5 : at + 9])
            return rows, columns
        at += 2 + struct.unpack(">H", head[at + 2 : at + 4])[0]
    return None
