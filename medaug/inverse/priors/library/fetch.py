"""The one part of medaug that downloads anything, and only when `medaug prior fetch` is given."""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

from medaug.errors import PriorError
from medaug.inverse.priors.card import CARD, PriorCard, write_card
from medaug.inverse.priors.library.store import add
from medaug.inverse.priors.loaders.layout import PARTS

_HUB_ID = re.compile(r"[\w][\w.-]{0,95}/[\w][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}")
_DUPLICATES = ["*.fp16.*", "*.bf16.*", "*.non_ema.*"]  # other copies of the same weights


@dataclass(frozen=True)
class Offer:
    """What the hub says of a model before a byte of it is taken.

    Attributes:
        licence: as its page states it; "none stated" where it doesn't.
        bytes: size of the files that would be taken.
        files: how many.
    """

    licence: str
    bytes: int
    files: int


def look(hub_id: str, revision: str) -> Offer:
    """Ask the hub what a revision holds and under which licence.

    Raises:
        PriorError: malformed arguments, no such revision, no safetensors, or no network.
    """
    _require_pinned(hub_id, revision)
    import huggingface_hub

    try:
        info = huggingface_hub.HfApi(token=False).model_info(hub_id, revision=revision, files_metadata=True)
    except Exception as error:  # noqa: BLE001 - a network client's errors are many; their kind is reported
        raise _unreachable(error) from None
    taken = [file for file in info.siblings or () if _wanted(file.rfilename)]
    if not any(file.rfilename.endswith(".safetensors") for file in taken):
        raise PriorError(
            "prior fetch: expected vae/, unet/ and scheduler/ with *.safetensors at that revision, found none; pickle "
            "can run code and is never fetched: choose a revision with safetensors",
            code="prior-weights",
        )
    licence = getattr(info.card_data, "license", None) or "none stated"
    return Offer(str(licence), sum(file.size or 0 for file in taken), len(taken))


def fetch(hub_id: str, revision: str, sha256: str, offer: Offer, root: Path, name: str | None = None) -> PriorCard:
    """Take a pinned revision into the store, if its digest is the expected one.

    Args:
        hub_id: OWNER/MODEL on the hub.
        revision: the full commit, 40 hex digits; a branch or tag can be moved.
        sha256: the prior's digest, as `medaug prior show` prints it.
        offer: of `look`; the caller showed its licence and it was accepted.
        root: the store.
        name: under which it is found; the model's own name if left out.

    Raises:
        PriorError: no network, another digest, or not a usable prior; nothing is left behind.
        OutputError: the disk didn't take it.
    """
    _require_pinned(hub_id, revision)
    if not re.fullmatch(r"[0-9a-f]{64}", sha256):
        raise PriorError(
            "prior fetch: expected --sha256 with 64 hex digits; it is what a colleague's prior shows",
            code="prior-digest",
        )
    root.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=".fetch-", dir=root))
    try:
        _download(hub_id, revision, folder)
        return _add_pinned(folder, hub_id, revision, sha256, offer, root, name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _add_pinned(
    folder: Path, hub_id: str, revision: str, sha256: str, offer: Offer, root: Path, name: str | None
) -> PriorCard:
    from medaug.inverse.priors.loaders.load import load_folder

    (folder / CARD).unlink(missing_ok=True)  # words about it come from the user
    card = load_folder(folder).card
    if card.sha256 != sha256:
        raise PriorError(
            f"prior fetch: expected sha256 {sha256}, found {card.sha256}; nothing was kept: make sure which of the "
            "two is meant, and give that one",
            code="prior-digest",
        )
    write_card(folder, replace(card, licence=offer.licence, attribution=f"{hub_id}, revision {revision}"))
    return add(folder, root, name or hub_id.split("/")[1].lower())


def _download(hub_id: str, revision: str, folder: Path) -> None:
    import huggingface_hub

    try:
        huggingface_hub.snapshot_download(
            hub_id,
            revision=revision,
            local_dir=folder,
            allow_patterns=list(PARTS["diffusers"]),
            ignore_patterns=_DUPLICATES,
            token=False,
        )
    except Exception as error:  # noqa: BLE001 - a network client's errors are many; their kind is reported
        raise _unreachable(error) from None


def _wanted(name: str) -> bool:
    path = Path(name)
    return any(path.match(p) for p in PARTS["diffusers"]) and not any(path.match(p) for p in _DUPLICATES)


def _require_pinned(hub_id: str, revision: str) -> None:
    if not _HUB_ID.fullmatch(hub_id) or not _COMMIT.fullmatch(revision):
        raise PriorError(
            "prior fetch: expected OWNER/MODEL and --revision with the 40 hex digits of a commit (a branch can be "
            "moved), found something else; copy both from the model's page",
            code="prior-fetch",
        )


def _unreachable(error: Exception) -> PriorError:
    return PriorError(
        f"prior fetch: the hub didn't give that revision ({type(error).__name__}); check the id, the revision and the "
        "network, or bring the model as one file: `medaug prior export` elsewhere, `medaug prior import` here",
        code="prior-fetch",
    )
