"""A child process that reads one PyTorch checkpoint and writes its tensors: ``python -m … IN.pt OUT.safetensors``.

It runs so that the process which goes on never parsed a pickle, and even there nothing but tensors and plain
containers is accepted (``weights_only``).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping

import torch
from safetensors.torch import save_file


def main(source: str, target: str) -> None:
    """Read ``source``, find its state dict, write ``target``."""
    content = torch.load(source, map_location="cpu", weights_only=True)
    for key in ("state_dict", "model"):  # how trainers wrap it
        if isinstance(content, Mapping) and isinstance(content.get(key), Mapping):
            content = content[key]
    tensors = {str(name): value for name, value in content.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise SystemExit("no tensors")
    save_file({name: value.detach().clone().contiguous() for name, value in tensors.items()}, target)


if __name__ == "__main__":
    main(*sys.argv[1:])
