from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from medaug.errors import OutputError
from medaug.storage.atomic import disk_errors, has_bytes, new_folder, replace_file, replacing, write_secret


def test_the_new_bytes_are_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "monai.json"
    replace_file(path, b"old")
    replace_file(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = replace_file(tmp_path / "monai.json", b"old")

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OutputError, match=r"writing monai.json \(3 bytes\) failed: No space left"):
        replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("blocks", "same"),
    [([b"ab", b"c"], True), ([b"abc"], True), ([b"ab"], False), ([b"abcd"], False), ([b"abd"], False), ([], False)],
)
def test_a_file_is_compared_block_by_block(tmp_path: Path, blocks: list[bytes], *, same: bool) -> None:
    (tmp_path / "file").write_bytes(b"abc")
    assert has_bytes(tmp_path / "file", blocks) is same
    assert not has_bytes(tmp_path / "none", blocks)


def test_what_ends_the_block_leaves_the_old_file_and_nothing_beside_it(tmp_path: Path) -> None:
    path = replace_file(tmp_path / "card.json", b"old")
    with pytest.raises(FileNotFoundError), replacing(path) as passing:
        passing.write_bytes((tmp_path / "none").read_bytes())
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_folder_appears_filled_or_not_at_all(tmp_path: Path) -> None:
    with new_folder(tmp_path / "sub" / "prior") as passing:
        (passing / "file").write_bytes(b"x")
        assert not (tmp_path / "sub" / "prior").exists()
    assert [path.name for path in (tmp_path / "sub").rglob("*")] == ["prior", "file"]
    with pytest.raises(KeyError), new_folder(tmp_path / "other"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["sub"]


def test_a_secret_is_its_owner_s_and_never_replaced(tmp_path: Path) -> None:
    write_secret(tmp_path / "key", b"secret")
    assert (tmp_path / "key").stat().st_mode & 0o777 == 0o600
    with pytest.raises(FileExistsError):
        write_secret(tmp_path / "key", b"another")
    assert (tmp_path / "key").read_bytes() == b"secret"


def test_what_a_disk_refuses_is_one_sentence_and_what_a_program_does_wrong_is_not(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="writing the lists failed"), disk_errors("the lists"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(FileNotFoundError), disk_errors("the lists"):
        (tmp_path / "none").read_bytes()
