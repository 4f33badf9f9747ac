"""Real images alone, and as often as any arm shows its own."""

from __future__ import annotations

from medaug.benchmark.arms.arm import Material
from medaug.benchmark.images.dataset import Picture


def nothing(_material: Material) -> list[Picture]:
    """Real images only."""
    return []


def duplicates(material: Material) -> list[Picture]:
    """The real image itself in each turn: the control of equal count."""
    return [picture for picture, _ in material.turns]
