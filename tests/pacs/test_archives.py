"""Real archives: Orthanc with its DICOMweb plugin, and dcmtk; `make test-pacs` installs what it takes."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
import yaml

from medaug.errors import ArchiveError
from medaug.pacs.access import Access
from medaug.pacs.address import address_of
from medaug.pacs.archive import InstanceFound, Query
from medaug.pacs.connect import connected
from medaug.pacs.dicomweb.archive import DicomWeb
from medaug.pacs.fetch import Order, fetch
from medaug.pacs.folder import Asked, arrivals, opened
from medaug.pacs.sending.send import Parcel, send
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.certificates import certificate
from tests.support.identified import CANARY, identified
from tests.support.orthanc import MISSING, Orthanc
from tests.support.pacs_output import build
from tests.support.ports import free_port
from tests.support.sound_output import SMALL
from tests.support.tls_front import tls_front

pytestmark = [pytest.mark.pacs, pytest.mark.skipif(bool(MISSING), reason=MISSING or "Orthanc is here")]
dcmtk = pytest.mark.skipif(not shutil.which("storescp"), reason="no dcmtk here: apt-get install dcmtk")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("made"))


@pytest.fixture
def output(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "made"))


def medaug(*words: object, code: int = 0) -> str:
    command = [sys.executable, "-m", "medaug", *map(str, words)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280, check=False)
    said = done.stdout + done.stderr
    assert done.returncode == code, said
    assert CANARY not in said
    return said


def clinical(folder: Path) -> list[Path]:
    """A CT with a segmentation, and a radiograph, as a hospital has them."""
    ct = make.series(folder / "ct", slices=4, seed=2)
    mask = np.zeros((4, 64, 64), np.uint8)
    mask[1:3, 20:30, 25:40] = 1
    seg = make.seg(folder / "seg", ct, mask, ["tumour"])
    files = [*ct, seg, make.radiograph(folder / "cr", rows=60, columns=50)]
    for path in files:
        identified(pydicom.dcmread(path)).save_as(path)
    return files


@pytest.mark.parametrize("protocol", ["dicomweb", "dicom"])
def test_from_one_archive_to_another_and_back(protocol: str, orthanc: Any, tmp_path: Path) -> None:
    hospital, research = orthanc("hospital"), orthanc("research")
    for path in clinical(tmp_path / "clinical"):
        hospital.put(path.read_bytes())
    source, target = getattr(hospital, protocol), getattr(research, protocol)
    said = medaug("fetch", source, "-o", tmp_path / "f", "--modality", "CT", code=3)
    assert "[identity]" in said
    fetching = ("fetch", source, "-o", tmp_path / "cases", "--modality", "CT", "--deidentify", "basic:labels=tumour")
    said = medaug(*fetching, "--date", "19000101-", "--body-part", "ABDOMEN")
    assert said.startswith("4 images of 1 series, 1 seg\n")
    assert medaug(*fetching).startswith("4 images of 1 series, 1 seg; 5 of them before\n")
    profile = tmp_path / "small.yaml"
    profile.write_text(yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | SMALL))
    labels = tmp_path / "cases" / "annotations" / "seg"
    medaug("run", tmp_path / "cases" / "images", "-a", labels, "-p", profile, "-o", tmp_path / "out", "--variants", 2)
    out = tmp_path / "out"
    assert "archive-same" in _code(send, source, out, fetched=tmp_path / "cases")
    medaug("send", out, source, code=2)
    said = medaug("send", out, target, "--fetched", tmp_path / "cases")
    count = len(list((out / "variants").rglob("*.dcm")))
    assert said == f"{count} instances of 2 variants in the archive\n"
    assert f"{count} of them before" in medaug("send", out, target, "--fetched", tmp_path / "cases")
    medaug("verify", out, "--source", tmp_path / "cases" / "images")
    medaug("fetch", target, "-o", tmp_path / "back")
    sent = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, (out / "variants").rglob("*.dcm"))}
    back = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, (tmp_path / "back").rglob("*.dcm"))}
    assert back == sent
    assert len(back) == count


@pytest.mark.parametrize("protocol", ["dicomweb", "dicom"])
def test_a_run_of_an_address_is_a_fetch_and_a_run_and_goes_on(protocol: str, orthanc: Any, tmp_path: Path) -> None:
    hospital = orthanc("hospital")
    for path in clinical(tmp_path / "clinical"):
        hospital.put(path.read_bytes())
    profile, out = tmp_path / "small.yaml", tmp_path / "out"
    profile.write_text(yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | SMALL))
    command = ("run", getattr(hospital, protocol), "-o", out, "-p", profile, "--modality", "CT")
    assert "[identity]" in medaug(*command, code=3)
    said = medaug(*command, "--deidentify", "basic:labels=tumour")
    assert "4 images of 1 series, 1 seg\n" in said
    assert "1 written (0 were done before)\n" in said
    said = medaug(*command, "--deidentify", "basic:labels=tumour")
    assert "5 of them before\n" in said
    assert "(1 were done before)\n" in said
    hospital.kill()
    medaug("verify", out, "--source", tmp_path / "out-fetched" / "images")


def _refusal(what: Any) -> str:
    with pytest.raises(ArchiveError) as caught:
        what()
    return caught.value.code


def _code(what: Any, address: str, output: Path, **options: Any) -> str:
    with connected(address_of(address), Access()) as node, pytest.raises(ArchiveError) as caught:
        what(node, Parcel(output, address, waits=(), **options))
    return caught.value.code


class _Killing(DicomWeb):
    """An archive that is killed at the nth call, and comes back after a while."""

    def __init__(self, archive: Orthanc, at: int) -> None:
        super().__init__(address_of(archive.dicomweb), Access())
        self._of, self._left = archive, at

    def retrieve(self, found: InstanceFound) -> bytes:
        self._count()
        return super().retrieve(found)

    def store(self, dataset: pydicom.Dataset) -> None:
        self._count()
        super().store(dataset)

    def _count(self) -> None:
        self._left -= 1
        if self._left == 0:
            self._of.kill()
            threading.Timer(2.5, self._of.start).start()


def test_an_archive_that_is_killed_and_restarted_is_waited_for(orthanc: Any, output: Path, tmp_path: Path) -> None:
    archive = orthanc("archive")
    done = send(_Killing(archive, 3), Parcel(output, archive.dicomweb))
    assert (done.variants, len(archive.held())) == (2, done.instances)
    time.sleep(0.5)
    with opened(tmp_path / "f", Asked("here", "")) as folder:
        got = fetch(_Killing(archive, 2), folder, Order(Query()))
    assert got.images + got.annotations.total() == done.instances


def test_an_archive_that_stays_away_ends_in_a_sentence_and_the_fetch_goes_on_later(
    orthanc: Any, tmp_path: Path
) -> None:
    archive = orthanc("archive")
    for path in clinical(tmp_path / "clinical"):
        archive.put(path.read_bytes())

    class Away(_Killing):
        def _count(self) -> None:
            self._left -= 1
            if self._left == 0:
                self._of.kill()

    order = Order(Query(), None, waits=(0.1, 0.1))
    with opened(tmp_path / "f", Asked("here", "")) as folder, pytest.raises(ArchiveError) as caught:
        fetch(Away(archive, 2), folder, Order(order.query, _basic(), waits=order.waits))
    assert caught.value.code == "archive-unreachable"
    archive.start()
    with opened(tmp_path / "f", Asked("here", "")) as folder:
        got = fetch(_Killing(archive, 99), folder, Order(order.query, _basic()))
    assert (got.series, got.images, got.annotations.total()) == (2, 5, 1)
    assert len(list(arrivals(tmp_path / "f"))) == 6


def _basic() -> Any:
    from medaug.pacs.deidentify.options import deidentification_of

    return deidentification_of("basic")


@pytest.mark.parametrize("protocol", ["dicomweb", "dicom"])
def test_a_full_disk_at_the_receiver(protocol: str, orthanc: Any, output: Path, tmp_path: Path) -> None:
    disk = tmp_path / "archive" / "db"
    disk.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=700k", "tmpfs", str(disk)], check=False)
    if mounted.returncode:
        pytest.skip("no small disk can be mounted here")
    try:
        archive = orthanc("archive")
        code = _code(send, getattr(archive, protocol), output)
        assert code == ("archive-full" if protocol == "dicom" else "archive-not-kept")
        archive.kill()
        subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
        archive.start()
        with connected(address_of(getattr(archive, protocol)), Access()) as node:
            done = send(node, Parcel(output, archive.dicom))
        assert len(archive.held()) == done.instances
    finally:
        archive.kill()
        subprocess.run(["umount", str(disk)], check=False)


def test_a_wrong_title(orthanc: Any) -> None:
    archive = orthanc("archive")
    wrong = archive.dicom.replace("ARCHIVE", "NOBODY")
    said = medaug("fetch", wrong, "-o", archive.folder / "f", code=2)
    assert "Called AE title not recognised" in said


@pytest.mark.parametrize("days", [5, -5])
def test_an_expired_certificate(days: int, orthanc: Any, tmp_path: Path) -> None:
    file = certificate(tmp_path, days=days)
    archive = orthanc("archive")
    with tls_front(archive.web, file) as port:
        address = f"dicomweb://127.0.0.1:{port}/dicom-web"
        said = medaug("fetch", address, "-o", tmp_path / "f", "--authorities", file, code=3 if days > 0 else 2)
    assert ("certificate" in said) == (days < 0)


@pytest.mark.parametrize("days", [5, -5])
def test_dimse_over_tls_with_a_certificate_of_our_own(days: int, orthanc: Any, output: Path, tmp_path: Path) -> None:
    for side, last in (("theirs", days), ("ours", 5)):
        (tmp_path / side).mkdir()
        certificate(tmp_path / side, days=last)
    theirs, ours = tmp_path / "theirs" / "certificate.pem", tmp_path / "ours" / "certificate.pem"
    archive = orthanc(
        "archive", DicomTlsEnabled=True, DicomTlsPrivateKey=str(theirs), DicomTlsCertificate=str(theirs),
        DicomTlsTrustedCertificates=str(ours), DicomTlsRemoteCertificateRequired=True,
    )  # fmt: skip
    address = archive.dicom.replace("dimse", "dimse+tls")
    parcel = Parcel(output, address, waits=())
    with connected(address_of(address), Access(authorities=theirs, certificate=ours)) as node:
        if days > 0:
            assert send(node, parcel).instances == len(archive.held()) > 0
        else:
            assert _refusal(lambda: send(node, parcel)) == "archive-certificate"
    with connected(address_of(address), Access(authorities=theirs)) as node:
        assert _refusal(lambda: list(node.find_series(Query()))) in {"archive-certificate", "archive-unreachable"}


def test_credentials_of_the_environment_are_never_said(
    orthanc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users = {"AuthenticationEnabled": True, "RegisteredUsers": {"ada": "s3cretpass"}}
    archive = orthanc("archive", **users)
    said = medaug("fetch", archive.dicomweb, "-o", tmp_path / "f", code=2)
    assert "HTTP 401" in said
    monkeypatch.setenv("MEDAUG_PACS_USER", "ada")
    monkeypatch.setenv("MEDAUG_PACS_PASSWORD", "s3cretpass")
    said = medaug("fetch", archive.dicomweb, "-o", tmp_path / "f", code=3)
    for path in (tmp_path / "f").rglob("*"):
        assert not path.is_file() or b"s3cretpass" not in path.read_bytes()
    assert "s3cretpass" not in said


def test_an_archive_that_encodes_as_jpeg_ls(orthanc: Any, output: Path) -> None:
    archive = orthanc("archive", IngestTranscoding="1.2.840.10008.1.2.4.80")
    with connected(address_of(archive.dicomweb), Access()) as node:
        done = send(node, Parcel(output, archive.dicomweb))
    assert done.variants == 2
    syntaxes = {ds.Modality: ds.file_meta.TransferSyntaxUID.name for ds in archive.held().values()}
    assert "JPEG-LS" in syntaxes["CT"]


@pytest.mark.parametrize("protocol", ["dicomweb", "dicom"])
def test_an_archive_that_answers_yes_and_stores_nothing(
    protocol: str, orthanc: Any, output: Path, tmp_path: Path
) -> None:
    script = tmp_path / "drop.lua"
    script.write_text("function ReceivedInstanceFilter(dicom, origin, info) return false end")
    archive = orthanc("archive", LuaScripts=[str(script)])
    assert _code(send, getattr(archive, protocol), output) in {"archive-not-kept", "archive-refused"}
    assert archive.held() == {}


def test_c_move_to_a_port_of_our_own(orthanc: Any, tmp_path: Path) -> None:
    port = free_port()
    archive = orthanc("archive", DicomModalities={"us": ["MEDAUG", "127.0.0.1", port]})
    for path in clinical(tmp_path / "clinical"):
        archive.put(path.read_bytes())
    said = medaug("fetch", archive.dicom, "-o", tmp_path / "f", "--deidentify", "basic", "--receive", port)
    assert said.startswith("5 images of 2 series, 1 seg\n")


@dcmtk
def test_dcmtk_finds_what_was_sent_by_dimse(orthanc: Any, output: Path) -> None:
    archive = orthanc("archive")
    with connected(address_of(archive.dicom), Access()) as node:
        done = send(node, Parcel(output, archive.dicom))
    found = subprocess.run(
        ["findscu", "-S", "-aec", "ARCHIVE", "127.0.0.1", str(archive.dimse), "-k", "QueryRetrieveLevel=STUDY",
         "-k", "StudyInstanceUID", "-k", "NumberOfStudyRelatedInstances"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    counts = map(int, re.findall(r"\(0020,1208\) IS \[(\d+)", found.stdout + found.stderr))
    assert sum(counts) == done.instances


@dcmtk
def test_a_node_of_dcmtk_that_stores_only(output: Path, tmp_path: Path) -> None:
    port, kept = free_port(), tmp_path / "kept"
    kept.mkdir()
    node = subprocess.Popen(["storescp", "-aet", "STORE", "-od", str(kept), "+xa", str(port)])
    try:
        address = f"dimse://STORE@127.0.0.1:{port}"
        time.sleep(1)
        assert _code(send, address, output) in {"archive-association", "archive-refused", "archive-unreachable"}
        with connected(address_of(address), Access()) as one:
            done = send(one, Parcel(output, address, proof="none", allowed="a store without questions"))
        sent = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, (output / "variants").rglob("*.dcm"))}
        got = {str(ds.SOPInstanceUID): ds for ds in map(pydicom.dcmread, kept.iterdir())}
        assert done.instances == len(got)
        assert got == sent
    finally:
        node.terminate()
        node.wait()
