"""What a prior's folder is, without loading it: its card and its digest. Needs no torch, so that planning doesn't."""

from __future__ import annotations

import hashlib
from pathlib import Path

from medaug.errors import PriorError
from medaug.inverse.priors.card import PriorCard, digest_of
from medaug.profile import FolderPrior, Profile

EMBEDDED = Path(__file__).parent / "radiograph_256"
CARD = "card.json"
NULL_EMBEDDING = "null_embedding.safetensors"


def with_folder_prior(profile: Profile, folder: Path) -> Profile:
    """The profile with its prior replaced by a folder's, pinned at the digest found now.

    Raises:
        PriorError: the folder holds no prior.
    """
    prior = FolderPrior(kind="folder", path=folder, sha256=folder_digest(folder))
    return profile.model_copy(update={"prior": prior})


def folder_digest(folder: Path) -> str:
    """The digest a loaded prior will have; loading compares it with the files.

    Raises:
        PriorError: neither a card nor diffusers' layout.
    """
    if (folder / CARD).is_file():
        return read_card(folder).sha256
    files = file_digests(folder)
    if not files:
        raise PriorError(
            f"prior {folder.name}: expected {CARD} or diffusers' layout (vae/, unet/, scheduler/), found neither; "
            "give the folder of a prior"
        )
    return digest_of(files)


def read_card(folder: Path) -> PriorCard:
    """The card of a prior's folder; no weights are read.

    Raises:
        PriorError: there is none, or it is malformed.
    """
    try:
        return PriorCard.from_json((folder / CARD).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise PriorError(f"prior {folder.name}: expected a readable {CARD}, found none; reinstall medaug") from error


def file_digests(folder: Path) -> dict[str, str]:
    """sha256 of every file in diffusers' layout that decides what the model computes, by its name in the folder."""
    parts = ("vae", "unet", "scheduler", "text_encoder", "tokenizer")
    inside = [p for part in parts for s in ("*.safetensors", "*.json") for p in (folder / part).glob(s)]
    return {p.relative_to(folder).as_posix(): _digest(p) for p in sorted([*inside, *folder.glob(NULL_EMBEDDING)])}


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
