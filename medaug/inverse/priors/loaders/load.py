"""Any prior, by the folder it lies in."""

from __future__ import annotations

from pathlib import Path
from typing import assert_never

from medaug.errors import PriorError
from medaug.inverse.priors.card import PriorCard, digest_of, read_card
from medaug.inverse.priors.embedded import is_embedded
from medaug.inverse.priors.latent_prior import LatentPrior
from medaug.inverse.priors.loaders.declared import told
from medaug.inverse.priors.loaders.layout import Layout, digests, layout_of
from medaug.inverse.priors.loaders.trained import load_trained


def load_folder(folder: Path, device: str = "cpu") -> LatentPrior:
    """Load what `medaug prior train` made, a folder in diffusers' layout or a converted MONAI bundle.

    Args:
        folder: the prior's.
        device: where the weights go.

    Raises:
        PriorError: a part is missing, of an unknown class, pickled, or not what the card says.
    """
    layout = layout_of(folder)
    with told(folder):
        return _loaded(folder, layout, device)


def _loaded(folder: Path, layout: Layout, device: str) -> LatentPrior:
    match layout:
        case "medaug":
            return load_trained(folder, device)
        case "diffusers":
            from medaug.inverse.priors.loaders.diffusers import load_diffusers

            return load_diffusers(folder, device)
        case "monai":
            from medaug.inverse.priors.loaders.monai import load_monai

            return load_monai(folder, device)
        case _:
            assert_never(layout)


def card_of(folder: Path) -> PriorCard:
    """The card of a prior, its files compared with it; that of one that medaug carries is read without its weights.

    Raises:
        PriorError: as `load_folder`.
    """
    return read_card(folder) if is_embedded(folder) else load_folder(folder).card


def rehash(folder: Path, card: PriorCard) -> Layout:
    """Hash every file again and compare with the card.

    Raises:
        PriorError: a file is missing, changed or new; the first of them is named.
    """
    layout = layout_of(folder)
    found = digests(folder, layout)
    for name in sorted({*found, *card.files}):
        expected, actual = card.files.get(name, "no such file on the card"), found.get(name, "no such file")
        if expected != actual:
            raise PriorError(
                f"prior {card.name}: {name}: expected sha256 {expected}, found {actual}; "
                "the prior was changed or cut short: restore it, or remove and add it again",
                code="prior-digest",
            )
    if digest_of(found) != card.sha256:
        raise PriorError(
            f"prior {card.name}: expected sha256 {card.sha256}, found {digest_of(found)}; restore the card",
            code="prior-digest",
        )
    return layout
