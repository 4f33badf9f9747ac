from __future__ import annotations

import io
import ssl
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.errors import ArchiveError
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.archive import Query
from medaug.pacs.back_off import TransientError
from medaug.pacs.connect import connected
from tests.support import make
from tests.support.certificates import certificate
from tests.support.dicomweb_server import Archive
from tests.support.dimse_node import listening
from tests.support.ports import free_port


@pytest.fixture
def sent(tmp_path: Path) -> list[Dataset]:
    files = [*make.series(tmp_path / "ct", slices=3, rows=16, columns=16), make.radiograph(tmp_path, rows=20)]
    return [pydicom.dcmread(path) for path in files]


@pytest.mark.parametrize("move", [False, True])
def test_what_was_stored_is_found_and_retrieved(sent: list[Dataset], move: bool) -> None:
    access = Access(receive_port=free_port() if move else None)
    with listening(Archive(), access) as address, connected(address_of(address), access) as node:
        for ds in sent:
            node.store(ds)
        series = list(node.find_series(Query()))
        assert sorted(one.modality for one in series) == ["CR", "CT"]
        found = [one for each in series for one in node.find_instances(each)]
        assert {one.instance for one in found} == {ds.SOPInstanceUID for ds in sent}
        for one in found:
            got = pydicom.dcmread(io.BytesIO(node.retrieve(one)))
            assert got == next(ds for ds in sent if one.instance == ds.SOPInstanceUID)
        assert list(node.find_series(Query(modalities=("MR",)))) == []


def test_a_wrong_title_is_told_as_such() -> None:
    with listening(Archive(), Access()) as address:
        other = address_of(address.replace("NODE", "OTHER"))
        with connected(other, Access()) as node, pytest.raises(ArchiveError, match="AE title") as caught:
            list(node.find_series(Query()))
    assert (caught.value.code, isinstance(caught.value, TransientError)) == ("archive-association", False)


def test_nobody_there_is_told_as_such() -> None:
    address = address_of(f"dimse://NODE@127.0.0.1:{free_port()}")
    with connected(address, Access()) as node, pytest.raises(TransientError):
        list(node.find_series(Query()))


def test_an_archive_without_room_is_told_as_such(sent: list[Dataset]) -> None:
    with (
        listening(Archive(room=0), Access()) as address,
        connected(address_of(address), Access()) as node,
        pytest.raises(ArchiveError) as caught,
    ):
        node.store(sent[0])
    assert caught.value.code == "archive-full"


def test_an_archive_that_does_not_know_our_title_is_told_as_such(sent: list[Dataset]) -> None:
    held = {str(ds.SOPInstanceUID): ds for ds in sent}
    access = Access(title="STRANGER", receive_port=free_port())
    with listening(Archive(held), Access()) as address, connected(address_of(address), access) as node:
        series = next(iter(node.find_series(Query())))
        one = next(iter(node.find_instances(series)))
        with pytest.raises(ArchiveError, match="knows no address") as caught:
            node.retrieve(one)
    assert caught.value.code == "archive-association"


@pytest.mark.parametrize("days", [1, -1])
def test_a_certificate_is_checked(days: int, tmp_path: Path) -> None:
    file = certificate(tmp_path, days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    access = Access(authorities=file)
    with listening(Archive(), access, context) as address, connected(address_of(address), access) as node:
        if days > 0:
            assert list(node.find_series(Query())) == []
            return
        with pytest.raises(ArchiveError) as caught:
            list(node.find_series(Query()))
    assert caught.value.code == "archive-certificate"
