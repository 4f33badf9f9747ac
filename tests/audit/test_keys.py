from __future__ import annotations

import stat
from pathlib import Path

import pytest

from medaug.audit import keys
from medaug.errors import OutputError


def test_a_key_pair_is_made_once_and_the_private_one_is_its_owners(tmp_path: Path) -> None:
    private, public = keys.new_keys(tmp_path / "keys")
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    signature = keys.load_private(private).sign(b"text")
    key = keys.load_public(public)
    assert keys.verifies(key, signature, b"text")
    assert not keys.verifies(key, signature, b"other text")
    assert len(keys.key_id(key)) == 64
    before = private.read_bytes()
    with pytest.raises(OutputError, match="never replaced"):
        keys.new_keys(tmp_path / "keys")
    assert private.read_bytes() == before


def test_two_pairs_differ(tmp_path: Path) -> None:
    ids = {keys.key_id(keys.load_public(keys.new_keys(tmp_path / name)[1])) for name in "ab"}
    assert len(ids) == 2


def test_what_is_no_key_is_refused_without_a_word_of_it(tmp_path: Path) -> None:
    private, public = keys.new_keys(tmp_path)
    (tmp_path / "text").write_text("SECRETWORD")
    for load, path in (
        (keys.load_private, tmp_path / "text"),
        (keys.load_private, public),
        (keys.load_private, tmp_path / "nowhere"),
        (keys.load_public, private),
        (keys.load_public, tmp_path / "text"),
    ):
        with pytest.raises(OutputError, match="key: ") as caught:
            load(path)
        assert "SECRETWORD" not in str(caught.value)


def test_another_kind_of_key_is_refused(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization as form
    from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

    key = generate_private_key(SECP256R1())
    private = key.private_bytes(form.Encoding.PEM, form.PrivateFormat.PKCS8, form.NoEncryption())
    (tmp_path / "k").write_bytes(private)
    with pytest.raises(OutputError, match="expected an Ed25519 private key"):
        keys.load_private(tmp_path / "k")
