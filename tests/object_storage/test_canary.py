"""Prefixes, keys and credentials may name people or open doors: nothing that is said or put holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from medaug.object_storage import object_store as store_module
from tests.support.command_line import medaug
from tests.support.object_server import BUCKET, Server

pytestmark = pytest.mark.s3
CANARY = "Mustermann-4711"


def test_no_word_with_a_store_says_one(
    sound: Path, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    monkeypatch.setattr(store_module, "WAITS", ())
    place = f"s3://{BUCKET}/{CANARY}"
    for name in (f"in/{CANARY}.txt", f"in/{CANARY}/../x", "taken/thesis.txt"):
        server.put(f"{CANARY}/{name}", b"x")
    commands: tuple[tuple[int, tuple[object, ...]], ...] = (
        (4, ("pull", f"{place}/in", "-o", tmp_path / "in")),
        (4, ("pull", f"{place}/in", "-o", tmp_path / "in", "--json")),
        (2, ("pull", f"{place}/in", "-o", tmp_path / "in2", "--most", "0")),
        (2, ("pull", f"{place}/taken", "-o", tmp_path / "in")),
        (2, ("pull", f"s3://{CANARY}:{CANARY}@{BUCKET}/x", "-o", tmp_path / "in3")),
        (2, ("push", sound, f"{place}/taken")),
        (0, ("push", sound, f"{place}/out")),
        (0, ("push", sound, f"{place}/out", "--json")),
        (0, ("verify", f"{place}/out", "--workers", "1")),
        (5, ("verify", f"{place}/none")),
        (2, ("run", sound, "-a", sound, "-o", f"{place}/run")),
        (2, ("plan", f"{place}/in")),
    )
    for code, command in commands:
        said = medaug(*command)
        assert (said.returncode, CANARY in said.stdout + said.stderr) == (code, False), (command[0], said.stderr)
    assert not any(CANARY.encode() in data for data in server.objects(f"{CANARY}/out").values())
    found = [path for path in (tmp_path / "in").rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert {path.parent.name for path in found} == {"private"}  # where it came from, for the owner
