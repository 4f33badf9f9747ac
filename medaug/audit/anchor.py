"""An anchor of a seal: something from elsewhere that names this very seal, such as an RFC 3161 time stamp token.

A signature says who sealed, and an older signed state put back is as well signed as the newest. What a third party
stated of the newest one tells the two apart. Here an anchor is bytes that hold the SHA-256 of seal.json, as they are,
in hex or in base64: the token of a time stamp authority (its messageImprint), a transparency log's receipt, a dated
mail. Whose statement it is, and when it was made, isn't checked here: `openssl ts -verify`, or the log's own tool, do.
"""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from medaug.audit.layout import ANCHOR, SEAL
from medaug.errors import OutputError
from medaug.storage.atomic import replace_file
from medaug.storage.canonical_json import canonical, parse
from medaug.storage.plain_files import read_plain

MAX_ANCHOR = 1 << 20  # bytes; a token has some 6,000


def add_anchor(root: Path, file: Path) -> str:
    """Lay an anchor beside the seal, with its digest; the seal stays as it is.

    Args:
        root: OUTPUT.
        file: the token, receipt or text.

    Returns:
        The anchor's SHA-256, in hex.

    Raises:
        OutputError: there is no seal, the file can't be read, it doesn't name this seal, or the disk didn't take it.
    """
    try:
        seal, anchor = read_plain(root / SEAL, follow=False), read_plain(file, MAX_ANCHOR)
    except OSError as error:
        raise OutputError(f"anchor: the seal or the anchor can't be read ({error.strerror}); check both") from None
    if not names(anchor, seal):
        digest = hashlib.sha256(seal).hexdigest()
        raise OutputError(
            f"anchor: expected the seal's SHA-256 ({digest}) in it, found none; make one of this seal.json"
        )
    found = hashlib.sha256(anchor).hexdigest()
    kept = {"anchor": base64.b64encode(anchor).decode(), "sha256": found, "seal": hashlib.sha256(seal).hexdigest()}
    replace_file(root / ANCHOR, canonical(kept) + b"\n")
    return found


def names(anchor: bytes, seal: bytes) -> bool:
    """Whether an anchor holds the digest of a seal's bytes; one that was laid beside a seal is looked into."""
    digest = hashlib.sha256(seal)
    spelled = (digest.digest(), digest.hexdigest().encode(), base64.b64encode(digest.digest()))
    return any(each in whole for whole in (_inner(anchor), _inner(anchor).lower()) for each in spelled)


def _inner(anchor: bytes) -> bytes:
    try:
        return base64.b64decode(parse(anchor)["anchor"], validate=True)
    except (ValueError, TypeError, KeyError):
        return anchor
