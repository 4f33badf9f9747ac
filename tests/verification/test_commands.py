"""`medaug verify`, `replay`, `seal` and `keys` as commands: options, words, exit codes."""

from __future__ import annotations

import hashlib
import json
import shutil
import stat
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from medaug.audit import keys
from medaug.cli import app
from tests.support.sound_output import of
from tests.support.tampering import image, paint


def call(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_sound_output_exits_with_0_and_says_what_was_compared(sound: Path) -> None:
    public = sound / "keys" / keys.PUBLIC
    found = call("verify", sound / "out", "--source", sound / "in", "--public-key", public, "--workers", 1)
    assert found.exit_code == 0, found.output
    assert "3 units" in found.output
    assert "protected voxels compared with the source, signed by the given key: 0 faults" in found.output
    assert "not checked" not in found.output


def test_a_fault_exits_with_5_and_is_named_with_file_and_unit(folder: Path) -> None:
    paint(image(folder), 25, 30)
    found = call("verify", folder / "out", "--source", folder / "in", "--workers", 1)
    assert found.exit_code == 5
    record = of(folder / "out", "CT")
    where = f"{record.images[1].path} unit {record.unit[:16]}"
    assert f"[protected-changed] {where}: not the source's: 1 protected voxel, " in found.output
    assert "not checked: who made the seal" in found.output


def test_json_for_machines(folder: Path) -> None:
    paint(image(folder), 25, 30)
    found = call("verify", folder / "out", "--json", "--workers", 1)
    data = json.loads(found.output)
    assert found.exit_code == 5
    assert data["sound"] is False
    assert {fault["code"] for fault in data["faults"]} == {"file-changed", "pixels-differ", "seal-root"}
    assert all(set(fault) == {"code", "message", "file", "unit"} for fault in data["faults"])
    assert data["unchecked"]


def test_units_are_made_again_on_request(sound: Path) -> None:
    found = call("verify", sound / "out", "--source", sound / "in", "--replay", 1, "--json", "--workers", 1)
    assert found.exit_code == 0, found.output
    assert [again["same"] for again in json.loads(found.output)["replayed"]] == [True]
    assert call("verify", sound / "out", "--replay", 1).exit_code == 2  # from nothing, nothing is made again


def test_replay_names_its_unit(sound: Path) -> None:
    unit = of(sound / "out", "CR").unit
    found = call("replay", sound / "out", unit[:12], "--source", sound / "in")
    assert found.exit_code == 0, found.output
    assert found.output == f"replayed unit {unit[:16]}: the same\n"


@pytest.mark.parametrize("as_json", [True, False])
def test_images_are_linked_by_pixels(sound: Path, as_json: bool) -> None:
    record = of(sound / "out", "CR")
    path = sound / "out" / record.images[0].path
    found = call("verify", sound / "out", "--by-pixels", path, *(["--json"] if as_json else []))
    assert found.exit_code == 0, found.output
    assert record.images[0].path in found.output
    if as_json:
        assert json.loads(found.output)["linked"] == {"file 1": [{"unit": record.unit, "path": record.images[0].path}]}
    shown = call("verify", sound / "out", "--by-pixels", path, "--show-names")
    assert "0001.dcm = " in shown.output
    assert "0001.dcm" not in found.output.replace(record.images[0].path, "")
    assert call("verify", sound / "out", "--by-pixels", sound / "in").exit_code == 5


def test_an_anchor_shows_an_older_signed_state(folder: Path) -> None:
    """A token of the newest seal; then everything is as it was before, seal and signature included."""
    out, token, older = folder / "out", folder / "token", folder / "older.json"
    shutil.copy(out / "seal.json", older)
    assert call("keys", "new", "-o", folder / "new").exit_code == 0
    assert call("seal", out, "--key", folder / "new" / keys.PRIVATE).exit_code == 0
    token.write_bytes(b"0\x82" + hashlib.sha256((out / "seal.json").read_bytes()).digest() + b"rest")
    assert call("seal", out, "--anchor", token).exit_code == 0
    good = call("verify", out, "--anchor", token, "--workers", 1)
    assert good.exit_code == 0, good.output
    shutil.copy(older, out / "seal.json")
    back = call("verify", out, "--anchor", token, "--workers", 1)
    assert back.exit_code == 5
    assert "seal-anchor" in back.output


def test_keys_are_made_and_an_output_is_sealed_with_them(folder: Path) -> None:
    assert call("keys", "new", "-o", folder / "new").exit_code == 0
    private = folder / "new" / keys.PRIVATE
    assert stat.S_IMODE(private.stat().st_mode) == 0o600
    public = folder / "new" / keys.PUBLIC
    assert call("verify", folder / "out", "--public-key", public, "--workers", 1).exit_code == 5
    assert call("seal", folder / "out", "--key", private).exit_code == 0
    assert call("verify", folder / "out", "--public-key", public, "--workers", 1).exit_code == 0
