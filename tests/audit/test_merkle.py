from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from medaug.audit.merkle import files_root, merkle_root


def defined(leaves: Sequence[bytes]) -> bytes:
    """RFC 6962 section 2.1, as it is written: split at the largest power of two below the length."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return hashlib.sha256(b"\0" + leaves[0]).digest()
    k = 1
    while 2 * k < len(leaves):
        k *= 2
    return hashlib.sha256(b"\1" + defined(leaves[:k]) + defined(leaves[k:])).digest()


@pytest.mark.parametrize("count", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16, 17, 100])
def test_the_root_is_the_one_of_the_definition(count: int) -> None:
    leaves = [str(n).encode() for n in range(count)]
    assert merkle_root(leaves) == defined(leaves).hex()


def test_a_known_answer() -> None:
    # the tree of eight leaves that implementations of certificate transparency share
    leaves = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
    leaves.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
    assert merkle_root(leaves) == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_a_node_does_not_pass_for_a_leaf() -> None:
    left, right = (hashlib.sha256(b"\0" + leaf).digest() for leaf in (b"a", b"b"))
    assert merkle_root([left + right]) != merkle_root([b"a", b"b"])


def test_names_and_digests_and_their_pairing_decide() -> None:
    one, two = "1" * 64, "2" * 64
    root = files_root([("a", one), ("b", two)])
    others = ([("a", two), ("b", one)], [("a", one)], [("a", one), ("c", two)], [("b", two), ("a", one)])
    assert len({root, *map(files_root, others)}) == 5
    assert root == merkle_root([f"{one}  a\n".encode(), f"{two}  b\n".encode()])  # as sha256sum prints them
