"""Archives that keep what they took under other UIDs than it was sent with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from medaug.errors import ArchiveError
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.connect import connected
from medaug.pacs.sending.send import Parcel, send
from medaug.pacs.sending.sent import COERCED, known
from tests.support.dicomweb_server import Archive, served
from tests.support.orthanc import MISSING, NO_SCRIPTS, coercing
from tests.support.pacs_output import build


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return build(tmp_path / "made")


def refusal(output: Path, address: str, **options: Any) -> ArchiveError:
    with connected(address_of(address), Access()) as node, pytest.raises(ArchiveError) as caught:
        send(node, Parcel(output, address, waits=(), **options))
    return caught.value


def relabelled(*keywords: str) -> Callable[[Dataset], Dataset]:
    def change(ds: Dataset) -> Dataset:
        for keyword in keywords:
            ds[keyword].value = generate_uid(entropy_srcs=[keyword, str(ds[keyword].value)])
        ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPInstanceUID
        return ds

    return change


UIDS = ("StudyInstanceUID", "SeriesInstanceUID", "SOPInstanceUID")


@pytest.mark.pacs
@pytest.mark.skipif(bool(MISSING or NO_SCRIPTS), reason=MISSING or NO_SCRIPTS or "it is here")
@pytest.mark.parametrize("protocol", ["dicomweb", "dicom"])
@pytest.mark.parametrize("changed", [UIDS, UIDS[:1], UIDS[2:]], ids=["all", "study", "instance"])
def test_an_archive_that_coerces_uids(
    changed: tuple[str, ...], protocol: str, orthanc: Any, output: Path, tmp_path: Path
) -> None:
    """It is told which became which, and nothing counts as sent until the archive keeps them as they are."""
    archive = orthanc("archive", **coercing(tmp_path, *changed))
    files = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, (output / "variants").rglob("*.dcm"))}
    address = getattr(archive, protocol)
    with connected(address_of(address), Access()) as node, pytest.raises(ArchiveError) as caught:
        send(node, Parcel(output, address, waits=()))
    assert caught.value.code == "archive-uids"
    said, there = str(caught.value), archive.held()
    relabelled = {one.file: there[one.instance] for one in known(output)}
    assert {one.proof for one in known(output)} == {COERCED}
    assert len(there) == len(relabelled) < len(files)  # of one unit, images and evidence
    for file, kept in relabelled.items():
        sent = pydicom.dcmread(output / file)
        differing = {keyword for keyword in UIDS if sent[keyword].value != kept[keyword].value}
        assert differing == set(changed)
        assert sent.get("PixelData") == kept.get("PixelData")
        assert sent.get("ContentSequence") == kept.get("ContentSequence")
    image = next(sent for sent in files.values() if f"series {sent.SeriesInstanceUID} is series" in said)
    kept = next(kept for file, kept in relabelled.items() if pydicom.dcmread(output / file) == image)
    assert f"is series {kept.SeriesInstanceUID} of study {kept.StudyInstanceUID} there" in said
    archive.kill()
    archive.settings["Plugins"].pop()  # as it should be
    archive.start()
    for one in archive.ask("instances"):
        archive.delete(one)
    with connected(address_of(address), Access()) as node:
        assert send(node, Parcel(output, address, waits=())).instances == len(files)
    assert archive.held() == files


@pytest.mark.parametrize("proof", ["pixels", "count"])
@pytest.mark.parametrize("changed", [UIDS, UIDS[:1], UIDS[1:2], UIDS[2:]], ids=["all", "study", "series", "instance"])
def test_which_uid_became_which_is_noted_and_nothing_counts_as_sent(
    changed: tuple[str, ...], proof: str, output: Path
) -> None:
    archive = Archive(change=relabelled(*changed))
    with served(archive):
        error = refusal(output, archive.address, proof=proof)
    assert error.code == "archive-uids"
    noted = {one.instance: one.file for one in known(output)}
    assert noted.keys() == archive.held.keys()
    assert {one.proof for one in known(output)} == {COERCED}
    for uid, file in noted.items():
        sent, kept = pydicom.dcmread(output / file), archive.held[uid]
        assert {keyword for keyword in UIDS if sent[keyword].value != kept[keyword].value} == set(changed)
        assert sent.SeriesDescription == kept.SeriesDescription
    archive.change, archive.held = lambda ds: ds, {}
    with served(archive), connected(address_of(archive.address), Access()) as node:
        assert send(node, Parcel(output, archive.address, proof=proof, waits=())).before == 0  # type: ignore[arg-type]
    assert len(archive.held) == len(list((output / "variants").rglob("*.dcm")))


def test_what_lies_nowhere_was_not_kept(output: Path) -> None:
    """Neither another series of that description nor one of that content and another description is taken for it."""

    def other(ds: Dataset) -> Dataset:
        relabelled(*UIDS)(ds)
        if ds.Modality in {"CR", "CT"}:
            ds.PixelData = bytes(len(ds.PixelData))
        else:
            ds.SeriesDescription = "another"
        return ds

    archive = Archive(change=other)
    with served(archive):
        assert refusal(output, archive.address).code == "archive-not-kept"
    assert list(known(output)) == []
