"""Numbers from elsewhere, be it a file of safetensors, a network's loader or numpy, in memory of torch's own.

A product or a sum rounds otherwise where its operands begin at another place within a vector of the processor: the same
weights give other last digits when the file's header is 16 bytes longer. Torch aligns what it allocates to 64 bytes;
safetensors maps a file, whose numbers begin where the header ends. So everything that is read is copied once, here, and
results hang on values alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import numpy.typing as npt
import torch
from safetensors import safe_open
from safetensors.torch import load, load_file
from torch import Tensor, nn

N = TypeVar("N", bound=nn.Module)


def load_tensors(source: Path | bytes) -> dict[str, Tensor]:
    """The tensors of a file of safetensors, or of its content.

    Raises:
        SafetensorError: it isn't such a file.
        OSError: it can't be read.
    """
    tensors = load(source) if isinstance(source, bytes) else load_file(source)
    return {name: aligned_copy(tensor) for name, tensor in tensors.items()}


def load_metadata(path: Path) -> Mapping[str, str]:
    """What a file of safetensors says of itself; none of its numbers is read.

    Raises:
        SafetensorError: it isn't such a file.
        OSError: it can't be read.
    """
    with safe_open(path, framework="pt") as file:
        return file.metadata() or {}


def load_dtype(path: Path) -> torch.dtype:
    """The kind of number of a file's first tensor.

    Raises:
        SafetensorError: it isn't such a file.
        OSError: it can't be read.
    """
    with safe_open(path, framework="pt") as file:
        first: Tensor = file.get_tensor(next(iter(file.keys())))
        return first.dtype


def from_array(array: npt.NDArray[Any]) -> Tensor:
    """A copy of a numpy array, whose own memory numpy aligns to 16 bytes."""
    return torch.tensor(np.ascontiguousarray(array))  # unlike from_numpy it always copies


@torch.no_grad()
def aligned(net: N) -> N:
    """The network, each parameter and buffer copied in place; weights that two layers share stay shared.

    Libraries that load a network by themselves leave its float32 weights in the mapped file.
    """
    for tensor in chain(net.parameters(), net.buffers()):
        tensor.data = aligned_copy(tensor.data)
    return net


def aligned_copy(tensor: Tensor) -> Tensor:
    """The same values, each row behind the other, where torch puts what it makes itself."""
    return tensor.clone(memory_format=torch.contiguous_format)
