"""Matrix products whose last digits don't hang on how many cores there are.

A library of products spreads a large one over all cores, cuts it differently for each number of them, and sums the ends
of its pieces in another order. Pieces that it leaves to one thread give the same bits on two cores and on sixty.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from medaug.imaging.volume import Float32

ALONE = 2**17  # multiplications; OpenBLAS takes a second thread beyond 2^18


def product(a: Float32, b: Float32, out: Float32 | None = None) -> Float32:
    """``a @ b`` of (…, I, K) and (…, K, J), the longer side halved until a piece is small; into ``out`` if given."""
    rows, columns = a.shape[-2], b.shape[-1]
    if out is None:
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = np.empty((*outer, rows, columns), dtype=np.result_type(a, b))
    for some, others in _pieces(rows, a.shape[-1], columns):
        np.matmul(a[..., some, :], b[..., others], out=out[..., some, others])
    return out


@lru_cache(maxsize=256)
def _pieces(rows: int, inner: int, columns: int) -> tuple[tuple[slice, slice], ...]:
    """Rows and columns of each piece."""
    if rows * inner * columns <= ALONE or max(rows, columns) == 1:
        return ((slice(0, rows), slice(0, columns)),)
    half = max(rows, columns) // 2
    if rows >= columns:
        return _pieces(half, inner, columns) + _moved(_pieces(rows - half, inner, columns), half, 0)
    return _pieces(rows, inner, half) + _moved(_pieces(rows, inner, columns - half), 0, half)


def _moved(pieces: tuple[tuple[slice, slice], ...], down: int, right: int) -> tuple[tuple[slice, slice], ...]:
    return tuple((_shifted(rows, down), _shifted(columns, right)) for rows, columns in pieces)


def _shifted(one: slice, by: int) -> slice:
    return slice(one.start + by, one.stop + by)
