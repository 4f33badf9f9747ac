"""One file that carries a prior to a site without a network: a plain tar, the card first, every digest checked.

    card.json            `PriorCard` with the sha256 of each file
    <the prior's files>  in the order of their names

It is not compressed: weights don't shrink, and an archive that can't grow can't be a bomb. Dates, owners and modes are
left out, so the same prior gives the same bytes.
"""

from __future__ import annotations

import hashlib
import io
import re
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import IO

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, CARD_BYTES, PriorCard, digest_of, unwritable, write_card
from medaug.inverse.priors.library.store import entry
from medaug.inverse.priors.loaders.layout import PARTS, parts_of
from medaug.inverse.priors.loaders.load import rehash
from medaug.storage.archive import sha256_of
from medaug.storage.atomic import replacing
from medaug.storage.plain_files import open_plain

TOTAL_BYTES = 64 << 30
_CHUNK = 1 << 20
_PART = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)?")


def export_prior(folder: Path, card: PriorCard, file: Path) -> str:
    """Write a prior with its card to one file, which appears whole or not at all.

    Returns:
        The sha256 of the file.

    Raises:
        PriorError: a file isn't what the card says, or ``file`` exists.
        OutputError: the disk didn't take it.
    """
    parts = parts_of(folder, rehash(folder, card))
    if file.exists():
        raise PriorError(
            "prior export: expected a new file, found one of that name; give another name or remove it",
            code="prior-name",
        )
    try:
        with replacing(file) as passing:
            with tarfile.open(passing, "x", format=tarfile.PAX_FORMAT) as archive:
                content = card.to_json().encode()
                _put(archive, CARD, len(content), io.BytesIO(content))
                for name, path in parts.items():
                    with open_plain(path) as part:
                        _put(archive, name, path.stat().st_size, part)
            return sha256_of(passing)
    except OSError as error:
        raise unwritable(error) from None


def import_prior(file: Path, root: Path, name: str | None = None) -> PriorCard:
    """Unpack what `export_prior` wrote into the store.

    Nothing but regular files is taken, under the names on the card and inside the prior's layout, and each digest is
    compared before the entry appears.

    Args:
        file: the archive.
        root: the store.
        name: under which the prior is found; its own name if left out.

    Raises:
        PriorError: not such an archive, or not what its card says; nothing is left behind.
        OutputError: the disk didn't take it.
    """
    try:
        with open_plain(file) as stream, tarfile.open(fileobj=stream, mode="r:") as archive:
            card = _card(archive)
            with entry(root, name or card.name.lower()) as staged:
                _unpack(archive, card, staged)
                card = replace(card, name=name or card.name.lower())
                write_card(staged, card)
                rehash(staged, card)
            return card
    except (tarfile.TarError, FileNotFoundError, ValueError, OverflowError, EOFError) as error:
        raise _refused(f"an archive of `medaug prior export`, found none ({type(error).__name__})") from None
    except OSError as error:  # a pipe, a device or a folder
        raise _refused(f"an archive of `medaug prior export` ({error.strerror})") from None


def _put(archive: tarfile.TarFile, name: str, size: int, content: IO[bytes]) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, content)


def _card(archive: tarfile.TarFile) -> PriorCard:
    first = archive.next()
    if first is None or first.name != CARD or not first.isreg() or first.size > CARD_BYTES:
        raise _refused(f"{CARD} as its first file, found something else")
    content = archive.extractfile(first)
    assert content is not None  # a regular file
    try:
        card = PriorCard.from_json(content.read().decode())
    except UnicodeDecodeError as error:
        raise _refused(f"a readable {CARD}, found none") from error
    if not card.files or card.sha256 != digest_of(card.files):
        raise _refused("the digest of each file on its card, found none")
    for name in card.files:
        if not (_PART.fullmatch(name) and any(Path(name).match(p) for kind in PARTS.values() for p in kind)):
            raise _refused("only files of a prior's layout, found another name on its card")
    return card


def _unpack(archive: tarfile.TarFile, card: PriorCard, folder: Path) -> None:
    waiting, total = dict(card.files), 0
    while (member := archive.next()) is not None:
        total += member.size
        if member.name not in waiting or not member.isreg() or member.issparse() or total > TOTAL_BYTES:
            raise _refused("each file of its card once, as a plain file, found something else")
        expected, content = waiting.pop(member.name), archive.extractfile(member)
        assert content is not None  # a regular file
        target = folder / member.name
        target.parent.mkdir(parents=True, exist_ok=True)
        found = _copy(content, target)
        if found != expected:
            raise _refused(f"{member.name} with sha256 {expected}, found {found}")
    if waiting:
        raise _refused(f"{min(waiting)}, found no such file")


def _copy(content: IO[bytes], target: Path) -> str:
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while chunk := content.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()


def _refused(expected: str) -> PriorError:
    return PriorError(
        f"prior archive: expected {expected}; nothing was imported: export or copy it again", code="prior-archive"
    )
