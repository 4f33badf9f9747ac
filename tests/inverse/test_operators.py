from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from medaug.inverse.operators import (
    Beside,
    BlockCosines,
    Downsampling,
    Filter,
    Inpainting,
    gaussian_blur,
    jpeg,
    jpeg_steps,
    motion_blur,
)

SHAPE = (2, 1, 24, 16)


def mask(generator: torch.Generator) -> Inpainting:
    return Inpainting(torch.rand(2, 1, 24, 16, generator=generator) < 0.3)


OPERATORS = {
    "inpainting": mask,
    "a crooked kernel": lambda g: Filter(torch.rand(5, 3, generator=g, dtype=torch.float64)),
    "gaussian blur": lambda _: gaussian_blur(1.3),
    "motion blur": lambda _: motion_blur(5.0, 30.0),
    "down-sampling": lambda _: Downsampling(4),
    "jpeg": lambda _: jpeg(30),
    "regions beside blur": lambda g: Beside(mask(g), gaussian_blur(1.3)),
    "regions beside motion": lambda g: Beside(mask(g), motion_blur(5.0, 70.0)),
    "regions beside down-sampling": lambda g: Beside(mask(g), Downsampling(4)),
    "regions beside jpeg": lambda g: Beside(mask(g), jpeg(30)),
}


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-4), (torch.float64, 1e-12)])
def test_the_adjoint_is_the_adjoint(name: str, dtype: torch.dtype, tolerance: float) -> None:
    generator = torch.Generator().manual_seed(0)
    operator = OPERATORS[name](generator)
    x = torch.randn(SHAPE, generator=generator, dtype=dtype)
    y = torch.randn(operator.forward(x).shape, generator=generator, dtype=dtype)
    left, right = (operator.forward(x) * y).sum(), (x * operator.adjoint(y)).sum()
    torch.testing.assert_close(left, right, atol=tolerance * float(x.norm() * y.norm()), rtol=0)
    if y.shape == x.shape:
        assert abs((x * y).sum() - left) > 1e-3  # the identity would not pass for a transpose


def test_the_blur_turned_by_hand_would_fail_without_the_turn() -> None:
    generator = torch.Generator().manual_seed(0)
    crooked = OPERATORS["a crooked kernel"](generator)
    x, y = torch.randn(2, *SHAPE, generator=generator, dtype=torch.float64)
    assert abs((crooked.forward(x) * y).sum() - (x * crooked.forward(y)).sum()) > 0.1


@pytest.mark.parametrize("name", OPERATORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_dtype_is_kept_and_each_sample_is_by_itself(name: str, dtype: torch.dtype) -> None:
    operator = OPERATORS[name](torch.Generator().manual_seed(0))
    x = torch.ones(SHAPE, dtype=dtype)
    y = operator.forward(x)
    assert y.dtype == operator.adjoint(y).dtype == dtype
    x[1] = 5
    assert torch.equal(operator.forward(x)[0], y[0])


@pytest.mark.parametrize("name", [name for name in OPERATORS if name != "a crooked kernel"])
def test_no_operator_amplifies(name: str) -> None:
    operator = OPERATORS[name](torch.Generator().manual_seed(0))
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    for _ in range(50):  # the power method
        x = operator.adjoint(operator.forward(x / x.norm()))
    assert x.norm() < 1 + 1e-6


def test_true_is_observed() -> None:
    observed = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    observed[0, 0, 0, 1] = True
    y = Inpainting(observed).forward(torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]]))
    assert y.tolist() == [[[[0.0, 2.0], [0.0, 0.0]]]]


def test_noise_outside_the_observed_pixels_does_not_come_back() -> None:
    observed = torch.zeros(1, 1, 2, 2, dtype=torch.bool)
    assert Inpainting(observed).adjoint(torch.ones(1, 1, 2, 2)).abs().sum() == 0


def test_a_gaussian_spreads_a_point_by_its_sigma() -> None:
    point = torch.zeros(1, 1, 41, 41, dtype=torch.float64)
    point[0, 0, 20, 20] = 1
    spread = gaussian_blur(2.5).forward(point)[0, 0]
    offset = torch.arange(41, dtype=torch.float64) - 20
    assert spread.sum() == pytest.approx(1)
    assert (spread.sum(1) * offset**2).sum().sqrt() == pytest.approx(2.5, rel=0.03)


@pytest.mark.parametrize(("angle", "rows", "columns"), [(0, 1, 9), (90, 9, 1), (45, 7, 7)])
def test_motion_goes_along_its_angle(angle: float, rows: int, columns: int) -> None:
    kernel = motion_blur(8.0, angle).kernel
    assert kernel.sum() == pytest.approx(1)
    heavy = kernel > 0.02
    assert int(heavy.any(1).sum()) == pytest.approx(rows, abs=1)
    assert int(heavy.any(0).sum()) == pytest.approx(columns, abs=1)
    if angle == 45:
        assert kernel[0, -1] + kernel[1, -2] > kernel[0, 0] + kernel[1, 1]  # up to the right in the picture


def test_down_sampling_takes_the_mean_of_blocks() -> None:
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert Downsampling(2).forward(x).tolist() == [[[[2.5, 4.5], [10.5, 12.5]]]]


@pytest.mark.parametrize("quality", [10, 30, 75])
def test_what_jpeg_keeps_is_in_a_real_jpeg_up_to_its_rounding(quality: int) -> None:
    draw = np.random.default_rng(0)
    wave = np.add.outer(np.sin(np.arange(64) / 5), np.cos(np.arange(64) / 7))
    grey = np.clip(128 + 40 * wave + draw.normal(0, 12, (64, 64)), 1, 254).round().astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(grey).save(buffer, "JPEG", quality=quality)
    back = np.array(Image.open(buffer))
    lost = torch.from_numpy(back.astype(np.float64) - grey)[None, None]
    for row, column in np.argwhere(jpeg(quality).kept.numpy()):
        only = torch.zeros(8, 8, dtype=torch.bool)
        only[row, column] = True
        amplitude = BlockCosines(only).forward(lost).unfold(2, 8, 8).unfold(3, 8, 8).square().sum((-1, -2)).sqrt()
        step = float(jpeg_steps(quality)[row, column])
        assert amplitude.max() <= 0.5 * step + 2.5  # and the rounding of 64 pixels
    assert lost.std() > 1


def test_a_better_jpeg_says_more_and_the_projection_is_one() -> None:
    counts = [int(jpeg(quality).kept.sum()) for quality in (1, 10, 30, 75, 100)]
    assert counts == sorted(counts)
    assert counts[0] < 5
    assert counts[-1] == 64
    x = torch.randn(SHAPE, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    once = jpeg(30).forward(x)
    torch.testing.assert_close(jpeg(30).forward(once), once)
    torch.testing.assert_close(jpeg(100).forward(x), x)
