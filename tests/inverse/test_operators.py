from __future__ import annotations

import pytest
import torch

from medaug.inverse.operators import Inpainting

OPERATORS = {"inpainting": lambda g: Inpainting(torch.rand(2, 1, 9, 7, generator=g) < 0.3)}


@pytest.mark.parametrize("name", OPERATORS)
def test_the_adjoint_is_the_adjoint(name: str) -> None:
    generator = torch.Generator().manual_seed(0)
    operator = OPERATORS[name](generator)
    x = torch.randn(2, 1, 9, 7, generator=generator, dtype=torch.float64)
    y = torch.randn(operator.forward(x).shape, generator=generator, dtype=torch.float64)
    left, right = (operator.forward(x) * y).sum(), (x * operator.adjoint(y)).sum()
    torch.testing.assert_close(left, right)
    assert (x * y).sum() != left  # the identity would not pass for a transpose


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_kept(name: str, dtype: torch.dtype) -> None:
    operator = OPERATORS[name](torch.Generator().manual_seed(0))
    assert operator.forward(torch.ones(2, 1, 9, 7, dtype=dtype)).dtype == dtype


def test_true_is_observed() -> None:
    observed = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    observed[0, 0, 0, 1] = True
    y = Inpainting(observed).forward(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert y.tolist() == [[[[0.0, 2.0], [0.0, 0.0]]]]


def test_noise_outside_the_observed_pixels_does_not_come_back() -> None:
    observed = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert Inpainting(observed).adjoint(torch.ones(1, 1, 2, 2)).abs().sum() == 0
