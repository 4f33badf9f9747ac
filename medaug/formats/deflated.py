"""Whether a stream that deflate made is one stream, with nothing behind it: readers pass over what follows."""

from __future__ import annotations

import zlib
from typing import BinaryIO

GZIP, ZLIB = 31, 15  # window bits: of a gzip member (RFC 1952), of a zlib stream (RFC 1950)
_PIECE = 1 << 16  # bytes


def inflated_size(stream: BinaryIO, kind: int) -> int | None:
    """How many bytes it holds, in bounded memory.

    Args:
        stream: from where it begins; it is read to its end.
        kind: `GZIP` or `ZLIB`.

    Returns:
        The number, or None where this isn't one whole stream: it is damaged, cut short, or something follows.
    """
    inflate, piece, size = zlib.decompressobj(kind), b"", 0
    while not inflate.eof:
        piece = piece or stream.read(_PIECE)
        try:
            made = len(inflate.decompress(piece, _PIECE))
        except zlib.error:
            return None
        if not piece and not made:
            return None
        piece, size = inflate.unconsumed_tail, size + made
    return None if inflate.unused_data or stream.read(1) else size
