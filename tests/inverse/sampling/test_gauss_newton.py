"""The data step's pull through the decoder."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import torch

from medaug.inverse.sampling.gauss_newton import correction

SCRIPT = """
import sys
import torch
from types import SimpleNamespace
from medaug.inverse.sampling.gauss_newton import correction
same = SimpleNamespace(forward=lambda x: x, adjoint=lambda x: x)
prior = SimpleNamespace(decode=torch.tanh)
correction(SimpleNamespace(prior=prior, operator=same, y=torch.ones(1, 1, 4, 4)), torch.zeros(1, 1, 4, 4), 0.1, 1)
print("sympy" in sys.modules)
"""


def test_of_a_linear_decoder_it_is_the_regularised_least_squares_step() -> None:
    draws = torch.Generator().manual_seed(3)
    W, z0, x = (torch.randn(n, 16, generator=draws, dtype=torch.float64) for n in (16, 2, 2))
    prior = SimpleNamespace(decode=lambda z: (z.reshape(-1, 16) @ W.T).reshape(z.shape))
    same = SimpleNamespace(forward=lambda x: x, adjoint=lambda x: x)
    problem: Any = SimpleNamespace(prior=prior, operator=same, y=x.reshape(2, 1, 4, 4))
    dz, missed = correction(problem, z0.reshape(2, 1, 4, 4), 0.5, 60)
    wanted = torch.linalg.solve(W.T @ W + 0.5 * torch.eye(16), W.T @ (x - z0 @ W.T).T).T
    torch.testing.assert_close(dz.reshape(2, 16), wanted, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(missed.reshape(2, 16), z0 @ W.T - x)


def test_it_loads_no_symbolic_algebra() -> None:
    """torch asks sympy whether the shapes of gradients that it is given agree: half a second at the first unit."""
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
