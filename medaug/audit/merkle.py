"""One digest that stands for a list of files: a Merkle tree as certificate logs use it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

ALGORITHM = "rfc6962Sha256"


def merkle_root(leaves: Iterable[bytes]) -> str:
    """The root of a tree over ``leaves`` in their order, 64 hex digits.

    Leaves and nodes are hashed with different prefixes, so that no node passes for a leaf. Memory grows with the depth.

    Source: RFC 6962 section 2.1.
    """
    peaks: list[tuple[int, bytes]] = []  # (height, digest) of whole subtrees, highest first
    for leaf in leaves:
        height, digest = 0, hashlib.sha256(b"\x00" + leaf).digest()
        while peaks and peaks[-1][0] == height:
            height, digest = height + 1, _node(peaks.pop()[1], digest)
        peaks.append((height, digest))
    if not peaks:
        return hashlib.sha256(b"").hexdigest()
    root = peaks.pop()[1]
    while peaks:
        root = _node(peaks.pop()[1], root)
    return root.hex()


def files_root(digests: Iterable[tuple[str, str]]) -> str:
    """The root over files: a leaf is a line as ``sha256sum`` prints it.

    Args:
        digests: (name, sha256), the name relative and POSIX, in the order of the names' bytes.
    """
    return merkle_root(f"{digest}  {name}\n".encode() for name, digest in digests)


def _node(left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(b"\x01" + left + right).digest()
