"""NIfTI-1 in and out; where the voxels lie is in `nifti_grid`.

The 348-byte header is read before a single voxel, so a file that claims too much is refused before memory is taken.
Stored numbers stay as stored: ``scl_slope`` and ``scl_inter`` become the volume's `Rescale`, never a float image, so
stored → modality → stored is the identity. A NIfTI library is not used: every one applies the slope, and they disagree
on which of sform and qform wins; files where that matters are refused.

Source: NIfTI-1.1, https://nifti.nimh.nih.gov/pub/dist/src/niftilib/nifti1.h
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Literal, cast

import numpy as np
import numpy.typing as npt

from medaug.errors import ReadError, WriteError
from medaug.formats.content_names import named_by_content
from medaug.formats.gzip_member import says_nothing
from medaug.formats.nifti_affine import affine_of, quaternion_of, writable_affine
from medaug.imaging.geometry import Geometry
from medaug.imaging.volume import Rescale, Volume, usable_rescale
from medaug.storage import archive
from medaug.storage.atomic import replacing
from medaug.version import __version__

MAX_BYTES = 4 << 30  # decoded voxels of one file
MAX_EXTENSIONS = 16 << 20  # bytes between header and voxels
MAX_DEFLATE = 1032  # deflate can't shrink further, so a header that promises more than this lies
MAX_RATIO = 100  # voxels : gzipped bytes, once beyond SMALL; a CT reaches 4, a label map of few structures 300
SMALL = 256 << 20

# name → (type, byte offset) of every field that is read or written; the others stay 0, which means "not used"
FIELDS = {
    "sizeof_hdr": ("<i4", 0), "data_type": ("S10", 4), "db_name": ("S18", 14), "regular": ("S1", 38),
    "dim": ("<8i2", 40), "datatype": ("<i2", 70), "bitpix": ("<i2", 72), "pixdim": ("<8f4", 76),
    "vox_offset": ("<f4", 108), "scl_slope": ("<f4", 112), "scl_inter": ("<f4", 116), "xyzt_units": ("u1", 123),
    "descrip": ("S80", 148), "aux_file": ("S24", 228), "qform_code": ("<i2", 252), "sform_code": ("<i2", 254),
    "quatern": ("<3f4", 256), "qoffset": ("<3f4", 268), "srow": ("<(3,4)f4", 280), "intent_name": ("S16", 328),
    "magic": ("S4", 344),
}  # fmt: skip
_KINDS, _OFFSETS = zip(*FIELDS.values(), strict=True)
HEADER = np.dtype({"names": list(FIELDS), "formats": list(_KINDS), "offsets": list(_OFFSETS), "itemsize": 348})
DATATYPES: dict[int, str] = {2: "u1", 256: "i1", 4: "i2", 512: "u2", 8: "i4", 768: "u4", 16: "f4", 64: "f8"}
LABEL_TYPES = DATATYPES | {1024: "i8", 1280: "u8"}  # many a tool writes the labels of its masks so
FREE_TEXT = ("data_type", "db_name", "descrip", "aux_file", "intent_name")

ByteOrder = Literal["<", ">"]
Header = Any  # one record of HEADER; numpy has no static type for its fields


def read_nifti(path: Path) -> Volume:
    """Read a three-dimensional NIfTI-1 file, ``.nii`` or ``.nii.gz``, with its stored numbers untouched.

    The grid is in LPS mm, index order (k, i, j) = NIfTI's (z, y, x). The file has no study, series or instances: their
    UIDs are names made from the content, equal for ``.nii`` and ``.nii.gz``. Identity is ``declared`` when no field of
    the header can hold a name (every free text empty, no extension), else ``unknown``.

    Raises:
        ReadError: not NIfTI-1, not 3-D, colour, no or a singular or sheared orientation, truncated, or too large.
    """
    with _opened(path) as stream:
        grid = _grid(stream, DATATYPES)
        extensions = _exactly(stream, grid.offset - HEADER.itemsize, "extension")
        stored = _voxels(stream, grid, archive.size(path))
    header, geometry = grid.header, grid.geometry
    rescale = _rescale(header)
    nameless = not any(header[name].strip(b"\0 ") for name in FREE_TEXT) and not any(extensions)
    limits = np.iinfo(stored.dtype) if stored.dtype.kind in "iu" else np.finfo(stored.dtype)
    head, digest = f"{geometry.shape} {stored.dtype.name} {rescale}", archive.sha256_of(path)
    return Volume(
        stored=stored,
        geometry=geometry,
        rescale=(rescale,) * geometry.shape[0],
        window=None,
        stored_range=(float(limits.min), float(limits.max)),
        padding=None,
        inverted=False,
        source=named_by_content("nifti", path, head, stored, geometry, sha256=digest, nameless=nameless),
    )


def nifti_geometry(path: Path) -> Geometry:
    """Where the voxels of a label map lie, by its header alone.

    Raises:
        ReadError: as `read_nifti`, but for what only its voxels tell.
    """
    with _opened(path) as stream:
        return _grid(stream, LABEL_TYPES).geometry


def nifti_labels(path: Path) -> npt.NDArray[Any]:
    """The values of a label map, (slices, rows, columns), rescaled; whole numbers of 64 bits are read here, too.

    Raises:
        ReadError: as `read_nifti`.
    """
    with _opened(path) as stream:
        grid = _grid(stream, LABEL_TYPES)
        _exactly(stream, grid.offset - HEADER.itemsize, "extension")
        stored = _voxels(stream, grid, archive.size(path))
    rescale = _rescale(grid.header)
    return stored if rescale == Rescale() else np.asarray(stored * rescale.slope + rescale.intercept)


@dataclass(frozen=True, eq=False)
class _Grid:
    """A header that was found sound: the grid, and how its voxels are stored, from ``offset`` on."""

    header: Header
    geometry: Geometry
    dtype: np.dtype[Any]
    offset: int


def _grid(stream: IO[bytes], datatypes: Mapping[int, str]) -> _Grid:
    header, order = _header(_exactly(stream, HEADER.itemsize, "header"))
    shape = _shape(header)
    geometry = Geometry(shape, affine_of(header, shape), "patient")
    return _Grid(header, geometry, _dtype(header, order, datatypes), _offset(header))


def _voxels(stream: IO[bytes], grid: _Grid, on_disk: int) -> npt.NDArray[Any]:
    """All stored numbers, once it is certain that they are as many bytes as the file has left: none missing, none over.

    Bytes that are left over mean that ``vox_offset`` or ``dim`` is wrong, and then each voxel lies somewhere else.
    """
    shape = grid.geometry.shape
    size = int(np.prod(shape, dtype=np.int64)) * grid.dtype.itemsize
    _refuse_bomb(size, on_disk, zipped=isinstance(stream, gzip.GzipFile))
    data = _exactly(stream, size, "voxel")
    if stream.read(1):  # of a gzip stream, this checks its sum, too
        raise _refused(
            "bytes are left over after the voxels, so dim or vox_offset is wrong; save it again", "nifti-header"
        )
    stored = np.frombuffer(data, grid.dtype).reshape(shape).astype(grid.dtype.newbyteorder("="), copy=False)
    if stored.dtype.kind == "f" and not np.isfinite(stored).all():
        raise _refused("expected finite voxels, found NaN or infinity; replace them", "nifti-values")
    return stored


def write_nifti(volume: Volume, path: Path) -> None:
    """Write a volume as NIfTI-1 with the same dtype, stored numbers, rescale and affine, marked as synthetic.

    Nothing of the source's header text is carried over. sform and qform hold the same affine. The file is written
    beside its name, read back and compared, and only then takes its name; the same volume gives the same bytes.

    Args:
        volume: on a grid in patient space; one rescale for all slices.
        path: ends in ``.nii`` or ``.nii.gz``.

    Raises:
        WriteError: NIfTI can't state this volume, or the file did not read back as written.
    """
    if not path.name.endswith((".nii", ".nii.gz")):
        raise WriteError("NIfTI file: expected a name ending in .nii or .nii.gz")
    header = _new_header(volume)
    stored = volume.stored.astype(volume.stored.dtype.newbyteorder("<"), copy=False)
    content = header.tobytes() + bytes(4) + np.ascontiguousarray(stored).tobytes()
    with replacing(path) as passing:
        # no name and no time in the gzip header: the same volume gives the same bytes
        passing.write_bytes(gzip.compress(content, compresslevel=6, mtime=0) if path.name.endswith(".gz") else content)
        _compare(volume, read_nifti(passing))


def states_nifti(path: Path, volume: Volume) -> bool:
    """Whether all that stands before a file's voxels is what `write_nifti` puts there for this volume, packed or not.

    Raises:
        ReadError: it can't be read.
        WriteError: NIfTI can't state this volume.
    """
    expected = _new_header(volume).tobytes() + bytes(4)
    with _opened(path) as stream:
        same = stream.read(len(expected)) == expected
    with archive.opened(path) as file:
        return same and says_nothing(file)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The decoded bytes of a plain or gzipped file, told apart by content."""
    try:
        with archive.opened(path) as file:
            zipped = file.read(2) == b"\x1f\x8b"
            file.seek(0)
            if zipped:
                with gzip.GzipFile(fileobj=file, mode="rb") as stream:
                    yield cast("IO[bytes]", stream)
            else:
                yield file
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise _refused("its gzip stream is damaged or cut short; copy it again", "nifti-truncated") from error
    except OSError as error:
        raise _refused(f"it can't be read ({error.strerror}); check the disk", "unreadable") from None


def _exactly(stream: IO[bytes], count: int, what: str) -> bytearray:
    """Read into one buffer: a plain read of a gzip stream joins its parts, and so holds them twice."""
    data = bytearray(count)
    view, at = memoryview(data), 0
    while at < count and (read := stream.readinto(view[at:])):  # type: ignore[attr-defined]
        at += read
    if at < count:
        raise _refused(f"expected {count} {what} bytes, found {at}; the file is cut short", "nifti-truncated")
    return data


def _refused(text: str, code: str = "unreadable") -> ReadError:
    return ReadError(f"NIfTI file: {text}", code=code)


def _header(data: bytes | bytearray) -> tuple[Header, ByteOrder]:
    """The header in native byte order, and the order the file is in."""
    orders: tuple[ByteOrder, ...] = ("<", ">")
    for order in orders:
        header = np.frombuffer(data, HEADER.newbyteorder(order)).astype(HEADER)[0]
        if header["sizeof_hdr"] == 348 and header["magic"] == b"n+1":
            return header, order
    nifti2 = data[:4] in ((540).to_bytes(4, "little"), (540).to_bytes(4, "big"))
    found = "a NIfTI-2 header" if nifti2 else "something else"
    raise _refused(f"expected a single-file NIfTI-1 header, found {found}; convert it", "nifti-header")


def _shape(header: Header) -> tuple[int, int, int]:
    """(k, i, j) from dim; trailing axes of length one are dropped."""
    dim = [int(n) for n in header["dim"]]
    trailing = dim[4 : dim[0] + 1] if 3 <= dim[0] <= 7 else None
    if trailing is None or any(n != 1 for n in trailing):
        found = f"{dim[0]} with sizes {dim[1:]}"
        raise _refused(f"expected 3 dimensions, found {found}; split the series", "nifti-dimensions")
    if min(dim[1:4]) < 1:
        raise _refused(f"expected sizes of 1 or more, found {dim[1:4]}", "nifti-dimensions")
    if not (np.isfinite(header["pixdim"][1:4]).all() and (header["pixdim"][1:4] > 0).all()):
        found = str([float(n) for n in header["pixdim"][1:4]])
        raise _refused(f"expected voxel sizes above 0 mm, found {found}", "nifti-spacing")
    return dim[3], dim[2], dim[1]


def _dtype(header: Header, order: ByteOrder, datatypes: Mapping[int, str]) -> np.dtype[Any]:
    code = int(header["datatype"])
    if code not in datatypes:
        kinds = ", ".join(f"{c} ({np.dtype(t).name})" for c, t in datatypes.items())
        raise _refused(f"expected datatype {kinds}, found {code}; convert it", "nifti-type")
    dtype = np.dtype(datatypes[code]).newbyteorder(order)
    if int(header["bitpix"]) != dtype.itemsize * 8:
        found = int(header["bitpix"])
        raise _refused(f"expected bitpix {dtype.itemsize * 8} for datatype {code}, found {found}", "nifti-type")
    return dtype


def _offset(header: Header) -> int:
    offset = float(header["vox_offset"])
    if not (offset.is_integer() and 352 <= offset <= MAX_EXTENSIONS):
        raise _refused(f"expected vox_offset from 352 to {MAX_EXTENSIONS}, found {offset}", "nifti-header")
    return int(offset)


def _refuse_bomb(size: int, on_disk: int, *, zipped: bool) -> None:
    if size > MAX_BYTES:
        raise _refused(f"expected at most {MAX_BYTES >> 20} MiB of voxels, found {size >> 20} MiB", "nifti-too-large")
    if size > on_disk * MAX_DEFLATE:
        raise _refused(f"{on_disk} bytes on disk can't hold the {size} that its header claims", "nifti-truncated")
    if zipped and size > max(SMALL, on_disk * MAX_RATIO):
        found = (
            f"{on_disk} gzipped bytes hold {size >> 20} MiB of voxels (limit: {SMALL >> 20} MiB or {MAX_RATIO} to 1)"
        )
        raise _refused(f"{found}; save it without compression", "nifti-bomb")


def _rescale(header: Header) -> Rescale:
    """scl_slope 0 (or NaN, as some writers leave it) means no scaling, by the standard."""
    slope, inter = float(header["scl_slope"]), float(header["scl_inter"])
    if slope == 0 or np.isnan(slope):
        return Rescale()
    if not usable_rescale(slope, inter):
        found = f"found {slope:g} / {inter:g}"
        raise _refused(f"expected a finite scl_slope and scl_inter up to 1e30, {found}", "nifti-header")
    return Rescale(slope, inter)


def _new_header(volume: Volume) -> npt.NDArray[np.void]:
    codes = {np.dtype(t): code for code, t in DATATYPES.items()}
    dtype = volume.stored.dtype.newbyteorder("=")
    if dtype not in codes:
        raise WriteError(f"NIfTI file: expected one of {[d.name for d in codes]}, found {dtype.name}")
    affine = writable_affine(volume.geometry)
    slope, intercept = _writable_rescale(volume)
    k, i, j = volume.geometry.shape
    quaternion, qfac = quaternion_of(affine[:3, :3])
    header = np.zeros((), HEADER)
    header["sizeof_hdr"], header["regular"], header["magic"] = 348, b"r", b"n+1"
    header["dim"] = (3, j, i, k, 1, 1, 1, 1)
    header["datatype"], header["bitpix"], header["vox_offset"] = codes[dtype], dtype.itemsize * 8, 352
    header["pixdim"] = (qfac, *np.linalg.norm(affine[:3, :3], axis=0), 0, 0, 0, 0)
    header["scl_slope"], header["scl_inter"], header["xyzt_units"] = slope, intercept, 2
    header["descrip"] = f"SYNTHETIC medaug {__version__}"[:79].encode()
    header["qform_code"] = header["sform_code"] = 1
    header["quatern"], header["qoffset"], header["srow"] = quaternion, affine[:3, 3], affine[:3]
    return header


def _writable_rescale(volume: Volume) -> tuple[float, float]:
    first = volume.rescale[0]
    if volume.inverted or any(r != first for r in volume.rescale):
        raise WriteError("NIfTI file: expected one rescale for all slices and no inverted greys; write DICOM instead")
    if (float(np.float32(first.slope)), float(np.float32(first.intercept))) != (first.slope, first.intercept):
        raise WriteError(f"NIfTI file: slope {first.slope}, intercept {first.intercept} don't fit its float32 fields")
    return first.slope, first.intercept


def _compare(written: Volume, found: Volume) -> None:
    scales = [(v.rescale[0].slope, v.rescale[0].intercept) for v in (written, found)]
    same = found.stored.dtype == written.stored.dtype.newbyteorder("=") and scales[0] == scales[1]
    if not (same and found.geometry.close_to(written.geometry, 1e-2) and np.array_equal(found.stored, written.stored)):
        raise WriteError("NIfTI file: what was written did not read back equal; check the disk")
