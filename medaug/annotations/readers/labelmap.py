"""NIfTI and NRRD label maps: matched by where their voxels are, one box per value and connected component."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from medaug.annotations.matching.by_position import together
from medaug.annotations.matching.components import component_spans
from medaug.annotations.matching.grid_alignment import Step, between
from medaug.annotations.matching.label_map_names import Alike, Names
from medaug.annotations.model import Images, Marked, Note, Placed, joined
from medaug.annotations.parsing import read_text, text
from medaug.errors import AnnotationError, ReadError
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Float64, Shape
from medaug.imaging.volume import Volume
from medaug.processes import decoder

SUFFIXES = (".nii", ".nii.gz", ".nrrd")
MAX_BYTES = 4 << 30  # decoded voxels
MAX_VALUE = 65_535
MAX_VALUES = 256  # different values; more is an image, not a label map
MAX_HEADER = 64 << 10  # bytes of NRRD text
MAX_SIDECAR = 1 << 20  # bytes

Values = npt.NDArray[np.int32]
Fits = tuple[tuple[Volume, Step], ...]


@dataclass(frozen=True, eq=False)
class Claim:
    """A label map before its voxels are read.

    Attributes:
        path: the file.
        where: how messages name it.
        reader: SimpleITK's, with the header read.
        fits: volumes that share its voxels; only those named like it, where any file is.
        alike: the files that it is named like, which need not be volumes.
    """

    path: Path
    where: str
    reader: Any
    fits: tuple[tuple[Volume, Step], ...]
    alike: Alike

    @property
    def keys(self) -> frozenset[str]:
        """The volumes' keys."""
        return frozenset(volume.source.key for volume, _ in self.fits)


@dataclass(frozen=True, eq=False)
class Claims:
    """All maps of a folder together, by the key of the volume that they may belong to.

    Attributes:
        named: for maps that are named like the volume, their best score and the folders they lie in.
        unnamed: how many others there are.
    """

    named: dict[str, tuple[int, frozenset[Path]]]
    unnamed: Counter[str]

    @classmethod
    def of(cls, claims: Sequence[Claim]) -> Claims:
        """Collect them."""
        named: dict[str, tuple[int, frozenset[Path]]] = {}
        for claim in claims:
            for key in claim.keys if claim.alike.files else ():
                best, lie = named.get(key, (-1, frozenset()))
                if claim.alike.score >= best:
                    own = frozenset((claim.path.parent,))
                    named[key] = (claim.alike.score, own | lie if claim.alike.score == best else own)
        return cls(named, Counter(key for claim in claims if not claim.alike.files for key in claim.keys))


def read(path: Path, images: Images) -> Placed:
    """Boxes of one label map, or of every one below a folder that is not itself one of the volumes.

    A map belongs to the volume whose voxels it shares. Where several volumes do, they must be of one series, or of one
    study and frame of reference; NIfTI has neither, so there the file's name decides, and of several images with one
    name the one whose folders fit best. Names of classes come from a JSON beside the map with the same stem,
    ``{"1": "tumour"}``, else value 1 is ``label-1``.

    Raises:
        AnnotationError: not a label map, or (a single file) on no volume's voxels, or named like a NIfTI volume but
            not on its voxels.
    """
    return joined(tuple(_placed(claim, *meant) for claim, meant in _certain(path, images)))


def masks(path: Path, images: Images) -> Iterator[Marked]:
    """What `read` makes boxes of, as masks on the volumes.

    Raises:
        AnnotationError: as `read`.
    """
    for claim, (code, fits) in _certain(path, images):
        values, names = _values(claim), _names(claim.path, claim.where)
        for volume, step in () if code else fits:
            for value in np.unique(values[values != 0]).tolist():
                marked, points = (
                    np.zeros(volume.geometry.shape, dtype=np.bool_),
                    step.points(np.argwhere(values == value)),
                )
                inside = points[((points >= 0) & (points < marked.shape)).all(axis=1)]
                marked[tuple(inside.T)] = True
                if len(inside):
                    yield Marked(volume.source.key, names.get(value, f"label-{value}"), marked)


def _certain(path: Path, images: Images) -> list[tuple[Claim, tuple[str, Fits]]]:
    """Every map with a code for why it isn't certain whose it is, or ``""``, and the volumes that are meant."""
    files = map_files(path, images.volumes) if path.is_dir() else [path]
    names = Names.of(images, files)
    wheres = [f"label map {n}" if path.is_dir() else "label map" for n in range(len(files))]
    claims = [_claim(file, images.volumes, names, where) for file, where in zip(files, wheres, strict=True)]
    if path.is_file() and not claims[0].fits and not claims[0].alike.files:
        if not images.volumes:
            return [(claims[0], ("no-image", ()))]
        raise AnnotationError(
            f"label map: expected the voxels of one of the {len(images.volumes)} series that are used, found none on "
            "the same grid in patient space (within 0.1 voxel); resample it onto its image",
            code="grid-differs",
        )
    every = Claims.of(claims)
    return [(claim, (_named if claim.alike.files else _unnamed)(claim, every)) for claim in claims]


def map_files(folder: Path, volumes: Sequence[Volume]) -> list[Path]:
    """The label maps below a folder, in order."""
    images = {file.resolve() for volume in volumes for file in volume.source.files}
    found = sorted(p for p in folder.rglob("*") if p.name.lower().endswith(SUFFIXES) and p.is_file())
    return [p for p in found if p.resolve() not in images]


def _claim(path: Path, volumes: Sequence[Volume], names: Names, where: str) -> Claim:
    reader = _header(path, where)
    affine, shape = _grid(reader)
    fits = [(volume, step) for volume in volumes if (step := between(affine, shape, volume.geometry)) is not None]
    alike = names.like(path)
    if alike.files:
        meant = [volume for volume in volumes if str(volume.source.files[0]) in alike.files]
        fits = [(volume, step) for volume, step in fits if str(volume.source.files[0]) in alike.files]
        if meant and not fits:
            raise AnnotationError(
                f"{where}: is named like a series but lies on another grid; resample it onto its image"
            )
        elsewhere = {str(volume.source.files[0]) for volume in meant} - {str(v.source.files[0]) for v, _ in fits}
        alike = Alike(tuple(file for file in alike.files if file not in elsewhere), alike.score)
    return Claim(path, where, reader, tuple(fits), alike)


def _placed(claim: Claim, code: str, fits: Fits) -> Placed:
    """Boxes of one map, once it is certain whose they are."""
    keys = frozenset(volume.source.key for volume, _ in fits)
    if code:
        return Placed(unsure=keys, notes=(Note(code, claim.where),))
    values, names = _values(claim), _names(claim.path, claim.where)
    boxes = [(v.source.key, b) for v, step in fits for b in _boxes(values, step, v.geometry.shape, names, claim.where)]
    return Placed(tuple(boxes), keys)


def _named(claim: Claim, claims: Claims) -> tuple[str, Fits]:
    """A map with a name gives way to one nearer to the image, and of equally near folders none is believed."""
    if len({Path(file).parent for file in claim.alike.files}) > 1:
        return ("several-images" if claim.fits else "left-out"), claim.fits
    rivals = [claims.named[key] for key in claim.keys]
    if not rivals:
        return "left-out", ()
    if max(score for score, _ in rivals) > claim.alike.score:
        return "no-image", ()
    if any(len(lie) > 1 for _, lie in rivals):
        return "several-maps", claim.fits
    return "", claim.fits


def _unnamed(claim: Claim, claims: Claims) -> tuple[str, Fits]:
    """Many NIfTI sets have the same affine in every file, so a map that isn't named like its volume proves little.

    It gives way to one that is, and two such maps on one volume are refused.
    """
    fits = tuple((volume, step) for volume, step in claim.fits if volume.source.key not in claims.named)
    if not fits:
        return ("no-image" if claim.fits else "grid-differs"), ()
    if not together([volume for volume, _ in fits]):
        return "several-images", fits
    if any(v.source.format in {"nifti", "nrrd"} and claims.unnamed[v.source.key] > 1 for v, _ in fits):
        return "several-maps", fits
    return "", fits


def _boxes(values: Values, step: Step, limit: Shape, names: dict[int, str], where: str) -> list[Box]:
    """Components are sought in the part that lies on the volume, which may be one slice of the label map."""
    size = np.array(values.shape)
    corners = np.array([(0, 0, 0), np.array(limit) - 1])
    # steps is a signed permutation here, so its transpose is its inverse
    source = (corners - step.origin) @ step.steps
    low, high = np.maximum(source.min(axis=0), 0), np.minimum(source.max(axis=0) + 1, size)
    part = values[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]
    boxes = []
    for value in np.unique(part[part != 0]).tolist():
        label = names.get(value, f"label-{value}")
        for n, (start, stop) in enumerate(component_spans(part == value, where), 1):
            edges = step.span(np.add(start, low), np.add(stop, low))
            box = enclosing(*edges, limit, label, f"{value}.{n}")
            assert box is not None  # the part lies on the volume
            boxes.append(box)
    return boxes


def _header(path: Path, where: str) -> Any:
    """A SimpleITK reader that has read the header only and found it harmless."""
    import SimpleITK

    if path.name.lower().endswith(".nrrd"):
        _check_nrrd(path, where)
    SimpleITK.ProcessObject.SetGlobalWarningDisplay(False)  # ITK's warnings on stderr quote the path
    reader = SimpleITK.ImageFileReader()
    reader.SetFileName(str(path))
    try:
        reader.ReadImageInformation()
    except RuntimeError:
        raise AnnotationError(f"{where}: expected a NIfTI or NRRD file, found something else; check the file") from None
    dimension, parts = reader.GetDimension(), reader.GetNumberOfComponents()
    if dimension != 3 or parts != 1:
        found = f"{dimension} dimensions with {parts} values per voxel"
        raise AnnotationError(f"{where}: expected 3 dimensions with one value per voxel, found {found}; split it")
    size = int(np.prod(reader.GetSize(), dtype=object)) * 8
    if size > MAX_BYTES:
        raise AnnotationError(f"{where}: expected at most {MAX_BYTES >> 20} MiB, its header claims {size >> 20} MiB")
    return reader


def _check_nrrd(path: Path, where: str) -> None:
    """Refuse a header that points to another file, or that doesn't say which way its axes go."""
    with path.open("rb") as file:
        lines = file.read(MAX_HEADER).split(b"\n\n", 1)[0].lower()
    if not lines.startswith(b"nrrd") or re.search(rb"^data ?file:", lines, re.MULTILINE):
        raise AnnotationError(f"{where}: expected an NRRD with its data inside; save it as one file")
    spaces = rb"^space: *(left-posterior|right-anterior|left-anterior|lps|ras|las)(-superior)?\s*$"
    if not re.search(spaces, lines, re.MULTILINE):
        raise AnnotationError(f"{where}: expected 'space: left-posterior-superior' or the like, found no patient space")


def _grid(reader: Any) -> tuple[Float64, Shape]:
    """Affine (k, i, j) → LPS mm, and shape. SimpleITK has turned RAS into LPS already, for both formats."""
    axes = np.array(reader.GetDirection()).reshape(3, 3) * reader.GetSpacing()
    affine = np.eye(4)
    affine[:3, :3], affine[:3, 3] = axes[:, ::-1], reader.GetOrigin()
    j, i, k = (int(n) for n in reader.GetSize())
    return affine, (k, i, j)


def _values(claim: Claim) -> Values:
    import SimpleITK

    where, reader = claim.where, claim.reader
    try:
        values = _apart(claim) if _compressed(claim.path) else SimpleITK.GetArrayFromImage(reader.Execute())
    except ReadError as error:
        if error.code in {"decoder-limits", "decoder-died"}:
            raise AnnotationError(f"{where}: {error}", code=error.code) from None
        raise AnnotationError(f"{where}: its voxels can't be read; the file is damaged or cut short") from None
    except RuntimeError:
        raise AnnotationError(f"{where}: its voxels can't be read; the file is damaged or cut short") from None
    found = np.unique(values)
    if not np.isfinite(found).all() or (found != np.rint(found)).any() or found[0] < 0 or found[-1] > MAX_VALUE:
        raise AnnotationError(f"{where}: expected whole numbers from 0 to {MAX_VALUE}; is it an image?")
    if found.size > MAX_VALUES:
        raise AnnotationError(f"{where}: expected at most {MAX_VALUES} values, found {found.size}; is it an image?")
    return np.asarray(values.astype(np.int32))


def _compressed(path: Path) -> bool:
    """Whether a few bytes may become many: a name decides as it does for SimpleITK, and in an NRRD the encoding."""
    name = path.name.lower()
    if not name.endswith(".nrrd"):
        return name.endswith(".gz")
    with path.open("rb") as file:
        lines = file.read(MAX_HEADER).split(b"\n\n", 1)[0].lower()
    return not re.search(rb"^encoding: *raw\s*$", lines, re.MULTILINE)


def _apart(claim: Claim) -> npt.NDArray[Any]:
    """Compressed voxels, inflated in a process of their own, see `apart`."""
    _, shape = _grid(claim.reader)
    voxels = math.prod(shape)
    facts = {"path": str(claim.path.resolve()), "voxels": voxels}
    said, cells = decoder.ask("labelmap", facts, b"", pixels=voxels, most=8 * voxels)
    return np.frombuffer(cells, dtype=np.dtype(said["dtype"])).reshape(shape)


def _names(path: Path, where: str) -> dict[int, str]:
    """Value → name from the sidecar; keys that are no numbers belong to somebody else's format."""
    base = re.sub(r"\.(nii\.gz|nii|nrrd)$", "", path.name, flags=re.IGNORECASE)
    sidecar = path.with_name(f"{base}.json")
    if not sidecar.is_file():
        return {}
    try:
        content = json.loads(read_text(sidecar, f"{where}, names", MAX_SIDECAR))
    except (ValueError, RecursionError):
        raise AnnotationError(f"{where}, names: expected JSON; check the file") from None
    if not isinstance(content, dict):
        raise AnnotationError(f'{where}, names: expected an object such as {{"1": "tumour"}}')
    return {int(key): text(name, f"{where}, names", "every value") for key, name in content.items() if key.isdecimal()}
