"""PNG, JPEG and TIFF: what is read, what is refused, and that nothing but pixels comes out."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from medaug.errors import ReadError, WriteError
from medaug.formats.raster import channels_of, kind_of, read_raster, write_raster
from tests.support import make

EIGHT = np.arange(60 * 50, dtype=np.uint32).reshape(60, 50).astype(np.uint8)
SIXTEEN = (np.arange(60 * 50, dtype=np.uint32).reshape(60, 50) * 21).astype(np.uint16)
CANARY = "MUSTERMANN"


def saved(path: Path, pixels: np.ndarray, **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path, **options)
    return path


@pytest.mark.parametrize("suffix", ["png", "tif"])
@pytest.mark.parametrize("pixels", [EIGHT, SIXTEEN], ids=["8", "16"])
def test_lossless_files_are_read_as_stored(tmp_path: Path, suffix: str, pixels: np.ndarray) -> None:
    volume = read_raster(saved(tmp_path / f"a.{suffix}", pixels))
    assert np.array_equal(volume.stored, pixels[None])
    assert volume.stored.dtype == pixels.dtype
    assert volume.stored.dtype.isnative
    assert volume.geometry.space == "pixel"
    assert volume.source.identity == "declared"
    assert (volume.window is None) == (pixels is SIXTEEN)


def test_big_endian_tiff(tmp_path: Path) -> None:
    """Written by hand: Pillow writes little endian only."""
    strip = SIXTEEN.astype(">u2").tobytes()
    entries = [(256, 3, 50), (257, 3, 60), (258, 3, 16), (259, 3, 1), (262, 3, 1), (273, 4, 200), (277, 3, 1)]
    entries += [(278, 3, 60), (279, 4, len(strip))]
    table = b"".join(
        struct.pack(">HHI", tag, kind, 1) + (struct.pack(">HH", n, 0) if kind == 3 else struct.pack(">I", n))
        for tag, kind, n in entries
    )
    head = b"MM\0*" + struct.pack(">IH", 8, len(entries)) + table + bytes(4)
    path = tmp_path / "a.tif"
    path.write_bytes(head.ljust(200, b"\0") + strip)
    assert np.array_equal(read_raster(path).stored[0], SIXTEEN)


def test_white_is_zero_is_turned_at_both_depths(tmp_path: Path) -> None:
    for pixels, top in ((EIGHT, 255), (SIXTEEN, 65535)):
        path = tmp_path / "a.tif"
        saved(path, pixels)
        data = path.read_bytes()
        photometric = struct.pack("<HHIHH", 262, 3, 1, 1, 0)
        assert photometric in data
        path.write_bytes(data.replace(photometric, struct.pack("<HHIHH", 262, 3, 1, 0, 0)))
        assert np.array_equal(read_raster(path).stored[0], top - pixels)


def test_grey_in_colour_is_one_channel_and_goes_back_into_three(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.png", np.repeat(EIGHT[..., None], 3, axis=2))
    volume = read_raster(path)
    assert volume.stored.shape == (1, 60, 50)
    assert channels_of(path) == 3
    write_raster(volume, tmp_path / "b.png", channels=3)
    with Image.open(tmp_path / "b.png") as image:
        assert image.mode == "RGB"
        assert np.array_equal(np.asarray(image)[..., 1], EIGHT)


def test_jpeg_is_read_as_decoded(tmp_path: Path) -> None:
    path = saved(tmp_path / "a.jpg", (make.limb(64, 48, seed=1) * 255).astype(np.uint8), quality=90)
    with Image.open(path) as image:
        expected = np.asarray(image)
    assert np.array_equal(read_raster(path).stored[0], expected)
    assert read_raster(path).source.format == "jpeg"


def colour() -> np.ndarray:
    pixels = np.repeat(EIGHT[..., None], 3, axis=2)
    pixels[:30, ::2, 0] ^= 0x3F  # red comes and goes: no tint
    return pixels


def alpha(value: int) -> np.ndarray:
    pixels = np.repeat(EIGHT[..., None], 4, axis=2)
    pixels[..., 3] = 255
    pixels[0, 0, 3] = value
    return pixels


@pytest.mark.parametrize(
    ("code", "pixels", "name"),
    [
        ("colour", colour(), "a.png"),
        ("alpha", alpha(254), "a.png"),
        ("unsupported-encoding", EIGHT > 128, "a.png"),
        ("unsupported-encoding", SIXTEEN.astype(np.int32), "a.tif"),
        ("unsupported-encoding", SIXTEEN.astype(np.float32), "a.tif"),
    ],
)
def test_what_is_not_grey_is_refused(tmp_path: Path, code: str, pixels: np.ndarray, name: str) -> None:
    with pytest.raises(ReadError) as caught:
        read_raster(saved(tmp_path / name, pixels))
    assert caught.value.code == code


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("mode", ["RGBA", "LA"])
def test_an_opaque_alpha_is_no_colour_and_stays(tmp_path: Path, mode: str, suffix: str) -> None:
    path = saved(tmp_path / f"a{suffix}", alpha(255) if mode == "RGBA" else alpha(255)[..., 2:])
    volume = read_raster(path)
    assert np.array_equal(volume.stored[0], EIGHT)
    assert channels_of(path) == len(mode)
    changed = replace(volume, stored=255 - volume.stored)
    write_raster(changed, tmp_path / f"b{suffix}", channels_of(path))
    with Image.open(tmp_path / f"b{suffix}") as image:
        assert image.mode == mode
        pixels = np.asarray(image)
    assert (pixels[..., -1] == 255).all()
    assert (pixels[..., :-1] == (255 - EIGHT)[..., None]).all()


def test_palette_pages_and_orientation_are_refused(tmp_path: Path) -> None:
    Image.fromarray(EIGHT).convert("P").save(tmp_path / "palette.png")
    pages = Image.fromarray(EIGHT)
    pages.save(tmp_path / "pages.tif", save_all=True, append_images=[pages])
    exif = Image.Exif()
    exif[274] = 6
    Image.fromarray(EIGHT).save(tmp_path / "turned.jpg", exif=exif)
    found = {}
    for path in tmp_path.iterdir():
        with pytest.raises(ReadError) as caught:
            read_raster(path)
        found[path.stem] = caught.value.code
    assert found == {"palette": "palette", "pages": "multi-frame", "turned": "turned"}


def test_16_bits_of_colour_are_refused_and_not_cut_to_8(tmp_path: Path) -> None:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    row = b"\0" + bytes([1, 2] * 3 * 4)
    path = tmp_path / "a.png"
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(row * 4))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(ReadError, match="of 16 bits"):
        read_raster(path)


def test_a_bomb_and_a_cut_file_are_refused(tmp_path: Path) -> None:
    data = io.BytesIO()
    Image.fromarray(EIGHT).save(data, format="PNG")
    whole = data.getvalue()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    ihdr = whole[12:16] + struct.pack(">II", 60_000, 60_000) + whole[24:29]
    (tmp_path / "bomb.png").write_bytes(whole[:12] + ihdr + struct.pack(">I", zlib.crc32(ihdr)) + whole[33:])
    for name, codes in (("cut.png", {"truncated", "unreadable"}), ("bomb.png", {"too-large", "unreadable"})):
        with pytest.raises(ReadError) as caught:
            read_raster(tmp_path / name)
        assert caught.value.code in codes


def test_text_makes_the_identity_unknown_and_is_not_copied(tmp_path: Path) -> None:
    text = PngInfo()
    text.add_text("Patient", CANARY)
    exif = Image.Exif()
    exif[270] = CANARY
    sources = [
        saved(tmp_path / "a.png", EIGHT, pnginfo=text),
        saved(tmp_path / "b.jpg", EIGHT, exif=exif),
        saved(tmp_path / "c.jpg", EIGHT, comment=CANARY.encode()),
        saved(tmp_path / "d.tif", EIGHT, description=CANARY),
    ]
    for source in sources:
        assert CANARY.encode() in source.read_bytes()
        volume = read_raster(source)
        assert volume.source.identity == "unknown"
        for name in ("out.png", "out.tif"):
            write_raster(volume, tmp_path / name)
            written = (tmp_path / name).read_bytes()
            assert CANARY.encode() not in written
            assert b"SYNTHETIC" in written


def test_the_same_volume_gives_the_same_bytes(tmp_path: Path) -> None:
    volume = read_raster(saved(tmp_path / "a.png", SIXTEEN))
    for suffix in ("png", "tif"):
        write_raster(volume, tmp_path / f"1.{suffix}")
        write_raster(volume, tmp_path / f"2.{suffix}")
        assert (tmp_path / f"1.{suffix}").read_bytes() == (tmp_path / f"2.{suffix}").read_bytes()


def test_a_file_can_not_hold_what_it_can_not_say(tmp_path: Path) -> None:
    volume = read_raster(saved(tmp_path / "a.png", SIXTEEN))
    for wrong, channels in (
        (volume, 3),
        (replace(volume, inverted=True), 1),
        (make.volume((3, 8, 8)), 1),
        (replace(volume, stored=volume.stored.astype(np.int16)), 1),
    ):
        with pytest.raises(WriteError):
            write_raster(wrong, tmp_path / "b.png", channels)
    assert not (tmp_path / "b.png").exists()
    assert not list(tmp_path.glob(".*"))


def test_a_dicom_file_that_begins_like_a_tiff_is_none(tmp_path: Path) -> None:
    path = make.radiograph(tmp_path, name="a.dcm")
    data = bytearray(path.read_bytes())
    data[:4] = b"II*\0"
    path.write_bytes(bytes(data))
    assert kind_of(path) is None


def test_grey_as_jpeg_leaves_it_is_grey_by_its_luminance(tmp_path: Path) -> None:
    """Saved with chroma, channels are up to 2 or 3 apart; 4 apart is a colour, unless it follows from the level."""
    pixels = np.repeat(EIGHT[..., None], 3, axis=2)
    pixels[3, 4] = (100, 99, 102)
    volume = read_raster(saved(tmp_path / "a.png", pixels))
    assert volume.converted == "near-grey"
    assert volume.stored[0, 3, 4] == 100  # 0.299 * 100 + 0.587 * 99 + 0.114 * 102 = 99.6
    rest = np.ones(EIGHT.shape, dtype=bool)
    rest[3, 4] = False
    assert np.array_equal(volume.stored[0][rest], EIGHT[rest])
    assert read_raster(saved(tmp_path / "b.png", np.repeat(EIGHT[..., None], 3, axis=2))).converted == ""


@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_tint_is_told_from_a_colour(tmp_path: Path, suffix: str) -> None:
    grey = (make.limb(120, 100, seed=1) * 200).astype(np.uint8)[..., None]
    sepia = np.concatenate([grey + 40, grey + 20, grey], axis=2)
    volume = read_raster(saved(tmp_path / f"tint.{suffix}", sepia))
    assert volume.converted == "tint"
    expected = 0.299 * sepia[..., 0] + 0.587 * sepia[..., 1] + 0.114 * sepia[..., 2]
    assert np.abs(volume.stored[0] - expected).mean() < (0.51 if suffix == "png" else 4)
    sepia[:6, :6] = (255, 0, 0)  # 0.3 % of another colour, and it is no tint
    with pytest.raises(ReadError, match="aren't those of a tint"):
        read_raster(saved(tmp_path / f"marked.{suffix}", sepia))


def test_bars_of_as_many_colours_as_brightnesses_are_no_tint(tmp_path: Path) -> None:
    colours = np.array([(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 0), (90, 90, 90)], np.uint8)
    bars = np.repeat(np.repeat(colours[None], 12, axis=1), 40, axis=0)
    with pytest.raises(ReadError, match="aren't those of a tint"):
        read_raster(saved(tmp_path / "bars.png", bars))
