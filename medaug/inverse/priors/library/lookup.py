"""Which prior a name means, its card and its digest, without loading it. Needs no torch, so that planning doesn't."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from medaug.errors import PriorError
from medaug.inverse.priors.card import (
    CARD,
    EMBEDDED,
    PriorCard,
    SolverWeights,
    card_text,
    digest_of,
    read_card,
    weights_in,
)
from medaug.inverse.priors.embedded import EMBEDDED_PRIORS
from medaug.inverse.priors.loaders.layout import digests, layout_of
from medaug.storage.plain_files import is_plain

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VARIABLE = "MEDAUG_PRIORS"


def folder_of(name_or_path: str | None) -> Path:
    """Where a prior lies: stored under a name, one that medaug carries, a folder; None or ``embedded``: radiographs'.

    Raises:
        PriorError: none of them.
    """
    if name_or_path in {None, "embedded"}:
        return EMBEDDED
    name = str(name_or_path)
    own = name in EMBEDDED_PRIORS and name not in stored(store_root())
    return EMBEDDED_PRIORS[name] if own else locate(name, store_root())


def folder_digest(folder: Path) -> str:
    """The digest a loaded prior will have; loading compares it with the files.

    Raises:
        PriorError: the folder holds no prior.
    """
    layout = layout_of(folder)
    if layout == "medaug":
        return read_card(folder).sha256
    return digest_of(digests(folder, layout))


def folder_weights(folder: Path) -> tuple[SolverWeights, ...]:
    """The calibrated weights on a prior's card; none where it has no card.

    Raises:
        PriorError: the card is malformed.
    """
    if layout_of(folder) == "medaug":
        return read_card(folder).weights
    return weights_in(card_text(folder)) if is_plain(folder / CARD) else ()


def store_root(environment: Mapping[str, str] = os.environ) -> Path:
    """Where stored priors lie: ``MEDAUG_PRIORS``, else the platform's folder for a user's data.

    Source: XDG Base Directory Specification 0.8; Apple's and Microsoft's folders for application data.
    """
    if environment.get(VARIABLE):
        return Path(environment[VARIABLE])
    if sys.platform == "win32":
        base = Path(environment.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Application Support"
    else:
        base = Path(environment.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
    return base / "medaug" / "priors"


def stored(root: Path) -> tuple[str, ...]:
    """Names of the stored priors, sorted."""
    if not root.is_dir():
        return ()
    return tuple(sorted(p.name for p in root.iterdir() if NAME.fullmatch(p.name) and (p / CARD).is_file()))


def stored_card(root: Path, name: str) -> PriorCard:
    """The card of a stored prior, as it stands: no file is hashed.

    Raises:
        PriorError: no such prior, or its card is malformed.
    """
    if name not in stored(root):
        there = ", ".join(stored(root)) or "none"
        raise PriorError(
            f"prior {name!r}: expected one of the stored priors ({there}); see `medaug prior list`",
            code="prior-unknown",
        )
    return read_card(root / name)


def locate(name_or_path: str, root: Path) -> Path:
    """The folder behind ``--prior``: a stored name goes before a folder of the same name; write ./NAME for that.

    Raises:
        PriorError: neither.
    """
    if name_or_path in stored(root):
        return root / name_or_path
    path = Path(name_or_path)
    layout_of(path)  # says what is wrong with it
    return path
