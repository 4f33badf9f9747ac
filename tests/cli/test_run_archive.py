"""`medaug run` of an archive's address: a fetch, then a run; and of files, without a socket."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pydicom
import pytest
import yaml
from pydicom.dataset import Dataset

from medaug.profile.load import load_profile
from tests.support import make
from tests.support.command_line import medaug
from tests.support.dicomweb_server import Archive, served
from tests.support.identified import identified
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.sound_output import SMALL

NETWORK = ("socket.bind", "socket.connect", "socket.getaddrinfo", "socket.sendto")
_touched: list[str] = []
_watching = [False]


@pytest.fixture(autouse=True)
def quick() -> Iterator[None]:
    with in_place_of_the_embedded():
        yield


@contextmanager
def watched() -> Iterator[list[str]]:
    """What this process asks of the network meanwhile."""
    if not _touched:
        _touched.append("")  # an audit hook stays for good: it is added once
        sys.addaudithook(lambda event, _: _touched.append(event) if _watching[0] and event in NETWORK else None)
    del _touched[1:]
    _watching[0] = True
    try:
        yield (found := [])
    finally:
        _watching[0] = False
        found.extend(_touched[1:])


@pytest.fixture
def profile(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | SMALL))
    return path


def archive_of(folder: Path, change: Callable[[Dataset], Dataset] = lambda ds: ds) -> Archive:
    """A CT of three slices with a segmentation."""
    ct = make.series(folder / "ct", slices=3, rows=48, columns=48)
    mask = np.zeros((3, 48, 48), np.uint8)
    mask[1, 14:22, 14:22] = 1
    files = [*ct, make.seg(folder / "seg", ct, mask, ["nodule"])]
    held = [change(pydicom.dcmread(path)) for path in files]
    return Archive({str(ds.SOPInstanceUID): ds for ds in held})


def retrieved(archive: Archive) -> int:
    return sum("/instances/" in asked for asked in archive.asked)


def test_an_address_is_fetched_and_run_with_the_labels_that_came_along(tmp_path: Path, profile: Path) -> None:
    archive, out = archive_of(tmp_path / "a", identified), tmp_path / "out"
    with served(archive):
        command = ("run", archive.address, "-o", out, "-p", profile, "--deidentify", "basic:labels=nodule")
        said = medaug(*command)
        assert said.returncode == 0, said.stderr
        assert "3 images of 1 series, 1 seg\n" in said.stderr
        assert said.stdout.startswith("1 written (0 were done before)\n")
        asked = retrieved(archive)
        assert asked == 4
        again = medaug(*command)
        assert "3 images of 1 series, 1 seg; 4 of them before\n" in again.stderr
        assert (again.returncode, "(1 were done before)\n" in again.stdout) == (0, True)
        assert retrieved(archive) == asked
    fetched = tmp_path / "out-fetched"
    assert len(list((fetched / "images").rglob("*.dcm"))) == 3
    assert medaug("verify", out, "--source", fetched / "images").returncode == 0
    made = {box["label"] for path in out.rglob("record.json") for box in json.loads(path.read_text())["boxes"]}
    assert made == {"nodule"}


def test_the_network_is_over_before_the_run_begins(
    tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from medaug.execution.planning import plan

    archive, within = archive_of(tmp_path / "a"), {}
    plan_for = plan.plan_for

    def planned(*given: object) -> object:
        _watching[0], within["before"] = True, list(_touched[1:])
        del _touched[1:]
        return plan_for(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(plan, "plan_for", planned)
    with served(archive), watched() as after:
        said = medaug("run", archive.address, "-o", tmp_path / "out", "-p", profile)
    assert said.returncode == 0, said.stderr
    assert "socket.connect" in within["before"]
    assert after == []


def test_a_run_on_files_opens_no_socket_and_takes_no_word_about_archives(tmp_path: Path, profile: Path) -> None:
    held = archive_of(tmp_path / "a").held
    assert held
    command = ("run", tmp_path / "a" / "ct", "-a", tmp_path / "a" / "seg", "-p", profile, "-o", tmp_path / "out")
    with watched() as asked:
        said = medaug(*command)
    assert (said.returncode, asked) == (0, []), said.stderr
    for more in (("--study", "1.2"), ("--deidentify", "basic"), ("--title", "OTHER"), ("--fetched", tmp_path / "f")):
        said = medaug(*command, *more)
        assert (said.returncode, "only an archive's address takes it" in said.stderr) == (2, True), more
    for place in (command, ("run", "dicomweb://127.0.0.1:1/web", "-o", tmp_path / "out")):
        said = medaug(*place, "--most", "7")
        assert (said.returncode, "only an address in object storage takes it" in said.stderr) == (2, True), place


def test_the_watch_sees_a_socket() -> None:
    import socket

    with watched() as asked, socket.socket() as one:
        one.bind(("127.0.0.1", 0))
    assert asked == ["socket.bind"]


def test_what_declares_nothing_starts_no_run(tmp_path: Path, profile: Path) -> None:
    archive = archive_of(tmp_path / "a", identified)
    with served(archive):
        said = medaug("run", archive.address, "-o", tmp_path / "out", "-p", profile, "--accept-identity", "a word")
    assert (said.returncode, "left out [identity] 1" in said.stderr) == (3, True)
    assert not (tmp_path / "out").exists()


def test_a_series_that_is_held_back_makes_the_run_partial(tmp_path: Path, profile: Path) -> None:
    archive = archive_of(tmp_path / "a")
    other = identified(pydicom.dcmread(make.radiograph(tmp_path / "other", rows=60, columns=50)))
    archive.held[str(other.SOPInstanceUID)] = other
    with served(archive):
        said = medaug("run", archive.address, "-o", tmp_path / "out", "-p", profile, "--quiet")
    assert (said.returncode, "left out [identity] 1" in said.stderr) == (4, True)
    assert said.stdout.startswith("1 written")


@pytest.mark.parametrize(
    "more", [("--dry-run",), ("--fetched", "out/in"), ("--study", "nobody"), ("--date", "today")]
)  # fmt: skip
def test_what_can_be_told_is_told_before_anything_is_asked(
    more: tuple[str, ...], tmp_path: Path, profile: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    archive = archive_of(tmp_path / "a")
    with served(archive):
        said = medaug("run", archive.address, "-o", "out", "-p", profile, *more)
    assert (said.returncode, archive.asked) == (2, []), said.stderr


@pytest.mark.parametrize("command", ["plan", "boxes", "preview", "inspect"])
def test_other_commands_say_what_to_do_with_an_address(command: str, tmp_path: Path) -> None:
    more = () if command == "inspect" else ("-a", tmp_path)
    said = medaug(command, "dicomweb://127.0.0.1:1/web", *more)
    assert (said.returncode, "medaug fetch ARCHIVE" in said.stderr) == (2, True)
