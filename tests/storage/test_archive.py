"""Zip archives read in place: what is read, and what is refused before a byte of it is inflated."""

from __future__ import annotations

import io
import resource
import struct
import zipfile
from pathlib import Path

import pytest

from medaug.dicom.read.discover import discover
from medaug.errors import ReadError
from medaug.storage import archive as places
from tests.support import make


def zipped(path: Path, content: dict[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return path


def listed(path: Path) -> tuple[list[str], list[str]]:
    found = list(places.members(path))
    names = [entry.relative_to(path).as_posix() for entry in found if isinstance(entry, Path)]
    return names, [entry.code for entry in found if isinstance(entry, places.Refused)]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_entries_are_read_like_files(tmp_path: Path, method: int) -> None:
    content = {"b/2": b"two" * 1000, "a": b"one", "empty": b""}
    path = zipped(tmp_path / "x.zip", content, method)
    assert listed(path) == (["a", "b/2", "empty"], [])
    for name, data in content.items():
        with places.opened(path / name) as stream:
            assert stream.read() == data
        assert places.size(path / name) == len(data)


def test_a_series_in_a_zip_is_the_series_in_the_folder(tmp_path: Path) -> None:
    make.series(tmp_path / "ct", slices=5)
    archive = zipped(tmp_path / "x.zip", {f"deep/{p.name}": p.read_bytes() for p in (tmp_path / "ct").iterdir()})
    inside, outside = discover(archive), discover(tmp_path / "ct")
    assert [s.series_uid for s in inside.series] == [s.series_uid for s in outside.series]
    assert [len(s.files) for s in inside.series] == [5]
    from medaug.dicom.read.read import read_series

    (a,), (b,) = read_series(inside.series[0]), read_series(outside.series[0])
    assert a.source.key == b.source.key
    assert (a.stored == b.stored).all()


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "c:/a", "a\\..\\b", "\\a", "c:\\a", "./a", "a//b"])
def test_names_that_lead_out_are_refused(tmp_path: Path, name: str) -> None:
    assert listed(zipped(tmp_path / "x.zip", {name: b"1", "good": b"2"})) == (["good"], ["archive-entry"])


def test_backslashes_part_folders_as_slashes_do(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"export\\a\\1.dcm": b"one", "export\\b\\": b"", "export/b/2.dcm": b"two"})
    assert listed(path) == (["export/a/1.dcm", "export/b/2.dcm"], [])
    with places.opened(path / "export" / "a" / "1.dcm") as stream:
        assert stream.read() == b"one"
    assert listed(zipped(tmp_path / "y.zip", {"a\\1": b"1", "a/1": b"2"})) == ([], ["archive-entry"] * 2)


def test_two_of_one_name_encrypted_links_and_odd_methods_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("twice", b"1")
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("twice", b"2")
        link = zipfile.ZipInfo("link")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, b"/etc/passwd")
        archive.writestr("lzma", b"3", zipfile.ZIP_LZMA)
        archive.writestr("secret", b"4")
    data = bytearray(path.read_bytes())
    place = data.rindex(b"secret") - 46  # its entry in the central directory
    data[place + 8] |= 1
    path.write_bytes(bytes(data))
    names, codes = listed(path)
    assert not names
    assert sorted(codes) == ["archive-entry", "archive-entry", "archive-entry", "encrypted", "not-a-file"]


def test_a_bomb_is_refused_without_memory(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"bomb": bytes(200 << 20), "good": b"1"})
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert listed(path) == (["good"], ["zip-bomb"])
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20 << 10  # KiB


def test_a_size_that_lies_is_not_believed(tmp_path: Path) -> None:
    """The directory claims 1000 bytes; what is inflated stops there, and the entry is refused."""
    path = zipped(tmp_path / "x.zip", {"a": bytes(1 << 20)})
    data = path.read_bytes().replace(struct.pack("<I", 1 << 20), struct.pack("<I", 1000))
    path.write_bytes(data)
    with pytest.raises(ReadError) as caught, places.opened(path / "a"):
        pass
    assert caught.value.code == "truncated"


def test_entries_that_overlap_are_a_bomb(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b"1" * 99, "b": b"2" * 99})
    data = bytearray(path.read_bytes())
    second = data.rindex(b"PK\x01\x02")
    struct.pack_into("<I", data, second + 42, 0)  # its local header is said to be the first's
    path.write_bytes(bytes(data))
    with pytest.raises(ReadError) as caught:
        list(places.members(path))
    assert caught.value.code == "zip-bomb"


def test_damage_is_found(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": bytes(range(256)) * 8}, zipfile.ZIP_STORED)
    data = bytearray(path.read_bytes())
    data[100] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(ReadError) as caught, places.opened(path / "a"):
        pass
    assert caught.value.code == "truncated"
    path.write_bytes(bytes(data[:-30]))
    with pytest.raises(ReadError) as caught:
        list(places.members(path))
    assert caught.value.code == "damaged"


def test_discovery_goes_on_past_bad_archives_and_does_not_open_nested_ones(tmp_path: Path) -> None:
    make.radiograph(tmp_path / "x", name="a.dcm")
    image = (tmp_path / "x" / "a.dcm").read_bytes()
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("b.dcm", image)
    zipped(tmp_path / "outer.zip", {"inner.zip": inner.getvalue(), "image": image, "note.txt": b"hello"})
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04" + bytes(50))
    zipped(tmp_path / "empty.zip", {})
    zipped(tmp_path / "folders.zip", {"a/": b"", "a/b/": b""})
    found = discover(tmp_path)
    assert len(found.series) == 1
    told = [(s.code, s.count) for s in found.skipped]
    assert sorted(told) == [
        ("damaged", 1),
        ("duplicate-file", 1),
        ("empty", 2),
        ("nested-archive", 1),
        ("not-dicom", 1),
    ]
    assert {s.reason for s in found.skipped if s.code == "empty"} == {"the zip archive holds no file"}


def test_a_file_that_left_its_archive_is_said_so(tmp_path: Path) -> None:
    path = zipped(tmp_path / "x.zip", {"a": b"1"})
    with pytest.raises(ReadError) as caught:
        places.size(path / "b")
    assert caught.value.code == "input-changed"
