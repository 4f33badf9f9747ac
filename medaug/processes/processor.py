"""Which processor this is, which decides the last digits of what is computed on it."""

from __future__ import annotations

import platform
import re
from functools import cache
from pathlib import Path

from medaug.storage.plain_files import open_plain, text_of

_SAID = Path("/proc/cpuinfo")  # on Linux alone, and not on every architecture


@cache
def processor() -> str:
    """Its model and the vectors that torch takes there, such as ``AMD EPYC 7763 64-Core Processor, AVX2``.

    Kernels sum in the order of their vectors, and libraries of products choose theirs by the maker too. Noise is drawn
    on the processor wherever a solve runs.
    """
    import torch

    return f"{_model()}, {torch.backends.cpu.get_cpu_capability()}"


def _said() -> str:
    with text_of(open_plain(_SAID)) as file:
        return file.read()


def _model() -> str:
    try:
        named = re.search(r"^model name\s*:\s*(\S.*)$", _said(), re.MULTILINE)
    except OSError:
        named = None
    return " ".join(named[1].split()) if named else platform.processor() or platform.machine()
