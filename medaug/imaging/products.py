"""Matrix products whose last digits don't hang on how many cores there are.

A library of products spreads a large one over all cores, cuts it differently for each number of them, and sums the ends
of its pieces in another order. Pieces that it leaves to one thread give the same bits on two cores and on sixty.
"""

from __future__ import annotations

import numpy as np

from medaug.imaging.volume import Float32

ALONE = 2**17  # multiplications; OpenBLAS takes a second thread beyond 2^18


def product(a: Float32, b: Float32, out: Float32 | None = None) -> Float32:
    """``a @ b`` of (…, I, K) and (…, K, J), the longer side halved until a piece is small; into ``out`` if given."""
    rows, columns = a.shape[-2], b.shape[-1]
    if out is None:
        outer = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
        out = np.empty((*outer, rows, columns), dtype=np.result_type(a, b))
    if rows * a.shape[-1] * columns <= ALONE or max(rows, columns) == 1:
        return np.matmul(a, b, out=out)
    half = max(rows, columns) // 2
    if rows >= columns:
        product(a[..., :half, :], b, out[..., :half, :])
        product(a[..., half:, :], b, out[..., half:, :])
    else:
        product(a, b[..., :half], out[..., :half])
        product(a, b[..., half:], out[..., half:])
    return out
