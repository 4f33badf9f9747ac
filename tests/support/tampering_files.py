"""A sound OUTPUT of pictures and of an NRRD volume, and what their headers may be made to say by who makes all fit."""

from __future__ import annotations

import gzip
import io
import struct
import zlib
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import yaml
from PIL import Image
from PIL.PngImagePlugin import PngInfo

import medaug
from medaug.formats.nrrd import read_nrrd, write_nrrd
from medaug.profile.load import load_profile
from tests.support import make
from tests.support.quick_prior import in_place_of_the_embedded
from tests.support.sound_output import SMALL, records, redigest, rewrite
from tests.support.tampering_headers import OUTPUT, SOURCE, Attack

PNG, TIFF, NRRD = "png", "tiff", "nrrd"


def build(folder: Path) -> Path:
    """A PNG of 8 bits, a TIFF of 16 and a volume in NRRD, one variant of each."""
    source = folder / "in"
    source.mkdir(parents=True)
    limb = make.limb(90, 80, seed=1)
    Image.fromarray(np.rint(limb * 255).astype(np.uint8)).save(source / "p.png")
    Image.fromarray(np.rint(limb * 4095).astype(np.uint16)).save(source / "t.tif")
    volume = make.volume((3, 40, 40), dtype=np.int16)
    write_nrrd(replace(volume, rescale=tuple(replace(r, intercept=0.0) for r in volume.rescale)), source / "v.nrrd")
    rows = [f"{name},lesion,30,30,12,12\n" for name in ("p.png", "t.tif")]
    (folder / "boxes.csv").write_text("".join(["image,label,x,y,width,height\n", *rows]))
    mask = np.zeros((3, 40, 40), np.uint8)
    mask[1, 10:20, 12:22] = 1
    (folder / "labels").mkdir()
    write_nrrd(replace(read_nrrd(source / "v.nrrd"), stored=mask), folder / "labels" / "v_seg.nrrd")
    path = folder / "small.yaml"
    changes = SMALL | {"modalities": ["RASTER", "NRRD"]}
    path.write_text(yaml.safe_dump(load_profile("bone-xray").model_dump(mode="json") | changes))
    with in_place_of_the_embedded():
        summary = medaug.run(
            source,
            folder / "out",
            profile=str(path),
            annotations=[folder / "boxes.csv", folder / "labels"],
            seed=7,
            accept_identity="a test",
        )
    assert dict(summary.counts) == {"written": 3}, [record.message for record in summary.records]
    return folder / "out"


def _changed(kind: str, change: Callable[[Path], None], *, evidence: bool = False) -> Attack:
    def attack(folder: Path) -> None:
        root = folder / "out"
        (record,) = (record for record in records(root) if record.source.format == kind)
        marks = next(output for output in record.outputs if "/evidence/" in output.path)
        change(root / (marks if evidence else record.images[0]).path)
        rewrite(root, record.unit, partial(redigest, root))

    return attack


def _png_saved(*, texts: bool = True, mode: str = "L", **options: object) -> Callable[[Path], None]:
    """Saved again with the same pixels."""

    def change(path: Path) -> None:
        with Image.open(path) as image:
            image.load()
            kept = PngInfo()
            for name, text in image.info.items() if texts else ():
                kept.add_text(name, text)
            image.convert(mode).save(path, pnginfo=kept, **options)

    return change


def _chunk(kind: bytes, content: bytes) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        data = path.read_bytes()
        made = len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        end = data.rindex(b"IEND") - 4
        path.write_bytes(data[:end] + made + data[end:])

    return change


def _appended(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"DOE^JANE")


def _behind_pixels(path: Path) -> None:
    """A name behind the stream of a PNG's pixels, in their own chunk."""
    data = path.read_bytes()
    at = data.index(b"IDAT")
    long = int.from_bytes(data[at - 4 : at], "big")
    chunk = data[at : at + 4 + long] + b"DOE^JANE"
    made = (long + 8).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    path.write_bytes(data[: at - 4] + made + data[at + 8 + long :])


def _longer_strip(path: Path) -> None:
    """A name behind the stream of a TIFF's only strip, which is moved to the file's end."""
    with Image.open(path) as image:
        ((start,), (long,)) = image.tag_v2[273], image.tag_v2[279]
    data = path.read_bytes()
    made = bytearray(data[:start] + bytes(long) + data[start + long :])  # where it lay there are zeros
    for tag, value in ((273, len(data)), (279, long + 8)):
        (at,) = (n for kind in (3, 4) if (n := made.find(struct.pack("<HHI", tag, kind, 1))) >= 0)
        made[at : at + 12] = struct.pack("<HHII", tag, 4, 1, value)
    path.write_bytes(made + data[start : start + long] + b"DOE^JANE")


def _nrrd_member(path: Path) -> None:
    path.write_bytes(path.read_bytes() + gzip.compress(b"", mtime=0))


def _tiff_saved(**options: object) -> Callable[[Path], None]:
    def change(path: Path) -> None:
        with Image.open(path) as image:
            image.load()
            tags = {"software": image.tag_v2[305], "description": image.tag_v2[270]} | options
            plain = Image.fromarray(np.asarray(image))
        plain.save(path, compression="tiff_adobe_deflate", **tags)

    return change


def _nrrd_lines(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def attack(path: Path) -> None:
        text, _, voxels = path.read_bytes().partition(b"\n\n")
        path.write_bytes("\n".join(change(text.decode().split("\n"))).encode() + b"\n\n" + voxels)

    return attack


def _directions(factor: float) -> Callable[[list[str]], list[str]]:
    def change(lines: list[str]) -> list[str]:
        at = next(n for n, line in enumerate(lines) if line.startswith("space directions"))
        first, rest = lines[at].removeprefix("space directions: (").split(")", 1)
        axis = ",".join(repr(factor * float(x)) for x in first.split(","))
        return [*lines[:at], f"space directions: ({axis}){rest}", *lines[at + 1 :]]

    return change


def _pixel(path: Path) -> None:
    """A voxel inside a box."""
    if path.suffix == ".nrrd":
        text, _, voxels = path.read_bytes().partition(b"\n\n")
        stored = np.frombuffer(gzip.decompress(voxels), "<i2").reshape(3, 40, 40).copy()
        stored[1, 15, 15] += 1
        path.write_bytes(text + b"\n\n" + gzip.compress(stored.tobytes(), mtime=0))
        return
    with Image.open(path) as image:
        image.load()
        pixels = np.array(image)
        pixels[35, 35] ^= 1
        again = io.BytesIO()
        if path.suffix == ".png":
            kept = PngInfo()
            for name, text in image.info.items():
                kept.add_text(name, text)
            Image.fromarray(pixels).save(again, format="PNG", pnginfo=kept)
        else:
            tags = {"software": image.tag_v2[305], "description": image.tag_v2[270]}
            Image.fromarray(pixels).save(again, format="TIFF", compression="tiff_adobe_deflate", **tags)
    path.write_bytes(again.getvalue())


# what was done: (attack, code, what is needed)
IN_FILES: dict[str, tuple[Attack, str, str]] = {
    "SYNTHETIC taken out of PNG": (_changed(PNG, _png_saved(texts=False)), "header-differs", OUTPUT),
    "PNG's gamma": (_changed(PNG, _chunk(b"gAMA", (20_000).to_bytes(4, "big"))), "header-differs", OUTPUT),
    "PNG's time": (_changed(PNG, _chunk(b"tIME", bytes([7, 230, 1, 1, 0, 0, 0]))), "header-differs", OUTPUT),
    "a private chunk in PNG": (_changed(PNG, _chunk(b"naMe", b"DOE^JANE")), "header-differs", OUTPUT),
    "a text behind PNG's end": (_changed(PNG, _appended), "header-differs", OUTPUT),
    "PNG in three channels": (_changed(PNG, _png_saved(mode="RGB")), "header-differs", SOURCE),
    "PNG's pixel in a box": (_changed(PNG, _pixel), "protected-changed", SOURCE),
    "SYNTHETIC taken out of TIFF": (_changed(TIFF, _tiff_saved(description="")), "header-differs", OUTPUT),
    "TIFF's resolution": (_changed(TIFF, _tiff_saved(dpi=(300, 300))), "header-differs", OUTPUT),
    "an artist in TIFF": (_changed(TIFF, _tiff_saved(artist="DOE^JANE")), "header-differs", OUTPUT),
    "a name behind TIFF's end": (_changed(TIFF, _appended), "header-differs", OUTPUT),
    "a name in TIFF's strip": (_changed(TIFF, _longer_strip), "header-differs", OUTPUT),
    "a name behind PNG's pixels": (_changed(PNG, _behind_pixels), "header-differs", OUTPUT),
    "an empty member in NRRD's gzip stream": (_changed(NRRD, _nrrd_member), "header-differs", OUTPUT),
    "TIFF's pixel in a box": (_changed(TIFF, _pixel), "protected-changed", SOURCE),
    "NRRD mirrored": (_changed(NRRD, _nrrd_lines(_directions(-1))), "grid-differs", OUTPUT),
    "NRRD's spacing doubled": (_changed(NRRD, _nrrd_lines(_directions(2))), "grid-differs", OUTPUT),
    "SYNTHETIC taken out of NRRD": (
        _changed(NRRD, _nrrd_lines(lambda lines: [line for line in lines if "SYNTHETIC" not in line])),
        "header-differs", OUTPUT,
    ),
    "a name in NRRD": (
        _changed(NRRD, _nrrd_lines(lambda lines: [*lines, "patient:=DOE^JANE"])), "header-differs", OUTPUT,
    ),
    "NRRD's label map mirrored": (
        _changed(NRRD, _nrrd_lines(_directions(-1)), evidence=True), "evidence-differs", OUTPUT,
    ),
    "SYNTHETIC taken out of PNG's label map": (
        _changed(PNG, _png_saved(texts=False), evidence=True), "evidence-differs", OUTPUT,
    ),
    "SYNTHETIC taken out of TIFF's label map": (
        _changed(TIFF, _tiff_saved(description=""), evidence=True), "evidence-differs", OUTPUT,
    ),
    "NRRD's voxel in a box": (_changed(NRRD, _pixel), "protected-changed", SOURCE),
}  # fmt: skip
