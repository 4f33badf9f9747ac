"""What may stand in the header of a gzip stream beside what it holds: a file's name, a comment, a time."""

from __future__ import annotations

MAGIC = b"\x1f\x8b"
HEAD = 8  # bytes: magic, method, flags, time


def says_nothing(head: bytes) -> bool:
    """Whether the first `HEAD` bytes of a stream are of no gzip, or of one without name, comment, extra and time.

    Source: RFC 1952, 2.3.
    """
    return not head.startswith(MAGIC) or not any(head[3:HEAD])
