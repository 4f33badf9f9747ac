"""The user's own priors: one folder each, under a name, with digests and a card.

    $MEDAUG_PRIORS, or the platform's data folder/medaug/priors/
      NAME/
        card.json       every fact of `PriorCard`, the digest of each file, calibrated weights
        …               the prior's files in its own layout, copied or as symbolic links

An entry is made under a hidden name and appears by one rename, so that it is whole or not there.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, PriorCard, unwritable, write_card
from medaug.inverse.priors.embedded import RESERVED
from medaug.inverse.priors.library.lookup import NAME
from medaug.inverse.priors.loaders.layout import layout_of, parts_of, shown
from medaug.storage.atomic import new_folder


def add(source: Path, root: Path, name: str | None = None, *, link: bool = False) -> PriorCard:
    """Put a prior into the store, loaded once as a proof that it works.

    Args:
        source: its folder, which is left as it is.
        root: the store.
        name: under which it is found; the folder's own name if left out.
        link: link to the files where they lie, instead of copying them.

    Raises:
        PriorError: the name is taken or not usable, or the prior can't be loaded.
        OutputError: the disk didn't take it; nothing partial is visible.
    """
    from medaug.inverse.priors.loaders.load import load_folder

    chosen = name or source.name.lower()
    parts = parts_of(source, layout_of(source))
    with entry(root, chosen) as staged:
        for part, path in parts.items():
            target = staged / part
            target.parent.mkdir(parents=True, exist_ok=True)
            if link:
                target.symlink_to(path.resolve())
            else:
                shutil.copyfile(path, target)
        if (source / CARD).is_file():
            shutil.copyfile(source / CARD, staged / CARD)
        try:
            loaded = load_folder(staged)
        except PriorError as error:
            raise PriorError(str(error).replace(shown(staged), shown(source)), code=error.code) from error
        card = replace(loaded.card, name=chosen)
        write_card(staged, card)
    return card


@contextmanager
def entry(root: Path, name: str) -> Iterator[Path]:
    """A folder to fill, which gets ``name`` when the block ends well and vanishes when it doesn't.

    Raises:
        PriorError: the name is taken or not usable.
        OutputError: the disk is full, read-only, or allows no links.
    """
    if not NAME.fullmatch(name):
        raise PriorError(
            "prior: expected a name of a-z, 0-9, '.', '_' and '-', at most 64 of them; give --name NAME",
            code="prior-name",
        )
    if name in RESERVED or (root / name).exists():
        raise PriorError(
            f"prior {name!r}: the name is taken; give another with --name, or remove the stored one first",
            code="prior-name",
        )
    try:
        with new_folder(root / name) as staged:
            yield staged
    except OSError as error:
        raise unwritable(error) from None
