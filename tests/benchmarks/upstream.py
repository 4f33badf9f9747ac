"""The arithmetic of the public PSLD code, where other scripts look for it; `gpu.py` holds it, to be one file."""

from __future__ import annotations

from tests.benchmarks.gpu import upstream

__all__ = ["upstream"]
