"""Randomness by name: the same names give the same numbers, whatever ran before or beside."""

from __future__ import annotations

import hashlib

import numpy as np


def seed_for(*names: str | int) -> int:
    """A 64-bit seed from names, such as (run seed, source key, variant, slice, purpose).

    Each name enters with its length, so ("ab", "c") and ("a", "bc") differ. Source: BLAKE2b, RFC 7693.
    """
    digest = hashlib.blake2b(digest_size=8)
    for name in names:
        data = str(name).encode()
        digest.update(len(data).to_bytes(4, "big"))
        digest.update(data)
    return int.from_bytes(digest.digest(), "big")


def generator(*names: str | int) -> np.random.Generator:
    """A NumPy generator of its own for these names; global state is not touched."""
    return np.random.Generator(np.random.PCG64(seed_for(*names)))
