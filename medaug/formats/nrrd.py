"""NRRD in and out: one volume in patient space, raw or gzip, with its stored numbers untouched.

The header is read and checked before a voxel is; one that points to another file is refused. A key that this reader
doesn't know is refused where it could change what the numbers mean, so nothing is guessed.

Source: http://teem.sourceforge.net/nrrd/format.html
"""

from __future__ import annotations

import gzip
import hashlib
import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from medaug.errors import ReadError, WriteError, counted
from medaug.formats.content_names import named_by_content
from medaug.formats.gzip_member import says_nothing
from medaug.imaging.geometry import Float64, Geometry, Shape, usable_affine
from medaug.imaging.volume import Rescale, Volume
from medaug.storage import archive
from medaug.storage.atomic import replacing
from medaug.version import __version__

MAX_BYTES = 4 << 30  # decoded voxels of one file
MAX_HEADER = 256 << 10  # bytes of text
MAX_DEFLATE = 1032  # deflate can't shrink further, so a header that promises more than this lies
MAX_RATIO = 100  # voxels : gzipped bytes, once beyond SMALL, as for NIfTI
SMALL = 256 << 20
ORTHOGONAL = 1e-3  # cosine between two axes

TYPES: dict[str, str] = {
    "i1": "signed char|int8|int8_t", "u1": "uchar|unsigned char|uint8|uint8_t",
    "i2": "short|short int|signed short|signed short int|int16|int16_t",
    "u2": "ushort|unsigned short|unsigned short int|uint16|uint16_t",
    "i4": "int|signed int|int32|int32_t", "u4": "uint|unsigned int|uint32|uint32_t",
    "f4": "float", "f8": "double",
}  # fmt: skip
LABEL_TYPES = TYPES | {
    "i8": "longlong|long long|long long int|signed long long|signed long long int|int64|int64_t",
    "u8": "ulonglong|unsigned long long|unsigned long long int|uint64|uint64_t",
}  # many a tool writes the labels of its masks so
NAMES = {"i1": "int8", "u1": "uint8", "i2": "int16", "u2": "uint16", "i4": "int32", "u4": "uint32",
         "f4": "float", "f8": "double"}  # fmt: skip
# To LPS, which DICOM calls the patient's frame.
SPACES: dict[str, tuple[float, float, float]] = {
    "left-posterior-superior": (1, 1, 1), "lps": (1, 1, 1),
    "right-anterior-superior": (-1, -1, 1), "ras": (-1, -1, 1),
    "left-anterior-superior": (1, -1, 1), "las": (1, -1, 1),
}  # fmt: skip
# Fields that decide the voxels, and those that decide nothing here. Any other, such as "old min" of quantised values
# or a "byte skip" above 0, is refused.
USED = ("type", "dimension", "sizes", "encoding", "endian", "space", "space directions", "space origin")
IDLE = ("kinds", "space dimension", "space units", "units", "centers", "centerings", "thicknesses", "min", "max",
        "spacings", "axis mins", "axis maxs", "axismins", "axismaxs", "measurement frame")  # fmt: skip
FREE_TEXT = ("content", "labels", "sample units", "sampleunits", "number")
SKIPS = frozenset({"lineskip", "byteskip"})
EVERY_WRITERS = ("# Complete NRRD file format specification", "# http://teem.sourceforge.net")  # comments
DOMAIN = frozenset({"domain", "space", "???", "none"})


def read_nrrd(path: Path) -> Volume:
    """Read a three-dimensional NRRD whose voxels lie in the same file.

    The grid is in LPS mm, index order (k, i, j) = NRRD's slowest to fastest axis. The names that stand for UIDs are
    made from the content. Identity is ``declared`` when no text of the header can hold a name (no key/value pair, no
    comment, no free text), else ``unknown``.

    Raises:
        ReadError: ``nrrd-header``, ``nrrd-detached``, ``nrrd-encoding``, ``nrrd-type``, ``nrrd-dimensions``,
            ``nrrd-space``, ``nrrd-truncated``, ``nrrd-bomb``, ``nrrd-values`` or ``nrrd-too-large``.
    """
    with _opened(path) as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()  # type: ignore[arg-type]  # BinaryIO is enough
        stream.seek(0)
        fields, nameless = _header(stream)
        geometry, dtype = _grid(fields, TYPES)
        stored = _voxels(stream, fields, geometry.shape, dtype, archive.size(path))
    limits = np.iinfo(stored.dtype) if stored.dtype.kind in "iu" else np.finfo(stored.dtype)
    head = f"{geometry.shape} {stored.dtype.name}"
    return Volume(
        stored=stored,
        geometry=geometry,
        rescale=(Rescale(),) * geometry.shape[0],
        window=None,
        stored_range=(float(limits.min), float(limits.max)),
        padding=None,
        inverted=False,
        source=named_by_content("nrrd", path, head, stored, geometry, sha256=digest, nameless=nameless),
    )


def nrrd_geometry(path: Path) -> Geometry:
    """Where the voxels of a label map lie, by its header alone.

    Raises:
        ReadError: as `read_nrrd`, but for what only its voxels tell.
    """
    with _opened(path) as stream:
        return _grid(_header(stream)[0], LABEL_TYPES)[0]


def nrrd_labels(path: Path) -> npt.NDArray[Any]:
    """The values of a label map, (slices, rows, columns), those of 64 bits, too; raises as `read_nrrd`."""
    with _opened(path) as stream:
        fields, _ = _header(stream)
        geometry, dtype = _grid(fields, LABEL_TYPES)
        return _voxels(stream, fields, geometry.shape, dtype, archive.size(path))


def _grid(fields: Mapping[str, str], types: Mapping[str, str]) -> tuple[Geometry, np.dtype[Any]]:
    """The grid and the type of the voxels of a header that was found sound."""
    shape, dtype = _shape(fields), _dtype(fields, types)
    geometry = Geometry(shape, _affine(fields), "patient")
    _check_rest(fields)
    return geometry, dtype


def write_nrrd(volume: Volume, path: Path) -> None:
    """Write a volume as NRRD with the same type, numbers and grid, gzipped and marked as synthetic.

    Nothing of the source's header text is carried over. The file is written beside its name, read back and compared,
    and only then takes its name; the same volume gives the same bytes.

    Args:
        volume: on a grid in patient space, stored numbers that need no rescale.
        path: ends in ``.nrrd``.

    Raises:
        WriteError: NRRD can't state this volume, or the file did not read back as written.
    """
    stored = volume.stored.astype(volume.stored.dtype.newbyteorder("<"), copy=False)
    kind = f"{stored.dtype.kind}{stored.dtype.itemsize}"
    plain = all((r.slope, r.intercept) == (1.0, 0.0) for r in volume.rescale) and not volume.inverted
    if kind not in NAMES or volume.geometry.space != "patient" or not plain or path.suffix != ".nrrd":
        raise WriteError(
            f"NRRD file: expected a grid in patient space of {', '.join(NAMES.values())} without a rescale, found "
            f"{volume.geometry.space} space of {stored.dtype.name}"
        )
    with replacing(path) as passing:
        with passing.open("wb") as file:
            file.write(_text(volume, kind).encode("ascii"))
            file.write(gzip.compress(np.ascontiguousarray(stored).tobytes(), compresslevel=6, mtime=0))
        found = read_nrrd(passing)
        same = found.stored.dtype == volume.stored.dtype and np.array_equal(found.stored, volume.stored)
        if not (same and found.geometry.close_to(volume.geometry, 1e-6)):
            raise WriteError("NRRD file: what was written did not read back equal; check the disk")


def states_nrrd(path: Path, volume: Volume) -> bool:
    """Whether a file's header, and its gzip stream's, is what `write_nrrd` writes; raises as `nrrd_geometry`."""
    expected = _text(volume, f"{volume.stored.dtype.kind}{volume.stored.dtype.itemsize}").encode("ascii")
    with _opened(path) as stream:
        return stream.read(len(expected)) == expected and says_nothing(stream)


def _text(volume: Volume, kind: str) -> str:
    k, i, j = volume.geometry.shape
    axes = [",".join(repr(float(x)) for x in volume.geometry.affine[:3, axis]) for axis in (2, 1, 0, 3)]
    lines = [
        "NRRD0004",
        f"# SYNTHETIC medaug {__version__}: some or all voxels were generated; for research and training only",
        f"type: {NAMES[kind]}",
        "dimension: 3",
        "space: left-posterior-superior",
        f"sizes: {j} {i} {k}",
        f"space directions: ({axes[0]}) ({axes[1]}) ({axes[2]})",
        "kinds: domain domain domain",
        *(["endian: little"] if kind[1] != "1" else []),
        "encoding: gzip",
        f"space origin: ({axes[3]})",
    ]
    return "\n".join(lines) + "\n\n"


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO]:
    if path.name.lower().endswith(".nhdr"):
        raise _refused("its voxels lie in another file, as those of every .nhdr; save it as one .nrrd", "nrrd-detached")
    try:
        with archive.opened(path) as stream:
            yield stream
    except OSError as error:
        raise _refused(f"it can't be read ({error.strerror}); check the disk", "unreadable") from None


def _refused(text: str, code: str) -> ReadError:
    return ReadError(f"NRRD file: {text}", code=code)


def _header(stream: BinaryIO) -> tuple[Mapping[str, str], bool]:
    """Field → text, both folded and trimmed; and whether nothing of it can hold a name."""
    text = stream.read(MAX_HEADER)
    found = re.match(rb"NRRD000[1-5]\r?\n(.*?)\r?\n\r?\n", text, re.DOTALL)
    if not found:
        raise _refused("expected an NRRD header that ends in a blank line, found none; check the file", "nrrd-header")
    stream.seek(found.end())
    fields: dict[str, str] = {}
    nameless = True
    for line in found[1].decode("latin-1").splitlines():
        if line.startswith("#") or re.match(r"[^:]+:=", line):  # a comment, or a key/value pair
            nameless = nameless and line.startswith(EVERY_WRITERS)
            continue
        name, colon, value = line.partition(":")
        name = " ".join(name.lower().split())
        if not colon or name in fields:
            raise _refused(
                "a line of its header is no field, or a field stands there twice; save it again", "nrrd-header"
            )
        fields[name] = value.strip()
        nameless = nameless and name not in FREE_TEXT
    return fields, nameless


def _wanted(fields: Mapping[str, str], name: str) -> str:
    if not fields.get(name):
        raise _refused(f"its header doesn't state {name!r}; save it again", "nrrd-header")
    return fields[name]


def _whole(text: str, what: str) -> list[int]:
    if not re.fullmatch(r"\d{1,9}(\s+\d{1,9})*", text):
        raise _refused(f"expected whole numbers for {what}, found other text", "nrrd-header")
    return [int(word) for word in text.split()]


def _shape(fields: Mapping[str, str]) -> Shape:
    """(k, i, j) from sizes; every axis must be one of space."""
    dimension, sizes = _whole(_wanted(fields, "dimension"), "dimension"), _whole(_wanted(fields, "sizes"), "sizes")
    kinds = fields.get("kinds", "domain domain domain").lower().split()
    if dimension != [3] or len(sizes) != 3 or min(sizes) < 1 or not set(kinds) <= DOMAIN:
        raise _refused(
            f"expected 3 axes of space with one value per voxel, found sizes {sizes}; split it", "nrrd-dimensions"
        )
    return sizes[2], sizes[1], sizes[0]


def _dtype(fields: Mapping[str, str], types: Mapping[str, str]) -> np.dtype[Any]:
    stated = " ".join(_wanted(fields, "type").lower().split())
    kind = next((kind for kind, names in types.items() if stated in names.split("|")), None)
    if kind is None:
        raise _refused(f"expected type {', '.join(NAMES.values())}, found another; convert it", "nrrd-type")
    endian = fields.get("endian", "").lower()
    if kind[1] != "1" and endian not in {"little", "big"}:
        raise _refused("expected endian: little or big, found neither", "nrrd-header")
    return np.dtype(kind).newbyteorder(">" if endian == "big" else "<")


def _affine(fields: Mapping[str, str]) -> Float64:
    """(k, i, j) → LPS mm."""
    space = " ".join(fields.get("space", "").lower().split())
    if space not in SPACES:
        raise _refused(
            "expected space: left-posterior-superior, right-anterior-superior or left-anterior-superior, found "
            f"{'another' if space else 'none'}; left and right are unknown",
            "nrrd-space",
        )
    units = fields.get("space units", '"mm" "mm" "mm"').lower()
    if set(re.findall(r'"([^"]*)"', units)) - {"mm", ""}:
        raise _refused("expected space units in mm, found others", "nrrd-space")
    axes = _vectors(_wanted(fields, "space directions"), 3)
    origin = _vectors(_wanted(fields, "space origin"), 1)
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[::-1].T, origin[0]
    affine = np.diag([*SPACES[space], 1.0]) @ affine
    length = np.linalg.norm(affine[:3, :3], axis=0)
    if not (np.isfinite(affine).all() and (length > 0).all()):
        raise _refused("expected finite axes of some length, found others", "nrrd-space")
    if not usable_affine(affine):
        raise _refused("expected voxels of a size and at a place that a patient can have, found others", "nrrd-space")
    cosines = np.abs((affine[:3, :3] / length).T @ (affine[:3, :3] / length) - np.eye(3)).max()
    if cosines > ORTHOGONAL:
        raise _refused(f"expected axes at right angles, found a cosine of {cosines:.4f}; resample it", "nrrd-space")
    return np.asarray(affine)


def _vectors(text: str, count: int) -> Float64:
    found = re.findall(r"\(([^()]*)\)", text)
    try:
        values = np.array([[float(number) for number in vector.split(",")] for vector in found], dtype=np.float64)
    except ValueError:
        values = np.empty(0)
    if values.shape != (count, 3) or re.sub(r"\([^()]*\)", "", text).strip():
        raise _refused(f"expected {count} vectors of 3 numbers in its header, found others", "nrrd-space")
    return values


def _check_rest(fields: Mapping[str, str]) -> None:
    """Refuse voxels that lie elsewhere, and fields that could change what the numbers mean."""
    if fields.keys() & {"data file", "datafile"}:
        raise _refused("its voxels lie in another file; save it as one file", "nrrd-detached")
    unknown = [name for name in fields if name not in {*USED, *IDLE, *FREE_TEXT}]
    unknown = [name for name in unknown if not (name.replace(" ", "") in SKIPS and fields[name] == "0")]
    if unknown:
        found = f"not handled in its header: {counted(len(unknown), 'field')}"
        raise _refused(f"{found}; save it again", "nrrd-header")


def _voxels(
    stream: BinaryIO, fields: Mapping[str, str], shape: Shape, dtype: np.dtype[Any], on_disk: int
) -> npt.NDArray[Any]:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size > MAX_BYTES:
        raise _refused(f"expected at most {MAX_BYTES >> 20} MiB of voxels, found {size >> 20} MiB", "nrrd-too-large")
    if size > on_disk * MAX_DEFLATE:
        raise _refused(f"{on_disk} bytes on disk can't hold the {size} that its header claims", "nrrd-truncated")
    encoding = _wanted(fields, "encoding").lower()
    if encoding != "raw" and size > max(SMALL, on_disk * MAX_RATIO):
        found = f"{on_disk} gzipped bytes hold {size >> 20} MiB of voxels"
        limit = f"limit: {SMALL >> 20} MiB or {MAX_RATIO} to 1"
        raise _refused(f"{found} ({limit}); save it without compression", "nrrd-bomb")
    if encoding not in {"raw", "gzip", "gz"}:
        raise _refused("expected encoding raw or gzip, found another; save it so", "nrrd-encoding")
    try:
        if encoding == "raw":
            data = stream.read(size + 1)
        else:
            with gzip.GzipFile(fileobj=stream, mode="rb") as inflated:
                data = inflated.read(size + 1)
    except (gzip.BadGzipFile, zlib.error, EOFError):
        raise _refused("its gzip stream is damaged or cut short; copy it again", "nrrd-truncated") from None
    if len(data) != size:
        more = "more" if len(data) > size else str(len(data))
        raise _refused(f"expected {size} bytes of voxels, found {more}; copy it again", "nrrd-truncated")
    stored = np.frombuffer(data, dtype).reshape(shape).astype(dtype.newbyteorder("="), copy=False)
    if not np.isfinite(stored).all():
        raise _refused("expected finite voxels, found NaN or infinity; replace them", "nrrd-values")
    return stored
