"""DICOM files written byte by byte, for what no library would write."""

from __future__ import annotations

import struct

DEFLATED = b"1.2.840.10008.1.2.1.99"


EXPLICIT = b"1.2.840.10008.1.2.1\0"


def part10(syntax: bytes, dataset: bytes) -> bytes:
    stated = struct.pack("<HH2sH", 2, 0x10, b"UI", len(syntax)) + syntax
    return bytes(128) + b"DICM" + stated + dataset


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sH", group, number, vr, len(value)) + value


def nested(depth: int, *, defined: bool) -> bytes:
    inner = b""
    for _ in range(depth):
        length = struct.pack("<I", len(inner) + 8 if defined else 0xFFFFFFFF)
        item = struct.pack("<HHI", 0xFFFE, 0xE000, len(inner) if defined else 0xFFFFFFFF) + inner
        ends = b"" if defined else struct.pack("<HHIHHI", 0xFFFE, 0xE00D, 0, 0xFFFE, 0xE0DD, 0)
        inner = struct.pack("<HH2sH", 0x40, 0xA730, b"SQ", 0) + length + item + ends
    return inner
