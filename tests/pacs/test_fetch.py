"""From an archive into a folder, over both protocols' fakes; real archives are in test_archives.py."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.dicom.identity import identity_of
from medaug.errors import ArchiveError, OutputError
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.archive import InstanceFound, Query
from medaug.pacs.deidentify.options import deidentification_of
from medaug.pacs.dicomweb.archive import DicomWeb
from medaug.pacs.fetch import Fetched, Order, fetch
from medaug.pacs.folder import Asked, arrivals, opened
from tests.support import make
from tests.support.dicomweb_server import Archive, served
from tests.support.identified import CANARY, identified

ALL = Order(Query(), waits=())


def archive_of(folder: Path, change: Callable[[Dataset], Dataset] = lambda ds: ds) -> Archive:
    """A CT of three slices, a radiograph, a segmentation of the CT, and one of another CT."""
    ct = make.series(folder / "ct", slices=3, rows=32, columns=32)
    mask = np.zeros((3, 32, 32), np.uint8)
    mask[1, 4:9, 4:9] = 1
    other = make.series(folder / "other", slices=3, rows=32, columns=32, seed=9)
    files = [*ct, make.radiograph(folder, rows=40, columns=32), make.seg(folder / "seg", ct, mask, ["nodule"])]
    held = [change(pydicom.dcmread(path)) for path in files]
    stray = pydicom.dcmread(make.seg(folder / "stray", other, mask, ["other"]))
    stray.StudyInstanceUID = held[0].StudyInstanceUID
    shutil.rmtree(folder / "other")
    return Archive({str(ds.SOPInstanceUID): ds for ds in (*held, stray)})


def fetched(archive: Archive, folder: Path, order: Order = ALL) -> Fetched:
    how = order.how.text if order.how else ""
    with served(archive), opened(folder, Asked("here", how)) as there:
        return fetch(DicomWeb(address_of(archive.address), Access()), there, order)


def files(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(folder.rglob("*.dcm"))}


def test_declared_images_and_what_refers_to_them_arrive_as_they_are(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a")
    done = fetched(archive, tmp_path / "f")
    assert (done.series, done.images, dict(done.annotations)) == (2, 4, {"seg": 1})
    assert dict(done.left_out) == {"not-about-these": 1}
    got = [pydicom.dcmread(path) for path in (tmp_path / "f").rglob("*.dcm")]
    assert len(got) == 5
    for ds in got:
        assert ds == archive.held[str(ds.SOPInstanceUID)]
    assert {path.split("/")[0] for path in files(tmp_path / "f")} == {"images", "annotations"}


def test_what_declares_nothing_is_not_handed_over(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", identified)
    done = fetched(archive, tmp_path / "f")
    assert (done.series, done.left_out["identity"]) == (0, 2)
    assert files(tmp_path / "f") == {}
    assert CANARY not in str(done)


def test_one_slice_that_declares_nothing_holds_back_its_series(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a")
    ct = sorted(uid for uid, ds in archive.held.items() if ds.Modality == "CT")
    del archive.held[ct[-1]].PatientIdentityRemoved
    done = fetched(archive, tmp_path / "f")
    assert (done.images, dict(done.left_out)) == (1, {"identity": 1})
    assert len(files(tmp_path / "f")) == 1


def test_under_a_profile_all_arrive_as_nobodys_and_the_map_is_the_owners(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a", identified)
    order = replace(ALL, how=deidentification_of("basic:labels=nodule"))
    done = fetched(archive, tmp_path / "f", order)
    assert (done.series, done.images, dict(done.annotations)) == (2, 4, {"seg": 1})
    got = {path: pydicom.dcmread(tmp_path / "f" / path) for path in files(tmp_path / "f")}
    assert {identity_of(ds) for ds in got.values()} == {"declared"}
    for path in (tmp_path / "f").rglob("*"):
        assert CANARY not in path.as_posix()
        assert not path.is_file() or CANARY.encode() not in path.read_bytes(), path
    known = {one.file: one for one in arrivals(tmp_path / "f")}
    assert set(known) == set(got)
    for path, ds in got.items():
        assert known[path].uids == (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        assert known[path].instance in archive.held
    assert (tmp_path / "f" / "private").stat().st_mode & 0o077 == 0
    seg = next(ds for ds in got.values() if ds.Modality == "SEG")
    referred = {e.value for e in seg.iterall() if e.keyword == "ReferencedSOPInstanceUID"}
    assert referred >= {ds.SOPInstanceUID for ds in got.values() if ds.Modality == "CT"}
    assert seg.SegmentSequence[0].SegmentLabel == "nodule"


@pytest.mark.parametrize("how", ["", "basic"])
def test_a_fetch_that_is_cut_goes_on_and_ends_as_one_that_was_not(how: str, tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a")
    order = replace(ALL, how=deidentification_of(how) if how else None)
    (tmp_path / "key").write_bytes(b"k" * 32)

    def attempt(folder: Path, most: int) -> int:
        with served(archive), opened(folder, Asked("here", how), tmp_path / "key") as there:
            node = _Cut(archive, most)
            fetch(node, there, order)
            return node.retrieved

    whole = attempt(tmp_path / "whole", 99)
    for most in (1, 2, 2, 1):
        with pytest.raises(KeyboardInterrupt):
            attempt(tmp_path / "cut", most)
        assert not [path for path in files(tmp_path / "cut") if path.startswith("images") and "incoming" in path]
    attempt(tmp_path / "cut", 99)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert attempt(tmp_path / "cut", 99) == 1  # the stray annotation: it is about nothing that is there
    assert whole == 6


class _Cut(DicomWeb):
    """An archive whose client is killed after some instances."""

    def __init__(self, archive: Archive, most: int) -> None:
        super().__init__(address_of(archive.address), Access())
        self.retrieved, self._most = 0, most

    def retrieve(self, found: InstanceFound) -> bytes:
        if self.retrieved == self._most:
            raise KeyboardInterrupt
        self.retrieved += 1
        return super().retrieve(found)


def test_an_archive_that_gives_what_was_not_asked_for_is_held_to_the_query(tmp_path: Path) -> None:
    class Careless(DicomWeb):
        def find_series(self, query: Query) -> Iterator:  # type: ignore[type-arg]
            return super().find_series(replace(query, body_part="", modalities=()))

    archive = archive_of(tmp_path / "a")
    order = replace(ALL, query=Query(modalities=("CR",), body_part="LEG"), annotations=False)
    with served(archive), opened(tmp_path / "f", Asked("here", "")) as there:
        done = fetch(Careless(address_of(archive.address), Access()), there, order)
    assert (done.series, dict(done.left_out)) == (1, {"not-asked-for": 1})


def test_another_instance_than_was_asked_for_is_not_taken(tmp_path: Path) -> None:
    class Mixed(DicomWeb):
        def retrieve(self, found: InstanceFound) -> bytes:
            return super().retrieve(replace(found, instance=max(archive.held), series=last, study=study))

    archive = archive_of(tmp_path / "a")
    ds = archive.held[max(archive.held)]
    last, study = str(ds.SeriesInstanceUID), str(ds.StudyInstanceUID)
    with served(archive), opened(tmp_path / "f", Asked("here", "")) as there:
        done = fetch(Mixed(address_of(archive.address), Access()), there, replace(ALL, annotations=False))
    assert done.left_out["archive-answer"] >= 1
    assert done.images <= 1


def test_a_folder_in_which_nothing_arrived_takes_another_profile(tmp_path: Path) -> None:
    """As after a first try, which says that --deidentify is needed; what was on its way may be somebody's."""
    archive = archive_of(tmp_path / "a", identified)
    assert fetched(archive, tmp_path / "f").series == 0
    with opened(tmp_path / "f", Asked("here", "")) as there:
        there.put("left", "left.dcm", CANARY.encode())
    done = fetched(archive, tmp_path / "f", replace(ALL, how=deidentification_of("basic")))
    assert done.series == 2
    assert not [path for path in (tmp_path / "f").rglob("*.dcm") if CANARY.encode() in path.read_bytes()]
    with pytest.raises(OutputError, match="another archive"), opened(tmp_path / "f", Asked("here", "")):
        pass


def test_a_folder_belongs_to_one_archive_and_one_profile(tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis").touch()
    with pytest.raises(OutputError, match="not empty"), opened(tmp_path / "full", Asked("here", "")):
        pass
    with opened(tmp_path / "f", Asked("here", "")) as there:
        there.put_at("images/series", "one.dcm", b"")
    for asked in (Asked("there", ""), Asked("here", "basic")):
        with pytest.raises(OutputError, match="another archive"), opened(tmp_path / "f", asked):
            pass
    (tmp_path / "key").write_bytes(b"k" * 32)
    with pytest.raises(OutputError, match="another key"), opened(tmp_path / "f", Asked("here", ""), tmp_path / "key"):
        pass
    assert json.loads((tmp_path / "f" / "private" / "fetch.json").read_text()) == {"archive": "here", "deidentify": ""}


def test_an_archive_that_refuses_as_a_whole_ends_the_fetch(tmp_path: Path) -> None:
    archive = archive_of(tmp_path / "a")
    archive.authorization = "Basic x"
    with pytest.raises(ArchiveError) as caught:
        fetched(archive, tmp_path / "f")
    assert caught.value.code == "archive-credentials"
