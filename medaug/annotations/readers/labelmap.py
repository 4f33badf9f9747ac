"""NIfTI and NRRD label maps: matched by where their voxels are, one box per value and connected component."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from medaug.annotations.folder_files import files_below
from medaug.annotations.matching.by_position import share_patient_frame
from medaug.annotations.matching.connected_components import component_spans
from medaug.annotations.matching.grid_alignment import Step, between
from medaug.annotations.matching.label_map_names import BY_FOLDER, SUFFIXES, ImageNames, NameMatch, match_by_folder
from medaug.annotations.model import ClassMask, Images, ReaderResult, joined, withheld
from medaug.annotations.parsing import parsed, text
from medaug.errors import AnnotationError, ReadError
from medaug.formats.registry import LabelReader, volumetric_format
from medaug.imaging.boxes import Box, enclosing
from medaug.imaging.geometry import Shape
from medaug.imaging.volume import Volume

MAX_VALUE = 65_535
MAX_VALUES = 256  # different values; more is an image, not a label map
MAX_SIDECAR = 1 << 20  # bytes
SUFFIX = re.compile(r"\.(nii\.gz|nii|nrrd)$", re.IGNORECASE)
STRUCTURE = re.compile(r"[A-Za-z][A-Za-z0-9_ -]{0,63}")

Values = npt.NDArray[np.int32]
Fits = tuple[tuple[Volume, Step], ...]


@dataclass(frozen=True, eq=False)
class LabelMap:
    """A label map before its voxels are read.

    Attributes:
        path: the file.
        where: how messages name it.
        fits: volumes that share its voxels; only those named like it, where any file is.
        name_match: the files that it is named like, which need not be volumes.
        meant: the volumes among them.
        fault: why its header can't be used, or "".
        structure: what it marks by its file's name, where it is one of several maps without an image's name.
    """

    path: Path
    where: str
    fits: Fits
    name_match: NameMatch
    meant: tuple[Volume, ...] = ()
    fault: str = ""
    structure: str = ""

    @property
    def keys(self) -> frozenset[str]:
        """The keys of the volumes that share its voxels."""
        return frozenset(volume.source.key for volume, _ in self.fits)


@dataclass(frozen=True, eq=False)
class LabelMaps:
    """All maps of a folder together, by the key of the volume that they may belong to.

    Attributes:
        named: for maps that are named like the volume, their best score and the folders they lie in.
        unnamed: how many others there are.
    """

    named: dict[str, tuple[int, frozenset[Path]]]
    unnamed: Counter[str]

    @classmethod
    def of(cls, maps: Sequence[LabelMap]) -> LabelMaps:
        """Collect them."""
        named: dict[str, tuple[int, frozenset[Path]]] = {}
        for one in maps:
            for key in one.keys if one.name_match.files else ():
                best, lie = named.get(key, (-1, frozenset()))
                if one.name_match.score >= best:
                    own = frozenset((one.path.parent,))
                    named[key] = (one.name_match.score, own | lie if one.name_match.score == best else own)
        return cls(named, Counter(key for one in maps if not one.name_match.files for key in one.keys))


def read(path: Path, images: Images) -> ReaderResult:
    """Boxes of one label map, or of every one below a folder that is not itself one of the volumes.

    A map is read by the reader of images of its format, with that reader's refusals. It belongs to the volume whose
    voxels it shares. Where several volumes do, they must be of one series, or of one study and frame of reference;
    NIfTI has neither, so there the file's name decides, and of several images with one name the one whose folders fit
    best. Names of classes come from a JSON beside the map with the same stem, ``{"1": "tumour"}``; else a folder's map
    of one structure on a volume that has several such maps is called like its file, and value 1 of others ``label-1``.

    A map that can't be used withholds the volumes that it is named like, or else all that it may mark.

    Raises:
        AnnotationError: a single file that no reader takes and that is named like no image, or on no volume's voxels.
    """
    certain = _certain(path, images)
    named = frozenset(key for one, _ in certain if one.name_match.files for key in one.keys)
    others = [volume for volume in images.volumes if volume.source.key not in named]
    return joined(tuple(_placed(one, *meant, others) for one, meant in certain))


def masks(path: Path, images: Images) -> Iterator[ClassMask]:
    """What `read` makes boxes of, as masks on the volumes.

    Raises:
        AnnotationError: as `read`, and where a map's voxels can't be used.
    """
    for one, (code, fits) in _certain(path, images):
        if code or not fits:
            continue
        values = _values(one)
        names = _labels(one, values)
        for volume, step in fits:
            for value in np.unique(values[values != 0]).tolist():
                marked = np.zeros(volume.geometry.shape, dtype=np.bool_)
                points = step.points(np.argwhere(values == value))
                inside = points[((points >= 0) & (points < marked.shape)).all(axis=1)]
                marked[tuple(inside.T)] = True
                if len(inside):
                    yield ClassMask(volume.source.key, names.get(value, f"label-{value}"), marked)


def _certain(path: Path, images: Images) -> list[tuple[LabelMap, tuple[str, Fits]]]:
    """Every map with a code for why it isn't certain whose it is, or ``""``, and the volumes that are meant."""
    files = map_files(path, images) if path.is_dir() else [path]
    names = ImageNames.of(images, files)
    wheres = [f"label map {n}" if path.is_dir() else "label map" for n in range(len(files))]
    maps = [_label_map(file, images.volumes, names, where) for file, where in zip(files, wheres, strict=True)]
    if path.is_file() and not maps[0].fits and not maps[0].name_match.files:
        if maps[0].fault:
            raise AnnotationError(maps[0].fault)
        if not images.volumes:
            return [(maps[0], ("no-image", ()))]
        raise AnnotationError(
            f"label map: expected the voxels of one of the {len(images.volumes)} series that are used, found none on "
            "the same grid in patient space (within 0.1 voxel); resample it onto its image",
            code="grid-differs",
        )
    every = LabelMaps.of(maps)
    return [(one, _fits(one, every)) for one in _structures(maps)]


def _structures(maps: Sequence[LabelMap]) -> Iterator[LabelMap]:
    """One file a structure, as TotalSegmentator writes them: the file's name is the only one that there is."""
    counts = Counter(
        key for one in maps if one.name_match.score == BY_FOLDER or not one.name_match.files for key in one.keys
    )
    for one in maps:
        own = one.name_match.score == BY_FOLDER or not one.name_match.files
        several = own and any(counts[key] > 1 for key in one.keys)
        name = SUFFIX.sub("", one.path.name)
        yield replace(one, structure=name) if several and STRUCTURE.fullmatch(name) else one


def _fits(one: LabelMap, maps: LabelMaps) -> tuple[str, Fits]:
    """A code for why it isn't certain whose a map is, or ``""``, and the volumes that it may mark."""
    if one.fault and not one.name_match.files:
        return "bad-entry", ()
    return (_named if one.name_match.files else _unnamed)(one, maps)


def map_files(folder: Path, images: Images) -> list[Path]:
    """The label maps below a folder, in order: no volume, and no other image of INPUT."""
    taken = {file.resolve() for volume in images.volumes for file in volume.source.files}
    taken |= {file.resolve() for file in images.known}
    maps = [p for p in files_below(folder).files if p.name.lower().endswith(SUFFIXES)]
    return [p for p in maps if p.resolve() not in taken]


def _label_map(path: Path, volumes: Sequence[Volume], names: ImageNames, where: str) -> LabelMap:
    name_match = names.match(path)
    meant = tuple(volume for volume in volumes if str(volume.source.files[0]) in name_match.files)
    try:
        grid = _reader(path).geometry(path.resolve())
    except ReadError as error:
        return LabelMap(path, where, (), name_match, meant, f"{where}: {error}")
    candidates = meant if name_match.files else volumes
    fits = tuple((v, step) for v in candidates if (step := between(grid.affine, grid.shape, v.geometry)) is not None)
    if meant and not fits:
        fault = f"{where}: is named like a series but lies on another grid; resample it onto its image"
        return LabelMap(path, where, (), name_match, meant, fault)
    if not name_match.files:
        name_match = match_by_folder(
            path, (str(v.source.files[0]) for v, _ in fits if v.source.format in {"nifti", "nrrd"})
        )
        nearest = tuple((volume, step) for volume, step in fits if str(volume.source.files[0]) in name_match.files)
        return LabelMap(path, where, nearest or fits, name_match)
    elsewhere = {str(volume.source.files[0]) for volume in meant} - {str(v.source.files[0]) for v, _ in fits}
    name_match = NameMatch(tuple(file for file in name_match.files if file not in elsewhere), name_match.score)
    return LabelMap(path, where, fits, name_match, meant)


def _reader(path: Path) -> LabelReader:
    found = volumetric_format(path)
    if found is None or found.labels is None:
        raise ReadError("expected a NIfTI or NRRD file by its name, found another; rename or convert it")
    return found.labels


def _placed(one: LabelMap, code: str, fits: Fits, others: Sequence[Volume]) -> ReaderResult:
    """Boxes of one map, once it is certain whose they are; ``others`` are the volumes that no map is named like."""
    if one.fault:
        return withheld(one.meant if one.name_match.files else others, "bad-entry", one.fault)
    if code:
        return withheld((volume for volume, _ in fits), code, one.where)
    try:
        values = _values(one)
        names = _labels(one, values)
        boxes = [
            (v.source.key, b) for v, step in fits for b in _boxes(values, step, v.geometry.shape, names, one.where)
        ]
    except AnnotationError as error:
        return withheld((volume for volume, _ in fits), "bad-entry", str(error))
    return ReaderResult(tuple(boxes), frozenset(volume.source.key for volume, _ in fits))


def _named(one: LabelMap, maps: LabelMaps) -> tuple[str, Fits]:
    """A map with a name gives way to one nearer to the image, and of equally near folders none is believed."""
    if len({Path(file).parent for file in one.name_match.files}) > 1:
        return ("several-images" if one.fits else "left-out"), one.fits
    rivals = [maps.named[key] for key in one.keys]
    if not rivals:
        return "left-out", ()
    if max(score for score, _ in rivals) > one.name_match.score:
        return "no-image", ()
    if any(len(lie) > 1 for _, lie in rivals):
        return "several-maps", one.fits
    return "", one.fits


def _unnamed(one: LabelMap, maps: LabelMaps) -> tuple[str, Fits]:
    """Many NIfTI sets have the same affine in every file, so a map that isn't named like its volume proves little.

    It gives way to one that is, and two such maps on one volume are refused.
    """
    fits = tuple((volume, step) for volume, step in one.fits if volume.source.key not in maps.named)
    if not fits:
        return ("no-image" if one.fits else "grid-differs"), ()
    if not share_patient_frame([volume for volume, _ in fits]):
        return "several-images", fits
    if any(v.source.format in {"nifti", "nrrd"} and maps.unnamed[v.source.key] > 1 for v, _ in fits):
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
            assert isinstance(box, Box)  # the part lies on the volume
            boxes.append(box)
    return boxes


def _values(one: LabelMap) -> Values:
    where = one.where
    try:
        values = _reader(one.path).values(one.path.resolve())
    except ReadError as error:
        raise AnnotationError(f"{where}: {error}") from None
    found = np.unique(values)
    if (found != np.rint(found)).any() or found[0] < 0 or found[-1] > MAX_VALUE:
        raise AnnotationError(f"{where}: expected whole numbers from 0 to {MAX_VALUE}; is it an image?")
    if found.size > MAX_VALUES:
        raise AnnotationError(f"{where}: expected at most {MAX_VALUES} values, found {found.size}; is it an image?")
    return np.asarray(values.astype(np.int32))


def _labels(one: LabelMap, values: Values) -> dict[int, str]:
    """Value → name: of the sidecar, or the structure's where the map marks one."""
    marked = np.unique(values[values != 0]).tolist()
    if one.structure and len(marked) == 1 and not _sidecar(one.path).is_file():
        return {marked[0]: one.structure.strip()}
    return _names(one.path, one.where)


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{SUFFIX.sub('', path.name)}.json")


def _names(path: Path, where: str) -> dict[int, str]:
    """Value → name from the sidecar; keys that are no numbers belong to somebody else's format."""
    sidecar, where = _sidecar(path), f"{where}, names"
    if not sidecar.is_file():
        return {}
    content = parsed(sidecar, where, MAX_SIDECAR)
    if not isinstance(content, dict):
        raise AnnotationError(f'{where}: expected an object such as {{"1": "tumour"}}')
    numbered = {key: name for key, name in content.items() if key.isdecimal() and len(key) <= len(str(MAX_VALUE))}
    return {int(key): text(name, where, "every value") for key, name in numbered.items()}
