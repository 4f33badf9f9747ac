"""`medaug verify s3://…` says of a stored OUTPUT what it says of the folder, and holds one unit of it at a time."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from medaug.errors import ArchiveError
from medaug.object_storage import stored_output
from medaug.object_storage.object_store import ObjectStore
from medaug.object_storage.place import place_of
from medaug.object_storage.push import push
from medaug.object_storage.stored_output import opened
from medaug.verification.verify import Verdict, verify
from tests.support.command_line import medaug
from tests.support.object_server import BUCKET, Server

pytestmark = pytest.mark.s3
PLACE = place_of(f"s3://{BUCKET}/out")


@pytest.fixture
def output(sound: Path, server: Server, tmp_path: Path) -> Path:  # noqa: ARG001 - the server must run
    """A copy of a folder that is in the store, too."""
    push(sound, ObjectStore(PLACE))
    shutil.copytree(sound, tmp_path / "out")
    return tmp_path / "out"


def stored(source: Path | None = None) -> Verdict:
    with opened(PLACE) as files:
        return verify(files, source=source)


def test_a_sound_one_is_sound_with_its_source(sound: Path, output: Path) -> None:
    source = sound.parent / "in"
    assert stored(source) == verify(output, source=source)
    assert stored(source).sound
    assert stored(source).compared > 0


@pytest.mark.usefixtures("sound")
def test_by_command_with_processes(output: Path) -> None:
    said = medaug("verify", f"s3://{BUCKET}/out", "--json")
    assert said.returncode == 0
    assert json.loads(said.stdout) == json.loads(medaug("verify", output, "--json").stdout)
    assert medaug("verify", f"s3://{BUCKET}/out", "--by-pixels", output).returncode == 2


def unit(output: Path) -> str:
    return f"variants/{min((output / 'variants').iterdir()).name}"


def changed(output: Path, server: Server) -> None:
    name = f"{unit(output)}/preview/result.png"
    (output / name).write_bytes(b"other")
    server.put(f"out/{name}", b"other")


def lost(output: Path, server: Server) -> None:
    name = f"{unit(output)}/preview/result.png"
    (output / name).unlink()
    server.remove(f"out/{name}")


def added(output: Path, server: Server) -> None:
    for name in (f"{unit(output)}/more.txt", "variants/0000000000000000/record.json", "notes.txt"):
        (output / name).parent.mkdir(exist_ok=True)
        (output / name).write_bytes(b"x")
        server.put(f"out/{name}", b"x")


def list_edited(output: Path, server: Server) -> None:
    data = (output / "coco.json").read_bytes().replace(b"lesion", b"normal")
    (output / "coco.json").write_bytes(data)
    server.put("out/coco.json", data)


def line_cut(output: Path, server: Server) -> None:
    (path,) = (output / "ledger").iterdir()
    data = b"".join(path.read_bytes().splitlines(keepends=True)[:-1])
    path.write_bytes(data)
    server.put(f"out/ledger/{path.name}", data)


def seal_removed(output: Path, server: Server) -> None:
    (output / "seal.json").unlink()
    server.remove("out/seal.json")


def record_removed(output: Path, server: Server) -> None:
    (output / unit(output) / "record.json").unlink()
    server.remove(f"out/{unit(output)}/record.json")


@pytest.mark.parametrize("tamper", [changed, lost, added, list_edited, line_cut, seal_removed, record_removed])
def test_what_was_done_to_it_is_told_as_of_a_folder(
    tamper: Callable[[Path, Server], None], output: Path, server: Server
) -> None:
    tamper(output, server)
    expected = verify(output)
    assert expected.faults
    assert stored() == expected


@pytest.mark.usefixtures("output")
@pytest.mark.parametrize("name", ["variants/../../out.txt", "../out.txt", "variants/a//b", "ledger/../../x"])
def test_names_that_lead_out_are_told_and_not_written(name: str, server: Server) -> None:
    server.put(f"out/{name}", b"x")
    found = stored()
    assert "file-unknown" in {fault.code for fault in found.faults} or name.startswith("ledger/")
    assert not list(Path(tempfile.gettempdir()).glob("*out.txt"))


@pytest.mark.usefixtures("output")
def test_one_unit_at_a_time_is_on_this_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    most, bring = [0], stored_output._bring

    def counted(objects: object, store: ObjectStore, root: Path) -> None:
        bring(objects, store, root)  # type: ignore[arg-type]
        most[0] = max(most[0], len({path.parts[-2] for path in root.glob("variants/*/record.json")}))

    monkeypatch.setattr(stored_output, "_bring", counted)
    assert stored().sound
    assert most == [1]


@pytest.mark.usefixtures("output")
def test_what_is_larger_than_any_run_writes_is_not_brought(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_output, "MOST", 1000)
    with pytest.raises(ArchiveError) as caught:
        stored()
    assert caught.value.code == "object-size"


@pytest.mark.usefixtures("server")
def test_a_push_that_was_cut_off_is_not_taken_for_an_output(sound: Path, tmp_path: Path) -> None:
    shutil.copytree(sound, tmp_path / "part")
    (tmp_path / "part" / "seal.json").unlink()
    push(tmp_path / "part", ObjectStore(PLACE))
    assert {"seal-missing", "unit-unlogged"} <= {fault.code for fault in stored().faults}
