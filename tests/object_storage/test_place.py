"""Addresses and names; and what says no before any connection."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from medaug.errors import ArchiveError
from medaug.object_storage.place import Prefix, is_safe, place_of
from tests.support.command_line import medaug


def test_an_address_is_a_bucket_and_a_prefix() -> None:
    assert place_of("s3://bucket/site a/2024/") == Prefix("bucket", "site a/2024")
    assert place_of("s3://bucket/x").key("a/b") == "x/a/b"


@pytest.mark.parametrize(
    "text",
    ["s3://bucket", "s3://bucket/", "s3://user:word@bucket/x", "s3:/bucket/x", "gs://bucket/x", "s3://b/../x", "x"],
)
def test_others_are_refused_without_being_said_again(text: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        place_of(text)
    assert caught.value.code == "archive-address"
    assert "word" not in str(caught.value)


@pytest.mark.parametrize("name", ["a", "a/b.dcm", "Größe/ä b", "..a", "a" * 255])
def test_a_name_that_can_be_a_files(name: str) -> None:
    assert is_safe(name)


@pytest.mark.parametrize(
    "name", ["", "/a", "a//b", "../a", "a/..", ".", "a\\b", "a\nb", "\x1b[2J", "a" * 256, "a/" * 600]
)
def test_a_name_that_leads_out_or_steers_a_terminal(name: str) -> None:
    assert not is_safe(name)


@pytest.mark.parametrize("command", ["plan", "inspect", "boxes"])
def test_what_only_looks_opens_no_connection_and_says_which_command_does(command: str) -> None:
    said = medaug(command, "s3://bucket/export")
    assert (said.returncode, "medaug pull" in said.stderr) == (2, True)


def test_a_run_writes_into_folders_and_brings_from_s3_alone(tmp_path: Path) -> None:
    given = medaug("run", tmp_path, "-o", "s3://bucket/run", "-a", tmp_path)
    assert (given.returncode, "medaug push" in given.stderr) == (2, True)
    other = medaug("run", "gs://bucket/export", "-o", tmp_path / "out", "-a", tmp_path)
    assert (other.returncode, "archive-address" in other.stderr) == (2, True)
    assert not list(tmp_path.iterdir())


def test_without_its_extra_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "s3fs", None)
    said = medaug("pull", "s3://bucket/export", "-o", tmp_path / "in")
    assert (said.returncode, "pip install 'medaug[s3]'" in said.stderr) == (2, True)
