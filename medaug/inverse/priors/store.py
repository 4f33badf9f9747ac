"""The user's own priors: one folder each, under a name, with digests and a card.

    $MEDAUG_PRIORS, or the platform's data folder/medaug/priors/
      NAME/
        card.json       every fact of `PriorCard`, the digest of each file, calibrated weights
        …               the prior's files in its own layout, copied or as symbolic links

An entry is made under a hidden name and appears by one rename, so that it is whole or not there.
"""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

from medaug.errors import OutputError, PriorError
from medaug.inverse.priors.card import CARD, PriorCard
from medaug.inverse.priors.layout import layout_of, parts_of, shown

NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
VARIABLE = "MEDAUG_PRIORS"


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
        raise PriorError(f"prior {name!r}: expected one of the stored priors ({there}); see `medaug prior list`")
    return PriorCard.from_json((root / name / CARD).read_text(encoding="utf-8"))


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
    from medaug.inverse.priors.load import load_folder

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
            raise PriorError(str(error).replace(shown(staged), shown(source))) from error
        card = replace(loaded.card, name=chosen)
        write_card(staged, card)
    return card


def write_card(folder: Path, card: PriorCard) -> None:
    """Write ``card.json`` beside a prior's files; a reader sees the old one or the new one.

    Raises:
        OutputError: the disk didn't take it.
    """
    part = folder / f".{CARD}.{os.getpid()}"
    try:
        part.write_text(card.to_json(), encoding="utf-8")
        part.replace(folder / CARD)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise unwritable(error) from None


@contextmanager
def entry(root: Path, name: str) -> Iterator[Path]:
    """A folder to fill, which gets ``name`` when the block ends well and vanishes when it doesn't.

    Raises:
        PriorError: the name is taken or not usable.
        OutputError: the disk is full, read-only, or allows no links.
    """
    if not NAME.fullmatch(name):
        raise PriorError("prior: expected a name of a-z, 0-9, '.', '_' and '-', at most 64 of them; give --name NAME")
    if name == "embedded" or (root / name).exists():
        raise PriorError(f"prior {name!r}: the name is taken; give another with --name, or remove the stored one first")
    staged = root / f".{name}.{os.getpid()}"
    try:
        staged.mkdir(parents=True)
        yield staged
        staged.rename(root / name)
    except OSError as error:
        raise unwritable(error) from None
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def unwritable(error: OSError) -> OutputError:
    """What a failed write means, without a path."""
    reason = error.strerror or type(error).__name__
    return OutputError(f"priors: writing failed: {reason}; make room or restore access, and try again")
