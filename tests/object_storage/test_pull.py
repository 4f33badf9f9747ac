"""An export is brought whole, object by object, and what isn't as it was is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from medaug.errors import ArchiveError, OutputError
from medaug.object_storage import object_store as store_module
from medaug.object_storage.object_store import ObjectStore, StoredObject
from medaug.object_storage.place import place_of
from medaug.object_storage.pull import Pulled, pull
from tests.support import make, small_runs
from tests.support.command_line import medaug
from tests.support.object_server import BUCKET, Server

pytestmark = pytest.mark.s3
CONTENT = {f"site/{n}.dcm": bytes([n]) * 1000 for n in range(5)} | {"boxes é.json": b"{}", "empty.txt": b""}


@pytest.fixture
def address(server: Server) -> str:
    for name, data in CONTENT.items():
        server.put(f"export/{name}", data)
    server.put("export/site/", b"")  # a console's folder
    server.put("exported/not.txt", b"another prefix")
    return f"s3://{BUCKET}/export"


def store(address: str) -> ObjectStore:
    return ObjectStore(place_of(address))


def there(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder / "export").as_posix(): p.read_bytes() for p in (folder / "export").rglob("*.*")}


def reads(server: Server) -> int:
    return sum(method == "GET" and path.count("/") > 2 for method, path in server.asked)


def test_all_of_it_and_a_second_time_nothing(address: str, server: Server, tmp_path: Path) -> None:
    done = pull(store(address), tmp_path / "in", 1)
    assert (done.files, done.before, done.left_out) == (7, 0, {})
    assert there(tmp_path / "in") == CONTENT
    before = reads(server)
    assert before == 6  # an empty object isn't asked for
    assert pull(store(address), tmp_path / "in", 1).before == 7
    assert reads(server) == before
    lines = [json.loads(line) for line in (tmp_path / "in/private/arrivals.jsonl").read_text().splitlines()]
    assert {line["name"] for line in lines} == CONTENT.keys()


def test_an_object_larger_than_a_block_comes_in_parts(
    address: str, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BLOCK", 300)
    assert pull(store(address), tmp_path / "in", 1).files == 7
    assert there(tmp_path / "in") == CONTENT
    assert reads(server) == 5 * 4 + 1


class Cut(ObjectStore):
    """Ends amid the third object that is read."""

    reading = 0

    def blocks(self, one: StoredObject) -> Iterator[bytes]:
        self.reading += 1
        for block in super().blocks(one):
            yield block[:10]
            if self.reading == 3:
                raise KeyboardInterrupt
            yield block[10:]


def test_cut_off_amid_an_object_it_goes_on(address: str, server: Server, tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        pull(Cut(place_of(address)), tmp_path / "in", 1)
    assert all(CONTENT[name] == data for name, data in there(tmp_path / "in").items())
    before = reads(server)
    done = pull(store(address), tmp_path / "in", 1)
    assert (done.files, done.before) == (7, 2)
    assert reads(server) - before == 5
    assert there(tmp_path / "in") == CONTENT


def test_what_changed_or_went_is_told_and_what_arrived_stays(address: str, server: Server, tmp_path: Path) -> None:
    pull(store(address), tmp_path / "in", 1)
    server.put("export/site/1.dcm", b"other")
    server.remove("export/site/2.dcm")
    said = medaug("pull", address, "-o", tmp_path / "in")
    assert said.returncode == 4
    assert "[object-changed] 1" in said.stdout
    assert "[object-lost] 1" in said.stdout
    assert there(tmp_path / "in") == CONTENT


def test_an_object_that_changes_while_it_is_read_is_not_taken(
    address: str, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store_module, "BLOCK", 300)
    listed = list(store(address).listed("site/1"))
    parts = store(address).blocks(listed[0])
    next(parts)
    server.put("export/site/1.dcm", b"y" * 1000)
    with pytest.raises(ArchiveError) as caught:
        next(parts)
    assert caught.value.code == "object-changed"
    server.remove("export/site/1.dcm")
    with pytest.raises(ArchiveError) as caught:
        list(store(address).blocks(listed[0]))
    assert caught.value.code == "object-lost"


@pytest.mark.parametrize("name", ["../../outside.txt", "a/../../b", "a//b", "site/0.dcm/x", "\x1b[31m"])
def test_a_name_that_cant_be_a_files_is_left_out(name: str, address: str, server: Server, tmp_path: Path) -> None:
    server.put(f"export/{name}", b"bad")
    done = pull(store(address), tmp_path / "in", 1)
    assert done.files == len(CONTENT)
    assert done.left_out == {"object-name": 1}
    assert {path.name for path in tmp_path.iterdir()} == {"in"}
    assert b"bad" not in there(tmp_path / "in").values()


def test_a_file_and_a_folder_of_one_name_are_not_both_taken(address: str, server: Server, tmp_path: Path) -> None:
    server.put("export/site", b"bad")
    done = pull(store(address), tmp_path / "in", 1)
    assert (done.files, done.left_out) == (3, {"object-name": 5})  # a store lists the shorter name first


def test_a_link_in_the_folder_leads_nowhere(address: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "in" / "private").mkdir(parents=True)
    (tmp_path / "in" / "export").mkdir()
    (tmp_path / "in" / "export" / "site").symlink_to(tmp_path / "elsewhere")
    assert pull(store(address), tmp_path / "in", 1).left_out == {"object-name": 5}
    assert not list((tmp_path / "elsewhere").iterdir())


def test_no_more_than_was_allowed(address: str, tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="allow more with --most"):
        pull(store(address), tmp_path / "in", 3.5e-6)
    assert sum(map(len, there(tmp_path / "in").values())) <= 3500
    assert pull(store(address), tmp_path / "in", 1) == Pulled(7, 5, 5002)


@pytest.mark.usefixtures("server")
def test_another_place_or_folder_is_refused(address: str, tmp_path: Path) -> None:
    pull(store(address), tmp_path / "in", 1)
    with pytest.raises(OutputError, match="another place"):
        pull(store(f"s3://{BUCKET}/exported"), tmp_path / "in", 1)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years")
    with pytest.raises(OutputError, match="no pull made it"):
        pull(store(address), tmp_path / "mine", 1)


@pytest.mark.usefixtures("address")
def test_nothing_there_is_exit_code_3(tmp_path: Path) -> None:
    assert medaug("pull", f"s3://{BUCKET}/none", "-o", tmp_path / "in").returncode == 3


def test_connections_are_closed_at_the_end(address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    closed: list[object] = []
    with store(address) as one:
        pull(one, tmp_path / "in", 1)
        client = type(one._fs._s3creator)
        plain = client.__aexit__

        async def spied(self: object, *how: object) -> None:
            closed.append(self)
            await plain(self, *how)

        monkeypatch.setattr(client, "__aexit__", spied)
    assert len(closed) == 1


def test_a_run_of_an_address_pulls_first_and_goes_on(server: Server, tmp_path: Path) -> None:
    make.radiograph(tmp_path / "in", name="x1.dcm", rows=120, columns=100, seed=1)
    server.put("xray/x1.dcm", (tmp_path / "in" / "x1.dcm").read_bytes())
    server.put("xray/boxes.json", small_runs.boxes(tmp_path / "boxes.json", ("x1.dcm",)).read_bytes())
    profile = small_runs.small_profile(tmp_path)
    labels = tmp_path / "out-fetched" / "export" / "boxes.json"
    asked = ("run", f"s3://{BUCKET}/xray", "-o", tmp_path / "out", "-a", labels, "-p", profile, "--variants", "1")
    little = medaug(*asked, "--most", "0.000001")
    assert (little.returncode, "allow more with --most" in little.stderr) == (2, True), little.stderr
    said = medaug(*asked, "--most", "1")
    assert said.returncode == 0, said.stderr
    assert medaug("verify", tmp_path / "out", "--source", tmp_path / "out-fetched" / "export").returncode == 0
    before = reads(server)
    assert medaug(*asked).returncode == 0
    assert reads(server) == before
    assert medaug(*asked, "--study", "1.2").returncode == 2
