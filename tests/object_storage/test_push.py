"""An OUTPUT is put whole, once, and by nobody's overwriting; cut off anywhere, the same command ends the same way."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import pytest

from medaug.audit import output_files
from medaug.errors import ArchiveError, OutputError
from medaug.object_storage import object_store as store_module
from medaug.object_storage.object_store import ObjectStore
from medaug.object_storage.place import place_of
from medaug.object_storage.push import Pushed, push
from tests.support import sound_output
from tests.support.command_line import medaug
from tests.support.object_server import BUCKET, Server

pytestmark = pytest.mark.s3


class KilledError(BaseException):
    """In place of a signal: nothing after it is done."""


class Dying(ObjectStore):
    """Ends before or after its nth put, as a process that is killed may."""

    def __init__(self, address: str, after: int, *, put: bool) -> None:
        super().__init__(place_of(address))
        self._left, self._put, self._lock = after, put, threading.Lock()

    def create(self, name: str, path: Path, sha256: str) -> bool:
        with self._lock:
            self._left -= 1
            left = self._left
        if left < 0 or (left == 0 and not self._put):
            raise KilledError
        made = super().create(name, path, sha256)
        if left == 0:
            raise KilledError
        return made


def store(prefix: str) -> ObjectStore:
    return ObjectStore(place_of(f"s3://{BUCKET}/{prefix}"))


def files(output: Path) -> dict[str, bytes]:
    """What is to be put."""
    names = [
        *output_files.take(output).results,
        "seal.json",
        *(f"ledger/{p.name}" for p in (output / "ledger").iterdir()),
    ]
    return {name: (output / name).read_bytes() for name in names}


def whole(objects: dict[str, bytes]) -> None:
    """Nothing partial can be taken for something whole."""
    units = {name.split("/")[1] for name in objects if name.startswith("variants/")}
    for unit in units:
        inside = {name for name in objects if name.startswith(f"variants/{unit}/")}
        if f"variants/{unit}/record.json" in inside:
            assert any("/image" in name for name in inside)
            assert any("/preview/" in name for name in inside)
    assert "seal.json" not in objects


def test_all_of_it_but_what_is_private_and_a_second_time_nothing(sound: Path, server: Server) -> None:
    done = push(sound, store("out"))
    assert (done.units, done.before, done.sealed) == (3, 0, True)
    assert server.objects("out") == files(sound)
    assert done.files == len(files(sound))
    assert push(sound, store("out")) == Pushed(3, 3, 0, sealed=True)


def test_units_end_with_their_record_and_all_of_it_with_the_seal(sound: Path, server: Server) -> None:
    push(sound, store("out"))
    puts = [path for method, path in server.asked if method == "PUT" and path != f"/{BUCKET}"]
    assert puts[0].endswith("/FORMAT.json")
    assert puts[-1].endswith("/seal.json")
    for unit in (sound / "variants").iterdir():
        assert [path for path in puts if f"/{unit.name}/" in path][-1].endswith("/record.json")


@pytest.mark.parametrize("put", [False, True])
def test_killed_at_a_put_it_goes_on_with_the_same_bytes(sound: Path, server: Server, *, put: bool) -> None:
    count = len(files(sound))
    for after in range(2 if put else 1, count + 1, 9):
        prefix = f"killed{after}"
        with pytest.raises(KilledError):
            push(sound, Dying(f"s3://{BUCKET}/{prefix}", after, put=put))
        there = server.objects(prefix)
        assert len(there) < count
        whole(there)
        assert there.items() <= files(sound).items()
        assert push(sound, store(prefix)).sealed
        assert server.objects(prefix) == files(sound)


def test_a_store_that_puts_the_record_first_is_caught() -> None:
    """The check of the test before can fail."""
    with pytest.raises(AssertionError):
        whole({"variants/a/record.json": b""})
    with pytest.raises(AssertionError):
        whole({"seal.json": b""})


def test_two_of_one_run_both_end_well(sound: Path, server: Server) -> None:
    ended: list[Any] = []

    def go() -> None:
        ended.append(push(sound, store("both")))

    threads = [threading.Thread(target=go) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [one.sealed for one in ended] == [True, True]
    assert ended[0].files + ended[1].files == len(files(sound))
    assert server.objects("both") == files(sound)


def test_of_two_runs_the_second_is_refused_and_nothing_changes(sound: Path, server: Server, tmp_path: Path) -> None:
    other = sound_output.build(tmp_path)
    push(sound, store("one"))
    before = server.objects("one")
    with pytest.raises(ArchiveError) as caught:
        push(other, store("one"))
    assert caught.value.code == "object-taken"
    assert server.objects("one") == before


def test_a_request_that_met_another_writers_is_made_again(
    sound: Path, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "WAITS", (0, 0))
    server.conflicts = 2
    assert store("met").create("FORMAT.json", sound / "FORMAT.json", "")
    server.conflicts = 3
    with pytest.raises(ArchiveError) as caught:
        store("met").create("profile.yaml", sound / "profile.yaml", "")
    assert caught.value.code == "archive-refused"
    assert set(server.objects("met")) == {"FORMAT.json"}


def test_something_else_below_the_prefix_is_left_alone(sound: Path, server: Server) -> None:
    server.put("theirs/thesis.txt", b"years")
    with pytest.raises(ArchiveError) as caught:
        push(sound, store("theirs"))
    assert caught.value.code == "object-taken"
    assert server.objects("theirs") == {"thesis.txt": b"years"}


def test_an_object_in_the_way_is_told_and_stays(sound: Path, server: Server) -> None:
    name = next(name for name in files(sound) if name.endswith("result.png"))
    store("way").create("FORMAT.json", sound / "FORMAT.json", "")
    server.put(f"way/{name}", b"another")
    with pytest.raises(ArchiveError) as caught:
        push(sound, store("way"))
    assert caught.value.code == "object-taken"
    assert server.read(f"way/{name}") == b"another"
    server.remove(f"way/{name}")
    server.put(f"way/{name}", files(sound)[name])  # the same, by another's tool: without what it says of itself
    assert push(sound, store("way")).sealed


def test_a_store_without_conditional_requests_is_refused(sound: Path, server: Server) -> None:
    server.conditional = False
    with pytest.raises(ArchiveError) as caught:
        push(sound, store("old"))
    assert caught.value.code == "store-conditional"
    assert set(server.objects("old")) == {"FORMAT.json"}


def test_what_is_not_sealed_is_put_unit_by_unit_and_later_whole(sound: Path, server: Server, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(sound, output)
    (output / "seal.json").unlink()
    assert medaug("push", output, f"s3://{BUCKET}/growing").returncode == 4
    there = server.objects("growing")
    assert {name.split("/")[0] for name in there} == {"FORMAT.json", "variants"}
    shutil.copyfile(sound / "seal.json", output / "seal.json")
    said = medaug("push", output, f"s3://{BUCKET}/growing")
    assert (said.returncode, "whole and sealed" in said.stdout) == (0, True)
    assert server.objects("growing") == files(sound)


@pytest.mark.parametrize("name", ["preview/result.png", "record.json"])
def test_what_is_not_as_it_was_recorded_is_not_put(sound: Path, server: Server, tmp_path: Path, name: str) -> None:
    output = tmp_path / "out"
    shutil.copytree(sound, output)
    unit = min((output / "variants").iterdir())
    (unit / name).write_bytes((unit / name).read_bytes() + b" ")
    with pytest.raises(OutputError):
        push(output, store("edited"))
    assert "seal.json" not in server.objects("edited")


def test_a_link_is_not_followed(sound: Path, server: Server, tmp_path: Path) -> None:
    output = tmp_path / "out"
    shutil.copytree(sound, output)
    (tmp_path / "secret").write_text("secret")
    preview = next(output.rglob("result.png"))
    preview.unlink()
    preview.symlink_to(tmp_path / "secret")
    with pytest.raises(OutputError):
        push(output, store("linked"))
    assert b"secret" not in server.objects("linked").values()


@pytest.mark.usefixtures("server")
def test_a_server_that_isnt_there_and_a_bucket_that_isnt(sound: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ArchiveError) as caught:
        push(sound, ObjectStore(place_of("s3://nowhere/x")))
    assert caught.value.code == "object-lost"
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    said = medaug("push", sound, f"s3://{BUCKET}/out")
    assert (said.returncode, "archive-unreachable" in said.stderr) == (2, True)
    assert "in-secret" not in said.stderr + said.stdout
