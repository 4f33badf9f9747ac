from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from medaug.imaging.products import product
from tests.support.paths import ROOT

SHAPES = [
    ((300, 70), (70, 900)),
    ((900, 70), (70, 20)),
    ((1, 500), (500, 700)),
    ((3, 5), (5, 2)),
    ((700, 600), (600, 1)),
]
SCRIPT = """
import hashlib
import numpy as np
from medaug.imaging.products import product
from medaug.imaging.resample import resize
rng = np.random.default_rng(0)
images = rng.random((1, 1100, 900), dtype=np.float32)
square = rng.random((256, 256), dtype=np.float32)
found = [resize(images, (256, 209)), resize(images[:, :256, :209], (1100, 900)), product(square, square.T)]
print(*(hashlib.sha256(one.tobytes()).hexdigest() for one in found))
"""


@pytest.mark.parametrize(("a", "b"), SHAPES)
@pytest.mark.parametrize("outer", [(), (2,)])
def test_a_product_is_the_product(a: tuple[int, int], b: tuple[int, int], outer: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    left, right = rng.random((*outer, *a), dtype=np.float32), rng.random(b, dtype=np.float32)
    out = np.zeros((*outer, a[0], b[1]), dtype=np.float32)
    np.testing.assert_allclose(product(left, right), left @ right, rtol=1e-5)
    assert product(left, right, out) is out
    np.testing.assert_array_equal(out, product(left, right))


def test_the_same_bits_on_one_thread_and_on_all() -> None:
    found = [_digests(threads) for threads in ("1", str(os.cpu_count()))]
    assert found[0] == found[1]


def _digests(threads: str) -> list[str]:
    environment = {**os.environ, "OPENBLAS_NUM_THREADS": threads, "OMP_NUM_THREADS": threads}
    command = [sys.executable, "-c", SCRIPT]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.split()
