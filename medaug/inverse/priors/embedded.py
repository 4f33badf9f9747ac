"""The priors that medaug carries: by name, and by the digest that a profile pins. No weights are read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from medaug.inverse.priors.card import EMBEDDED, read_card

EMBEDDED_PRIORS: Mapping[str, Path] = MappingProxyType(
    {
        "radiograph-256": EMBEDDED,
        "brain-mr-256": EMBEDDED.with_name("brain_mr_256"),
        "head-ct-256": EMBEDDED.with_name("head_ct_256"),
    }
)
RESERVED = frozenset({"embedded", *EMBEDDED_PRIORS})  # no stored prior may be called so


def is_embedded(folder: Path) -> bool:
    """Whether a folder is one of the package's own."""
    return folder in EMBEDDED_PRIORS.values()


def embedded_with(sha256: str) -> Path:
    """The folder of the prior with a digest; where none has it, `EMBEDDED`, whose digest then differs.

    Raises:
        PriorError: a card is missing or malformed.
    """
    return next((folder for folder in EMBEDDED_PRIORS.values() if read_card(folder).sha256 == sha256), EMBEDDED)
