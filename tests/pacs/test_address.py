from __future__ import annotations

from pathlib import Path

import pytest

from medaug.errors import ArchiveError
from medaug.pacs.access import Access, Credentials, credentials_of, guard
from medaug.pacs.address import address_of


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("dicomweb://pacs.example/dicom-web/", "https://pacs.example:443/dicom-web"),
        ("dicomweb+http://LOCALHOST:8042/a/b", "http://localhost:8042/a/b"),
    ],
)
def test_an_address_of_dicomweb_is_a_url(text: str, url: str) -> None:
    assert address_of(text).url == url


def test_an_address_of_dimse_names_the_archives_title() -> None:
    found = address_of("dimse+tls://PACS 1@10.0.0.7:104")
    assert (found.title, found.host, found.port, found.encrypted) == ("PACS 1", "10.0.0.7", 104, True)
    assert address_of("dimse://A@h").port == 11112


@pytest.mark.parametrize(
    "text",
    ["export/", "C:/export", "https://x/y", "dicomweb://", "dicomweb://h/p?q=1", "dicomweb://h:port/", "dimse://h:104",
     "dimse://A@h:104/path", "dimse://ABCDEFGHIJKLMNOPQ@h", "dicomweb://Jane:secret@h/p", "dicomweb://Jane@h/p",
     "dimse://A:secret@h"],
)  # fmt: skip
def test_what_is_none_is_refused_without_being_said_again(text: str) -> None:
    with pytest.raises(ArchiveError) as caught:
        address_of(text)
    assert caught.value.code == "archive-address"
    assert "secret" not in str(caught.value)
    assert "Jane" not in str(caught.value)


def test_credentials_come_from_the_environment_or_a_file_of_ones_own(tmp_path: Path) -> None:
    environment = {"MEDAUG_PACS_USER": "ada", "MEDAUG_PACS_PASSWORD": "s3cret"}
    assert credentials_of(None, environment) == Credentials("ada", "s3cret")
    file = tmp_path / "secret"
    file.write_text("token: abc.def:ghi\n")
    file.chmod(0o600)
    assert credentials_of(file, environment) == Credentials(token="abc.def:ghi")
    assert "abc" not in repr(Access(credentials=credentials_of(file)))
    file.chmod(0o640)
    with pytest.raises(ArchiveError, match="chmod 600"):
        credentials_of(file)


@pytest.mark.parametrize("text", ["user: ada\n", "user: a\npassword: b\ntoken: c\n", "s3cret\n", "token: a\u20acb\n"])
def test_half_credentials_are_refused_without_being_said(text: str, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text(text)
    file.chmod(0o600)
    with pytest.raises(ArchiveError) as caught:
        credentials_of(file)
    assert caught.value.code == "archive-credentials"
    assert "s3cret" not in str(caught.value)


def test_a_password_never_crosses_a_network_in_clear() -> None:
    access = Access(credentials=Credentials("ada", "s3cret"))
    for text in ("dicomweb+http://pacs.example/", "dimse://A@10.0.0.7"):
        with pytest.raises(ArchiveError, match="in clear"):
            guard(address_of(text), access)
        guard(address_of(text), Access())
    for text in ("dicomweb://pacs.example/", "dicomweb+http://127.0.0.1/", "dimse+tls://A@10.0.0.7"):
        guard(address_of(text), access)
