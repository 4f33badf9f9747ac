"""Plain files alone are opened, without waiting."""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

import pytest

from medaug.storage.plain_files import is_plain, open_plain, read_document, read_plain, sha256_of_plain

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="POSIX")
ABC = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1


def test_a_plain_file_is_read_and_one_that_is_longer_than_agreed_is_not(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert read_plain(path, 3) == b"abc"
    assert read_document(path) == "abc"
    assert sha256_of_plain(path) == ABC
    with open_plain(path) as file:
        assert file.read(2) == b"ab"
    with pytest.raises(OSError, match="3 bytes, and 2 are read at most") as refused:
        read_plain(path, 2)
    assert refused.value.errno == errno.EFBIG


def test_a_sparse_file_costs_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 1 << 40)
    with pytest.raises(OSError, match="are read at most"):
        read_plain(tmp_path / "a")


def test_a_link_is_followed_only_where_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "link").symlink_to(tmp_path / "a")
    assert read_plain(tmp_path / "link") == b"abc"
    assert is_plain(tmp_path / "link")
    assert not is_plain(tmp_path / "link", follow=False)
    with pytest.raises(OSError, match="a link lies where"):
        open_plain(tmp_path / "link", follow=False)


@pytest.mark.parametrize("follow", [True, False])
def test_what_is_no_plain_file_is_refused_at_once(tmp_path: Path, follow: bool) -> None:
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "zero").symlink_to("/dev/zero")
    for path in (tmp_path / "fifo", tmp_path / "zero", Path("/dev/zero"), tmp_path):
        assert not is_plain(path, follow=follow)
        with pytest.raises(OSError, match="lies where a"):
            open_plain(path, follow=follow)
    with pytest.raises(FileNotFoundError):
        open_plain(tmp_path / "none", follow=follow)


@pytest.mark.parametrize("late", ["fifo", "link"])
def test_what_takes_its_place_after_it_was_looked_at_is_refused(
    tmp_path: Path, late: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, real = tmp_path / "a", os.open
    path.write_bytes(b"abc")

    def swapped(what: Path, *rest: int) -> int:
        path.unlink()
        os.mkfifo(path) if late == "fifo" else path.symlink_to("/dev/zero")
        return real(what, *rest)

    monkeypatch.setattr(os, "open", swapped)
    with pytest.raises(OSError, match="lies where a"):
        open_plain(path, follow=False)
