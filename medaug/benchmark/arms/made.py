"""What the package makes from a real image: variants, fills without a prior, and naive copies of variants."""

from __future__ import annotations

from medaug.benchmark.arms.arm import Material, drawn_for
from medaug.benchmark.arms.naive import transformed
from medaug.benchmark.images.dataset import Picture


def made(material: Material) -> list[Picture]:
    """The image that was made in each turn; the real one again where none passed the gate: counts stay equal."""
    return [material.made(picture, number) or picture for picture, number in material.turns]


def naive_of_made(material: Material) -> list[Picture]:
    """A naive copy of what was made in each turn."""
    return [
        transformed(made_one, drawn_for("naive of made", made_one, number))
        for made_one, (_, number) in zip(made(material), material.turns, strict=True)
    ]


def naive_and_made(material: Material) -> list[Picture]:
    """Naive copies as the arm ``naive`` draws them, every other turn of what was made instead of the real image."""
    return [
        transformed((material.made(picture, number) if n % 2 else None) or picture, drawn_for("naive", picture, number))
        for n, (picture, number) in enumerate(material.turns)
    ]
