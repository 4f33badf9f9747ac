"""A device that is far away: what would make the processor wait for it is counted, and nothing is computed.

Tensors lie on torch's meta device. It holds shapes and no numbers, and refuses to mix devices as any device does, so a
tensor that was forgotten on the processor is an error here, on any machine.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode

from medaug.inverse.protocols import Prior

DEVICE = "meta"
# torch looks at their success on the device before it goes on
CHECKED = {"_linalg_eigh", "_linalg_svd", "linalg_qr", "_linalg_solve_ex", "nonzero", "masked_select", "equal"}


class FarDevice(TorchDispatchMode):
    """Counts copies to the device, and by their kind what the processor waits for.

    Attributes:
        sent: tensors that were copied there.
        kernels: calls that are neither.
        order: what was called with tensors of which shapes, the rows of a batch aside.
        waits: looks at one value, copies back, and calls that are checked on the device.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sent = self.kernels = 0
        self.order: list[tuple[str, tuple[torch.Size, ...]]] = []
        self.waits: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: Sequence[Any] = (), kwargs: Mapping[str, Any] | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        name = func.overloadpacket.__name__
        there = bool(args) and isinstance(args[0], torch.Tensor) and args[0].device.type == DEVICE
        if there and name == "_local_scalar_dense":
            self.waits["look"] += 1
            return True  # something is left to do: the longest way
        if name == "_to_copy" and "device" in kwargs:
            if there and torch.device(kwargs["device"]).type == "cpu":
                self.waits["copy back"] += 1
                return torch.zeros(args[0].shape, dtype=kwargs.get("dtype") or args[0].dtype)
            self.sent += not there and torch.device(kwargs["device"]).type == DEVICE
        if there and name in CHECKED:
            self.waits[name] += 1
        self.kernels += there
        if there:
            shapes = tuple(each.shape[1:] for each in args if isinstance(each, torch.Tensor))
            self.order.append((name, shapes))
        return func(*args, **kwargs)


def lies_whole(prior: Prior, side: int) -> bool:
    """Whether a prior that was loaded there encodes, decodes and denoises there, and waits for nothing."""
    with FarDevice():
        prior.denoise(prior.encode(torch.zeros(1, 1, side, side, device=DEVICE)), torch.zeros(1, device=DEVICE).long())
    with FarDevice() as device, torch.no_grad():
        z = prior.encode(torch.zeros(2, 1, side, side, device=DEVICE))
        x = prior.decode(z)
        z0 = prior.denoise(z, torch.zeros(2, device=DEVICE).long())
    same = {each.device.type for each in (z, x, z0)} == {DEVICE} and z0.shape == z.shape
    return same and not device.waits and not device.sent
