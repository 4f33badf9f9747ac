"""What kind of prior a folder holds, which of its files count, and their digests. Nothing is loaded here."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD
from medaug.storage.plain_files import sha256_of_plain

Layout = Literal["medaug", "diffusers", "monai"]
TRAINED = ("autoencoder.json", "autoencoder.safetensors", "scheduler.json", "unet.json", "unet.safetensors")
NULL_EMBEDDING = "null_embedding.safetensors"
_FOLDERS = ("vae", "vae_tiny", "unet", "scheduler", "text_encoder", "tokenizer")
_SAFE = ("*.safetensors", "*.json", "*.txt")  # *.txt: a tokenizer's merges
PARTS: Mapping[Layout, tuple[str, ...]] = {
    "medaug": TRAINED,
    "diffusers": (*(f"{folder}/{kind}" for folder in _FOLDERS for kind in _SAFE), NULL_EMBEDDING),
    "monai": ("configs/inference.json", "configs/metadata.json", "latent.json", "models/*.safetensors"),
}


def layout_of(folder: Path) -> Layout:
    """What a folder holds, by the names in it.

    Raises:
        PriorError: no such folder, or none of the three layouts.
    """
    if not folder.is_dir():
        raise PriorError(
            "prior: expected the name of a stored prior (`medaug prior list`) or a folder, found neither; "
            "check the spelling",
            code="prior-unknown",
        )
    if any((folder / name).exists() for name in ("unet.json", "autoencoder.json")):
        return "medaug"
    if (folder / "configs").is_dir():
        return "monai"
    if any((folder / name).is_dir() for name in ("vae", "unet", "scheduler")):
        return "diffusers"
    if (folder / CARD).exists():
        return "medaug"
    raise PriorError(
        f"prior {shown(folder)}: expected vae/, unet/ and scheduler/ (diffusers), configs/ and models/ (a MONAI "
        "bundle), or what `medaug prior train` writes; found none of these; name the folder that holds them",
        code="prior-unknown",
    )


def parts_of(folder: Path, layout: Layout) -> dict[str, Path]:
    """The files that decide what a prior does: name below the folder, with ``/`` → path; sorted."""
    paths = {path for pattern in PARTS[layout] for path in folder.glob(pattern) if path.is_file()}
    return {path.relative_to(folder).as_posix(): path for path in sorted(paths)}


def digests(folder: Path, layout: Layout) -> dict[str, str]:
    """The sha256 of each of `parts_of`, in hex."""
    return {name: sha256_of_plain(path) for name, path in parts_of(folder, layout).items()}


def shown(folder: Path) -> str:
    """A folder's last name where it can be shown, else a digest of it: it stands in messages and records."""
    name = folder.name
    plain = 0 < len(name) <= 64 and all(c.isascii() and (c.isalnum() or c in "._-") for c in name)
    return name if plain else f"prior-{hashlib.sha256(name.encode(errors='replace')).hexdigest()[:8]}"
