from __future__ import annotations

import struct
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from medaug.formats.picture_bytes import tiff_is_full
from medaug.formats.raster import read_raster, states_raster, write_raster

ROWS, COLUMNS = 6, 5
PIXELS = bytes(range(ROWS * COLUMNS))


def tiff(strips: list[bytes], gap: bytes = b"", order: str = "<") -> bytes:
    """Header, directory, the strips' places and lengths, a gap, strips."""
    count = len(strips)
    table = 8 + 2 + 12 * 2 + 4
    starts, at = [], table + 8 * count + len(gap)
    for strip in strips:
        starts.append(at)
        at += len(strip)
    entries = b"".join(
        struct.pack(f"{order}HHII", tag, 4, count, place) for tag, place in ((273, table), (279, table + 4 * count))
    )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    places = struct.pack(f"{order}{2 * count}I", *starts, *map(len, strips))
    return head + struct.pack(f"{order}H", 2) + entries + bytes(4) + places + gap + b"".join(strips)


TWO = [zlib.compress(PIXELS[:15]), zlib.compress(PIXELS[15:])]


@pytest.mark.parametrize("order", ["<", ">"])
def test_a_tiff_whose_bytes_all_mean_something_is_full(order: str) -> None:
    assert tiff_is_full(tiff(TWO, order=order), len(PIXELS))
    assert tiff_is_full(tiff(TWO, b"\0", order=order), len(PIXELS))


@pytest.mark.parametrize(
    "data",
    [
        tiff(TWO) + b"x",
        tiff(TWO) + bytes(2),
        tiff(TWO, b"x"),
        tiff(TWO, bytes(2)),
        tiff([TWO[0] + b"name", TWO[1]]),
        tiff([TWO[0], TWO[1] + b"name"]),
        tiff([*TWO, zlib.compress(b"name")]),
        tiff(TWO[:1]),
        tiff(TWO)[:-1],
        tiff(TWO)[:20],
        b"II*\0",
        b"",
    ],
)
def test_a_tiff_with_more_or_less_is_not(data: bytes) -> None:
    assert not tiff_is_full(data, len(PIXELS))


@pytest.mark.parametrize("suffix", [".tif", ".png"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
@pytest.mark.parametrize(("shape", "channels"), [((7, 5), 1), ((900, 1301), 1), ((70, 51), 3), ((70, 51), 4)])
def test_what_is_written_is_full(
    suffix: str, kind: type[np.generic], shape: tuple[int, int], channels: int, tmp_path: Path
) -> None:
    if channels > 1 and kind is np.uint16:
        pytest.skip("isn't written")
    pixels = np.random.default_rng(0).integers(0, np.iinfo(kind).max, shape).astype(kind)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    volume = read_raster(tmp_path / "in.png")
    path = tmp_path / f"out{suffix}"
    write_raster(volume, path, channels)
    assert states_raster(path, volume, channels)
    assert states_raster(path, replace(volume, stored=volume.stored[:, ::-1]), channels)  # whatever its pixels are
    path.write_bytes(path.read_bytes() + b"\0\0")
    assert not states_raster(path, volume, channels)
