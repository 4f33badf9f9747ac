"""Every kind of bad file that the tests know, built in code: what it is, and the code of its one record."""

from __future__ import annotations

import gzip
import io
import os
import pickle
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.encaps import encapsulate
from pydicom.uid import (
    EncapsulatedPDFStorage,
    ExplicitVRBigEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
    JPEGLSLossless,
    RLELossless,
)

from medaug.dicom.read import preflight
from tests.support import make
from tests.support.dicom_bytes import DEFLATED, EXPLICIT, element, nested, part10
from tests.support.dicom_edit import edit

Build = Callable[[Path], object]


@dataclass(frozen=True)
class Kind:
    """A bad file, or a set of them.

    Attributes:
        name: short, for the table.
        build: makes it in a folder.
        code: of its one record; ``""`` where it is odd but usable.
        files: how many the record stands for.
    """

    name: str
    build: Build
    code: str
    files: int = 1


def radiograph(folder: Path, change: Callable[[Dataset], object] | None = None, **values: Any) -> Path:
    return edit(make.radiograph(folder, name="bad.dcm", rows=64, columns=48, seed=5), change, **values)


def changed(**values: Any) -> Build:
    return lambda folder: radiograph(folder, **values)


def raw(**texts: bytes) -> Build:
    """Bytes for a value that pydicom would not write."""

    def build(folder: Path) -> None:
        path = radiograph(folder, NumberOfFrames=1)
        data = path.read_bytes()
        for keyword, text in texts.items():
            tag = pydicom.tag.Tag(keyword)
            at = data.index(struct.pack("<HH", tag.group, tag.element)) + 6
            (length,) = struct.unpack("<H", data[at : at + 2])
            data = data[:at] + struct.pack("<H", len(text)) + text + data[at + 2 + length :]
        path.write_bytes(data)

    return build


def content(data: bytes, name: str = "bad.dcm") -> Build:
    def build(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)

    return build


def cut(end: int) -> Build:
    def build(folder: Path) -> None:
        path = radiograph(folder)
        path.write_bytes(path.read_bytes()[:end])

    return build


def compressed(syntax: str, codestream: bytes, **values: Any) -> Build:
    def change(ds: Dataset) -> None:
        ds.file_meta.TransferSyntaxUID = syntax
        ds.PixelData = encapsulate([codestream])
        ds["PixelData"].VR, ds["PixelData"].is_undefined_length = "OB", True

    return lambda folder: radiograph(folder, change, **values)


def damaged(syntax: str) -> Build:
    """A good codestream whose second half is noise."""

    def change(ds: Dataset) -> None:
        ds.compress(syntax, generate_instance_uid=False)
        frame = pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)
        noise = np.random.default_rng(0).bytes(len(frame) // 2)
        ds.PixelData = encapsulate([frame[: len(frame) // 2] + noise])

    return lambda folder: radiograph(folder, change)


def restated(syntax: str) -> Build:
    """Another transfer syntax in the file meta than the data set is in."""

    def build(folder: Path) -> None:
        path = radiograph(folder)
        with path.open("rb") as file:
            _, start = preflight._meta(file, path.stat().st_size, 132)
            file.seek(start)
            path.write_bytes(part10(syntax.encode() + b"\0" * (len(syntax) % 2), file.read()))

    return build


def jpeg_2000(width: int, height: int) -> bytes:
    """1,350 bytes: a codestream of one tile that declares this size."""
    size = struct.pack(">HH8IH", 41, 0, width, height, 0, 0, width, height, 0, 0, 1) + b"\x0b\x01\x01"
    style = struct.pack(">HBBHBBBBBB", 12, 0, 0, 1, 0, 5, 4, 4, 0, 1)
    quantum = struct.pack(">HB", 19, 0x40) + bytes([0x60] * 16)
    tile = struct.pack(">HHIBB", 10, 0, 0, 0, 1)
    head = b"\xff\x4f\xff\x51" + size + b"\xff\x52" + style + b"\xff\x5c" + quantum
    return (head + b"\xff\x90" + tile + b"\xff\x93").ljust(1348, b"\x80") + b"\xff\xd9"


def jpeg_ls(width: int, height: int) -> bytes:
    frame = b"\xff\xf7" + struct.pack(">HBHHBBBB", 11, 12, height, width, 1, 1, 0x11, 0)
    return b"\xff\xd8" + frame + b"\xff\xda" + struct.pack(">HBBBBBB", 8, 1, 1, 0, 0, 0, 0) + bytes(900) + b"\xff\xd9"


def deflate_bomb() -> bytes:
    """Half a megabyte that holds 512."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = engine.compress(bytes(2**20)) + engine.flush(zlib.Z_FULL_FLUSH)  # refers to nothing before it
    return part10(DEFLATED, block * 512 + engine.flush())


def nifti(folder: Path, *, name: str = "bad.nii", body: bytes | None = None, **fields: Any) -> None:
    """A NIfTI file with any field of its header set; see `medaug.formats.nifti.FIELDS`."""
    from medaug.formats.nifti import HEADER

    folder.mkdir(parents=True, exist_ok=True)
    header = np.zeros((), HEADER)
    header["sizeof_hdr"], header["regular"], header["magic"] = 348, b"r", b"n+1"
    header["dim"], header["datatype"], header["bitpix"], header["vox_offset"] = (3, 4, 4, 4, 1, 1, 1, 1), 4, 16, 352
    header["pixdim"], header["scl_slope"], header["xyzt_units"], header["sform_code"] = 1, 1, 2, 1
    header["srow"] = np.eye(4)[:3]
    for field, value in fields.items():
        header[field] = value
    data = header.tobytes() + bytes(4) + (bytes(128) if body is None else body)
    if name.endswith(".gz"):
        with gzip.open(folder / name, "wb", compresslevel=9) as file:
            file.write(data)
    else:
        (folder / name).write_bytes(data)


def nifti_of(**fields: Any) -> Build:
    return lambda folder: nifti(folder, **fields)


def nifti_bomb(folder: Path) -> None:
    """One megabyte that holds a gigabyte, and says so."""
    nifti(folder, name="bad.nii.gz", body=b"", dim=(3, 1024, 1024, 512, 1, 1, 1, 1))
    with (folder / "bad.nii.gz").open("ab") as file:
        file.write(gzip.compress(bytes(2**24), 9) * 64)  # members of one stream


def zip_of(*members: tuple[str, bytes]) -> Build:
    def build(folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(folder / "bad.zip", "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in members:
                archive.writestr(name, data)

    return build


def half_noise(length: int, noise: int) -> bytes:
    """So many bytes, the first of them noise: what deflates a hundredfold."""
    return np.random.default_rng(0).bytes(noise) + bytes(length - noise)


def zipped_zip(folder: Path) -> None:
    inner = io.BytesIO()
    with zipfile.ZipFile(inner, "w") as archive:
        archive.writestr("a.dcm", b"x")
    zip_of(("inner.zip", inner.getvalue()))(folder)


def zip_cut(folder: Path) -> None:
    zip_of(("a.dcm", bytes(5000)))(folder)
    path = folder / "bad.zip"
    path.write_bytes(path.read_bytes()[:-30])


def png(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(90000))) + chunk(b"IEND", b"")
    )


def nrrd_bomb() -> bytes:
    head = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 1024 1024 512\n"
    head += "space directions: (1,0,0) (0,1,0) (0,0,1)\nkinds: domain domain domain\nendian: little\n"
    return (head + "encoding: gzip\nspace origin: (0,0,0)\n\n").encode() + gzip.compress(bytes(2**24), 9) * 64


def loop(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "loop").symlink_to(folder.parent, target_is_directory=True)


def detached(comments: int, field: str) -> bytes:
    """An NRRD whose voxels are said to lie in another file."""
    head = "NRRD0004\ntype: short\ndimension: 3\nspace: left-posterior-superior\nsizes: 4 4 4\n"
    head += "space directions: (1,0,0) (0,1,0) (0,0,1)\nendian: little\nencoding: raw\nspace origin: (0,0,0)\n"
    return (head + "# words\n" * (comments // 8) + field + "\n\n").encode() + bytes(128)


def named(name: str, build: Build) -> Build:
    """The one file that is built, under another name."""

    def renamed(folder: Path) -> None:
        build(folder)
        (found,) = folder.iterdir()
        found.rename(folder / name)

    return renamed


def unspaced(**values: Any) -> Build:
    """A radiograph that states no spacing in mm."""

    def change(ds: Dataset) -> None:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing"):
            ds.pop(keyword, None)

    return lambda folder: radiograph(folder, change, **values)


def fifo(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    os.mkfifo(folder / "bad.dcm")


def unix_socket(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    here = Path.cwd()
    os.chdir(folder)  # a socket's path may have 108 bytes
    try:
        with socket.socket(socket.AF_UNIX) as server:
            server.bind("s")
    finally:
        os.chdir(here)


def not_utf8(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / os.fsdecode(b"\xff\n\x1b[31m.dcm")).write_bytes(b"text")


def deep(folder: Path) -> None:
    for _ in range(300):
        folder /= "deeper"
    folder.mkdir(parents=True)
    (folder / "text").write_bytes(b"text")


class Harmful:
    """Unpickling it leaves a mark."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("unpickled",)


def checkpoint(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "model.pt").write_bytes(pickle.dumps(Harmful()))


def twice(**values: Any) -> Build:
    """A radiograph, and another file that holds its UID."""

    def build(folder: Path) -> None:
        first = radiograph(folder / "one")
        (folder / "two").mkdir()
        (folder / "two" / "b.dcm").write_bytes(first.read_bytes())
        edit(folder / "two" / "b.dcm", **values)

    return build


def copied(name: str) -> Build:
    def build(folder: Path) -> None:
        folder.mkdir(parents=True)
        shutil.copy(folder.parent / "good" / "x1.dcm", folder / name)

    return build


def two_patients(folder: Path) -> None:
    for number in (1, 2):
        path = make.radiograph(folder, name=f"{number}.dcm", rows=64, columns=48, seed=5)
        edit(path, PatientID=f"p{number}", SeriesInstanceUID="2.25.77")


def stack(**options: Any) -> Build:
    return lambda folder: make.series(folder, slices=5, rows=32, columns=32, seed=5, **options)


def edited_stack(**values: Any) -> Build:
    def build(folder: Path) -> None:
        for path in make.series(folder, slices=5, rows=32, columns=32, seed=5):
            edit(path, **values)

    return build


def excess(ds: Dataset) -> None:
    ds.PixelData = ds.PixelData * 3


def palette(ds: Dataset) -> None:
    ds.PhotometricInterpretation, ds.BitsAllocated, ds.BitsStored, ds.HighBit = "PALETTE COLOR", 8, 8, 7
    ds.PixelData = bytes([255] * (ds.Rows * ds.Columns))
    for name in ("Red", "Green", "Blue"):
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [16, 0, 16])
        setattr(ds, f"{name}PaletteColorLookupTableData", bytes(32))


def document(ds: Dataset) -> None:
    ds.SOPClassUID = ds.file_meta.MediaStorageSOPClassUID = EncapsulatedPDFStorage
    del ds.PixelData
    ds.EncapsulatedDocument, ds.MIMETypeOfEncapsulatedDocument = b"%PDF-1.7 /JS (app.alert(1)) ", "application/pdf"


def program(ds: Dataset) -> None:
    ds.preamble = b"MZ" + b"\x90" * 126


def no_preamble(folder: Path) -> None:
    path = radiograph(folder)
    path.write_bytes(path.read_bytes()[132:])


def of_structure() -> Iterator[Kind]:
    """Files whose structure lies."""
    past = struct.pack("<HH2sHI", 8, 8, b"OB", 0, 2**31) + b"ab"
    yield Kind("empty file", content(b""), "empty")
    yield Kind("text", content(b"Doe, Jane\n" * 40), "not-dicom")
    yield Kind("cut short in the header", cut(400), "truncated")
    yield Kind("cut short in the pixels", cut(-100), "truncated")
    yield Kind("no preamble", no_preamble, "")
    yield Kind("a program in the preamble (MZ)", lambda folder: radiograph(folder, program), "")
    yield Kind("length past the end", content(part10(EXPLICIT, past)), "truncated")
    yield Kind("200 nested sequences", content(part10(EXPLICIT, nested(200, defined=True))), "nesting")
    yield Kind("200 nested sequences without lengths", content(part10(EXPLICIT, nested(200, defined=False))), "nesting")
    many = element(9, 0x10, b"LO", b"") * 4_000_000
    yield Kind("4,000,000 elements", content(part10(EXPLICIT, many)), "too-many-elements")
    yield Kind("deflate bomb", content(deflate_bomb()), "deflate-bomb")
    yield Kind("noise as deflate", content(part10(DEFLATED, b"\xff" * 4000)), "damaged")


def of_pixels() -> Iterator[Kind]:
    """Pixels that are not what the header says."""
    yield Kind("states JPEG 2000, holds plain pixels", restated(JPEG2000Lossless), "pixels")
    yield Kind("states big endian, is little", restated(ExplicitVRBigEndian), "truncated")
    yield Kind("states implicit, is explicit", restated(ImplicitVRLittleEndian), "")
    yield Kind("transfer syntax that nobody defined", restated("1.2.3.4"), "codec")
    yield Kind("JPEG 2000 bomb (1,350 bytes)", compressed(JPEG2000Lossless, jpeg_2000(30000, 30000)), "codestream-size")
    big = {"Rows": 30000, "Columns": 30000}
    yield Kind(
        "JPEG 2000 bomb, the header agrees", compressed(JPEG2000Lossless, jpeg_2000(30000, 30000), **big), "too-large"
    )
    most = {"Rows": 8191, "Columns": 8191}
    yield Kind(
        "JPEG 2000 bomb of the greatest legal size",
        compressed(JPEG2000Lossless, jpeg_2000(8191, 8191), **most),
        "",  # a legal black image
    )
    yield Kind(
        "JPEG-LS bomb of the greatest legal size", compressed(JPEGLSLossless, jpeg_ls(8191, 8191), **most), "pixels"
    )
    segments = struct.pack("<16I", 15, *range(64, 15 * 2**27, 2**27)) + bytes(64)
    yield Kind("RLE segments beyond the end", compressed(RLELossless, segments), "pixels")
    yield Kind("JPEG baseline that is no JPEG", compressed(JPEGBaseline8Bit, bytes(2000)), "pixels")
    yield Kind("half of a JPEG 2000 codestream is noise", damaged(JPEG2000Lossless), "truncated")
    yield Kind("half of a JPEG-LS codestream is noise", damaged(JPEGLSLossless), "pixels")
    yield Kind("65,535 × 65,535 pixels", changed(Rows=65535, Columns=65535), "too-large")
    yield Kind("no rows", changed(Rows=0), "too-large")
    yield Kind("a billion frames", changed(NumberOfFrames=10**9), "multi-frame")
    yield Kind("1e99 frames", raw(NumberOfFrames=b"1e99"), "multi-frame")
    yield Kind("frames are no number", raw(NumberOfFrames=b"many"), "bad-value")
    yield Kind("excess pixel data", lambda folder: radiograph(folder, excess), "pixel-length")


def of_attributes() -> Iterator[Kind]:
    """Attributes that can't be used."""
    yield Kind("palette, out of range", lambda folder: radiograph(folder, palette), "palette")
    yield Kind("encapsulated PDF", lambda folder: radiograph(folder, document), "not-an-image")
    yield Kind("burned-in text", changed(BurnedInAnnotation="YES"), "burned-in")
    yield Kind("free text for a UID", raw(SeriesInstanceUID=b"Doe, Jane "), "bad-value")
    yield Kind("control characters for a modality", raw(Modality=b"C\x1b[31mR\n"), "bad-value")
    yield Kind("a name for a modality", raw(Modality=b"JANEDOE19700101 "), "bad-value")
    yield Kind("unknown character set", changed(SpecificCharacterSet="ISO_IR 9999"), "")
    yield Kind("zero spacing", changed(PixelSpacing=[0, 0]), "")
    yield Kind("NaN for a spacing", raw(PixelSpacing=b"nan\\nan "), "")
    yield Kind("spacing of 1e400", raw(PixelSpacing=b"1e400\\1e400 "), "")
    yield Kind("PixelAspectRatio of 1 to 100,000,000", unspaced(PixelAspectRatio=[1, 100_000_000]), "")
    yield Kind("PixelAspectRatio of 100,000,000 to 1", unspaced(PixelAspectRatio=[100_000_000, 1]), "")
    yield Kind("spacing of 1e-300", raw(PixelSpacing=b"1e-300\\1 "), "")
    yield Kind("slope of 1e308", changed(RescaleSlope="1e308", RescaleIntercept="0"), "bad-value")
    yield Kind("intercept of 1e308", changed(RescaleSlope="1", RescaleIntercept="1e308"), "bad-value")
    yield Kind("window of 1e308", changed(WindowCenter="1e308", WindowWidth="1e308"), "")
    yield Kind("spacing of 1e300 of a volume", edited_stack(PixelSpacing=["1e300", "1e300"]), "bad-value", 5)
    yield Kind("spacing of 1e-300 of a volume", edited_stack(PixelSpacing=["1e-300", "1e-300"]), "bad-value", 5)
    yield Kind("thickness of 1e300 of a volume", edited_stack(SliceThickness="1e300"), "", 5)
    yield Kind("positions of 1e300", edited_stack(ImagePositionPatient=["1e300", "0", "1e300"]), "bad-value", 5)
    yield Kind("zero slope", changed(RescaleSlope=0, RescaleIntercept=0), "bad-value")
    yield Kind("NaN slope of a volume", edited_stack(RescaleSlope="0"), "bad-value", 5)


def of_series() -> Iterator[Kind]:
    """Slices and UIDs that contradict each other."""
    yield Kind("missing positions", edited_stack(ImagePositionPatient=None), "missing-attribute", 5)
    yield Kind("one position for all slices", edited_stack(ImagePositionPatient=[0, 0, 0]), "duplicate-position", 5)
    yield Kind("a missing slice", stack(gap_at=2), "missing-slice", 5)
    yield Kind("gantry tilt", stack(tilt_deg=18.0), "gantry-tilt", 5)
    yield Kind("one UID, other bytes", twice(WindowCenter=9), "uid-conflict", 2)
    yield Kind("a copy of a good file", copied("copy.dcm"), "duplicate-file")
    yield Kind("a copy of its name", copied("x1.dcm"), "duplicate-file")
    yield Kind("one study, two patients", two_patients, "two-patients", 2)


def of_file_systems() -> Iterator[Kind]:
    """What else may lie in a folder."""
    yield Kind("symbolic link to a folder above it", loop, "not-a-file")
    yield Kind("FIFO", fifo, "not-a-file")
    yield Kind("socket", unix_socket, "not-a-file")
    yield Kind("a name that is no UTF-8, with control characters", not_utf8, "not-dicom")
    yield Kind("300 nested folders", deep, "not-dicom")
    yield Kind("pickled checkpoint", checkpoint, "not-dicom")
    yield Kind("zip-slip", zip_of(("../../outside.dcm", b"x" * 900), ("/etc/outside", b"y")), "archive-entry", 2)
    yield Kind("zip bomb", zip_of(("a.dcm", bytes(2**28))), "zip-bomb")
    yield Kind("zip entry of the greatest legal ratio", zip_of(("a.dcm", half_noise(2**28, 2**21))), "not-dicom")
    yield Kind("zip entry that is too large", zip_of(("a.dcm", bytes(2**28 + 1))), "too-large")
    yield Kind("zip in a zip", zipped_zip, "nested-archive")
    yield Kind("zip that is cut short", zip_cut, "damaged")
    yield Kind("PNG of 2^31 pixels", content(png(46341, 46341), "bad.png"), "too-large")
    yield Kind("PNG of the greatest legal size, cut short", content(png(8191, 8191), "bad.png"), "truncated")
    yield Kind("JPEG that is noise", content(b"\xff\xd8\xff\xe0" + bytes(900), "bad.jpg"), "truncated")
    yield Kind("TIFF that points beyond its end", content(b"II*\0\xff\xff\xff\x7f" + bytes(64), "bad.tif"), "truncated")
    yield Kind("NRRD bomb", content(nrrd_bomb(), "bad.nrrd"), "nrrd-bomb")


def of_names() -> Iterator[Kind]:
    """Files that are not what their names say: read by what they hold, or not at all; never by a guess."""
    j2k = compressed(JPEG2000Lossless, jpeg_2000(30000, 30000), Rows=30000, Columns=30000)
    yield Kind("JPEG 2000 bomb in DICOM named .nii", named("bad.nii", j2k), "too-large")
    yield Kind("the same named .nrrd", named("bad.nrrd", j2k), "too-large")
    yield Kind("the same named .png", named("bad.png", j2k), "too-large")
    yield Kind("NIfTI named .dcm", named("bad.dcm", nifti_of()), "not-dicom")
    yield Kind("NIfTI named .nrrd", named("bad.nrrd", nifti_of()), "nrrd-header")
    yield Kind("NIfTI named .nii.gz", named("bad.nii.gz", nifti_of()), "")
    yield Kind("PNG named .nii", content(png(64, 64), "bad.nii"), "nifti-truncated")
    yield Kind("PNG named .nrrd", content(png(64, 64), "bad.nrrd"), "nrrd-header")
    yield Kind("PNG named .dcm", content(png(300, 300), "bad.dcm"), "truncated")
    yield Kind("NRRD named .nii", content(nrrd_bomb(), "bad.nii"), "nifti-header")
    yield Kind("zip named .nrrd", named("bad.nrrd", zip_of(("a.dcm", bytes(500)))), "not-dicom")
    for size in (70, 300):
        voxels = "data file: /etc/passwd"
        build, code = (
            content(detached(size << 10, voxels), "bad.nrrd"),
            "nrrd-detached" if size < 256 else "nrrd-header",
        )
        yield Kind(f"NRRD, a data file named behind {size} KB of comments", build, code)
    yield Kind("NRRD, a list of data files", content(detached(0, "data file: LIST"), "bad.nrrd"), "nrrd-detached")


def of_nifti() -> Iterator[Kind]:
    """NIfTI files."""
    yield Kind("NIfTI with negative sizes", nifti_of(dim=(3, -4, 4, 4, 1, 1, 1, 1)), "nifti-dimensions")
    yield Kind("NIfTI of 2^45 voxels", nifti_of(dim=(3, 32767, 32767, 32767, 1, 1, 1, 1)), "nifti-too-large")
    yield Kind("NIfTI that is cut short", nifti_of(dim=(3, 400, 400, 400, 1, 1, 1, 1)), "nifti-truncated")
    yield Kind("NIfTI bomb (.nii.gz)", nifti_bomb, "nifti-bomb")
    yield Kind("NIfTI with NaN for a spacing", nifti_of(pixdim=np.nan), "nifti-spacing")
    yield Kind("NIfTI with an infinite slope", nifti_of(scl_slope=np.inf), "nifti-header")
    yield Kind("NIfTI with a NaN offset", nifti_of(vox_offset=np.nan), "nifti-header")
    yield Kind("NIfTI with a slope of 3e38", nifti_of(scl_slope=3e38), "nifti-header")
    wide, fine = np.eye(4)[:3] * 1e30, np.eye(4)[:3] * 1e-30
    yield Kind("NIfTI with voxels of 1e30 mm", nifti_of(srow=wide), "nifti-affine")
    yield Kind("NIfTI with voxels of 1e-30 mm", nifti_of(srow=fine), "nifti-affine")
    yield Kind("NIfTI without orientation", nifti_of(sform_code=0), "nifti-affine")
    floats = {"datatype": 16, "bitpix": 32, "body": np.full(64, np.nan, "<f4").tobytes()}
    yield Kind("NIfTI of NaN", nifti_of(**floats), "nifti-values")
    yield Kind("text named .nii", content(b"Doe, Jane", "bad.nii"), "nifti-truncated")
    yield Kind("noise named .nii.gz", content(b"\x1f\x8b" + b"\xff" * 600, "bad.nii.gz"), "nifti-truncated")


def kinds() -> Iterator[Kind]:
    """All of them."""
    for group in (of_structure, of_pixels, of_attributes, of_series, of_file_systems, of_names, of_nifti):
        yield from group()
