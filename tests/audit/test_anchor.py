"""An anchor is of the seal whose digest it holds, in any spelling, and of no other."""

from __future__ import annotations

import hashlib
import json
from base64 import b64encode
from pathlib import Path

import pytest

from medaug.audit.anchor import add_anchor, names
from medaug.errors import OutputError

SEAL = b"{}"
DIGEST = hashlib.sha256(SEAL)


@pytest.mark.parametrize(
    "anchor",
    [
        b"0\x82\x01" + DIGEST.digest() + b"rest",
        f"of {DIGEST.hexdigest()}\n".encode(),
        DIGEST.hexdigest().upper().encode(),
        b64encode(DIGEST.digest()),
    ],
)
def test_it_names_one_seal(tmp_path: Path, anchor: bytes) -> None:
    assert names(anchor, SEAL)
    assert not names(anchor, SEAL + b" ")
    (tmp_path / "seal.json").write_bytes(SEAL)
    (tmp_path / "token").write_bytes(anchor)
    assert add_anchor(tmp_path, tmp_path / "token") == hashlib.sha256(anchor).hexdigest()
    kept = (tmp_path / "seal.anchor.json").read_bytes()
    assert json.loads(kept)["sha256"] == hashlib.sha256(anchor).hexdigest()
    assert names(kept, SEAL)
    assert not names(kept, SEAL + b" ")


def test_one_of_another_seal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "seal.json").write_bytes(SEAL)
    (tmp_path / "token").write_bytes(bytes(32))
    for file in (tmp_path / "token", tmp_path / "nowhere"):
        with pytest.raises(OutputError, match=r"^anchor: "):
            add_anchor(tmp_path, file)
    assert not (tmp_path / "seal.anchor.json").exists()
