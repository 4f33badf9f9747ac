"""Which device tensors are to live on, and how they get there without anybody waiting."""

from __future__ import annotations

import re
from functools import lru_cache

import torch
from torch import Tensor

from medaug.errors import RunError


def resolve_device(device: str) -> str:
    """``auto`` → ``cuda`` where there is one, else ``cpu``; any other is as it was asked for.

    Raises:
        RunError: there is no such device here.
    """
    if device == "auto":
        return "cuda" if _count("cuda") else "cpu"
    if not (asked := re.fullmatch(r"cpu|mps|(cuda|xpu)(:\d+)?", device)):
        raise RunError(f"device: expected auto, cpu, cuda, cuda:N, xpu, xpu:N or mps, found {device!r:.40}")
    kind, count = torch.device(device).type, _count(torch.device(device).type)
    if int((asked[2] or ":0")[1:]) >= count:
        raise RunError(f"device: {device} was asked for, and torch finds {count} {kind} devices; take cpu or auto")
    return device


def _count(kind: str) -> int:
    match kind:
        case "cuda":
            return torch.cuda.device_count()
        case "xpu":
            return torch.xpu.device_count()
        case "mps":
            return int(torch.backends.mps.is_available())
        case _:
            return 1


def has_bfloat16(device: str) -> bool:
    """Whether the device multiplies bfloat16 in units of its own: NVIDIA's since Ampere, and AMD's that torch knows.

    On processors that have such units it is off, too: results are to be the same on any.
    """
    return torch.device(device).type == "cuda" and torch.cuda.get_device_capability(device) >= (8, 0)


def memory(device: str) -> int:
    """Bytes that the device has in all; 0 where torch doesn't say."""
    match torch.device(device).type:
        case "cuda":
            return int(torch.cuda.get_device_properties(device).total_memory)
        case "xpu":
            return int(torch.xpu.get_device_properties(device).total_memory)
        case _:
            return 0


def let_go() -> None:
    """Give back what torch keeps of devices' memory for later."""
    for kind, module in (("cuda", torch.cuda), ("xpu", torch.xpu), ("mps", torch.mps)):
        if _count(kind):
            module.empty_cache()


@lru_cache(maxsize=64)
def constant(tensor: Tensor, device: torch.device, dtype: torch.dtype) -> Tensor:
    """The same numbers there, copied once a process: for tensors that nobody changes, such as a kernel of a blur.

    A copy of its own in each step would make the processor wait for the device.
    """
    return tensor.to(dtype).to(device)  # in this order, since not every device knows a kernel's float64


def sent(tensor: Tensor, device: torch.device | str) -> Tensor:
    """A tensor of the processor's on a device; where that can take it by itself, the processor doesn't wait."""
    if torch.device(device).type not in {"cuda", "xpu"}:
        return tensor.to(device)
    return tensor.pin_memory().to(device, non_blocking=True)  # torch keeps the pinned memory until it was read
