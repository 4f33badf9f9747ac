from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from medaug.errors import OutputError
from medaug.storage.atomic import has_bytes, replace_file


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
