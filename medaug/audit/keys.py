"""Keys for seals: Ed25519, private in PKCS #8, public in SubjectPublicKeyInfo, both PEM."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from medaug.errors import OutputError
from medaug.storage.atomic import replace_file, unusable, write_secret
from medaug.storage.plain_files import read_plain

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PRIVATE, PUBLIC = "medaug-seal.key", "medaug-seal.pub"
MAX_PEM = 1 << 16  # bytes; an Ed25519 key takes about 120


def new_keys(folder: Path) -> tuple[Path, Path]:
    """Make a key pair; the private key is readable by its owner only from the first moment on.

    Args:
        folder: made when missing.

    Returns:
        The private and the public key's files.

    Raises:
        OutputError: a key lies there already, or the disk didn't take it.
    """
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    private, public = folder / PRIVATE, folder / PUBLIC
    if private.exists() or public.exists():
        raise OutputError("keys: a key lies there already, and is never replaced; give another folder")
    key = Ed25519PrivateKey.generate()
    secret = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_secret(private, secret)
    except OSError as error:
        raise unusable(PRIVATE, error, needed=len(secret)) from None
    replace_file(public, key.public_key().public_bytes(form.Encoding.PEM, form.PublicFormat.SubjectPublicKeyInfo))
    return private, public


def load_private(path: Path) -> Ed25519PrivateKey:
    """Read a private key.

    Raises:
        OutputError: not an Ed25519 private key in PEM without a passphrase.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    key = _parsed(path, partial(load_pem_private_key, password=None), "a private key, PEM without a passphrase")
    if not isinstance(key, Ed25519PrivateKey):
        raise OutputError("key: expected an Ed25519 private key, found another kind; make one: medaug keys new")
    return key


def load_public(path: Path) -> Ed25519PublicKey:
    """Read a public key.

    Raises:
        OutputError: not an Ed25519 public key in PEM.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    key = _parsed(path, load_pem_public_key, "a public key in PEM")
    if not isinstance(key, Ed25519PublicKey):
        raise OutputError("key: expected an Ed25519 public key, found another kind")
    return key


def key_id(key: Ed25519PublicKey) -> str:
    """SHA-256 of the key's SubjectPublicKeyInfo in DER: a hint which key to look for, no proof of anything."""
    from cryptography.hazmat.primitives import serialization as form

    return hashlib.sha256(key.public_bytes(form.Encoding.DER, form.PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def verifies(key: Ed25519PublicKey, signature: bytes, message: bytes) -> bool:
    """True when the key's owner signed the message."""
    from cryptography.exceptions import InvalidSignature

    try:
        key.verify(signature, message)
    except InvalidSignature:
        return False
    return True


def _parsed(path: Path, load: Callable[[bytes], Any], expected: str) -> Any:
    try:
        return load(read_plain(path, MAX_PEM))
    except OSError as error:
        raise OutputError(f"key: the file can't be read ({error.strerror})") from None
    except Exception as error:  # noqa: BLE001 - malformed keys raise anything; nothing of them may be shown
        raise OutputError(f"key: expected {expected} ({type(error).__name__})") from None
