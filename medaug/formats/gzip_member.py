"""What may stand in a gzip stream beside what it holds: a file's name, a comment, a time, further members."""

from __future__ import annotations

from typing import BinaryIO

from medaug.formats.deflated import GZIP, inflated_size

MAGIC = b"\x1f\x8b"
HEAD = 8  # bytes: magic, method, flags, time


def says_nothing(stream: BinaryIO) -> bool:
    """Whether what begins here is no gzip, or one member without name, comment, extra and time, and nothing behind it.

    An empty member before or behind changes nothing of what is read, and its header may hold a name.

    Source: RFC 1952, 2.2 and 2.3.
    """
    begin, head = stream.tell(), stream.read(HEAD)
    if not head.startswith(MAGIC):
        return True
    stream.seek(begin)
    return not any(head[3:HEAD]) and inflated_size(stream, GZIP) is not None
