from __future__ import annotations

import io
import ssl
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from medaug.errors import ArchiveError
from medaug.pacs.access import Access, Credentials
from medaug.pacs.address import address_of
from medaug.pacs.archive import InstanceFound, Query, SeriesFound
from medaug.pacs.back_off import TransientError, patiently
from medaug.pacs.connect import connected
from medaug.pacs.dicomweb import http
from medaug.pacs.dicomweb.archive import DicomWeb, refuse_failed
from medaug.pacs.dicomweb.multipart import only_part
from medaug.processes.quiet import quiet
from tests.support import make
from tests.support.certificates import certificate
from tests.support.dicomweb_server import Archive, served


def instances(folder: Path) -> list[Dataset]:
    files = [*make.series(folder / "ct", slices=5, rows=16, columns=16), make.radiograph(folder, rows=20, columns=16)]
    return [pydicom.dcmread(path) for path in files]


def found(archive: Archive, query: Query, page: int = 2) -> list[InstanceFound]:
    web = DicomWeb(address_of(archive.address), Access(), page)
    return [one for series in web.find_series(query) for one in web.find_instances(series)]


def test_what_was_stored_is_found_page_by_page_and_retrieved(tmp_path: Path) -> None:
    sent = instances(tmp_path)
    with served(Archive(page=2)) as archive, connected(address_of(archive.address), Access()) as web:
        for ds in sent:
            web.store(ds)
        assert {one.instance for one in found(archive, Query())} == {ds.SOPInstanceUID for ds in sent}
        ct = found(archive, Query(modalities=("CT",)))
        assert len(ct) == len(set(ct)) == 5
        assert sum("/instances" in line and "offset" in line for line in archive.asked) == 4 + 2 + 4
        got = pydicom.dcmread(io.BytesIO(web.retrieve(ct[0])))
        assert got == next(ds for ds in sent if ct[0].instance == ds.SOPInstanceUID)
        assert found(archive, Query(modalities=("MR",))) == []
        assert found(archive, Query(dates="19000101-19000102")) == []
        assert len(found(archive, Query(studies=(sent[-1].StudyInstanceUID,)))) == 1


def test_an_archive_that_knows_no_pages_is_not_asked_for_ever(tmp_path: Path) -> None:
    sent = instances(tmp_path)
    with served(Archive({str(ds.SOPInstanceUID): ds for ds in sent}, pages=False)) as archive:
        assert len(found(archive, Query(modalities=("CT",)), page=50)) == 5


@pytest.mark.parametrize(
    ("status", "code", "passing"),
    [(401, "archive-credentials", False), (503, "archive-unreachable", True), (507, "archive-full", False)],
)
def test_what_is_wrong_has_a_code(status: int, code: str, passing: bool, tmp_path: Path) -> None:
    archive = Archive(busy=9 * (status == 503), authorization="x" * (status == 401), room=0)
    with served(archive), pytest.raises(ArchiveError) as caught:
        DicomWeb(address_of(archive.address), Access()).store(instances(tmp_path)[-1])
    assert (caught.value.code, isinstance(caught.value, TransientError)) == (code, passing)


def test_a_busy_archive_is_asked_again_after_longer_and_longer_waits() -> None:
    waited: list[float] = []
    with served(Archive(busy=3)) as archive:
        web = DicomWeb(address_of(archive.address), Access())
        assert patiently(lambda: list(web.find_series(Query())), sleep=waited.append) == []
        assert waited == [1, 2, 4]
        archive.busy = 99
        with pytest.raises(TransientError):
            patiently(lambda: list(web.find_series(Query())), (1, 2), waited.append)


def test_nobody_there_is_told_as_such() -> None:
    with served(Archive()) as archive:
        address = address_of(archive.address)
    with pytest.raises(TransientError) as caught:
        list(DicomWeb(address, Access()).find_series(Query()))
    assert caught.value.code == "archive-unreachable"


@pytest.mark.parametrize(
    ("credentials", "header"),
    [(Credentials("ada", "s"), "Basic YWRhOnM="), (Credentials(token="t"), "Bearer t")],
)
def test_credentials_are_shown_in_the_header(credentials: Credentials, header: str) -> None:
    with served(Archive(authorization=header)) as archive:
        assert list(DicomWeb(address_of(archive.address), Access(credentials)).find_series(Query())) == []
        with pytest.raises(ArchiveError, match="HTTP 401"):
            list(DicomWeb(address_of(archive.address), Access()).find_series(Query()))


@pytest.mark.parametrize(("days", "known"), [(1, True), (1, False), (-1, True)])
def test_a_certificate_is_checked(days: int, known: bool, tmp_path: Path) -> None:
    file = certificate(tmp_path, days=days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with served(Archive(), context) as archive:
        web = DicomWeb(address_of(archive.address), Access(authorities=file if known else None))
        if days > 0 and known:
            assert list(web.find_series(Query())) == []
            return
        with pytest.raises(ArchiveError) as caught:
            list(web.find_series(Query()))
    assert caught.value.code == "archive-certificate"


def test_an_archive_may_ask_for_our_certificate(tmp_path: Path) -> None:
    file = certificate(tmp_path, days=1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(file)
    with served(Archive(), context) as archive:
        address = address_of(archive.address)
        assert list(DicomWeb(address, Access(authorities=file, certificate=file)).find_series(Query())) == []
        with pytest.raises(ArchiveError):
            list(DicomWeb(address, Access(authorities=file)).find_series(Query()))


@pytest.mark.parametrize(
    ("reason", "code"), [(0xA700, "archive-full"), (0xA7FF, "archive-full"), (0x0110, "archive-refused")]
)
def test_a_200_that_says_below_that_it_failed_is_a_failure(reason: int, code: str) -> None:
    said, failed = Dataset(), Dataset()
    failed.ReferencedSOPInstanceUID, failed.FailureReason = "1.2.3", reason
    refuse_failed(said)
    said.FailedSOPSequence = [failed]
    with pytest.raises(ArchiveError) as caught:
        refuse_failed(said)
    assert caught.value.code == code


def test_an_answer_without_end_is_not_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_ANSWER", 1000)
    ds = instances(tmp_path)[-1]
    one = InstanceFound(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    with served(Archive({str(ds.SOPInstanceUID): ds})) as archive, pytest.raises(ArchiveError) as caught:
        DicomWeb(address_of(archive.address), Access()).retrieve(one)
    assert caught.value.code == "archive-answer"


def test_a_uid_that_is_none_ends_in_a_sentence(tmp_path: Path) -> None:
    ds = instances(tmp_path)[-1]
    with quiet():
        ds.SeriesInstanceUID = "Jane"
    with served(Archive({str(ds.SOPInstanceUID): ds})) as archive, pytest.raises(ArchiveError) as caught:
        found(archive, Query())
    assert caught.value.code == "archive-answer"
    assert "Jane" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"a", b"\r\n--b\r", b"\r\n\r\n", bytes(range(256)) * 3])
def test_a_part_is_unwrapped_to_the_byte(content: bytes) -> None:
    body = b"--xyz\r\nContent-Type: application/dicom\r\n\r\n" + content + b"\r\n--xyz--"
    assert only_part('multipart/related; boundary="xyz"', body) == content
    assert only_part("multipart/related; boundary=xyz", b"\r\n" + body + b"\r\n") == content


@pytest.mark.parametrize(
    ("kind", "body"),
    [("text/html", b"<p>"), ("multipart/related", b""), ("multipart/related; boundary=b", b"--b\r\n\r\nx"),
     ("multipart/related; boundary=b", b"--b\r\n\r\nx\r\n--b\r\n\r\ny\r\n--b--")],
)  # fmt: skip
def test_what_is_no_single_part_is_refused(kind: str, body: bytes) -> None:
    with pytest.raises(ValueError, match="expected"):
        only_part(kind, body)


def test_a_part_that_is_not_wrapped_is_taken_as_it_is() -> None:
    assert only_part("application/dicom", b"x") == b"x"


def test_a_series_of_another_study_is_not_mixed_in(tmp_path: Path) -> None:
    sent = instances(tmp_path)
    with served(Archive({str(ds.SOPInstanceUID): ds for ds in sent})) as archive:
        web = DicomWeb(address_of(archive.address), Access())
        other = SeriesFound(sent[-1].StudyInstanceUID, sent[0].SeriesInstanceUID)
        assert list(web.find_instances(other)) == []
