"""Which device tensors are to live on."""

from __future__ import annotations

import re

import torch

from medaug.errors import RunError


def resolve_device(device: str) -> str:
    """``auto`` → ``cuda`` where there is one, else ``cpu``.

    Raises:
        RunError: there is no such device here.
    """
    count = torch.cuda.device_count()
    if device == "auto":
        return "cuda" if count else "cpu"
    if not re.fullmatch(r"cpu|cuda(:\d+)?", device):
        raise RunError(f"device: expected auto, cpu, cuda or cuda:N, found {device!r:.40}")
    if device != "cpu" and int(device.partition(":")[2] or 0) >= count:
        raise RunError(f"device: {device} was asked for, and torch finds {count} CUDA devices; take cpu or auto")
    return device
