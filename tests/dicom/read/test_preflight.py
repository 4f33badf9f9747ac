from __future__ import annotations

import contextlib
import io
import random
import struct
import time
import tracemalloc
import zlib
from pathlib import Path

import pytest
from pydicom.encaps import encapsulate
from pydicom.uid import JPEG2000Lossless, JPEGLosslessSV1, JPEGLSLossless

from medaug.dicom.read.codestream import dimensions
from medaug.dicom.read.discover import discover
from medaug.dicom.read.parse import parsed
from medaug.dicom.read.preflight import HELD_ELEMENT, HELD_ITEM, MAX_DEPTH, MAX_HELD, outline
from medaug.dicom.read.read import read_series
from medaug.errors import ReadError
from tests.support import make
from tests.support.dicom_bytes import DEFLATED, EXPLICIT, element, nested, part10
from tests.support.dicom_edit import edit


def refusal(data: bytes) -> str:
    with pytest.raises(ReadError) as caught:
        outline(io.BytesIO(data), len(data))
    return caught.value.code


def test_what_a_built_file_looks_like(tmp_path: Path) -> None:
    data = make.radiograph(tmp_path, rows=8, columns=10).read_bytes()
    found = outline(io.BytesIO(data), len(data))
    assert (found.native_bytes, found.fragments, found.preamble) == (160, (), True)
    assert found.transfer_syntax.encode() == EXPLICIT.rstrip(b"\0")


@pytest.mark.parametrize("keep", [0, 131, 132, 140, 300, 600, -1, -161])
def test_a_file_cut_short_is_refused_or_holds_no_pixels(tmp_path: Path, keep: int) -> None:
    path = make.radiograph(tmp_path, rows=8, columns=10)
    path.write_bytes(path.read_bytes()[:keep])
    (entry,) = discover(tmp_path).skipped
    assert entry.code in {"empty", "not-dicom", "truncated", "missing-attribute", "no-pixels"}


@pytest.mark.parametrize("defined", [True, False])
def test_nesting_is_bounded(defined: bool) -> None:
    assert refusal(part10(EXPLICIT, nested(300, defined=defined))) == "nesting"
    legal = part10(EXPLICIT, nested(MAX_DEPTH, defined=defined) + element(0x40, 0xA731, b"LO", b"ab"))
    assert not outline(io.BytesIO(legal), len(legal)).has_pixels


def test_a_length_past_the_end() -> None:
    assert refusal(part10(EXPLICIT, struct.pack("<HH2sHI", 8, 8, b"OB", 0, 2**31) + b"ab")) == "truncated"


def test_a_sequence_without_an_end() -> None:
    assert refusal(part10(EXPLICIT, nested(1, defined=False)[:-8])) == "truncated"


def test_a_deflate_bomb_costs_neither_time_nor_memory(tmp_path: Path) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    bomb = b"".join(engine.compress(bytes(2**20)) for _ in range(100)) + engine.flush()
    path = tmp_path / "bomb"
    path.write_bytes(part10(DEFLATED, bomb))
    tracemalloc.start()
    (entry,) = discover(tmp_path).skipped
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert entry.code == "deflate-bomb"
    assert peak < 50 * 2**20


@pytest.mark.parametrize(("end", "code"), [(-1, "truncated"), (40, "truncated")])
def test_a_deflated_data_set_cut_short(end: int, code: str) -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = part10(DEFLATED, engine.compress(random.Random(0).randbytes(500)) + engine.flush())
    assert refusal(data[:-1] if end == -1 else data[: len(data) - end]) == code


def test_noise_for_a_deflated_data_set() -> None:
    assert refusal(part10(DEFLATED, b"\xff" * 100)) == "damaged"


def test_many_elements_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("medaug.dicom.read.preflight.MAX_HELD", 100 * HELD_ELEMENT)
    assert refusal(part10(EXPLICIT, element(9, 0x10, b"LO", b"") * 101)) == "too-many-elements"
    assert refusal(part10(EXPLICIT, (element(9, 0x10, b"UN", b"") + bytes(4)) * 101)) == "too-many-elements"
    outline(io.BytesIO(whole := part10(EXPLICIT, element(9, 0x10, b"LO", b"") * 100)), len(whole))
    monkeypatch.setattr("medaug.dicom.read.preflight.MAX_HELD", 100 * HELD_ITEM)
    assert refusal(part10(EXPLICIT, items(101))) == "too-many-elements"


def test_twenty_thousand_frames_of_a_hundred_elements_in_fifteen_groups_are_not_too_many() -> None:
    assert 20_000 * (16 * HELD_ITEM + 100 * HELD_ELEMENT) <= MAX_HELD < 20_000 * (16 * HELD_ITEM + 120 * HELD_ELEMENT)


@pytest.mark.parametrize(("cost", "count"), [(HELD_ELEMENT, 10_000), (HELD_ITEM, 2_000)])
def test_what_is_held_of_an_element_and_of_an_item_is_no_more_than_stated(cost: int, count: int) -> None:
    """So the bound on their sum is one of memory."""
    several = b"".join(element(9 + 2 * (n >> 12), 0x1000 + (n & 0xFFF), b"LO", b"ab") for n in range(count))
    data = part10(EXPLICIT, several if cost == HELD_ELEMENT else items(count))
    tracemalloc.start()
    parsed(data)
    held = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0.3 * cost < (held - 4 * len(data)) / count < cost


def items(count: int) -> bytes:
    """A sequence of empty items, without its length, which pydicom parses at once."""
    start = struct.pack("<HH2sHI", 0x0040, 0x0275, b"SQ", 0, 0xFFFFFFFF)
    return start + struct.pack("<HHI", 0xFFFE, 0xE000, 0) * count + struct.pack("<HHI", 0xFFFE, 0xE0DD, 0)


def test_a_run_of_short_elements_is_stepped_over_as_each_is_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bases = [make.radiograph(tmp_path, rows=4, columns=4).read_bytes(), part10(EXPLICIT, nested(3, defined=True))]
    draw = random.Random(0)
    for _ in range(400):
        data = bytearray(draw.choice(bases))
        for _ in range(draw.randrange(3)):
            data[draw.randrange(132, len(data))] = draw.choice((0, 1, 8, 0xFE, 0xFF, draw.randrange(256)))
        found = outcome(bytes(data))
        with monkeypatch.context() as patch:
            patch.setattr("medaug.dicom.read.preflight._ElementWalk._plain", lambda _, position: position)
            assert outcome(bytes(data)) == found


def outcome(data: bytes) -> object:
    try:
        return outline(io.BytesIO(data), len(data))
    except ReadError as error:
        return error.code, str(error)


JPEG_2000 = b"\xff\x4f\xff\x51" + struct.pack(">HH8I", 41, 0, 30, 20, 0, 0, 30, 20, 0, 0)
JPEG = b"\xff\xd8\xff\xe0\x00\x04ab\xff\xff\xc3" + struct.pack(">HBHHB", 11, 12, 20, 30, 1)
JPEG_LS = b"\xff\xd8\xff\xf7" + struct.pack(">HBHHB", 11, 12, 20, 30, 1)


@pytest.mark.parametrize("head", [JPEG_2000, b"\0\0\0\x0cjP  \r\n\x87\n" + JPEG_2000, JPEG, JPEG_LS])
def test_dimensions_of_a_codestream(head: bytes) -> None:
    assert dimensions(head) == (20, 30)


@pytest.mark.parametrize("head", [JPEG_2000[:20], JPEG[:14], JPEG_LS[:8], b"", bytes(64), b"\xff\xd8\xff\xda" * 9])
def test_no_dimensions(head: bytes) -> None:
    assert dimensions(head) is None


@pytest.mark.parametrize(
    ("syntax", "head"), [(JPEG2000Lossless, JPEG_2000), (JPEGLosslessSV1, JPEG), (JPEGLSLossless, JPEG_LS)]
)
def test_a_codestream_larger_than_the_header_says(tmp_path: Path, syntax: str, head: bytes) -> None:
    path = make.radiograph(tmp_path, rows=20, columns=31)

    def compress(ds: object) -> None:
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([head + bytes(32) + b"\xff\xd9"])
        ds["PixelData"].VR = "OB"
        ds["PixelData"].is_undefined_length = True

    edit(path, compress)
    (entry,) = discover(tmp_path).skipped
    assert entry.code == "codestream-size"
    assert "(20, 30)" in entry.reason
    edit(path, Columns=30)  # now the sizes agree, and what is wrong is found when it is decoded
    with pytest.raises(ReadError) as caught:
        read_series(discover(tmp_path).series[0])
    assert caught.value.code == "pixels"


def test_damage_of_any_kind_ends_in_a_code(tmp_path: Path) -> None:
    bases = [
        make.radiograph(tmp_path / "a", rows=16, columns=16).read_bytes(),
        make.series(tmp_path / "b", slices=1, rows=16, columns=16)[0].read_bytes(),
    ]
    rng = random.Random(0)
    folder = tmp_path / "damaged"
    folder.mkdir()
    start = time.monotonic()
    for n in range(400):
        data = bytearray(rng.choice(bases))
        for _ in range(rng.choice((1, 3, 10))):
            at = rng.randrange(128, len(data) - 1)
            match rng.randrange(4):
                case 0 | 1:
                    data[at] = rng.randrange(256)
                case 2:
                    data[at : at + 4] = b"\xff" * 4
                case _:
                    del data[at : at + rng.randrange(1, 8)]
        (folder / str(n)).write_bytes(data)
    found = discover(folder)
    for series in found.series:
        with contextlib.suppress(ReadError):
            read_series(series)
    assert sum(entry.count for entry in found.skipped) + sum(len(s.files) for s in found.series) == 400
    assert time.monotonic() - start < 60
