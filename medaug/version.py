"""The version of medaug, and of what else decides pixels and files."""

from __future__ import annotations

from functools import cache

__version__ = "0.1.0"


def versions() -> dict[str, str]:
    """Versions of what decides pixels and files, for the record."""
    return dict(_installed())


@cache
def _installed() -> dict[str, str]:
    """Read once: `medaug verify` asks three times a unit, and an answer takes 17 ms."""
    from importlib import metadata  # slow to load, and `medaug --help` doesn't need it

    names = ("medaug", "torch", "numpy", "scipy", "diffusers", "pydicom", "safetensors")
    return {name: metadata.version(name) for name in names}
